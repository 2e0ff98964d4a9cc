"""What a record of the ledger looks like as a document: typed fields, and its other figures. Pure.

Whoever reads the index of the ledger and whoever reads its topic go by the same fields.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tailrace.ledger import LedgerRecord
from tailrace.wire import AgentLedger

SEARCHED: Final = {
    "updated_at_ms": "@timestamp",
    "hop": "tailrace.hop",
    "generation": "tailrace.generation",
    "host_name": "host.name",
    "agent_id": "agent.id",
    "path": "log.file.path",
    "dataset": "event.dataset",
    "next_event_number": "tailrace.next_event_number",
    "next_offset": "tailrace.next_offset",
    "seen_size_bytes": "tailrace.seen_size_bytes",
    "observed_at_ms": "tailrace.observed_at_ms",
    "swept_at_ms": "tailrace.swept_at_ms",
    "interval_ms": "tailrace.interval_ms",
}
"""By field of a record, the typed field it is found by; others go to `figures`."""
NOT_SEARCHED: Final = frozenset({"dropped_spans", "event_numbers"})
"""Thousands of numbers that nobody looks for; whoever needs them reads the topic."""
LOST_BYTES = "tailrace.lost_bytes"
FIGURES = "figures"


def ledger_document(record: LedgerRecord) -> dict[str, Any]:
    """Return the document: typed fields beside each other, the rest under `figures`.

    `tailrace.lost_bytes` is a total; where the record has it by reason, the reasons are
    in the figures.
    """
    document: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    fields: dict[str, Any] = msgspec.to_builtins(record)
    for name, value in fields.items():
        if name in SEARCHED:
            document[SEARCHED[name]] = value
        elif name not in NOT_SEARCHED:
            figures[name] = value
    if isinstance(record, AgentLedger):
        document["event.dataset"] = record.placement.dataset
        document[LOST_BYTES] = sum(record.lost_bytes.values())
    elif "lost_bytes" in figures:
        document[LOST_BYTES] = figures.pop("lost_bytes")
    document[FIGURES] = figures
    return document
