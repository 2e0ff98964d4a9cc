"""Which records of earlier files are forgotten: never one whose file may yet be met.

An archive that was recognised is closed and is never written again, so its record is as
old as its recognition, though every sweep sees it. Were it forgotten by its age, all its
lines would be sent once more under a name of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.wire import AgentLedger
from tailrace_agent.delivery import Delivery
from tailrace_agent.discovery import Found
from tailrace_agent.known import KnownGenerations, holder_of, is_truncated
from tailrace_agent.whereabouts import FolderAway, path_of_record

CLOSED_KEPT_MS = 7 * 86_400_000
"""How long a file that is gone from its folder is still known, should it come back."""
ORPHANED_KEPT_MS = 7 * 86_400_000
"""How long a life that has no file is known, should a copy or an archive of it come."""
ENDED_KEPT_MS = 400 * 86_400_000
"""How long a life that a truncation ended is: it counts the lives of a file that may be
empty for long, and the next one must not get the name of the first."""
FIRST_MS = 3_600_000
"""How long after a start nothing is forgotten: an archive that was made while no agent ran
is judged by what is known of its original, and may have to wait for its turn."""
EVERY_MS = 86_400_000
LOOKS_MAX = 50
"""Files that are looked for after one sweep: each costs a listing of its folder."""


def kept_ms(record: AgentLedger) -> int:
    """Return how long a record is kept whose file is not there."""
    if is_truncated(record):
        return ENDED_KEPT_MS
    return ORPHANED_KEPT_MS if record.is_orphaned else CLOSED_KEPT_MS


@dataclass(slots=True)
class Forgetting:
    """Once a day forgets closed files that are old and gone from where they were.

    Age alone is no reason, nor is a clock that jumped: what a sweep found, what stands in
    its folder under any name, and what is on a volume that is away, is kept.
    """

    known: KnownGenerations
    delivery: Delivery
    clock: Clock
    log: FilteringBoundLogger
    _due_ms: int = field(init=False)
    _pending: list[AgentLedger] = field(default_factory=list[AgentLedger])

    def __post_init__(self) -> None:
        """Let what is there be met first."""
        self._due_ms = self.clock.monotonic_ms() + FIRST_MS

    def look(self, found: Sequence[Found]) -> None:
        """Do what is due; called after each sweep, with all that it found."""
        now_ms = self.clock.monotonic_ms()
        if now_ms >= self._due_ms:
            self._due_ms = now_ms + EVERY_MS
            self._pending = [r for r in self.known.records() if self._is_old(r)]
        if not self._pending:
            return
        inodes = {one.status.st_ino for one in found}
        batch, self._pending = self._pending[:LOOKS_MAX], self._pending[LOOKS_MAX:]
        for record in batch:
            own = holder_of(record)
            # It may have come back, or have been inherited, since the look began.
            if self._is_old(record) and own.inode not in inodes and _is_gone(record):
                self.known.remove(record)
                self.delivery.forget(record.generation)
                self.log.info(
                    "file_forgotten", path=record.path, generation=record.generation
                )

    def _is_old(self, record: AgentLedger) -> bool:
        age_ms = self.clock.now_ms() - record.updated_at_ms
        is_followed = self.delivery.knows(record.generation)
        return record.is_closed and not is_followed and age_ms > kept_ms(record)


def _is_gone(record: AgentLedger) -> bool:
    """Return whether a file certainly stands no more in the folder where it was."""
    try:
        return path_of_record(record) is None
    except FolderAway:
        return False
