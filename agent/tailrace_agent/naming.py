"""How a file gets its name, the generation: known to checkpoint and ledger before any chunk."""

from __future__ import annotations

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace_agent.archives import AnyFile, ArchiveFile
from tailrace_agent.beginnings import first_record
from tailrace_agent.config import AgentSettings
from tailrace_agent.delivery import Delivery
from tailrace_agent.first_bytes import as_utf8, form_of_file, is_enough, sample_of
from tailrace_agent.heads import Head, begins_with, grown_head, read_head
from tailrace_agent.likeness import stands_at
from tailrace_agent.looks import Looks
from tailrace_agent.placement import placement_of
from tailrace_agent.positions import START
from tailrace_agent.records import Agent
from tailrace_agent.tracked import TrackedFile

ACK_WAIT_MS = 20
NOW = 0
"""There may be more to do at once."""


class Naming:
    """Introduces files, and sees to it that what they held before that is told, too."""

    def __init__(
        self,
        settings: AgentSettings,
        *,
        agent: Agent,
        delivery: Delivery,
        looks: Looks,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._agent = agent
        self._delivery = delivery
        self._looks = looks
        self._clock = clock
        self._log = log

    def see_first(self, tracked: TrackedFile, file: AnyFile) -> None:
        """See that what a file without a name holds now is what it held at first sight.

        It waits for a moment before it gets one: for more of its lines, which choose its
        parser, or for word of what it may be a copy of. Where it was written over
        meanwhile, what it held was a life of its own, which ends with that as any other:
        it is searched for in copies, and what is not found is declared as lost.

        Raises:
            OSError: the file cannot be read.
        """
        has_name = self._delivery.knows(tracked.generation)
        if has_name or tracked.is_outside or isinstance(file, ArchiveFile):
            return
        now_ms = self._clock.monotonic_ms()
        tracked.note_size(file.status().st_size, now_ms=now_ms)
        head = tracked.first_head
        if head is None or begins_with(file, head.size_bytes, head.hash):
            if head is None or tracked.whole_size_bytes != tracked.size_bytes:
                tracked.note_first(file, size_bytes=tracked.size_bytes)
            return
        self._adopt(
            tracked,
            file,
            sample_of(tracked, file),
            head=head,
            seen_size_bytes=tracked.largest_size_bytes,
        )
        self._looks.begin_next_life(tracked)

    def introduce_early(self, tracked: TrackedFile, file: AnyFile) -> None:
        """Let the checkpoint know of a new file that there is no room to read.

        Kafka may be away for longer than this life: a file that was seen, and of which no
        record tells, would be lost in silence if it is renamed out of the globs before
        the next. What an archive holds is not known before it is read, so it waits.

        Raises:
            OSError: the file cannot be read.
        """
        if isinstance(file, ArchiveFile) or tracked.is_outside:
            return
        now_ms = self._clock.monotonic_ms()
        tracked.note_size(file.status().st_size, now_ms=now_ms)
        idle_ms = now_ms - tracked.grew_at_ms
        is_flushing = idle_ms >= self._settings.flush_after_ms
        if self.declare(tracked, file, now_ms, is_flushing=is_flushing) is None:
            tracked.note_looked()

    def is_declared(self, tracked: TrackedFile) -> bool:
        """Return whether chunks may go; where not yet, take the next step to it.

        A file is introduced in one turn and saved in another: so those that are new
        together are saved together.
        """
        name, delivery = tracked.generation, self._delivery
        if not delivery.knows(name) or not delivery.save_new(name):
            return False
        delivery.declare(name)
        return delivery.is_declared(name)

    def declare(
        self, tracked: TrackedFile, file: AnyFile, now_ms: int, *, is_flushing: bool
    ) -> int | None:
        """See to it that Kafka knows of the generation before it gets a chunk.

        Returns when to take the next step; None where there is no whole line yet.

        Raises:
            OSError: the file cannot be read.
        """
        if self._delivery.knows(tracked.generation):
            return now_ms + ACK_WAIT_MS
        if tracked.size_bytes < tracked.position.offset:
            tracked.position = START  # Truncated before anything of it was sent.
        if tracked.size_bytes and not tracked.is_judged:
            return NOW  # It was written, or written anew, since that was asked.
        sample = sample_of(tracked, file)
        if sample and not tracked.is_judged:
            return NOW  # It was empty then.
        # What is lost of an archive is declared, by a name that it needs for that alone.
        is_bad = isinstance(file, ArchiveFile) and is_flushing and file.is_bad
        if not (is_bad or is_enough(sample, is_flushing=is_flushing)):
            return None  # There is no whole line in it yet.
        head = _head_as_seen(tracked, file)
        if head is None:
            return NOW  # It is another life's by now, of which nothing was asked.
        self._introduce(tracked, file, sample, head=head)
        return now_ms + ACK_WAIT_MS

    def _introduce(
        self, tracked: TrackedFile, file: AnyFile, sample: bytes, *, head: Head
    ) -> None:
        """Fix the placement by the first bytes, and take the generation up."""
        self._looks.note_hole(tracked, file)
        size_bytes = tracked.size_bytes
        self._adopt(tracked, file, sample, head=head, seen_size_bytes=size_bytes)
        self._looks.note_rest(tracked)
        copied = tracked.copied
        if copied is not None and stands_at(file, copied):
            self._delivery.amend(tracked.generation, copied=copied)
        # Should it be written over before the first reading, so much is lost.
        tracked.whole_size_bytes = size_bytes

    def _adopt(
        self,
        tracked: TrackedFile,
        file: AnyFile,
        sample: bytes,
        *,
        head: Head,
        seen_size_bytes: int,
    ) -> None:
        """Take a generation up, of which so much was seen."""
        placement = placement_of(
            as_utf8(sample, form=form_of_file(tracked, file)),
            path=tracked.shown_path,
            source=tracked.source,
            host_time_zone=self._agent.time_zone,
            first_seen_at_ms=tracked.first_seen_at_ms,
        )
        record = first_record(
            tracked,
            placement,
            agent=self._agent,
            head=head,
            seen_size_bytes=seen_size_bytes,
            at_ms=self._clock.now_ms(),
        )
        self._delivery.adopt(record, is_restored=False)
        self._log.info(
            "generation_started",
            path=tracked.shown_path,
            generation=tracked.generation,
            dataset=placement.dataset,
            index=placement.index or placement.dataset,
            offset=tracked.position.offset,
            identity_rebuilt=tracked.identity_rebuilt,
            repeatable_bytes=tracked.repeatable_bytes,
        )


def _head_as_seen(tracked: TrackedFile, file: AnyFile) -> Head | None:
    """Return how a file begins, if that is how it began when it was asked what it is.

    Raises:
        OSError: the file cannot be read.
    """
    first = tracked.first_head
    if first is None:
        return read_head(file)
    return grown_head(file, first.size_bytes, first.hash)
