"""What became, while the agent was down, of files whose name no glob means any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.text import path_text
from tailrace.wire import AgentLedger
from tailrace_agent.amendments import DELETED
from tailrace_agent.archives import AnyFile
from tailrace_agent.beginnings import resumed
from tailrace_agent.config import SourceSettings
from tailrace_agent.delivery import Delivery
from tailrace_agent.facts import filesystem_id
from tailrace_agent.followed import Followed
from tailrace_agent.known import KnownGenerations
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

    def find(self, sources: dict[str, SourceSettings]) -> None:
        """Look for files that were followed and that the first sweep did not find.

        A file that was renamed while the agent was down is read to its end. One that is
        nowhere had bytes that its own file will never show: they are declared as lost,
        until a copy or an archive of it is met.
        """
        seen = {tracked.generation for tracked in self.followed.files.values()}
        missed = [
            record
            for record in self.known.records()
            if record.generation not in seen
            and not record.is_closed
            and record.source in sources
        ]
        found = whereabouts(missed, log=self.log)
        for record, path in found.renamed:
            if not self._drain(record, path, source=sources[record.source]):
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
        if tracked.archive_suffix is None:
            tracked.size_bytes = file.status().st_size
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
        lost_bytes = max(0, record.seen_size_bytes - record.next_offset)
        self.delivery.adopt(record, is_restored=True)
        self.delivery.amend(
            record.generation, lost=(DELETED, lost_bytes), is_closed=True
        )
        closed = self.delivery.record_of(record.generation)
        # Not forgotten: should its folder have been moved, it may yet come back.
        self.delivery.retire(record.generation, is_forgotten=False)
        self.known.add(closed)
        if lost_bytes:
            self.log.warning(
                "file_deleted_unread", path=record.path, lost_bytes=lost_bytes
            )
