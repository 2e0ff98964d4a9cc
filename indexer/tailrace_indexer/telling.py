"""The ledger's word before a commit: acknowledged, or the commit waits and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.clock import Clock
from tailrace.ledger import IndexerLedger
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.contracts import LedgerSink
from tailrace_indexer.outcomes import Reason

SUBJECT = "ledger"
RETRY_MS_MIN = 1_000
RETRY_MS_MAX = 30_000
"""A writing that fails can hold the loop for ten seconds: the longer it lasts, the rarer it
is tried, so that documents go on."""
RECORDS_MAX = 5_000
"""In one writing, so that the loop is never away from Kafka's group for long."""


class Telling:
    """Sends what the indexer says of generations, and knows when to try again."""

    def __init__(self, sink: LedgerSink, *, clock: Clock, alarms: Alarms) -> None:
        self._sink = sink
        self._clock = clock
        self._alarms = alarms
        self._not_before_ms = 0
        self._wait_ms = RETRY_MS_MIN

    def tell(self, records: Sequence[IndexerLedger]) -> bool:
        """Send records; True once Kafka has all of them, False to ask again."""
        if not records:
            return True
        if self._clock.monotonic_ms() < self._not_before_ms:
            return False
        for first in range(0, len(records), RECORDS_MAX):
            if not self._sink.write(records[first : first + RECORDS_MAX]):
                self._refused()
                return False
        self._wait_ms = RETRY_MS_MIN
        self._alarms.clear(SUBJECT, now_ms=self._clock.now_ms())
        return True

    def _refused(self) -> None:
        self._not_before_ms = self._clock.monotonic_ms() + self._wait_ms
        self._wait_ms = min(self._wait_ms * 2, RETRY_MS_MAX)
        self._alarms.sound(
            SUBJECT,
            reason=Reason.UNREACHABLE.value,
            detail="Kafka does not take ledger records; documents go on, commits wait",
            now_ms=self._clock.now_ms(),
        )
