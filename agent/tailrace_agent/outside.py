"""What no glob means and holds the rest of a life: the copies that rotation made of it.

`copytruncate` copies `app.log` to `app.log.1` and empties it. Where the globs mean
`*.log` alone, what was written last before the truncation and not read stands in that
copy and nowhere else. So it is with `app.log.1.gz`, where the file was renamed and
compressed while the agent was down. Such a copy is read to its end under the name of the
life that it is a copy of, and let go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.text import path_text
from tailrace.wire import AgentLedger
from tailrace_agent.ages import is_from_before
from tailrace_agent.archives import AnyFile, ArchiveFile
from tailrace_agent.beginnings import (
    Beginning,
    begun,
    is_archive_done,
    resumed,
)
from tailrace_agent.config import SourceSettings
from tailrace_agent.delivery import Delivery
from tailrace_agent.discovery import COMPRESSED
from tailrace_agent.facts import filesystem_id
from tailrace_agent.families import family_of
from tailrace_agent.followed import Followed, Key
from tailrace_agent.globs import excluder
from tailrace_agent.heads import HEAD_BYTES, has_head
from tailrace_agent.inflating import suffix_of
from tailrace_agent.known import KnownGenerations, is_truncated
from tailrace_agent.likeness import begins_alike, holds
from tailrace_agent.record_sources import source_of
from tailrace_agent.tracked import Stage, TrackedFile
from tailrace_agent.whereabouts import copies_in

LOOK_AGAIN_MS = (1_000, 5_000, 30_000)
"""How long after each look the next one is: a copy is whole before its original is
emptied, but one that is compressed since may be amid that."""
COPIES_MAX = 32
"""Files of such a name that are opened at a look, the newest first: each costs two
readings of at most a KiB, and an archive one of 64 KiB."""
ARCHIVES_MAX = 2
"""Archives that are read through at a time for one life: only their end tells whose."""
AGAIN_MS_MAX = 86_400_000
AGAIN_MAX = 64
"""Lives that ended so shortly before a start, and so many of them, are looked for anew."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """A file whose name says that it may be a copy."""

    path: str
    key: Key
    size_bytes: int
    modified_at_ns: int
    born_at_ns: int = 0
    """Known once it was opened, where the filesystem tells it."""

    def is_younger_than(self, record: AgentLedger) -> bool:
        """Return whether it was made or written since nobody saw the original."""
        made_at_ns = max(self.born_at_ns, self.modified_at_ns)
        return made_at_ns > record.unwatched_since_ms * 1_000_000


@dataclass(slots=True)
class _Search:
    """A life that has no file, and how often a copy of it was looked for."""

    generation: str
    path: str
    """Where its file was last: it may have been renamed since its record was written."""
    source: SourceSettings
    due_ms: int
    looks: int = 0
    passed: set[tuple[Key, int]] = field(default_factory=set[tuple[Key, int]])
    """Files that were found to be no copy of it, by the size that they had."""
    suspects: list[TrackedFile] = field(default_factory=list[TrackedFile])
    """Followed until it is clear what they are."""

    @property
    def is_over(self) -> bool:
        return self.looks > len(LOOK_AGAIN_MS)


class Outside:
    """Looks for copies beside files that were truncated, or went while no agent looked.

    A few times for each.
    """

    def __init__(
        self,
        followed: Followed,
        known: KnownGenerations,
        delivery: Delivery,
        *,
        host_id: str,
        beginning: Beginning,
        sweep_ms: int,
        clock: Clock,
        log: FilteringBoundLogger,
        open_path: Callable[[str, SourceSettings], AnyFile],
    ) -> None:
        self._followed = followed
        self._known = known
        self._delivery = delivery
        self._host_id = host_id
        self._beginning = beginning
        self._sweep_ms = sweep_ms
        self._clock = clock
        self._log = log
        self._open_path = open_path
        self._is_foreign = excluder(COMPRESSED)
        self._searches: dict[str, _Search] = {}

    def begin(self, sources: Sequence[SourceSettings]) -> None:
        """Go on with the searches that the last life of the agent may not have ended."""
        since_ms = self._clock.now_ms() - AGAIN_MS_MAX
        unfound = [
            record
            for record in self._known.all_records()
            if (is_truncated(record) or record.unwatched_since_ms)
            and record.held_by is None
            and record.updated_at_ms >= since_ms
        ]
        unfound.sort(key=lambda record: record.updated_at_ms)
        for record in unfound[-AGAIN_MAX:]:
            if (source := source_of(record, sources)) is not None:
                self._want(record.generation, record.path, source)

    def note_ended(self, tracked: TrackedFile) -> None:
        """Look for copies of the lives of a file that a truncation has ended."""
        for generation in tracked.ended:
            self._want(generation, tracked.path, tracked.source)

    def look(self) -> None:
        """Do what is due; called after each sweep, when all that globs mean is known."""
        now_ms = self._clock.monotonic_ms()
        for search in list(self._searches.values()):
            search.suspects = [
                t for t in search.suspects if self._followed.files.get(t.key) is t
            ]
            if search.suspects or now_ms < search.due_ms:
                continue
            if search.is_over:
                # Else it would begin anew with the next turn of a file that stays empty.
                if not self._delivery.knows(search.generation):
                    del self._searches[search.generation]
                continue
            record = self._record(search.generation)
            if record is None or record.held_by is not None:
                del self._searches[search.generation]
                continue
            self._look_for(search, record)
            wait_ms = LOOK_AGAIN_MS[min(search.looks, len(LOOK_AGAIN_MS) - 1)]
            search.due_ms = now_ms + wait_ms
            search.looks += 1

    def let_go(self, tracked: TrackedFile) -> bool:
        """Follow a file no more that was judged and holds nothing of its own."""
        search = next(
            (s for s in self._searches.values() if tracked in s.suspects), None
        )
        if self._delivery.knows(tracked.generation):
            if search is not None:
                search.suspects.remove(tracked)
                self._follow_later_copies(tracked, search)
            return False
        if tracked.is_later_copy and not tracked.position.offset:
            return False
        if search is not None:
            size_bytes = 0 if tracked.file is None else tracked.file.status().st_size
            search.passed.add((tracked.key, size_bytes))
        self._followed.remove(tracked)
        return True

    def _want(self, generation: str, path: str, source: SourceSettings) -> None:
        if generation not in self._searches:
            due_ms = self._clock.monotonic_ms()
            self._searches[generation] = _Search(generation, path, source, due_ms)

    def _record(self, generation: str) -> AgentLedger | None:
        if self._delivery.knows(generation):
            return self._delivery.record_of(generation)
        return self._known.find(generation)

    def _look_for(self, search: _Search, record: AgentLedger) -> None:
        names = (record.path, record.first_path, path_text(search.path))
        copies = [
            copy
            for copy in self._copies(search.path, names)
            if (copy.key, copy.size_bytes) not in search.passed
        ]
        copies.sort(key=lambda copy: copy.modified_at_ns, reverse=True)
        opened = [
            self._alike(copy, record, search.source) for copy in copies[:COPIES_MAX]
        ]
        found = [copy for copy in opened if copy is not None]
        plain = [copy for copy in found if suffix_of(copy.path) is None]
        # One that is older than what was read may go on as its original does not; of the
        # others the longest was made last, and holds what all of them hold.
        plain.sort(
            key=lambda copy: (copy.is_younger_than(record), copy.size_bytes),
            reverse=True,
        )
        for copy in plain[:1] or found[:ARCHIVES_MAX]:
            suspect = self._follow(copy, search.source)
            if suspect is not None:
                search.suspects.append(suspect)

    def _copies(self, path: str, names: tuple[str, ...]) -> Iterator[_Copy]:
        """Yield what stands in the folder under the name of a copy, and is not followed."""
        folder = path.rpartition("/")[0]
        for copy, status in copies_in(
            folder, names=names, is_left_out=self._is_foreign
        ):
            key = (status.st_dev, status.st_ino)
            if key not in self._followed.files:
                yield _Copy(copy, key, status.st_size, status.st_mtime_ns)

    def _alike(
        self, copy: _Copy, record: AgentLedger, source: SourceSettings
    ) -> _Copy | None:
        """Return a file that may hold the rest of a life, by a few of its bytes.

        A copy that ends where reading ended tells that nothing was left, if it was made
        when the original was emptied; an older one tells nothing.
        """
        is_archive = suffix_of(copy.path) is not None
        if not is_archive and copy.size_bytes < record.next_offset:
            return None
        try:
            file = self._open_path(copy.path, source)
        except OSError:
            return None
        try:
            copy = replace(copy, born_at_ns=file.facts.born_at_ns or 0)
            if self._is_known(file):
                return None
            if isinstance(file, ArchiveFile):
                file.reach(HEAD_BYTES, budget_bytes=HEAD_BYTES)
                size_bytes = file.inflated_bytes
                is_alike = begins_alike(file, record, size_bytes=size_bytes)
                return copy if is_alike else None
            size_bytes = file.status().st_size
            if is_from_before(
                file, record, size_bytes=size_bytes, sweep_ms=self._sweep_ms
            ):
                return None
            is_alike = (
                (size_bytes > record.next_offset or copy.is_younger_than(record))
                and begins_alike(file, record, size_bytes=size_bytes)
                and holds(file, record, size_bytes=size_bytes)
            )
            return copy if is_alike else None
        except OSError:
            return None
        finally:
            file.close()

    def _follow(self, copy: _Copy, source: SourceSettings) -> TrackedFile | None:
        """Follow a file until it is judged: whether it is the copy, and of what life."""
        try:
            file = self._open_path(copy.path, source)
        except OSError:
            return None
        facts = file.facts
        if facts.key in self._followed.files:
            file.close()
            return None
        try:
            tracked = self._begun(file, copy.path, source)
        except OSError:
            file.close()
            return None
        tracked.stage = Stage.LEAVING
        tracked.is_outside = True
        tracked.grew_at_ms = tracked.unread_since_ms = self._clock.monotonic_ms()
        tracked.is_behind = True
        tracked.seen = (copy.size_bytes, copy.modified_at_ns)
        if tracked.archive_suffix is None:
            tracked.size_bytes = copy.size_bytes
        self._followed.add(tracked)
        self._log.info("copy_outside_looked_at", path=tracked.shown_path)
        return tracked

    def _begun(self, file: AnyFile, path: str, source: SourceSettings) -> TrackedFile:
        filesystem = filesystem_id(file.descriptor, device=file.facts.device)
        match = self._known.match(file.facts, filesystem_id=filesystem, source=file)
        if match is not None:
            # A life of it is known, whose name is not to be given to another content.
            return resumed(
                match,
                file,
                path=path,
                source=source,
                delivery=self._delivery,
                clock=self._clock,
            )
        return begun(
            file,
            path=path,
            source=source,
            host_id=self._host_id,
            filesystem_id=filesystem,
            clock=self._clock,
            beginning=self._beginning,
            is_first_sweep=False,
        )

    def _follow_later_copies(self, heir: TrackedFile, search: _Search) -> None:
        """Follow what rotation copied after the copy of a life that is known.

        The file was emptied more than once since it was seen last: what it held between
        two truncations stands in a copy alone.
        """
        family = family_of(heir.shown_path)
        first_path = self._delivery.record_of(heir.generation).first_path
        if family not in (path_text(search.path), first_path):
            return  # More than a turn of the rotation was added to the name.
        copies = sorted(self._copies(heir.path, (family,)), key=lambda c: c.path)
        for copy in copies[:COPIES_MAX]:
            if family_of(path_text(copy.path)) == family and self._is_later(copy, heir):
                tracked = self._follow(copy, search.source)
                if tracked is not None:
                    tracked.is_later_copy = True
                    # Of what was sent before all was forgotten nothing tells, and a clock
                    # that was set tells wrongly what is later than that.
                    tracked.identity_rebuilt |= heir.identity_rebuilt
                    if heir.repeatable_bytes:
                        tracked.repeatable_bytes = copy.size_bytes

    def _is_later(self, copy: _Copy, heir: TrackedFile) -> bool:
        """Return whether a file was made after the heir, and no record tells of it."""
        try:
            file = self._open_path(copy.path, heir.source)
        except OSError:
            return False
        try:
            born_at_ns, heir_born_at_ns = file.facts.born_at_ns, heir.facts.born_at_ns
            if born_at_ns is None or heir_born_at_ns is None:
                return False
            # What is compressed late keeps the time of its content.
            is_written_later = heir.seen[1] <= copy.modified_at_ns
            is_later = born_at_ns > heir_born_at_ns and is_written_later
            return is_later and not self._is_known(file)
        except OSError:
            return False
        finally:
            file.close()

    def _is_known(self, file: AnyFile) -> bool:
        """Return whether a record tells of what the file holds: it was read by itself.

        One that was written anew since, as by a script that copies over the last copy,
        holds something else.
        """
        filesystem = filesystem_id(file.descriptor, device=file.facts.device)
        match = self._known.match(file.facts, filesystem_id=filesystem, source=file)
        if match is None or match.is_ended:
            return False
        if isinstance(file, ArchiveFile):
            return is_archive_done(match.record, file)
        size_bytes = file.status().st_size
        return has_head(file, match.record) and holds(
            file, match.record, size_bytes=size_bytes
        )
