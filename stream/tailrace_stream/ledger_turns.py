"""Which records of a lane send their ledger record: of a generation the newest in flight.

Figures are absolute, so the newest record says all that those before it would have said.
While it is in flight it is unacknowledged: a crash makes it come again, and it says so
then. A busy generation always has a later one in flight, so once a second one speaks all
the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tailrace_stream.records import Work

SILENT_MS_MAX = 1_000
"""How long a generation whose records follow one another may go without a word."""


@dataclass(slots=True)
class LedgerTurns:
    """Of each generation in flight: its newest record, and since when nothing was said."""

    _newest: dict[bytes, int] = field(default_factory=dict[bytes, int])
    _silent_since_ms: dict[bytes, int] = field(default_factory=dict[bytes, int])

    def begin(self, work: Work) -> None:
        """Take a record into account whose work is now in flight; in their order."""
        if work.ledger is not None:
            self._newest[work.ledger.key] = work.offset

    def is_due(self, work: Work, *, now_ms: int) -> bool:
        """Tell whether a record is to say its word; asked once of each, in their order."""
        if work.ledger is None:
            return False
        key = work.ledger.key
        if self._newest[key] == work.offset:
            # The last in flight: what was remembered of the generation goes with it.
            del self._newest[key]
            self._silent_since_ms.pop(key, None)
            return True
        since_ms = self._silent_since_ms.setdefault(key, now_ms)
        if now_ms - since_ms < SILENT_MS_MAX:
            return False
        self._silent_since_ms[key] = now_ms
        return True
