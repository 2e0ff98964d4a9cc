"""One file's turn: read at most one chunk and give it to the delivery, or say when next."""

from __future__ import annotations

from tailrace.clock import Clock
from tailrace.kill_points import reach
from tailrace.ledger import OVERLOAD
from tailrace.log import FilteringBoundLogger
from tailrace.redaction.rules import Redactors
from tailrace.wire import DroppedReason
from tailrace_agent.archive_turns import await_archive, end_archive, leave_archive
from tailrace_agent.archives import AnyFile, ArchiveFile
from tailrace_agent.building import LongEvent
from tailrace_agent.catch_up import pacing_of
from tailrace_agent.chunking import Chunker, Limits
from tailrace_agent.config import AgentSettings
from tailrace_agent.delivery import Delivery
from tailrace_agent.first_bytes import form_of_file
from tailrace_agent.forms import PLAIN, Form, with_redactor, with_rule
from tailrace_agent.heads import HEAD_BYTES, is_head_of
from tailrace_agent.heirs import INFLATE_BYTES_MAX
from tailrace_agent.held import HeldEvents
from tailrace_agent.looks import Looks
from tailrace_agent.naming import ACK_WAIT_MS, NOW, Naming
from tailrace_agent.nuls import HOLE_BYTES_MIN
from tailrace_agent.overload import overload_of
from tailrace_agent.positions import Chunk, OpenEvent, Reading
from tailrace_agent.protocols import CheckpointUnwritable
from tailrace_agent.records import Agent
from tailrace_agent.tracked import Stage, TrackedFile

LIVELY_MS = 5_000
"""A file that grew this recently is looked at each `linger_ms_max`, which costs an fstat:
a hint from the kernel for each write of a busy file would cost far more."""
UNWRITABLE_WAIT_MS = 1_000


