"""What is seen of a file beside its lines: how large it is, and whether it is still the same."""

from __future__ import annotations

from tailrace.clock import Clock
from tailrace.identity import generation_of
from tailrace.log import FilteringBoundLogger
from tailrace.wire import AgentLedger
from tailrace_agent.amendments import SHRUNK, TRUNCATED
from tailrace_agent.archives import AnyFile, ArchiveFile
from tailrace_agent.beginnings import next_identity
from tailrace_agent.delivery import Delivery
from tailrace_agent.heads import (
    HEAD_BYTES,
    begins_with_hole,
    ends_in_head,
    grown_head,
    has_head,
    shortened_head,
)
from tailrace_agent.nuls import behind_nuls
from tailrace_agent.positions import stands_before
from tailrace_agent.tracked import Told, TrackedFile
from tailrace_agent.whereabouts import name_now


class Looks:
    """Keeps what is known of each file's content true, and tells the delivery."""

    def __init__(
        self, *, delivery: Delivery, clock: Clock, log: FilteringBoundLogger
    ) -> None:
        self._delivery = delivery
        self._clock = clock
        self._log = log

    def look(self, tracked: TrackedFile, file: AnyFile) -> None:
        """Take in how much there is, and read none of it: it is not its turn.

        A life that ended meanwhile, or while no agent ran, is ended here: what is written
        next is of another, and may be emptied, too, before there is room. How much an
        archive holds is not known before it is read.

        Raises:
            OSError: the file cannot be read.
        """
        if isinstance(file, ArchiveFile):
            return
        tracked.note_size(file.status().st_size, now_ms=self._clock.monotonic_ms())
        is_own = self._delivery.knows(tracked.generation) and not tracked.passed_bytes
        may_be_over = is_own and tracked.held is None
        if not (tracked.is_judged or may_be_over):
            return
        position = tracked.position
        is_whole = self.has_its_head(tracked, file) and stands_before(
            file, position.offset, position.tail
        )
        if may_be_over and not is_whole:
            self.begin_next_life(tracked)
            # It may be written over before it has a name, and is never seen to shrink then.
            tracked.note_first(file, size_bytes=tracked.size_bytes)
            return
        if is_whole:
            self.note_whole(tracked)
            if self._delivery.knows(tracked.generation):
                if not position.offset:
                    self.note_head(tracked, file)  # Nothing else tells of its content.
                # A life that ends now must not take what was seen with it.
                self._delivery.amend(
                    tracked.generation, seen_size_bytes=tracked.whole_size_bytes
                )

    def has_its_head(self, tracked: TrackedFile, file: AnyFile) -> bool:
        """Return whether the file begins as its generation did, as far as that tells.

        It may be rewritten with nothing before the position, or with what stood there: a
        long run of one byte, say, in both. The tail could not tell that.
        """
        if not self._delivery.knows(tracked.generation):
            return True
        record, position = (
            self._delivery.record_of(tracked.generation),
            tracked.position,
        )
        # A file that is longer and begins otherwise was written anew, under a banner maybe
        # that both lives have.
        cut = shortened_head(file, record, offset=position.offset, tail=position.tail)
        if cut is not None:
            # What comes next belongs to this life: by its old head it would be another.
            self._delivery.amend(tracked.generation, head=cut)
            return True
        # A copy may have been made while the head was shorter.
        is_begun = record.held_by is not None and ends_in_head(
            file, record, size_bytes=file.status().st_size
        )
        return is_begun or has_head(file, record)

    def is_reported(self, tracked: TrackedFile) -> bool:
        """Return whether the last report told all: nothing is other than it was then.

        Records are replaced and never changed, so the same one says the same.
        """
        told = tracked.told
        return (
            told is not None
            and not tracked.ended
            and told.size_bytes == tracked.whole_size_bytes
            and told.record.blank_bytes == _blank_bytes(tracked, told.record)
            and told.path is tracked.path
            and self._delivery.knows(tracked.generation)
            and told.record is self._delivery.record_of(tracked.generation)
        )

    def report(self, tracked: TrackedFile, *, unlooked_since_ms: int = 0) -> None:
        """Let the ledger follow along, if there is news.

        A word says since when nobody has looked, should that be longer ago than it is
        itself: the next life takes it for a look else, and what came to the file since,
        and stands in a copy, for older than that.

        Raises:
            OSError: the file cannot be read.
        """
        for old in tracked.ended:
            # While the file stays empty no successor lets go of it, and what was on its
            # way when it ended is acknowledged since.
            if self._delivery.knows(old) and self._delivery.needs_report(old):
                self._delivery.report(old)
        if not self._delivery.knows(tracked.generation):
            return
        self.note_rest(tracked)
        record = self._delivery.record_of(tracked.generation)
        self._delivery.amend(
            tracked.generation,
            path=tracked.shown_path,
            seen_size_bytes=tracked.whole_size_bytes,
            blank_bytes=_blank_bytes(tracked, record),
        )
        if tracked.file is not None and record.head_size_bytes < record.next_offset:
            self.note_head(tracked, tracked.file)
        if self._delivery.needs_report(tracked.generation):
            since_ms = tracked.unwatched_since_ms or unlooked_since_ms
            self._delivery.amend(tracked.generation, unlooked_since_ms=since_ms)
            self._delivery.report(tracked.generation)
        record = self._delivery.record_of(tracked.generation)
        is_short = record.head_size_bytes < min(HEAD_BYTES, record.next_offset)
        size_bytes = tracked.whole_size_bytes
        # A head that is still short is asked for again, once its file is open.
        tracked.told = None if is_short else Told(record, tracked.path, size_bytes)

    def note_rest(self, tracked: TrackedFile) -> None:
        """Let the record tell of the moment before all that is unread came.

        Where a part of it was sent since, what waits began at a later moment.
        """
        if tracked.rest is not None and tracked.rest[1] == tracked.position.offset:
            self._delivery.amend(tracked.generation, rest=tracked.rest)
            tracked.rest = None

    def note_head(self, tracked: TrackedFile, file: AnyFile) -> None:
        """Take in more of a head that has grown: a copy is known by it from now on.

        Raises:
            OSError: the file cannot be read.
        """
        record = self._delivery.record_of(tracked.generation)
        if record.head_size_bytes >= HEAD_BYTES:
            return
        # A file that was emptied just now would give its new life's head to the old.
        head = grown_head(file, record.head_size_bytes, record.head_hash)
        if head is not None:
            self._delivery.amend(tracked.generation, head=head)

    def begin_next_life(self, tracked: TrackedFile) -> None:
        """End the generation of a file that was rewritten; begin the next at its head."""
        old, read_to_offset = tracked.generation, tracked.position.offset
        seen_bytes = tracked.largest_size_bytes
        unwatched_since_ms = tracked.unwatched_since_ms
        renewed = next_identity(tracked.identity, at_ms=self._clock.now_ms())
        lost_bytes = tracked.begin_next_life(
            renewed,
            generation=generation_of(renewed),
            at_ms=self._clock.now_ms(),
            now_ms=self._clock.monotonic_ms(),
        )
        tracked.met_as = self._delivery.record_of(old).first_path
        name_now(tracked)  # A copy may have been made over it, and be deleted soon.
        self._delivery.amend(
            old,
            # A copy bears the name that the file had when it was emptied.
            path=tracked.shown_path,
            seen_size_bytes=seen_bytes,
            lost=(TRUNCATED, lost_bytes),
            is_closed=True,
            unwatched_since_ms=unwatched_since_ms,
        )
        self._delivery.report(old)
        tracked.ended.append(old)
        self._log.warning(
            "file_truncated",
            path=tracked.shown_path,
            generation=old,
            read_to_offset=read_to_offset,
            lost_bytes=lost_bytes,
            is_loss_unknown=unwatched_since_ms > 0,
        )

    def note_hole(self, tracked: TrackedFile, file: AnyFile) -> None:
        """Take in what the hole tells that a file begins with: how large it was before.

        A writer that does not append goes on where it was when its file was emptied under
        it, and leaves nothing before that place. So what was lost is known exactly, though
        no agent looked.

        Raises:
            OSError: the file cannot be read.
        """
        if not tracked.ended or tracked.position.offset or not begins_with_hole(file):
            return
        old = tracked.ended[-1]
        if not self._delivery.knows(old):
            return
        record = self._delivery.record_of(old)
        hole_bytes = behind_nuls(file, 0, 1, 1)
        if hole_bytes < record.seen_size_bytes:
            return  # Somebody else wrote this.
        lost_bytes = hole_bytes - record.seen_size_bytes
        self._delivery.amend(
            old,
            seen_size_bytes=hole_bytes,
            lost=(TRUNCATED, lost_bytes),
            unwatched_since_ms=0,
        )
        self._log.warning(
            "truncated_size_known",
            path=tracked.shown_path,
            generation=old,
            size_bytes=hole_bytes,
            lost_bytes=lost_bytes,
        )

    def note_whole(self, tracked: TrackedFile) -> None:
        """Note that what stands before the position is what stood there."""
        was_unwatched = tracked.unwatched_since_ms > 0
        lost_bytes = tracked.note_whole()
        if not self._delivery.knows(tracked.generation):
            return
        if was_unwatched:
            self._delivery.amend(tracked.generation, unlooked_since_ms=0)
        if lost_bytes:
            # Cut off behind the position: what stands before it was read, and stands.
            self._delivery.amend(tracked.generation, lost=(SHRUNK, lost_bytes))
            self._log.warning(
                "file_shrunk", path=tracked.shown_path, lost_bytes=lost_bytes
            )


def _blank_bytes(tracked: TrackedFile, record: AgentLedger) -> int:
    """Return how much of what was ever seen behind the position is not to be read now."""
    seen_bytes = max(record.seen_size_bytes, tracked.whole_size_bytes)
    # What was cut off at its end, and declared or no loss; it may have grown since.
    cut_bytes = record.lost_bytes.get(SHRUNK, 0) + tracked.trimmed_bytes
    cut_bytes = min(cut_bytes, seen_bytes - tracked.size_bytes)
    return tracked.blank_bytes + max(cut_bytes, 0)
