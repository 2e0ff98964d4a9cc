"""How a file begins to be followed: resumed, in its next life, or new."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from tailrace.clock import Clock
from tailrace.identity import generation_of
from tailrace.wire import AgentLedger
from tailrace_agent.config import SourceSettings
from tailrace_agent.delivery import DELETED, TRUNCATED, Delivery
from tailrace_agent.known import identity_of, position_of
from tailrace_agent.open_file import OpenFile
from tailrace_agent.places import end_of
from tailrace_agent.tracked import TrackedFile


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is to be believed of files that no record tells of."""

    sources_seen: frozenset[str]
    """Sources whose files of the first sweep are not new to this agent."""
    is_rebuilt: bool
    """Checkpoint and ledger are both gone: what is there now may have been sent."""


def resumed(
    record: AgentLedger,
    file: OpenFile,
    *,
    path: str,
    source: SourceSettings,
    former: AgentLedger | None,
    delivery: Delivery,
    clock: Clock,
) -> TrackedFile:
    """Follow a file from where its record says that all before is safe.

    `former` is the life that ended before this one, by which its copy is recognised.
    """
    if not delivery.knows(record.generation):
        delivery.adopt(record, is_declared=True)
    if record.is_closed and TRUNCATED in record.lost_bytes:
        return _next_life(record, file, path=path, source=source, clock=clock)
    # It was taken for gone, and is there: what it holds is not lost.
    found = (DELETED, -record.lost_bytes.get(DELETED, 0))
    delivery.amend(record.generation, lost=found, is_closed=False)
    return TrackedFile(
        generation=record.generation,
        identity=record.identity,
        facts=file.facts,
        path=path,
        source=source,
        first_seen_at_ms=record.placement.anchor_ms,
        file=file,
        position=position_of(record),
        cuts=record.cuts,
        whole_size_bytes=record.seen_size_bytes,
        identity_rebuilt=record.identity_rebuilt,
        ended_record=former,
    )


def _next_life(
    record: AgentLedger,
    file: OpenFile,
    *,
    path: str,
    source: SourceSettings,
    clock: Clock,
) -> TrackedFile:
    """Follow a file whose last known life a truncation had already ended."""
    count = record.identity.truncation_count + 1
    identity = msgspec.structs.replace(record.identity, truncation_count=count)
    return TrackedFile(
        generation=generation_of(identity),
        identity=identity,
        facts=file.facts,
        path=path,
        source=source,
        first_seen_at_ms=clock.now_ms(),
        file=file,
        ended=[record.generation],
    )


def begun(
    file: OpenFile,
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
    first_seen_at_ms = clock.now_ms()
    identity = identity_of(
        file.facts,
        host_id=host_id,
        filesystem_id=filesystem_id,
        first_seen_at_ms=first_seen_at_ms,
    )
    tracked = TrackedFile(
        generation=generation_of(identity),
        identity=identity,
        facts=file.facts,
        path=path,
        source=source,
        first_seen_at_ms=first_seen_at_ms,
        file=file,
        identity_rebuilt=is_first_sweep and beginning.is_rebuilt,
    )
    is_new_source = source.name not in beginning.sources_seen
    if is_first_sweep and is_new_source and source.start_at == "end":
        tracked.position = end_of(file)
    return tracked
