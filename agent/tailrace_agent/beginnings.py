"""How a file begins to be followed: resumed, in its next life, or new."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import msgspec

from tailrace.clock import Clock
from tailrace.identity import generation_of
from tailrace.wire import AgentLedger, FileIdentity, Placement
from tailrace_agent.amendments import DELETED
from tailrace_agent.archives import AnyFile, ArchiveFile
from tailrace_agent.config import SourceSettings
from tailrace_agent.delivery import Delivery
from tailrace_agent.facts import FileFacts
from tailrace_agent.first_bytes import form_of_file
from tailrace_agent.first_lives import is_in_first_life
from tailrace_agent.followed import Followed
from tailrace_agent.heads import Head
from tailrace_agent.known import (
    Match,
    holder_of,
    identity_of,
    looked_at_ms,
    position_of,
)
from tailrace_agent.places import end_of
from tailrace_agent.records import Agent
from tailrace_agent.tracked import TrackedFile


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is to be believed of files that no record tells of."""

    sources_seen: frozenset[str]
    """Sources whose files of the first sweep are not new to this agent."""
    knows_nothing: bool
    """No checkpoint and no ledger tells of an earlier life: it is forgotten, or there was
    none, and what is there now may have been sent."""
    was_rebuilt: bool
    """Whether an earlier life was certain when that was last so."""
    forgotten_at_ms: int = 0
    """When it was last so: what was born before then may have been sent."""

    def may_have_been_sent(
        self, facts: FileFacts, *, written_at_ns: int, is_first_sweep: bool
    ) -> bool:
        """Return whether an earlier life, of which nothing is known, may have sent it.

        An archive bears the time of what stands in it, which is older than its birth.
        """
        if is_first_sweep and self.knows_nothing:
            return True
        if written_at_ns <= self.forgotten_at_ms * 1_000_000:
            return True
        if facts.born_at_ns is None:
            return is_first_sweep and self.forgotten_at_ms > 0
        return facts.born_at_ns <= self.forgotten_at_ms * 1_000_000


def resumed(
    match: Match,
    file: AnyFile,
    *,
    path: str,
    source: SourceSettings,
    delivery: Delivery,
    clock: Clock,
) -> TrackedFile:
    """Follow a file from where its record says that all before is safe.

    Raises:
        OSError: the file cannot be read.
    """
    record = match.record
    if match.is_ended:
        return _next_life(record, file, path, source, delivery=delivery, clock=clock)
    if not delivery.knows(record.generation):
        delivery.adopt(record, is_restored=True)
    if record.source != source.name and delivery.is_settled(record.generation):
        # The source has another name now: its tags and fields go with each chunk.
        delivery.revise(
            msgspec.structs.replace(
                delivery.record_of(record.generation), source=source.name
            )
        )
    is_done, unwatched_since_ms = is_archive_done(record, file), looked_at_ms(record)
    # It was taken for gone, and is there: what it holds is not lost.
    found = (DELETED, -record.lost_bytes.get(DELETED, 0))
    delivery.amend(
        record.generation,
        lost=found,
        is_closed=is_done,
        # Whatever is told of it before it is looked at is told without a look.
        unlooked_since_ms=0 if is_done else unwatched_since_ms,
    )
    return TrackedFile(
        generation=record.generation,
        identity=holder_of(record),
        facts=file.facts,
        path=path,
        source=source,
        first_seen_at_ms=record.placement.anchor_ms,
        file=file,
        archive_suffix=_suffix_of(file),
        position=position_of(record),
        cuts=record.cuts,
        whole_size_bytes=record.seen_size_bytes - record.blank_bytes,
        trimmed_bytes=record.blank_bytes,
        identity_rebuilt=record.identity_rebuilt,
        repeatable_bytes=record.repeatable_bytes,
        first_path=record.first_path,
        is_judged=is_done or not (record.passed_bytes and _suffix_of(file)),
        passed_bytes=record.passed_bytes,
        unwatched_since_ms=unwatched_since_ms,
        may_begin_with_hole=record.identity.truncation_count > 0,
    )


def taken_back(match: Match, *, followed: Followed, delivery: Delivery) -> Match | None:
    """Return the match, its generation taken back from a file that inherited it.

    That happens where the original comes back to a glob that it had left. None means that
    it is not possible yet.
    """
    name = match.record.generation
    if match.is_ended or not delivery.knows(name):
        return match
    holder = followed.reading(name)
    if holder is None or not delivery.is_settled(name):
        return None
    followed.remove(holder)
    record = msgspec.structs.replace(delivery.record_of(name), held_by=None)
    delivery.revise(record)
    return Match(record, is_ended=False)


def is_archive_done(record: AgentLedger, file: AnyFile) -> bool:
    """Return whether this is an archive that was read to the end that it still has."""
    return (
        isinstance(file, ArchiveFile)
        and record.archive_size_bytes == file.status().st_size
        and record.next_offset >= record.seen_size_bytes
    )


