"""Which file holds a generation: its own, then a copy or an archive, then none.

A generation is one life of one file; its bytes may outlive that file. The one that takes
them over, its heir, is read under the generation's name from where all before is safe, so
that what was sent and not yet noted as safe gets the same ids when it is sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from tailrace.log import FilteringBoundLogger
from tailrace.wire import AgentLedger
from tailrace_agent.ages import seems_from_before
from tailrace_agent.amendments import (
    amended_record,
    passed_record,
    still_lost,
)
from tailrace_agent.archives import AnyFile, ArchiveFile, ArchiveState
from tailrace_agent.copies import (
    UNCLEAR_MS_MAX,
    Copies,
    Heir,
    Kin,
    Passed,
    Verdict,
)
from tailrace_agent.delivery import Delivery
from tailrace_agent.families import Families, may_be_copy
from tailrace_agent.heads import HEAD_BYTES, copied_head, known_places
from tailrace_agent.incomplete import ARCHIVE_SETTLE_MS, has_original
from tailrace_agent.known import (
    KnownGenerations,
    orphaned,
    position_of,
)
from tailrace_agent.originals import Originals
from tailrace_agent.positions import START
from tailrace_agent.tracked import Stage, TrackedFile
from tailrace_agent.whereabouts import name_now

INFLATE_BYTES_MAX = 8 * 1_024 * 1_024
"""Content that one turn inflates to judge an archive, or to come to a place in it."""
JUDGE_MS = 200
NOW = 0
_ALL = 1 << 62


@dataclass(slots=True)
class Heirs:
    """Hands generations from file to file; the table tells of those that are followed."""

    known: KnownGenerations
    delivery: Delivery
    copies: Copies
    log: FilteringBoundLogger
    followed: Families[TrackedFile] = field(default_factory=Families[TrackedFile])
    originals: Originals = field(init=False)

    def __post_init__(self) -> None:
        """Let what waits for an original ask what is known of it."""
        self.originals = Originals(self.delivery, self.copies)

    def judge(self, tracked: TrackedFile, file: AnyFile, *, now_ms: int) -> int | None:
        """See whether a file that no record tells of is a copy, before it gets a name.

        Returns the monotonic time at which to ask again, or None when it is clear.

        Raises:
            OSError: a file cannot be read.
        """
        if self._is_clear(tracked, file, now_ms=now_ms):
            return None
        kin = self._kin(tracked)
        size_bytes = file.status().st_size
        if not size_bytes:
            return None  # Nothing to judge by, and nothing to read.
        if self.originals.may_be_unmet(tracked, file, kin, now_ms=now_ms):
            if isinstance(file, ArchiveFile) and tracked.stage is Stage.FOLLOWED:
                tracked.close()  # Few are open at a time: others may be read meanwhile.
            return now_ms + JUDGE_MS
        if not kin.followed and not kin.orphans:
            self._begin_own(tracked)
            return None
        if isinstance(file, ArchiveFile):
            next_ms = self._inflate(tracked, file, kin, now_ms=now_ms)
            if next_ms is not None:
                return next_ms
            size_bytes = file.inflated_bytes
            if self._holds_no_more(tracked, size_bytes=size_bytes):
                return None
        return self._decide(tracked, file, kin, size_bytes=size_bytes, now_ms=now_ms)

    def _decide(
        self,
        tracked: TrackedFile,
        file: AnyFile,
        kin: Kin,
        *,
        size_bytes: int,
        now_ms: int,
    ) -> int | None:
        """Ask what a file is, by content, and have it go on as that; as `judge` does."""
        verdict = self.copies.judge(
            tracked, file, kin=kin, size_bytes=size_bytes, now_ms=now_ms
        )
        if verdict is Verdict.UNCLEAR:
            return now_ms + JUDGE_MS
        if isinstance(verdict, Passed):
            return self._pass(tracked, verdict, now_ms=now_ms)
        if isinstance(verdict, Heir):
            tracked.is_judged = True
            self._inherit(
                tracked, file, verdict.record, kin.followed, size_bytes=size_bytes
            )
        else:
            self._begin_own(tracked)
        return None

    def is_alone(self, tracked: TrackedFile) -> bool:
        """Return whether a file is new, and by its name no copy of anything that is known.

        While no file has a turn, only such a one may get a name: what the original of
        another holds now, and how far it will be read, nobody knows before.
        """
        if self.delivery.knows(tracked.generation):
            return False
        kin = self._kin(tracked)
        return not kin.followed and not kin.orphans

    def _is_clear(self, tracked: TrackedFile, file: AnyFile, *, now_ms: int) -> bool:
        """Return whether there is nothing to ask about what a file is.

        One with a name is asked about if all of it was passed over, and it holds more.
        """
        if not self.delivery.knows(tracked.generation):
            return _is_judged(tracked, file) or _is_of_nothing(file)
        if not tracked.passed_bytes:
            return True
        if isinstance(file, ArchiveFile):
            return tracked.is_judged
        tracked.note_size(file.status().st_size, now_ms=now_ms)
        if tracked.size_bytes > tracked.passed_bytes:
            return tracked.is_judged
        if not tracked.position.offset:  # It was cut off again before that was clear.
            if tracked.size_bytes < tracked.passed_bytes:
                self._begin_own(tracked)
            else:
                tracked.position = position_of(
                    self.delivery.record_of(tracked.generation)
                )
        tracked.is_judged = True
        return True

    def _holds_no_more(self, tracked: TrackedFile, *, size_bytes: int) -> bool:
        """Return whether an archive that changed holds no more than was passed over.

        Else all of it is unread, until it is clear what it is now.
        """
        if not self.delivery.knows(tracked.generation):
            return False
        if size_bytes <= tracked.passed_bytes:
            tracked.is_judged = True
            return True
        tracked.position = START
        return False

    def _begin_own(self, tracked: TrackedFile) -> None:
        """Read a file as one of its own: from its head, though it was passed over before.

        Nothing of it was sent, and all that it began with may be its own, too: two files
        may begin with the same lines, and to lose them is worse than to repeat them.
        """
        tracked.is_judged = True
        if not tracked.passed_bytes:
            return
        if tracked.position.offset:
            # It is as it was when it was found to be a copy; its original is not.
            self._say_recognised(tracked)
            return
        self.log.info(
            "copy_went_on_otherwise",
            path=tracked.shown_path,
            generation=tracked.generation,
            offset=tracked.passed_bytes,
        )
        tracked.passed_bytes, tracked.position = 0, START
        name = tracked.generation
        if self.delivery.knows(name):
            self.delivery.revise(passed_record(self.delivery.record_of(name), START))

    def _pass(self, tracked: TrackedFile, passed: Passed, *, now_ms: int) -> int | None:
        """Pass over what a copy holds; say when to ask whether it holds more.

        One that is still being copied looks whole at each moment. Were what comes next
        read as its own, every line of it would be there twice.
        """
        if passed.position.offset != tracked.position.offset:
            tracked.position = passed.position
            tracked.passed_bytes = passed.position.offset
            tracked.grew_at_ms = now_ms
            name = tracked.generation
            if self.delivery.knows(name):
                record = self.delivery.record_of(name)
                self.delivery.revise(passed_record(record, passed.position))
        if passed.may_grow and now_ms - tracked.grew_at_ms < UNCLEAR_MS_MAX:
            return now_ms + JUDGE_MS
        tracked.is_judged = True
        self._say_recognised(tracked)
        return None

    def settle_ended(self, tracked: TrackedFile) -> None:
        """Let go of lives that a truncation ended, now that a successor is declared.

        Were both unknown, a restart would give the first life's name to other content.
        """
        if not tracked.ended or not self.delivery.is_declared(tracked.generation):
            return
        delivery = self.delivery
        # One that is not known any more was handed on, and its heir read to its end.
        tracked.ended[:] = [g for g in tracked.ended if delivery.knows(g)]
        for old in [g for g in tracked.ended if delivery.is_settled(g)]:
            self.orphan(old)
            if self.delivery.knows(old):
                return  # The disk did not take it: asked again at the next turn.
            tracked.ended.remove(old)

    def orphan(self, generation: str) -> None:
        """Note that no file holds a generation now; its last chunk is acknowledged."""
        self.delivery.revise(orphaned(self.delivery.record_of(generation)))
        self.known.orphan(self.delivery.last_word(generation))
        self.delivery.retire(generation, is_forgotten=False)
        for name in self.known.dropped:
            self.delivery.forget(name)
        self.known.dropped.clear()

    def _kin(self, tracked: TrackedFile) -> Kin:
        """Return what the file may be a copy of, by its name."""
        path = name_now(tracked)
        followed = [t for t in self.followed.above(path) if t is not tracked]
        orphans = [
            record
            for record in map(self._newest, self.known.above(path))
            if not self._is_read(record.generation)
            and record.generation != tracked.generation
            and may_be_copy(path, original_paths=(record.path, record.first_path))
        ]
        return Kin(path, followed, orphans)

    def _newest(self, record: AgentLedger) -> AgentLedger:
        name = record.generation
        return self.delivery.record_of(name) if self.delivery.knows(name) else record

    def _is_read(self, generation: str) -> bool:
        """Return whether a followed file holds a generation, or held it a moment ago."""
        is_unsaved = generation in self.known.unsaved
        return self.delivery.knows(generation) and not is_unsaved

    def _inflate(
        self, tracked: TrackedFile, file: ArchiveFile, kin: Kin, *, now_ms: int
    ) -> int | None:
        """Inflate what the judgement needs; return when to go on, or None when done."""
        if not file.reach(HEAD_BYTES, budget_bytes=INFLATE_BYTES_MAX):
            return NOW
        alike = self.copies.alike(kin, file, size_bytes=file.inflated_bytes)
        is_head_there = file.inflated_bytes >= HEAD_BYTES or file.is_over
        if not alike and is_head_there:
            return None
        places = [record.next_offset for record in alike]
        places += [mark.offset for record in alike for mark in known_places(record)]
        file.probe(places)
        if not file.reach(_ALL, budget_bytes=INFLATE_BYTES_MAX):
            return NOW
        if file.state is not ArchiveState.SHORT:
            return None
        is_settled = now_ms - tracked.grew_at_ms >= ARCHIVE_SETTLE_MS
        if not is_settled or has_original(tracked, self.followed):
            return now_ms + JUDGE_MS
        file.give_up()
        return None

    def _inherit(
        self,
        tracked: TrackedFile,
        file: AnyFile,
        record: AgentLedger,
        originals: Sequence[TrackedFile],
        *,
        size_bytes: int,
    ) -> None:
        """Go on with a generation in the file that holds its bytes now.

        Raises:
            OSError: the file cannot be read.
        """
        name, own_name = record.generation, tracked.generation
        if 0 < record.passed_bytes < size_bytes:
            record = passed_record(record, START)
        if size_bytes < record.head_size_bytes:
            record = _with_head_of(file, record)
        if not self.delivery.knows(name):
            self.delivery.adopt(record, is_restored=True)
        for original in originals:
            if name in original.ended:
                original.ended.remove(name)
        self.known.forget(name)
        self.known.unsaved.discard(name)
        is_doubtful = tracked.is_outside and seems_from_before(
            file, record, size_bytes=size_bytes, sweep_ms=self.copies.sweep_ms
        )
        held = msgspec.structs.replace(
            record,
            path=tracked.shown_path,
            source=tracked.source.name,
            held_by=tracked.identity,
            is_orphaned=False,
            is_closed=False,
            # Of which life the copy is, does not show: this one's rest may be lost.
            unwatched_since_ms=record.unwatched_since_ms if is_doubtful else 0,
            unlooked_since_ms=0,
            is_outside=tracked.is_outside,
            lost_bytes=still_lost(
                record, size_bytes=size_bytes, is_doubtful=is_doubtful
            ),
        )
        self.delivery.revise(held)
        tracked.take_over(held, position=position_of(held))
        if self.delivery.knows(own_name) and own_name != name:
            # It was passed over under a name of its own, of which nothing was sent.
            self.known.forget(own_name)
            self.delivery.amend(own_name, is_closed=True)
            self.delivery.retire(own_name, is_forgotten=True)
        self._say_recognised(tracked)

    def _say_recognised(self, tracked: TrackedFile) -> None:
        self.log.info(
            "copy_recognised",
            path=tracked.shown_path,
            generation=tracked.generation,
            offset=tracked.position.offset,
        )


def _is_judged(tracked: TrackedFile, file: AnyFile) -> bool:
    """Return whether it is clear what a file is, and that of what it holds now.

    A script may copy over it before it gets a name, and the copy be of the same size.
    """
    was_asked = tracked.judged_as is not None or not tracked.is_judged
    if isinstance(file, ArchiveFile) or not was_asked:
        return tracked.is_judged
    status = file.status()
    written = (status.st_size, status.st_mtime_ns)
    if tracked.judged_as != written:
        tracked.is_judged, tracked.judged_as = False, written
    return tracked.is_judged


def _is_of_nothing(file: AnyFile) -> bool:
    """Return whether a file is the whole archive of an empty log.

    Raises:
        OSError: the file cannot be read.
    """
    return (
        isinstance(file, ArchiveFile)
        and file.reach(1, budget_bytes=INFLATE_BYTES_MAX)
        and file.ending is ArchiveState.ENDED
        and not file.inflated_bytes
    )


def _with_head_of(file: AnyFile, record: AgentLedger) -> AgentLedger:
    """Return the record of a life that goes on in a copy from before its head was whole.

    By the head of its original the copy would be one that was written anew.
    """
    head = copied_head(file, record)
    return record if head is None else amended_record(record, {"head": head})
