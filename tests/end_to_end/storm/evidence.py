"""What is known of the logs that a storm ended badly for: a failure is not the same again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tailrace.ledger import decode_ledger
from tailrace.ledger_topic import LedgerEntry
from tailrace.wire import AgentLedger
from tests.end_to_end.storm.agent import StruckAgent
from tests.end_to_end.storm.disk import DiskFiles

LINES_MAX = 400
"""The last ones are shown: what a test prints is cut from its beginning."""
_LOG = re.compile(r"\w+/(\w+)")
"""A problem names host and log first (`Indexed`)."""


def evidence_of(
    problems: Sequence[str],
    *,
    files: DiskFiles,
    agent: StruckAgent,
    entries: Sequence[LedgerEntry],
) -> str:
    """Return the problems, and what was done to these logs, and what the agent said of them."""
    if not problems:
        return ""
    logs = {found for one in problems for found in _LOG.findall(one)}
    lines = [
        f"lives of the agent: {agent.lives_ms}",
        *(f"{at} {told}" for at, log, told in files.journal if log in logs),
        *_told(entries, logs=logs),
    ]
    return "\n".join([*problems, *lines[-LINES_MAX:]])


def _told(entries: Sequence[LedgerEntry], *, logs: set[str]) -> Iterator[str]:
    for entry in entries:
        record = decode_ledger(entry.value) if entry.value else None
        if not isinstance(record, AgentLedger):
            continue
        if not logs.isdisjoint(re.split(r"\W+", record.path)):
            yield f"ledger {entry.partition}@{entry.offset} {record}"