def _next_life(
    record: AgentLedger,
    file: AnyFile,
    path: str,
    source: SourceSettings,
    *,
    delivery: Delivery,
    clock: Clock,
) -> TrackedFile:
    """Follow a file whose last known life a truncation had already ended."""
    identity = next_identity(record.identity, at_ms=clock.now_ms())
    ended: list[str] = []
    if not record.is_orphaned and record.held_by is None:
        if not delivery.knows(record.generation):
            delivery.adopt(record, is_restored=True)
        ended.append(record.generation)
    return TrackedFile(
        generation=generation_of(identity),
        identity=identity,
        facts=file.facts,
        path=path,
        source=source,
        first_seen_at_ms=clock.now_ms(),
        file=file,
        archive_suffix=_suffix_of(file),
        first_path=record.first_path,
        met_as=record.first_path or record.path,
        ended=ended,
        may_begin_with_hole=True,
    )


def next_identity(identity: FileIdentity, *, at_ms: int) -> FileIdentity:
    """Return the identity of a file's next life.

    Its number is the millisecond in which it begins: it had more lives than are known,
    maybe, and the next is to have the number of none of them. An equal line in an equal
    place would be taken for theirs.
    """
    count = max(identity.truncation_count + 1, at_ms)
    return msgspec.structs.replace(identity, truncation_count=count)


def begun(
    file: AnyFile,
    *,
    path: str,
    source: SourceSettings,
    host_id: str,
    filesystem_id: str,
    clock: Clock,
    beginning: Beginning,
    is_first_sweep: bool,
) -> TrackedFile:
    """Follow a file that no record tells of, from its head or, if so set, its end.

    Only what is there when its source is first seen may begin at the end: a file that
    comes later is new, and so are all its lines.

    Raises:
        OSError: the file cannot be read.
    """
    first_seen_at_ms, status = clock.now_ms(), file.status()
    identity = identity_of(
        file.facts,
        host_id=host_id,
        filesystem_id=filesystem_id,
        first_seen_at_ms=first_seen_at_ms,
    )
    may_repeat = beginning.may_have_been_sent(
        file.facts,
        written_at_ns=status.st_mtime_ns,
        is_first_sweep=is_first_sweep,
    )
    if may_repeat and not is_in_first_life(file, time_zone=source.time_zone):
        # An earlier life may have given its number to another content of this file.
        identity = next_identity(identity, at_ms=first_seen_at_ms)
    tracked = TrackedFile(
        generation=generation_of(identity),
        identity=identity,
        facts=file.facts,
        path=path,
        source=source,
        first_seen_at_ms=first_seen_at_ms,
        file=file,
        archive_suffix=_suffix_of(file),
        identity_rebuilt=may_repeat and beginning.was_rebuilt,
        repeatable_bytes=status.st_size if may_repeat else 0,
        may_begin_with_hole=identity.truncation_count > 0,
    )
    if not isinstance(file, ArchiveFile):
        # It may be written over before its first turn: what it holds now was seen. One that
        # cannot be read is followed all the same, and told of in its turn.
        with suppress(OSError):
            tracked.note_first(file, size_bytes=status.st_size)
    is_new_source = source.name not in beginning.sources_seen
    if is_first_sweep and is_new_source and source.start_at == "end":
        tracked.is_judged = True
        tracked.repeatable_bytes = 0  # Nothing of it is sent.
        if isinstance(file, ArchiveFile):
            tracked.is_left_out = True
        else:
            tracked.position = end_of(file, form=form_of_file(tracked, file))
    return tracked


def first_record(
    tracked: TrackedFile,
    placement: Placement,
    *,
    agent: Agent,
    head: Head,
    seen_size_bytes: int,
    at_ms: int,
) -> AgentLedger:
    """Return what is known of a generation before anything of it is sent."""
    return AgentLedger(
        generation=tracked.generation,
        # Newer than any word of a life that is forgotten, and may be on its way yet.
        revision=at_ms,
        agent_id=agent.agent_id,
        host_id=agent.host_id,
        host_name=agent.host_name,
        path=tracked.shown_path,
        first_path=tracked.met_as or tracked.shown_path,
        source=tracked.source.name,
        identity=tracked.identity,
        placement=placement,
        head_size_bytes=head.size_bytes,
        head_hash=head.hash,
        head_line_ends=head.line_ends,
        tail_size_bytes=tracked.position.tail.size_bytes,
        tail_hash=tracked.position.tail.hash,
        next_offset=tracked.position.offset,
        next_event_number=tracked.position.event_number,
        seen_size_bytes=seen_size_bytes,
        identity_rebuilt=tracked.identity_rebuilt,
        repeatable_bytes=tracked.repeatable_bytes,
        # Amid the question whether it is still a copy, it is not.
        passed_bytes=tracked.passed_bytes if tracked.position.offset else 0,
        is_outside=tracked.is_outside,
        updated_at_ms=at_ms,
    )


def _suffix_of(file: AnyFile) -> str | None:
    return file.suffix if isinstance(file, ArchiveFile) else None
