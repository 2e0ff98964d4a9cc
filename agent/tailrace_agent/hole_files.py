"""Which file a hole is read from: the generation's own, or a copy or archive of it.

The file that holds a generation is known by its inode. Where it is gone, or holds another
life by now, rotation may have left its bytes in a copy or an archive of its folder: one
that bears the name of a copy, begins as the generation did, and has at each remembered
place, and before the position that was read last, what stood there. An archive is inflated
for that, so much a call.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tailrace.errors import TailraceError
from tailrace.holes import HoleRequest
from tailrace.text import path_text
from tailrace.wire import AgentLedger
from tailrace_agent.archives import AnyFile, ArchiveFile
from tailrace_agent.config import SourceSettings
from tailrace_agent.delivery import Delivery
from tailrace_agent.heads import HEAD_BYTES, has_head, known_places
from tailrace_agent.heirs import INFLATE_BYTES_MAX
from tailrace_agent.inflating import suffix_of
from tailrace_agent.known import holder_of, is_truncated
from tailrace_agent.likeness import holds
from tailrace_agent.outside import COPIES_MAX
from tailrace_agent.positions import Tail, tail_at
from tailrace_agent.table import FileTable
from tailrace_agent.whereabouts import FolderAway, copies_in, find_by_inode


class HoleUnfillable(TailraceError):
    """The span cannot be read again as it was; `str()` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            reason, remedy="these lines are lost, and the audit names them"
        )


@dataclass(slots=True)
class HeldFile:
    """A file that may hold a generation, and those that may if it does not."""

    record: AgentLedger
    file: AnyFile
    path: str
    others: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class HoleFiles:
    """Opens what may hold a generation, and sees whether it does."""

    table: FileTable
    delivery: Delivery

    def record_of(self, request: HoleRequest) -> AgentLedger:
        """Return what is known of a generation, whether it has a file or not.

        Raises:
            HoleUnfillable: nothing is.
        """
        name = request.generation
        if self.delivery.knows(name):
            return self.delivery.record_of(name)
        record = self.table.known.find(name)
        if record is None:
            raise HoleUnfillable(
                f"{request.path} of generation {name} is gone: it was deleted or"
                " truncated, and is not remembered any more"
            )
        return record

    def open(
        self, request: HoleRequest, record: AgentLedger, *, source: SourceSettings
    ) -> HeldFile:
        """Return the generation's own file, or the first that may be a copy of it.

        Raises:
            HoleUnfillable: there is none.
            OSError: it cannot be opened or read.
        """
        is_there, path = self._own_path(request, record)
        if is_there:
            file = self.table.opener.open(path, suffix=suffix_of(path), source=source)
            if self._is_own(file, record):
                return HeldFile(record, file, path)
            file.close()
        others = self._copies(record, path)
        held = self._next(record, others, source=source)
        if held is not None:
            return held
        what = "another file by now" if is_there and not record.is_orphaned else "gone"
        raise HoleUnfillable(
            f"{request.path} of generation {request.generation} is {what}: it was"
            " deleted or truncated, and no copy or archive that holds it was found in"
            " its folder"
        )

    def is_held(self, held: HeldFile, *, source: SourceSettings) -> bool:
        """Return whether the file is known to hold the generation; else call again.

        Raises:
            HoleUnfillable: no file does.
            OSError: a file cannot be read.
        """
        file, record = held.file, held.record
        if not isinstance(file, ArchiveFile):
            return True
        if not file.reach(record.next_offset, budget_bytes=INFLATE_BYTES_MAX):
            return False
        if _is_alike(file, record, size_bytes=file.inflated_bytes):
            return True
        why = "it does not hold what was read"
        if file.inflated_bytes < record.next_offset:
            why = file.detail or file.state.value
        other = self._next(record, held.others, source=source)
        if other is None:
            raise HoleUnfillable(
                f"{held.path} cannot be read for generation {record.generation}: {why},"
                f" up to byte {record.next_offset}"
            )
        file.close()
        held.file, held.path, held.others = other.file, other.path, other.others
        return False

    def _own_path(self, request: HoleRequest, record: AgentLedger) -> tuple[bool, str]:
        """Return where the file is now, and whether it is known to hold this life."""
        path, is_there = record.path, not record.is_orphaned
        # The file of a life that a truncation ended is there, and holds another life.
        is_there = is_there and (record.held_by is not None or not is_truncated(record))
        for tracked in self.table.files.values():
            if tracked.generation == request.generation:
                path, is_there = tracked.path, True
        folder = path.rpartition("/")[0] or "/"
        identity = holder_of(record)
        try:
            found = find_by_inode(
                folder, inode=identity.inode, filesystem=identity.filesystem_id
            )
        except FolderAway:
            return is_there, path
        return is_there and found is not None, found or path

    def _is_own(self, file: AnyFile, record: AgentLedger) -> bool:
        if file.facts.inode != holder_of(record).inode:
            return False
        if not isinstance(file, ArchiveFile):
            size_bytes = file.status().st_size
            return has_head(file, record) and holds(file, record, size_bytes=size_bytes)
        return _begins(file, record)

    def _next(
        self, record: AgentLedger, others: list[str], *, source: SourceSettings
    ) -> HeldFile | None:
        """Open the first of these that may hold the generation, by a few of its bytes."""
        while others:
            path = others.pop(0)
            try:
                file = self.table.opener.open(
                    path, suffix=suffix_of(path), source=source
                )
            except OSError:
                continue
            if _may_hold(file, record):
                return HeldFile(record, file, path, others)
            file.close()
        return None

    def _copies(self, record: AgentLedger, path: str) -> list[str]:
        """Return what bears the name of a copy in the folder, the newest first."""
        names = (record.path, record.first_path, path_text(path))
        folder = path.rpartition("/")[0]
        copies = copies_in(folder, names=names, is_left_out=lambda _path: False)
        found = sorted(((s.st_mtime_ns, copy) for copy, s in copies), reverse=True)
        return [path for _, path in found[:COPIES_MAX]]


def _may_hold(file: AnyFile, record: AgentLedger) -> bool:
    try:
        if isinstance(file, ArchiveFile):
            return _begins(file, record)
        return _is_alike(file, record, size_bytes=file.status().st_size)
    except OSError:
        return False


def _begins(file: ArchiveFile, record: AgentLedger) -> bool:
    """Return whether an archive begins as the generation did; ask for its places, too."""
    file.probe([record.next_offset, *(mark.offset for mark in known_places(record))])
    file.reach(HEAD_BYTES, budget_bytes=HEAD_BYTES)
    return has_head(file, record)


def _is_alike(file: AnyFile, record: AgentLedger, *, size_bytes: int) -> bool:
    """Return whether a file has all that is remembered of a generation in its places."""
    return (
        has_head(file, record)
        and holds(file, record, size_bytes=size_bytes)
        and all(
            tail_at(file, mark.offset, mark.tail_size_bytes)
            == Tail(mark.tail_size_bytes, mark.tail_hash)
            for mark in known_places(record)
            if mark.offset <= record.next_offset
        )
    )
