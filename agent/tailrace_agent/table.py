"""Which files are followed: names come and go, a file stays the same file."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.text import path_text
from tailrace.wire import AgentLedger
from tailrace_agent.beginnings import Beginning, begun, resumed
from tailrace_agent.chunking import Position
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.copies import Copies, Verdict
from tailrace_agent.delivery import Delivery
from tailrace_agent.discovery import Found
from tailrace_agent.facts import filesystem_id
from tailrace_agent.known import KnownGenerations
from tailrace_agent.open_file import NotARegularFile, OpenFile, open_file
from tailrace_agent.places import find_by_inode
from tailrace_agent.tracked import Stage, TrackedFile
from tailrace_agent.unreadable import RETRY_MS_MAX, RETRY_MS_MIN, Unreadable

Key = tuple[int, int]


@dataclass(slots=True)
class FileTable:
    """All files that are followed, by what they are on this machine now."""

    settings: AgentSettings
    host_id: str
    known: KnownGenerations
    beginning: Beginning
    delivery: Delivery
    copies: Copies
    clock: Clock
    log: FilteringBoundLogger
    files: dict[Key, TrackedFile] = field(default_factory=dict[Key, TrackedFile])
    due: dict[Key, int] = field(default_factory=dict[Key, int])
    """When each file with something to do has its next turn, by the monotonic clock."""
    unreadable: Unreadable = field(init=False)
    _passed_over: dict[Key, int] = field(default_factory=dict[Key, int])
    _opened: dict[Key, TrackedFile] = field(default_factory=dict[Key, TrackedFile])
    _is_first_sweep: bool = True

    def __post_init__(self) -> None:
        self.unreadable = Unreadable(clock=self.clock, log=self.log)

    def take_in(self, found: Sequence[Found]) -> None:
        """Bring the table up to date with a whole sweep."""
        at = {one.path: (one.status.st_dev, one.status.st_ino) for one in found}
        seen: set[Key] = set()
        self.unreadable.begin_sweep()
        for one in found:
            key = at[one.path]
            tracked = self.files.get(key)
            if key in seen or (
                tracked and one.path != tracked.path and at.get(tracked.path) == key
            ):
                continue  # A hard link, or a symbolic link to a file that matches too.
            seen.add(key)
            self.look_at(one)
        for key, tracked in list(self.files.items()):
            if key not in seen and tracked.stage is Stage.FOLLOWED:
                self._leave(tracked)
        if self._is_first_sweep:
            self._is_first_sweep = False
            self._find_the_renamed()

    def look_at(self, found: Found) -> None:
        """Bring the table up to date with one name."""
        status = found.status
        key = (status.st_dev, status.st_ino)
        tracked = self.files.get(key)
        if tracked is None:
            self._admit(found, key=key)
            return
        if tracked.stage is Stage.LEAVING:
            tracked.stage = Stage.FOLLOWED  # Its name came back.
        if tracked.path != found.path:
            self.log.info(
                "file_renamed",
                old_path=tracked.shown_path,
                path=path_text(found.path),
            )
            tracked.path = found.path
        seen = (status.st_size, status.st_mtime_ns)
        if seen == tracked.seen:
            return
        tracked.seen = seen
        tracked.changes += 1
        tracked.note_size(status.st_size, now_ms=self.clock.monotonic_ms())
        self.due.setdefault(key, 0)

    def open(self, tracked: TrackedFile) -> OpenFile | None:
        """Return the file opened, or None when another one stands at its path.

        Raises:
            OSError: it cannot be opened now.
        """
        if tracked.file is not None:
            return tracked.file
        try:
            file = open_file(tracked.path)
        except FileNotFoundError:
            file = None
        if file is not None and file.facts == tracked.facts:
            tracked.file = file
            self._note_opened(tracked)
            return file
        if file is not None:
            file.close()
            if file.facts.key == tracked.key:
                # Its inode serves another file: it is gone, and what was seen of late
                # was the other's.
                tracked.stage = Stage.LEAVING
                tracked.size_bytes = tracked.whole_size_bytes
                return None
        tracked.file = self._open_in_folder(tracked)
        return tracked.file

    def finish(self, tracked: TrackedFile) -> bool:
        """Let go of a file that was read to its end; return whether that was possible.

        Its disk space returns with the descriptor, if it was deleted.
        """
        file = tracked.file
        is_gone = file is None or file.status().st_nlink == 0
        names = [*tracked.ended, tracked.generation]
        names = [name for name in names if self.delivery.knows(name)]
        if not all(self.delivery.is_settled(name) for name in names):
            return False
        for old in tracked.ended:
            self.delivery.retire(old, is_forgotten=True)
        tracked.ended.clear()
        if tracked.ended_record is not None:
            self.delivery.forget(tracked.ended_record.generation)
        if self.delivery.knows(tracked.generation):
            lost_bytes = tracked.unread_bytes if tracked.file is None else 0
            self.delivery.amend(
                tracked.generation,
                seen_size_bytes=tracked.position.offset + lost_bytes,
                lost=("deleted", lost_bytes),
                is_closed=True,
            )
            if lost_bytes:
                self.log.warning(
                    "file_deleted_unread",
                    path=tracked.shown_path,
                    lost_bytes=lost_bytes,
                )
            record = self.delivery.record_of(tracked.generation)
            self.delivery.retire(tracked.generation, is_forgotten=is_gone)
            if not is_gone:
                self.known.add(record)
        if is_gone:
            self.known.drop(tracked.identity)
        self.log.info(
            "file_closed", path=tracked.shown_path, generation=tracked.generation
        )
        tracked.close()
        self.files.pop(tracked.key, None)
        self.due.pop(tracked.key, None)
        return True

    def note_trouble(self, tracked: TrackedFile, error: OSError) -> int:
        """Say once that a followed file cannot be read; return when to try again."""
        tracked.close()
        trouble = str(error.strerror or error)
        if tracked.trouble != trouble:
            tracked.trouble = trouble
            tracked.retry_ms = RETRY_MS_MIN
            self.unreadable.say(tracked.path, error)
        else:
            tracked.retry_ms = min(RETRY_MS_MAX, tracked.retry_ms * 2)
        return self.clock.monotonic_ms() + tracked.retry_ms

    def _admit(self, found: Found, *, key: Key) -> None:
        status = found.status
        if not stat.S_ISREG(status.st_mode):
            if self._passed_over.get(key) is None:
                self._passed_over[key] = status.st_mtime_ns
                self.log.info("not_a_regular_file", path=path_text(found.path))
            return
        if self._passed_over.get(key) == status.st_mtime_ns:
            return  # Too old, and not written since.
        size_bytes = status.st_size
        if self.unreadable.must_wait(found.path, size_bytes=size_bytes):
            return
        try:
            file = open_file(found.path)
        except (FileNotFoundError, NotARegularFile):
            return
        except OSError as error:
            self.unreadable.note_unopened(found.path, error, size_bytes=size_bytes)
            return
        self.unreadable.note_opened(found.path)
        try:
            self._follow(found, file)
        except OSError as error:
            file.close()
            self.unreadable.note_unopened(found.path, error, size_bytes=size_bytes)

    def _follow(self, found: Found, file: OpenFile) -> None:
        """Start to follow a file that stands at a name."""
        facts = file.facts
        if facts.key in self.files:
            file.close()  # It was renamed between the look and the opening.
            return
        filesystem = filesystem_id(file.descriptor, device=facts.device)
        record = self.known.match(facts, filesystem_id=filesystem, source=file)
        if record is None and self._is_too_old(found):
            self._passed_over[facts.key] = found.status.st_mtime_ns
            file.close()
            return
        verdict: Position | Verdict = Verdict.OWN
        if record is None:
            verdict = self.copies.judge(
                found.path,
                file,
                key=facts.key,
                size_bytes=found.status.st_size,
                followed=self.files.values(),
                now_ms=self.clock.monotonic_ms(),
            )
            if verdict is Verdict.UNCLEAR:
                self.unreadable.note_held_back(size_bytes=found.status.st_size)
                file.close()
                return
        if record is not None:
            tracked = self._resumed(record, file, path=found.path, source=found.source)
        else:
            tracked = begun(
                file,
                path=found.path,
                source=found.source,
                host_id=self.host_id,
                filesystem_id=filesystem,
                clock=self.clock,
                beginning=self.beginning,
                is_first_sweep=self._is_first_sweep,
            )
        if isinstance(verdict, Position):
            tracked.position = verdict
            self.log.info(
                "copy_recognised", path=tracked.shown_path, offset=verdict.offset
            )
        self.log.info(
            "file_found" if record is None else "file_resumed",
            path=tracked.shown_path,
            source=found.source.name,
            size_bytes=found.status.st_size,
            offset=tracked.position.offset,
        )
        now_ms = self.clock.monotonic_ms()
        size_bytes = found.status.st_size
        tracked.seen = (size_bytes, found.status.st_mtime_ns)
        tracked.size_bytes = size_bytes
        tracked.grew_at_ms = tracked.unread_since_ms = now_ms
        self.files[facts.key] = tracked
        self.due[facts.key] = 0
        self._note_opened(tracked)

    def _resumed(
        self, record: AgentLedger, file: OpenFile, *, path: str, source: SourceSettings
    ) -> TrackedFile:
        return resumed(
            record,
            file,
            path=path,
            source=source,
            former=self.known.former_of(record.generation),
            delivery=self.delivery,
            clock=self.clock,
        )

    def _leave(self, tracked: TrackedFile) -> None:
        """Its name is gone: read on by the descriptor, or find its new name."""
        tracked.stage = Stage.LEAVING
        tracked.changes += 1  # It may have grown since it was seen last.
        now_ms = self.clock.monotonic_ms()
        tracked.grew_at_ms = max(tracked.grew_at_ms, now_ms)
        if tracked.file is None:
            tracked.file = self._open_in_folder(tracked)
        self.due[tracked.key] = 0

    def _open_in_folder(self, tracked: TrackedFile) -> OpenFile | None:
        folder = tracked.path.rpartition("/")[0] or "/"
        found = find_by_inode(folder, inode=tracked.facts.inode)
        if found is None:
            return None
        try:
            file = open_file(found)
        except OSError:
            return None
        if file.facts != tracked.facts:
            file.close()
            return None
        return file

    def _find_the_renamed(self) -> None:
        """Look for files of an earlier life whose name no glob means any more.

        A file that was renamed while the agent was down is read to its end. One that is
        nowhere had bytes that will never be read: they are declared as lost.
        """
        sources = {source.name: source for source in self.settings.sources}
        followed = {tracked.generation for tracked in self.files.values()}
        for record in self.known.records():
            source = sources.get(record.source)
            if record.generation in followed or record.is_closed or source is None:
                continue
            folder, _, name = record.path.rpartition("/")
            path = find_by_inode(folder or "/", inode=record.identity.inode)
            if path is not None and path.rpartition("/")[2] == name:
                continue  # It is where it was: the user's globs leave it out now.
            if path is None or not self._drain(record, path, source=source):
                self._declare_lost(record)

    def _drain(self, record: AgentLedger, path: str, *, source: SourceSettings) -> bool:
        try:
            file = open_file(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            self.unreadable.say(path, error)
            return True
        filesystem = filesystem_id(file.descriptor, device=file.facts.device)
        match = self.known.match(file.facts, filesystem_id=filesystem, source=file)
        if match is None or match.generation != record.generation:
            file.close()
            return False
        tracked = self._resumed(record, file, path=path, source=source)
        tracked.size_bytes = file.status().st_size
        tracked.stage = Stage.LEAVING
        tracked.grew_at_ms = tracked.unread_since_ms = self.clock.monotonic_ms()
        self.files[tracked.key] = tracked
        self.due[tracked.key] = 0
        self.log.info(
            "renamed_file_found",
            old_path=record.path,
            path=path_text(path),
            offset=record.next_offset,
        )
        return True

    def _declare_lost(self, record: AgentLedger) -> None:
        lost_bytes = max(0, record.seen_size_bytes - record.next_offset)
        self.delivery.adopt(record, is_declared=True)
        self.delivery.amend(
            record.generation, lost=("deleted", lost_bytes), is_closed=True
        )
        self.delivery.retire(record.generation, is_forgotten=True)
        self.known.drop(record.identity)
        if lost_bytes:
            self.log.warning(
                "file_deleted_unread", path=record.path, lost_bytes=lost_bytes
            )

    def _is_too_old(self, found: Found) -> bool:
        limit_ms = found.source.ignore_older_ms
        if limit_ms is None:
            return False
        return self.clock.now_ms() - found.status.st_mtime_ns // 1_000_000 > limit_ms

    def _note_opened(self, opened: TrackedFile) -> None:
        """Stay within the limit on descriptors: close what was idle longest.

        Never the one just opened, which is about to be read, and never one whose name
        is gone. A tenth is closed at once, so that the search for it is rare.
        """
        self._opened[opened.key] = opened
        limit = self.settings.descriptors_max
        if len(self._opened) <= limit:
            return
        held = [t for t in self._opened.values() if t.file is not None]
        spare = [t for t in held if t is not opened and t.stage is Stage.FOLLOWED]
        spare.sort(key=lambda t: (t.unread_bytes > 0, t.grew_at_ms))
        for tracked in spare[: max(0, len(held) - limit + limit // 10)]:
            tracked.close()
        self._opened = {t.key: t for t in held if t.file is not None}
