"""A real leader in a process of its own, which stops itself at one place of its work.

Run as `python -m tests.indexer.frozen_leader PLACE`. It stops as a process does that a
debugger, a snapshot of its machine or a laptop's lid freezes: at `counted`, when it has
counted an index that it is about to write off, or at `delete`, when it has written it off
and is about to delete it. Woken, it goes on in the middle of that.
"""

from __future__ import annotations

import signal
import sys
import threading

from tailrace.ledger import RetentionLedger
from tailrace.log import logger
from tailrace.settings import read_connections
from tailrace_indexer import expiry, lead_work
from tailrace_indexer.config import IndexerSettings
from tailrace_indexer.event_indices import EventIndices
from tailrace_indexer.leader import RetentionLeader

SESSION_MS = 4_000
"""The shortest that the embedded ZooKeeper grants."""


class StoppingIndices(EventIndices):
    """The real indices; the process stops where it was told to."""

    place = ""

    def counted(self, index: str) -> list[RetentionLedger]:
        found = super().counted(index)
        self._pass("counted")
        return found

    def delete(self, index: str) -> None:
        self._pass("delete")
        super().delete(index)

    def _pass(self, place: str) -> None:
        if place == StoppingIndices.place:
            StoppingIndices.place = ""
            # To this thread: sent to the process, another may take it, and this one goes
            # on for as long as it takes to send a request.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def main() -> None:
    """Lead until SIGTERM comes."""
    StoppingIndices.place = sys.argv[1]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stop.set())
    connections = read_connections()
    # Without workers that read it, a floor need not be waited for.
    expiry.FLOOR_READ_MS = 0
    lead_work.EventIndices = StoppingIndices
    leader = RetentionLeader(
        connections,
        group=f"{connections.namespace}-indexer",
        settings=IndexerSettings(disk_quota_bytes=1, retention_check_ms=1_000),
        is_expired=lambda _index: False,
        log=logger("indexer"),
        session_ms=SESSION_MS,
    )
    leader.start()
    stop.wait()
    leader.stop()


if __name__ == "__main__":
    main()
