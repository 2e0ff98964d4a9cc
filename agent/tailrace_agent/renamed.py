"""What became, while the agent was down, of files whose name no glob means any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.text import path_text
from tailrace.wire import AgentLedger
from tailrace_agent.amendments import DELETED, TRUNCATED
from tailrace_agent.archives import AnyFile
from tailrace_agent.beginnings import resumed
from tailrace_agent.config import SourceSettings
from tailrace_agent.delivery import Delivery
from tailrace_agent.facts import filesystem_id
from tailrace_agent.followed import Followed
from tailrace_agent.known import (
    KnownGenerations,
    holder_of,
    looked_at_ms,
    orphaned,
)
from tailrace_agent.record_sources import source_of
from tailrace_agent.tracked import Stage
from tailrace_agent.whereabouts import whereabouts


@dataclass(frozen=True, slots=True)
class Renamed:
    """Looks, once at the start, for the files of an earlier life of the agent."""

    followed: Followed
    known: KnownGenerations
    delivery: Delivery
    clock: Clock
    log: FilteringBoundLogger
    open_path: Callable[[str, SourceSettings], AnyFile]
    note_unreadable: Callable[[str, OSError], None]
    away: dict[str, int]

    def find(self, sources: Sequence[SourceSettings]) -> None:
        """Look for files that were followed and that the first sweep did not find.

        A file that was renamed while the agent was down is read to its end. One that is
        nowhere had bytes that its own file will never show: they are declared as lost,
        until a copy or an archive of it is met. What came to it before it was gone, and
        nobody saw, may be lost too.
        """
        seen = {tracked.generation for tracked in self.followed.files.values()}
        missed: list[AgentLedger] = []
        source_by_generation: dict[str, SourceSettings] = {}
        for record in self.known.records():
            if record.generation in seen or record.is_closed:
                continue
            if (source := source_of(record, sources)) is not None:
                missed.append(record)
                source_by_generation[record.generation] = source
        # A new file has its inode: under its name, too, where it was the last to go.
        births = {
            (t.identity.filesystem_id, t.identity.inode): t.identity.born_at_ns
            for t in self.followed.files.values()
        }
        reused = [record for record in missed if _is_reused(record, births)]
        replaced = {record.generation for record in reused}
        missed = [record for record in missed if record.generation not in replaced]
        found = whereabouts(missed, log=self.log)
        found.gone += reused
        for record, path in found.renamed:
            source = source_by_generation[record.generation]
            if not self._drain(record, path, source=source):
                found.gone.append(record)
        for record in found.gone:
            self._declare_lost(record)
        for record in found.away:
            unread_bytes = max(0, record.seen_size_bytes - record.next_offset)
            self.away[record.generation] = unread_bytes

    def _drain(self, record: AgentLedger, path: str, *, source: SourceSettings) -> bool:
        try:
            file = self.open_path(path, source)
        except FileNotFoundError:
            return False
        except OSError as error:
            self.note_unreadable(path, error)
            return True
        filesystem = filesystem_id(file.descriptor, device=file.facts.device)
        match = self.known.match(file.facts, filesystem_id=filesystem, source=file)
        if match is None or match.record.generation != record.generation:
            file.close()
            return False
        tracked = resumed(
            match,
            file,
            path=path,
            source=source,
            delivery=self.delivery,
            clock=self.clock,
        )
        status = file.status()
        tracked.seen = (status.st_size, status.st_mtime_ns)
        if tracked.archive_suffix is None:
            tracked.size_bytes = status.st_size
        tracked.stage = Stage.LEAVING
        tracked.grew_at_ms = tracked.unread_since_ms = self.clock.monotonic_ms()
        tracked.is_behind = True
        self.followed.add(tracked)
        self.log.info(
            "renamed_file_found",
            old_path=record.path,
            path=path_text(path),
            offset=record.next_offset,
        )
        return True

    def _declare_lost(self, record: AgentLedger) -> None:
        unread_bytes = record.seen_size_bytes - record.next_offset
        # What no copy held was declared when the copy was met.
        lost_bytes = max(0, unread_bytes - record.lost_bytes.get(TRUNCATED, 0))
        is_over = record.archive_size_bytes > 0  # Nobody writes to an archive.
        unwatched_since_ms = 0 if is_over else looked_at_ms(record)
        self.delivery.adopt(record, is_restored=True)
        self.delivery.amend(
            record.generation,
            lost=(DELETED, lost_bytes),
            is_closed=True,
            unwatched_since_ms=unwatched_since_ms,
            unlooked_since_ms=unwatched_since_ms,  # Should it come back.
        )
        if record.held_by is not None:
            # What was read of it in a copy may go on in the archive of that.
            self.known.drop(record.held_by)
            closed = self.delivery.record_of(record.generation)
            self.delivery.revise(orphaned(closed))
        closed = self.delivery.last_word(record.generation)
        # Not forgotten: should its folder have been moved, it may yet come back.
        self.delivery.retire(record.generation, is_forgotten=False)
        if self.delivery.knows(record.generation):
            self.known.unsaved.add(record.generation)
        self.known.add(closed)
        if lost_bytes:
            self.log.warning(
                "file_deleted_unread", path=record.path, lost_bytes=lost_bytes
            )


def _is_reused(record: AgentLedger, births: dict[tuple[str, int], int]) -> bool:
    """Return whether a file that is followed has the inode of the one that is missed."""
    own = holder_of(record)
    born_at_ns = births.get((own.filesystem_id, own.inode), own.born_at_ns)
    return born_at_ns != own.born_at_ns
