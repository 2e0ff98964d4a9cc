"""What is known of the logs that a storm ended badly for: a failure is not the same again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tailrace.ledger import decode_ledger
from tailrace.ledger_topic import LedgerEntry
from tailrace.wire import AgentLedger
from tests.end_to_end.storm.agent import StruckAgent
from tests.end_to_end.storm.disk import DiskFiles

LINES_MAX = 200
"""The last ones are shown: what a test prints is cut from its beginning."""
_LOG = re.compile(r"\w+/(\w+)")
"""A problem names host and log first (`Indexed`)."""
_LIFE = re.compile(r"life (\d+)")
_GENERATION = re.compile(r"generation ([0-9a-f]{6})|([0-9a-f]{6})@\d+")


def evidence_of(
    problems: Sequence[str],
    *,
    files: DiskFiles,
    agent: StruckAgent,
    entries: Sequence[LedgerEntry],
) -> str:
    """Return the problems, and what was done to these logs, and what the agent said of them.

    The narrower what a problem names, the further at the end stands what is known of it.
    """
    if not problems:
        return ""
    text = "\n".join(problems)
    logs = set(_LOG.findall(text))
    lives = {f"life {number}:" for number in _LIFE.findall(text)}
    generations = {a or b for a, b in _GENERATION.findall(text)}
    of_logs = [line for line in files.journal if line[1] in logs]
    words = list(_words(entries))
    lines = [
        *(f"{at} {told}" for at, _, told in of_logs),
        *(_shown(e, w) for e, w in words if not logs.isdisjoint(_parts(w.path))),
        f"lives of the agent: {agent.lives_ms}",
        f"restored from: {dict(agent.restored_from)}",
        *(f"{at} {told}" for at, _, told in of_logs if told.startswith(tuple(lives))),
        *(_shown(e, w) for e, w in words if w.generation[:6] in generations),
    ]
    return "\n".join([*problems, *lines[-LINES_MAX:]])


def _words(entries: Sequence[LedgerEntry]) -> Iterator[tuple[LedgerEntry, AgentLedger]]:
    for entry in entries:
        record = decode_ledger(entry.value) if entry.value else None
        if isinstance(record, AgentLedger):
            yield entry, record


def _parts(path: str) -> list[str]:
    return re.split(r"\W+", path)


def _shown(entry: LedgerEntry, word: AgentLedger) -> str:
    """Return what tells one word of a generation from the next, on one short line."""
    said = {
        "rev": word.revision,
        "path": Path(word.path).name,
        "first": Path(word.first_path).name,
        "inode": word.identity.inode,
        "cut": word.identity.truncation_count,
        "born": word.identity.born_at_ns,
        "anchor": word.placement.anchor_ms,
        "head": f"{word.head_size_bytes}:{word.head_hash[:6]}",
        "next": f"{word.next_offset}#{word.next_event_number}",
        "seen": word.seen_size_bytes,
        "lost": sum(word.lost_bytes.values()),
        "copied": word.copied and word.copied.offset,
        "held_by": word.held_by and str(word.held_by)[:60],
        "archive": word.archive_size_bytes,
        "repeatable": word.repeatable_bytes,
        "rebuilt": word.identity_rebuilt,
        "orphaned": word.is_orphaned,
        "closed": word.is_closed,
        "told": word.updated_at_ms,
    }
    told = " ".join(f"{name}={value}" for name, value in said.items() if value)
    return f"{entry.partition}@{entry.offset} {word.generation[:6]} {told}"