class Turns:
    """Takes each file's turn; the loop decides whose, and whether there is room."""

    def __init__(
        self,
        settings: AgentSettings,
        *,
        agent: Agent,
        delivery: Delivery,
        redactors: Redactors,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._redactors = redactors
        self._agent = agent
        self._delivery = delivery
        self._clock = clock
        self._log = log
        self._chunker = Chunker(Limits(settings.chunk_bytes, settings.event_bytes_max))
        self.looks = Looks(delivery=delivery, clock=clock, log=log)
        self.naming = Naming(
            settings,
            agent=agent,
            delivery=delivery,
            looks=self.looks,
            clock=clock,
            log=log,
        )
        self._held = HeldEvents()
        self._pacing = pacing_of(settings)
        self.overload = overload_of(settings)

    @property
    def held_back_bytes(self) -> dict[str, int]:
        """Return by source what had to wait for its rate, since the start."""
        return {} if self._pacing is None else dict(self._pacing.held_back_bytes)

    @property
    def line_wait_ms(self) -> int:
        """Return how long a line may wait for its newline, or an event for its next line."""
        multilines = [source.multiline for source in self._settings.sources]
        waits_ms = [one.flush_after_ms for one in multilines if one is not None]
        return max(self._settings.flush_after_ms, *waits_ms, 0)

    def take(self, tracked: TrackedFile, file: AnyFile) -> int | None:
        """Take one turn; return the monotonic time of the next one, or None.

        None means that there is nothing to do before the file changes, or, for a file
        that is leaving, that it was read to its end and its grace is over.

        Raises:
            OSError: the file cannot be read.
        """
        if isinstance(file, ArchiveFile):
            return self._take_archive(tracked, file)
        now_ms = self._clock.monotonic_ms()
        tracked.note_size(file.status().st_size, now_ms=now_ms)
        if tracked.passed_bytes and not tracked.is_judged:
            return NOW  # It goes on since that was asked: as what it is a copy of?
        idle_ms = now_ms - tracked.grew_at_ms
        is_over = (
            tracked.stage is Stage.LEAVING
            and idle_ms >= self._settings.rotated_grace_ms
        )
        is_settled = idle_ms >= self._settle_ms(tracked)
        is_flushing = idle_ms >= self._settings.flush_after_ms
        is_flushing = is_flushing or is_over or tracked.is_crowded
        # Another stream of its file may go on for ever.
        held_ms = 0 if tracked.held is None else now_ms - tracked.held_since_ms
        is_stale = held_ms >= self._settle_ms(tracked)
        is_waiting = not (is_flushing or is_settled or is_stale)
        if 0 < tracked.unread_bytes < self._settings.chunk_bytes and is_waiting:
            due_ms = tracked.unread_since_ms + self._settings.linger_ms_max
            if now_ms < due_ms:
                return due_ms
        if not self.naming.is_declared(tracked):
            if self._delivery.knows(tracked.generation):
                # Kafka may take long: should this life end meanwhile, it is ended.
                self.looks.look(tracked, file)
            return self._declare(tracked, file, now_ms, is_flushing=is_flushing)
        slot_ms = self._slot_ms(tracked, file, now_ms=now_ms)
        if slot_ms is not None:
            return slot_ms
        result = self._read(
            tracked,
            file,
            now_ms=now_ms,
            is_flushing=is_flushing,
            is_settled=is_settled,
            is_stale=is_stale,
        )
        next_ms = self._act_on(tracked, result, now_ms=now_ms)
        if next_ms is not None:
            return next_ms
        self.looks.note_whole(tracked)
        is_partial = result is not Reading.EMPTY
        if not is_partial and is_flushing:
            tracked.note_blank()
        return self._next_look(tracked, now_ms, is_partial=is_partial)

    def _take_archive(self, tracked: TrackedFile, file: ArchiveFile) -> int | None:
        """Take one turn of a compressed file; its end is known, not waited for.

        Raises:
            OSError: the file cannot be read.
        """
        now_ms = self._clock.monotonic_ms()
        if not file.reach(tracked.position.offset + 1, budget_bytes=INFLATE_BYTES_MAX):
            return NOW
        if tracked.size_bytes < file.inflated_bytes and not tracked.is_left_out:
            tracked.note_size(file.inflated_bytes, now_ms=now_ms)
        is_flushing = file.is_over
        if not self.naming.is_declared(tracked):
            return self._declare_archive(tracked, file, now_ms)
        if tracked.is_left_out:
            end_archive(tracked, file, delivery=self._delivery, log=self._log)
            return None
        slot_ms = self._slot_ms(tracked, file, now_ms=now_ms)
        if slot_ms is not None:
            return slot_ms
        result = self._read(
            tracked,
            file,
            now_ms=now_ms,
            is_flushing=is_flushing,
            is_settled=is_flushing,
        )
        next_ms = self._act_on(tracked, result, now_ms=now_ms)
        if next_ms is not None:
            return next_ms
        if not file.is_over:
            return await_archive(tracked, file, now_ms=now_ms)
        if not is_flushing:
            return NOW
        end_archive(tracked, file, delivery=self._delivery, log=self._log)
        return None

    def _slot_ms(
        self, tracked: TrackedFile, file: AnyFile, *, now_ms: int
    ) -> int | None:
        """Return when a file may be read that a rate holds back; None where it may be now.

        How much there is of it is taken in meanwhile: should it be truncated before, it
        is known how much was lost.

        Raises:
            OSError: the file cannot be read.
        """
        if self._pacing is None:
            return None
        slot_ms = self._pacing.due_ms(tracked, now_ms=now_ms)
        if slot_ms is not None and not tracked.is_looked_at:
            self.looks.look(tracked, file)
        return slot_ms

    def _act_on(
        self,
        tracked: TrackedFile,
        result: Chunk | LongEvent | OpenEvent | Reading,
        *,
        now_ms: int,
    ) -> int | None:
        """Do what a reading asks for; None means that there was nothing to read."""
        if isinstance(result, Chunk):
            self.looks.note_whole(tracked)
            return self._ship(tracked, result, now_ms=now_ms)
        if isinstance(result, LongEvent):
            tracked.long_event = result
            return NOW
        if isinstance(result, OpenEvent):
            tracked.is_crowded = not self._held.hold(tracked, result, now_ms=now_ms)
            return NOW if tracked.is_crowded else None
        if result is Reading.MORE:
            return NOW
        if result is Reading.REWRITTEN:
            wait_ms = self.ship_held(tracked)
            if wait_ms is not None:
                return wait_ms
            self.looks.begin_next_life(tracked)
            return NOW
        return None

    def ship_held(self, tracked: TrackedFile) -> int | None:
        """Ship an event that its file holds no more; return when to try again, or None.

        Its lines were whole, so they were to be sent whatever became of the file.
        """
        if tracked.held is None:
            return None
        chunk = self._chunker.held_chunk(
            tracked.held,
            position=tracked.position,
            form=self._full_form(tracked, tracked.form or PLAIN),
        )
        next_ms = self._ship(tracked, chunk, now_ms=self._clock.monotonic_ms())
        return next_ms if tracked.held else None

    def _declare(
        self, tracked: TrackedFile, file: AnyFile, now_ms: int, *, is_flushing: bool
    ) -> int | None:
        """Take the next step to a name; without a whole line, say when to look again."""
        next_ms = self.naming.declare(tracked, file, now_ms, is_flushing=is_flushing)
        if next_ms is not None:
            return next_ms
        tracked.note_looked()
        return self._next_look(tracked, now_ms, is_partial=True)

    def _declare_archive(
        self, tracked: TrackedFile, file: ArchiveFile, now_ms: int
    ) -> int | None:
        """Take an archive's next step to a name; without a line in it, wait for more.

        At its end there is none: a sweep says so if it changes.
        """
        next_ms = self.naming.declare(tracked, file, now_ms, is_flushing=file.is_over)
        if next_ms is None:
            leave_archive(tracked, is_over=file.is_over)
        if self._delivery.knows(tracked.generation) or file.is_over:
            return next_ms
        return await_archive(tracked, file, now_ms=now_ms)

    def _next_look(
        self, tracked: TrackedFile, now_ms: int, *, is_partial: bool
    ) -> int | None:
        """Say when a file that has nothing to read now is worth a look."""
        settings = self._settings
        idle_ms = now_ms - tracked.grew_at_ms
        looks: list[int] = []
        if is_partial and tracked.unread_bytes:
            waits_ms = (self._settle_ms(tracked), settings.flush_after_ms)
            looks += [tracked.grew_at_ms + wait for wait in waits_ms if idle_ms < wait]
        if tracked.stage is Stage.LEAVING and idle_ms < settings.rotated_grace_ms:
            looks.append(tracked.grew_at_ms + settings.rotated_grace_ms)
        if idle_ms < LIVELY_MS:
            # Soon for what grew just now, later and later for what has stopped: of very
            # many files that all got a line, each costs a few looks, and not dozens.
            wait_ms = max(settings.linger_ms_max, ACK_WAIT_MS, idle_ms // 2)
            looks.append(now_ms + wait_ms)
        return min(looks) if looks else None

    def _read(
        self,
        tracked: TrackedFile,
        file: AnyFile,
        *,
        now_ms: int,
        is_flushing: bool,
        is_settled: bool,
        is_stale: bool = False,
    ) -> Chunk | LongEvent | OpenEvent | Reading:
        is_fixed = isinstance(file, ArchiveFile)
        if not is_fixed and not self.looks.has_its_head(tracked, file):
            return Reading.REWRITTEN
        record = self._delivery.record_of(tracked.generation)
        form = self._full_form(tracked, form_of_file(tracked, file))
        if tracked.long_event is not None:
            return self._chunker.pass_event(
                file,
                tracked.long_event,
                position=tracked.position,
                cuts=tracked.cuts,
                form=form,
                is_flushing=is_flushing,
                is_fixed=is_fixed,
            )
        return self._chunker.next_chunk(
            file,
            position=tracked.position,
            cuts=tracked.cuts,
            hole_bytes_min=1 if tracked.may_begin_with_hole else HOLE_BYTES_MIN,
            form=form,
            is_flushing=is_flushing,
            is_settled=is_settled,
            is_stale=is_stale,
            held=tracked.held,
            value_bytes_max=self.overload.room_bytes(
                tracked.source.name, now_ms=now_ms
            ),
            is_own=lambda first: is_fixed or is_head_of(first, record),
        )

    def _full_form(self, tracked: TrackedFile, form: Form) -> Form:
        """Return how a file is written, with its source's and its generation's rules."""
        record = self._delivery.record_of(tracked.generation)
        redactor = self._redactors.of(tracked.source.name)
        return with_redactor(with_rule(form, record.placement.multiline), redactor)

    def _settle_ms(self, tracked: TrackedFile) -> int:
        """Return after how long without growth an event of whole lines is over."""
        multiline = tracked.source.multiline
        limit_ms = self._settings.flush_after_ms
        return limit_ms if multiline is None else multiline.flush_after_ms

    def _ship(self, tracked: TrackedFile, chunk: Chunk, *, now_ms: int) -> int:
        if tracked.stage is Stage.LEAVING:
            reach("A7")
        self.looks.note_rest(tracked)
        source = tracked.source.name
        reason: DroppedReason = ""
        if chunk.event_count:
            reason = self.overload.reason_of(source, chunk, now_ms=now_ms)
        try:
            is_sent = self._delivery.ship(
                tracked.generation, chunk, dropped_reason=reason
            )
        except CheckpointUnwritable as error:
            # An event that no re-read could repeat is not made: the line waits.
            self._log.error("line_held_back", path=tracked.shown_path, why=str(error))
            return now_ms + UNWRITABLE_WAIT_MS
        if chunk.cut is not None and chunk.cut not in tracked.cuts:
            tracked.cuts = (*tracked.cuts, chunk.cut)
        if not is_sent:
            return now_ms + ACK_WAIT_MS
        self.overload.note(source, chunk, reason=reason, now_ms=now_ms)
        if reason and self.overload.is_news(source, now_ms=now_ms):
            self._log.warning("source_beyond_rate", source=source, reason=reason)
        if self._pacing is not None:
            # The rate at which what waited is sent is not asked of what is not sent.
            size_bytes = 0 if reason == OVERLOAD else len(chunk.value)
            self._pacing.note_sent(tracked, size_bytes=size_bytes)
        tracked.long_event = None
        before, tracked.position = tracked.position, chunk.after
        tracked.is_crowded = not self._held.hold(tracked, chunk.follower, now_ms=now_ms)
        tracked.unread_since_ms = now_ms
        offset = chunk.after.offset
        tracked.cuts = tuple(cut for cut in tracked.cuts if cut.next_offset >= offset)
        if before.offset < HEAD_BYTES and tracked.file is not None:
            self.looks.note_head(tracked, tracked.file)
        return NOW
