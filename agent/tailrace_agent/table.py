"""Which files are followed: names come and go, a file stays the same file."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.text import path_text
from tailrace_agent.amendments import DELETED, NUL_TAIL
from tailrace_agent.archives import AnyFile
from tailrace_agent.beginnings import (
    Beginning,
    begun,
    is_archive_done,
    resumed,
    taken_back,
)
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.copies import Copies
from tailrace_agent.delivery import Delivery
from tailrace_agent.discovery import Found
from tailrace_agent.door import NotARegularFile
from tailrace_agent.facts import filesystem_id
from tailrace_agent.families import Families
from tailrace_agent.followed import Followed, Key
from tailrace_agent.forgetting import Forgetting
from tailrace_agent.heirs import Heirs
from tailrace_agent.inflating import suffix_of
from tailrace_agent.known import KnownGenerations, Match
from tailrace_agent.left_alone import LeftAlone
from tailrace_agent.opening import Opener
from tailrace_agent.outside import Outside
from tailrace_agent.renamed import Renamed
from tailrace_agent.sweeps import is_filled, is_too_old, unlike_before
from tailrace_agent.tracked import Stage, TrackedFile
from tailrace_agent.unfinished import is_nameless_archive, require_text
from tailrace_agent.unreadable import Unreadable
from tailrace_agent.waiting_files import NONE_WAIT, WaitingBytes
from tailrace_agent.whereabouts import is_away


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
    waiting: WaitingBytes = NONE_WAIT
    """Of files that there was no room for, as of the last sweep."""
    swept_at_ms: int = 0
    """When the last sweep began that was taken in; 0 before the first."""
    away: dict[str, int] = field(default_factory=dict[str, int])
    """By generation, the unread bytes of files that nobody can reach and that may return."""
    left_alone: LeftAlone = field(default_factory=LeftAlone)
    _is_first_sweep: bool = True
    _shrunk: list[TrackedFile] = field(default_factory=list[TrackedFile])
    _followed: Followed = field(init=False)
    heirs: Heirs = field(init=False)
    opener: Opener = field(init=False)
    _outside: Outside = field(init=False)
    _forgetting: Forgetting = field(init=False)

    def __post_init__(self) -> None:
        """Let the parts share what is followed."""
        families = Families[TrackedFile]()
        limit = self.settings.descriptors_max
        self._followed = Followed(limit, families, self.files, self.due)
        self.unreadable = Unreadable(self.clock, self.log, self._followed.make_room)
        self.opener = self.copies.opener
        self.heirs = Heirs(self.known, self.delivery, self.copies, self.log, families)
        self._forgetting = Forgetting(self.known, self.delivery, self.clock, self.log)
        self._outside = Outside(
            self._followed,
            self.known,
            self.delivery,
            host_id=self.host_id,
            beginning=self.beginning,
            sweep_ms=self.settings.sweep_ms,
            clock=self.clock,
            log=self.log,
            open_path=self._open_path,
        )

    def take_in(self, found: Sequence[Found]) -> None:
        """Bring the table up to date with a whole sweep."""
        at: dict[str, Key] = {}
        seen: set[Key] = set()
        self.unreadable.begin_sweep()
        self.heirs.originals.sweeps_count += 1
        for one in unlike_before(found, followed=self.files, seen=seen):
            at = at or {o.path: (o.status.st_dev, o.status.st_ino) for o in found}
            key = at[one.path]
            tracked = self.files.get(key)
            # A hard link, or a symbolic link to a file that matches too. Where one name is
            # refused, the next is tried: a planted link is not to hide what it leads to.
            if tracked and (
                key in seen
                or (one.path != tracked.path and at.get(tracked.path) == key)
            ):
                continue
            seen.add(key)
            self.look_at(one)
        missing = self.files.keys() - seen
        if missing:
            for key, tracked in list(self.files.items()):
                if key in missing and tracked.stage is Stage.FOLLOWED:
                    self._leave(tracked)
        self.unreadable.end_sweep(seen)
        self.left_alone.forget_gone(found)
        if self._is_first_sweep:
            self._is_first_sweep = False
            self._find_the_renamed()
            self._outside.begin(self.settings.sources)
        self._outside.look()
        self._forgetting.look(found)

    def look_at(self, found: Found) -> None:
        """Bring the table up to date with one name."""
        status, now_ms = found.status, self.clock.monotonic_ms()
        key = (status.st_dev, status.st_ino)
        tracked = self.files.get(key)
        if tracked is None:
            self._admit(found, key=key)
            return
        # What has no name was in no sweep.
        swept_at_ms = self.swept_at_ms if tracked.stage is Stage.FOLLOWED else 0
        if tracked.stage is Stage.LEAVING:
            tracked.stage, tracked.is_outside = Stage.FOLLOWED, False  # It came back.
            self.due[key] = 0  # And not only once its grace would be over.
        if tracked.path != found.path:
            self.log.info(
                "file_renamed",
                old_path=tracked.shown_path,
                path=path_text(found.path),
            )
            self._followed.rename(tracked, found.path)
        seen = (status.st_size, status.st_mtime_ns)
        if seen == tracked.seen and not is_filled(tracked, self.open):
            return
        tracked.note_seen(seen, now_ms=now_ms, swept_at_ms=swept_at_ms)
        if status.st_size < tracked.position.offset and not tracked.archive_suffix:
            self._shrunk.append(tracked)
        if tracked.slot is not None or not self.delivery.knows(tracked.generation):
            self.due[key] = 0  # It waits to be read, and is to be looked at now.
        due_ms = self.due.setdefault(key, 0)
        if not tracked.trouble:  # Else it is tried later, and later still.
            # Whoever put its look off did not know that there is something to read.
            self.due[key] = min(due_ms, now_ms + self.settings.linger_ms_max)

    def to_be_looked_at(self, *, has_room: bool) -> list[TrackedFile]:
        """Return what waits for no turn: it may be emptied before that, with lines unseen."""
        shrunk = [one for one in self._shrunk if self.files.get(one.key) is one]
        self._shrunk.clear()
        return shrunk if has_room else list(self.files.values())

    def open(self, tracked: TrackedFile) -> AnyFile | None:
        """Return the file opened, or None when another one stands at its path.

        None, too, where it was empty when it was met, and is an archive in the making: it
        is followed no more, and the next sweep asks what its name is then.

        Raises:
            OSError: it cannot be opened now.
        """
        file = tracked.file or self._opened(tracked)
        is_new = not (tracked.ended or self.delivery.knows(tracked.generation))
        if file is None or not is_new or not is_nameless_archive(file):
            return file
        self._followed.remove(tracked)
        return None

    def _opened(self, tracked: TrackedFile) -> AnyFile | None:
        try:
            file: AnyFile | None = self.opener.open(
                tracked.path, suffix=tracked.archive_suffix, source=tracked.source
            )
        except FileNotFoundError:
            file = None
        if file is None or file.facts.key != tracked.key:
            if file is not None:
                file.close()
            file = self.opener.open_in_folder(tracked)
        if file is not None and file.facts == tracked.facts:
            tracked.file = file
            self._followed.note_opened(tracked)
            return file
        if file is not None:
            file.close()
            # Its inode serves another file: what was seen of late was the other's.
            tracked.stage = Stage.LEAVING
            tracked.size_bytes = tracked.whole_size_bytes
            self.heirs.originals.note_unmet()
        return None

    def prepare(self, tracked: TrackedFile, file: AnyFile) -> int | None:
        """See to what comes before a turn; return when to ask again, or None for now.

        Raises:
            OSError: the file cannot be read.
        """
        now_ms = self.clock.monotonic_ms()
        wait_ms = self._followed.wait_ms(tracked, file, now_ms=now_ms)
        if wait_ms:
            return now_ms + wait_ms
        self._outside.note_ended(tracked)
        if self.delivery.knows(tracked.generation):
            self.heirs.settle_ended(tracked)
            if not tracked.passed_bytes:
                return None
        return self.heirs.judge(tracked, file, now_ms=now_ms)

    def let_go(self, tracked: TrackedFile) -> bool:
        """Follow a file no more that no glob means, if it holds nothing of its own.

        Returns whether that was so.
        """
        return tracked.is_outside and self._outside.let_go(tracked)

    def finish(self, tracked: TrackedFile) -> bool:
        """Let go of a file that was read to its end; return whether that was possible.

        Its disk space returns with the descriptor, if it was deleted.
        """
        file, delivery = tracked.file, self.delivery
        may_return = file is None and is_away(tracked, log=self.log)
        status = None if file is None else file.status()
        now_ms = self.clock.monotonic_ms()
        if status is not None and tracked.has_more(status.st_size, now_ms=now_ms):
            return False  # A line came in since the last reading.
        is_gone = not may_return and (status is None or status.st_nlink == 0)
        names = [*tracked.ended, tracked.generation]
        if not all(delivery.is_settled(name) for name in names if delivery.knows(name)):
            return False
        if is_gone:
            self.known.drop(tracked.identity)
        for old in tracked.ended:
            if delivery.knows(old):  # Else an heir was read to its end before.
                self.heirs.orphan(old)
        tracked.ended.clear()
        if delivery.knows(tracked.generation):
            self._close_generation(tracked, is_gone=is_gone, may_return=may_return)
        self.log.info(
            "file_closed", path=tracked.shown_path, generation=tracked.generation
        )
        self._followed.remove(tracked)
        return True

    def _close_generation(
        self, tracked: TrackedFile, *, is_gone: bool, may_return: bool
    ) -> None:
        name, delivery = tracked.generation, self.delivery
        is_unread = tracked.archive_suffix is None or tracked.file is None
        unread_bytes = tracked.unread_bytes if is_unread else 0
        lost_bytes = 0 if may_return else unread_bytes
        delivery.amend(
            name,
            seen_size_bytes=tracked.position.offset + unread_bytes,
            lost=(DELETED if tracked.file is None else NUL_TAIL, lost_bytes),
            # One that is away is asked for again by the next life, too.
            is_closed=not may_return,
        )
        if lost_bytes and tracked.file is None:
            self.log.warning(
                "file_deleted_unread", path=tracked.shown_path, lost_bytes=lost_bytes
            )
        if is_gone:
            self.heirs.orphan(name)
            return
        record = delivery.last_word(name)
        delivery.retire(name, is_forgotten=False)
        self.known.add(record)
        if may_return:
            self.away[name] = unread_bytes

    def _admit(self, found: Found, *, key: Key) -> None:
        status = found.status
        if not stat.S_ISREG(status.st_mode):
            if self.left_alone.note(key, status.st_mtime_ns):
                self.log.info("not_a_regular_file", path=path_text(found.path))
            return
        if self.left_alone.is_as_it_was(key, status.st_mtime_ns):
            return  # Too old, and not written since.
        size_bytes = status.st_size
        if self.unreadable.must_wait(found.path, size_bytes=size_bytes):
            return
        try:
            file = self.opener.open_found(found.path, key=key, source=found.source)
        except FileNotFoundError:
            self.unreadable.note_vanished(key, found)
            return
        except NotARegularFile:
            return
        except OSError as error:
            self.unreadable.note_unopened(found.path, error, size_bytes=size_bytes)
            return
        try:
            self._follow(found, file)
        except OSError as error:
            file.close()
            self.unreadable.note_unopened(found.path, error, size_bytes=size_bytes)
        else:
            self.unreadable.note_opened(found.path)

    def _open_path(self, path: str, source: SourceSettings) -> AnyFile:
        return self.opener.open(path, suffix=suffix_of(path), source=source)

    def _follow(self, found: Found, file: AnyFile) -> None:
        """Start to follow a file that stands at a name."""
        facts = file.facts
        filesystem = filesystem_id(file.descriptor, device=facts.device)
        match = self.known.match(facts, filesystem_id=filesystem, source=file)
        if match is None and is_too_old(found, now_ms=self.clock.now_ms()):
            self.left_alone.note(facts.key, found.status.st_mtime_ns)
            file.close()
            return
        if match is not None:
            self.away.pop(match.record.generation, None)
            match = taken_back(match, followed=self._followed, delivery=self.delivery)
            if match is None:
                file.close()
                return
            tracked = resumed(
                match,
                file,
                path=found.path,
                source=found.source,
                delivery=self.delivery,
                clock=self.clock,
            )
        else:
            require_text(file)
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
        self._take_up(tracked, file, found, match=match)

    def _take_up(
        self, tracked: TrackedFile, file: AnyFile, found: Found, *, match: Match | None
    ) -> None:
        now_ms, size_bytes = self.clock.monotonic_ms(), found.status.st_size
        tracked.seen = (size_bytes, found.status.st_mtime_ns)
        tracked.grew_at_ms = tracked.unread_since_ms = now_ms
        # What is there at a start has waited for it.
        tracked.is_behind = self._is_first_sweep
        if tracked.archive_suffix is None:
            tracked.size_bytes = size_bytes
        if match is None and self.swept_at_ms:
            tracked.rest = (self.swept_at_ms, 0)  # It stood at no name then.
        self.log.info(
            "file_found" if match is None else "file_resumed",
            path=tracked.shown_path,
            source=found.source.name,
            size_bytes=size_bytes,
            offset=tracked.position.offset,
        )
        self._followed.add(tracked)
        if match is not None and is_archive_done(match.record, file):
            tracked.size_bytes = match.record.next_offset
            tracked.note_looked()
            tracked.close()
            self.due.pop(tracked.key)

    def _leave(self, tracked: TrackedFile) -> None:
        """Its name is gone: read on by the descriptor, or find its new name."""
        tracked.stage, tracked.left_as = Stage.LEAVING, ""
        tracked.changes += 1  # It may have grown since it was seen last.
        tracked.grew_at_ms = max(tracked.grew_at_ms, self.clock.monotonic_ms())
        self.due[tracked.key] = 0

    def _find_the_renamed(self) -> None:
        Renamed(
            self._followed,
            self.known,
            self.delivery,
            self.clock,
            self.log,
            self._open_path,
            self.unreadable.say,
            self.away,
        ).find(self.settings.sources)
