"""Which new file is a copy of what was read before: by content, and by its name.

`copytruncate` copies `app.log` to `app.log.1` and empties it; compression leaves
`app.log.1.gz` in the place of `app.log.1`. What had been read is not read again, and what
had not is read there, as the generation that it belongs to. Two services may well write
the same lines, so a copy also bears the name of its original with something after it.
The lives of one log may begin with the same lines, so of all that a file could be a copy
of, it is that which is known to be like it up to the furthest place.
Until it is clear what a file is, it is held back: its lines are safe where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from tailrace.wire import AgentLedger, Mark
from tailrace_agent.ages import is_from_before, is_made_after, is_too_old
from tailrace_agent.amendments import mark_at
from tailrace_agent.archives import AnyFile, ArchiveFile
from tailrace_agent.delivery import Delivery
from tailrace_agent.families import may_be_copy
from tailrace_agent.known import is_rewritten
from tailrace_agent.likeness import (
    begins_alike,
    ends_with_line,
    holds,
    is_in_archive,
    is_shorter_copy,
    known_alike_bytes,
)
from tailrace_agent.opening import Opener
from tailrace_agent.positions import (
    TAIL_BYTES,
    Position,
    Source,
    Tail,
    tail_at,
)
from tailrace_agent.tracked import Stage, TrackedFile

UNCLEAR_MS_MAX = 10_000
"""A file that could be a copy and shows no more of it for this long is one of its own."""


class Verdict(Enum):
    """What a new file is, if it is not known where reading of it begins."""

    OWN = "it is a file of its own"
    UNCLEAR = "ask again"


@dataclass(frozen=True, slots=True)
class Heir:
    """The file holds the bytes of a generation that has no other file any more."""

    record: AgentLedger


@dataclass(frozen=True, slots=True)
class Passed:
    """All that is here was read elsewhere: reading begins behind it."""

    position: Position
    may_grow: bool
    """Its original is still there, and whoever copies it may not be done."""


@dataclass(frozen=True, slots=True)
class _Likeness:
    """What a file is if it is like one generation, and how far it is known to be."""

    alike_bytes: int
    verdict: Heir | Passed | Verdict
    is_assumed: bool = False
    """That what stands behind them was read elsewhere is likely, and not known."""


@dataclass(frozen=True, slots=True)
class Kin:
    """What a file may be a copy of: all of its family."""

    path: str
    followed: Sequence[TrackedFile]
    orphans: Sequence[AgentLedger]


@dataclass(slots=True)
class Copies:
    """Judges new files by what the delivery knows of the others."""

    delivery: Delivery
    opener: Opener
    sweep_ms: int
    """How long after a look at a file the next one is, at most."""

    def alike(self, kin: Kin, file: Source, *, size_bytes: int) -> list[AgentLedger]:
        """Return the generations that a file of this size begins like.

        Raises:
            OSError: a file cannot be read.
        """
        return [
            record
            for record in (
                *self._ended(kin),
                *(record for _, record in self._alive(kin)),
                *kin.orphans,
            )
            if begins_alike(file, record, size_bytes=size_bytes)
        ]

    def judge(
        self,
        suspect: TrackedFile,
        file: AnyFile,
        *,
        kin: Kin,
        size_bytes: int,
        now_ms: int,
    ) -> Heir | Passed | Verdict:
        """Return where to begin in a copy, or what else the file is.

        A copy that may grow is to be asked about again: what comes to it, too, may have
        been read.

        Raises:
            OSError: a file cannot be read.
        """
        living = self._of_the_living(suspect, file, kin, size_bytes, now_ms)
        gone = self._of_the_gone(suspect, file, kin, size_bytes=size_bytes)
        # Of equals it is the first: what is alive may be known to be like it further on.
        # What would pass lines over comes last, for to lose them is worse than to repeat.
        best = max(
            [*living, *gone],
            key=lambda likeness: (likeness.alike_bytes, not likeness.is_assumed),
            default=_Likeness(0, Verdict.OWN),
        )
        verdict = best.verdict
        may_grow = isinstance(verdict, Passed) and verdict.may_grow
        if verdict is Verdict.UNCLEAR or may_grow:
            return verdict
        for original in kin.followed:
            original.copied_bytes = 0
        return verdict

    def is_anew(self, original: TrackedFile) -> bool:
        """Return whether a file holds other content than its generation's, or is another.

        It did not have a turn since. Who copied it meanwhile copied what nobody has named
        yet; where it is empty now, there is nothing to wait for.
        """
        name, position = original.generation, original.position

        def is_other(file: AnyFile) -> bool:
            if original.archive_suffix is not None or not self.delivery.knows(name):
                return False
            has_content = file.status().st_size > 0
            record = self.delivery.record_of(name)
            return has_content and is_rewritten(file, record, position=position)

        return self._asked(original, is_other, of_another=True)

    def _ended(self, kin: Kin) -> Iterator[AgentLedger]:
        """Yield the lives of followed files that a truncation ended.

        The file may bear another name since; it counts how it was called in that life.
        """
        for original in kin.followed:
            for name in original.ended:
                if self.delivery.knows(name):
                    record = self.delivery.record_of(name)
                    names = (record.path, record.first_path)
                    if may_be_copy(kin.path, original_paths=names):
                        yield record

    def _alive(self, kin: Kin) -> Iterator[tuple[TrackedFile, AgentLedger]]:
        for original in kin.followed:
            if self.delivery.knows(original.generation):
                record = self.delivery.record_of(original.generation)
                names = (original.shown_path, record.path, record.first_path)
                # A generation that was handed on has had names that are not known now:
                # that of its family must do.
                if record.held_by is not None or may_be_copy(
                    kin.path, original_paths=names
                ):
                    yield original, record

    def _of_the_gone(
        self, suspect: TrackedFile, file: AnyFile, kin: Kin, *, size_bytes: int
    ) -> Iterator[_Likeness]:
        """Look for generations without a file: the rest of one may be only here."""
        for record in (*self._ended(kin), *kin.orphans):
            if not begins_alike(file, record, size_bytes=size_bytes):
                continue
            alike_bytes = known_alike_bytes(file, record, size_bytes=size_bytes)
            if self._is_on_its_way(record):
                yield _Likeness(size_bytes if alike_bytes else 0, Verdict.UNCLEAR)
            elif holds(file, record, size_bytes=size_bytes):
                has_rest = size_bytes > record.next_offset
                if has_rest and (
                    is_too_old(suspect, file, record)
                    or (
                        suspect.is_outside
                        and is_from_before(
                            file,
                            record,
                            size_bytes=size_bytes,
                            sweep_ms=self.sweep_ms,
                        )
                    )
                    or _held_all(suspect, record)
                ):
                    continue
                yield _Likeness(alike_bytes, Heir(record))
            elif is_shorter_copy(file, record, size_bytes=size_bytes):
                tail = tail_at(file, size_bytes, min(TAIL_BYTES, size_bytes))
                passed = Passed(Position(size_bytes, 0, tail), may_grow=False)
                is_assumed = alike_bytes < size_bytes
                if is_assumed and is_made_after(suspect, record):
                    continue
                yield _Likeness(alike_bytes, passed, is_assumed=is_assumed)

    def _of_the_living(
        self,
        suspect: TrackedFile,
        file: Source,
        kin: Kin,
        size_bytes: int,
        now_ms: int,
    ) -> Iterator[_Likeness]:
        """Look for files that still hold all that is here, and are read themselves.

        One that does not may have been emptied a moment ago.
        """
        own_tail = tail_at(file, size_bytes, min(TAIL_BYTES, size_bytes))
        waiting: list[int] = []
        for original, record in self._alive(kin):
            known_bytes = alike_bytes = self._known_bytes(
                original, record, file, own_tail, size_bytes=size_bytes
            )
            if alike_bytes is None:
                continue
            if suspect.clear_until_ms is None:
                suspect.clear_until_ms = now_ms + UNCLEAR_MS_MAX
            if original.archive_suffix is not None:
                is_alike = is_in_archive(file, record, size_bytes=size_bytes)
            elif is_alike := self._has_tail(original, own_tail, size_bytes=size_bytes):
                alike_bytes = size_bytes
            # Unless it is still being made, what is outgrown is of another life.
            if is_alike and not _is_outgrown(suspect, original, record, size_bytes):
                original.copied_bytes = size_bytes
                is_known = known_bytes == alike_bytes
                self._note_end(record, mark_at(size_bytes, own_tail), is_known=is_known)
                if record.next_offset >= size_bytes:
                    yield _Likeness(
                        alike_bytes,
                        Passed(Position(size_bytes, 0, own_tail), may_grow=True),
                        is_assumed=alike_bytes < size_bytes,
                    )
                    continue
                suspect.clear_until_ms = now_ms + UNCLEAR_MS_MAX
            is_on_its_way = alike_bytes > 0 and self._is_on_its_way(record)
            if is_on_its_way and _is_gone(original):
                # It cannot be asked. What is on its way will tell, and nothing is added.
                suspect.clear_until_ms = now_ms + UNCLEAR_MS_MAX
            is_like_all = is_on_its_way or (alike_bytes > 0 and is_alike)
            waiting.append(size_bytes if is_like_all else alike_bytes)
        until_ms = suspect.clear_until_ms
        if waiting and until_ms is not None and now_ms < until_ms:
            yield _Likeness(max(waiting), Verdict.UNCLEAR)

    def _note_end(self, record: AgentLedger, end: Mark, *, is_known: bool) -> None:
        """Note where a copy ends that is met in time, if nothing tells that for certain.

        Should its original be emptied, read further on than this, nothing else need tell
        that the copy holds what was read.
        """
        if record.next_offset < end.offset or not is_known:
            self.delivery.amend(record.generation, copied=end)

    def _is_on_its_way(self, record: AgentLedger) -> bool:
        """Return whether more was sent than the record says; all may be alike, then."""
        name = record.generation
        return self.delivery.knows(name) and not self.delivery.is_settled(name)

    def note_copy(self, original: TrackedFile, file: AnyFile) -> None:
        """Note where a copy ends of a file that has no record yet, if this is one now.

        By the time that it has one, it may be longer than its last lines tell.

        Raises:
            OSError: the file cannot be read.
        """
        size_bytes = file.status().st_size
        if isinstance(file, ArchiveFile) or original.archive_suffix or not size_bytes:
            return
        tail = tail_at(file, size_bytes, min(TAIL_BYTES, size_bytes))
        is_whole = ends_with_line(file, size_bytes=size_bytes)
        if is_whole and self._has_tail(original, tail, size_bytes=size_bytes):
            original.copied = mark_at(size_bytes, tail)

    def _known_bytes(
        self,
        original: TrackedFile,
        record: AgentLedger,
        file: Source,
        own_tail: Tail,
        *,
        size_bytes: int,
    ) -> int | None:
        """Return up to where a file is known to be like one; None where it begins otherwise.

        Of a head that has grown only where its last lines end is known: a small copy is
        compared with all that the original begins with, as that stands.
        """
        if begins_alike(file, record, size_bytes=size_bytes):
            return known_alike_bytes(file, record, size_bytes=size_bytes)
        is_small = 0 < size_bytes < record.head_size_bytes
        is_plain = original.archive_suffix is None
        is_begun = (
            is_small
            and is_plain
            and ends_with_line(file, size_bytes=size_bytes)
            and self._has_tail(original, own_tail, size_bytes=size_bytes)
        )
        return 0 if is_begun else None

    def _has_tail(self, original: TrackedFile, tail: Tail, *, size_bytes: int) -> bool:
        """Return whether `tail` stands at the same place in the original."""
        return self._asked(
            original, lambda file: tail_at(file, size_bytes, tail.size_bytes) == tail
        )

    def _asked(
        self,
        original: TrackedFile,
        question: Callable[[AnyFile], bool],
        *,
        of_another: bool = False,
    ) -> bool:
        """Return the answer of a plain file; false where it cannot be asked.

        Where its inode serves another file, the answer is `of_another`.
        """
        if original.file is not None:
            return question(original.file)
        try:
            opened = self.opener.open_plain(original.path, source=original.source)
        except OSError:
            return False
        try:
            if opened.facts != original.facts:
                return of_another and opened.facts.key == original.key
            return question(opened)
        finally:
            opened.close()


def _is_gone(original: TrackedFile) -> bool:
    """Return whether nothing of a file can be read any more."""
    return original.stage is Stage.LEAVING and original.file is None


def _held_all(suspect: TrackedFile, record: AgentLedger) -> bool:
    """Return whether a file was passed over with all in it that was ever seen of a life.

    What came to it since is no rest of that.
    """
    seen_bytes = max(record.next_offset, record.seen_size_bytes)
    return 0 < seen_bytes <= suspect.passed_bytes


def _is_outgrown(
    suspect: TrackedFile, original: TrackedFile, record: AgentLedger, size_bytes: int
) -> bool:
    """Return whether a file was made when there was a longer copy of a life already.

    A life does not shrink: what was copied of it later is no shorter.
    """
    born_at_ns = suspect.facts.born_at_ns
    if born_at_ns is None or suspect.archive_suffix is not None:
        return False
    is_copy = record.held_by is not None and original.archive_suffix is None
    is_longer = original.size_bytes > size_bytes
    return is_copy and is_longer and born_at_ns > original.seen[1]
