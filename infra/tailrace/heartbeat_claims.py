"""What of a heartbeat's claim holds for whoever has read only a part of the ledger. Pure.

A heartbeat and the records that it stands on are in different partitions, which are not read
at one pace. It names when the newest of each partition was written (`AgentHeartbeat`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias, cast

from tailrace.answers import Document
from tailrace.answers import field as field_of
from tailrace.silence import ahead_ms, is_silent
from tailrace.topics import partition_of

HEARTBEAT: Final = "heartbeat"
"""The hop of an agent's word that it lives."""

BEFORE: Final = "heartbeat_before"
"""Where a heartbeat out of Kafka has the one that stands in the index, of the same agent."""

Place: TypeAlias = tuple[str, object, str]
"""By what an agent is known ("host" or "agent"), its id there, and a partition."""


def newest_by_place(documents: Iterable[Document]) -> dict[Place, int]:
    """Return when the newest word of each agent in each partition was written.

    An agent that lost its folder has a new id, and the records that it restored bear the
    one from before: it is known by its host's id, and by its own where a record has none.
    """
    newest_ms: dict[Place, int] = {}
    for document in documents:
        generation = field_of(document, "tailrace.generation")
        is_agents = field_of(document, "tailrace.hop") == "agent"
        if is_agents and isinstance(generation, str):
            said_at_ms = number_in(document, "@timestamp")
            for place in _places(document, str(partition_of(generation.encode()))):
                newest_ms[place] = max(newest_ms.get(place, 0), said_at_ms)
    return newest_ms


def _places(document: Document, partition: str) -> Iterator[Place]:
    host_id = field_of(document, "figures.host_id")
    if isinstance(host_id, str) and host_id:
        yield "host", host_id, partition
    yield "agent", field_of(document, "agent.id"), partition


def held_ms(
    document: Document, *, newest_ms: Mapping[Place, int], read_after_ms: int = 0
) -> int:
    """Return the moment that a heartbeat claims, as far as what it stands on is there.

    What it names from `read_after_ms` or before was not read, be it there or not. What the
    agent's heartbeat before it claims, where that is known, holds on.
    """
    held = _held_ms(document, newest_ms=newest_ms, read_after_ms=read_after_ms)
    before = document.get(BEFORE)
    if before is None:
        return held
    return max(held, _held_ms(before, newest_ms=newest_ms, read_after_ms=read_after_ms))


def _held_ms(
    document: Document, *, newest_ms: Mapping[Place, int], read_after_ms: int
) -> int:
    swept_at_ms = number_in(document, "tailrace.swept_at_ms")
    told = field_of(document, "figures.told_at_ms")
    if not isinstance(told, Mapping):
        return swept_at_ms  # Of an older agent, or one that told of nothing lately.
    read_to_ms = {
        str(partition): read_ms
        for partition, at_ms in cast("Mapping[object, object]", told).items()
        if isinstance(at_ms, int)
        and at_ms > read_after_ms
        and (read_ms := _read_ms(document, str(partition), newest_ms)) < at_ms
    }
    if not read_to_ms:
        return swept_at_ms
    # Then the heartbeat before that record holds: its sweep was as long before it, and it
    # came at most an interval earlier.
    delay_ms = max(number_in(document, "@timestamp") - swept_at_ms, 0)
    interval_ms = number_in(document, "tailrace.interval_ms")
    oldest_ms = min(read_to_ms.values())
    before_ms = max(
        oldest_ms - delay_ms - interval_ms,
        _claimed_before_ms(document, read_to_ms, read_after_ms=read_after_ms),
        0,
    )
    return min(swept_at_ms, before_ms)


def _claimed_before_ms(
    document: Document, read_to_ms: Mapping[str, int], *, read_after_ms: int
) -> int:
    """Return what the claim before it claimed, if all that that one stood on is read.

    `read_to_ms` are the partitions in which this one stands on more. 0 where it is not.
    """
    before = field_of(document, "figures.told_before_ms")
    if not isinstance(before, Mapping):
        return 0
    needed_ms = cast("Mapping[object, object]", before)
    for partition, read_ms in read_to_ms.items():
        at_ms = needed_ms.get(partition)
        if not isinstance(at_ms, int) or at_ms > max(read_ms, read_after_ms):
            return 0
    return number_in(document, "figures.swept_before_ms")


def _read_ms(document: Document, partition: str, newest_ms: Mapping[Place, int]) -> int:
    return max(newest_ms.get(place, 0) for place in _places(document, partition))


def is_succeeded(
    document: Document, newest_of_host_ms: Mapping[object, int], *, now_ms: int
) -> bool:
    """Return whether a heartbeat is of an agent in whose place there is another."""
    if field_of(document, "tailrace.hop") != HEARTBEAT:
        return False
    said_at_ms = number_in(document, "@timestamp")
    interval_ms = number_in(document, "tailrace.interval_ms")
    host_id = field_of(document, "figures.host_id")
    newest_ms = newest_of_host_ms.get(host_id, 0) if host_id else 0
    if ahead_ms(said_at_ms, now_ms=now_ms):
        # Nobody knows which of both came later; but that the other lives.
        return not is_silent(newest_ms, interval_ms=interval_ms, now_ms=now_ms)
    return newest_ms > said_at_ms and is_silent(
        said_at_ms, interval_ms=interval_ms, now_ms=now_ms
    )


def number_in(document: Document, name: str) -> int:
    """Return a field's value, 0 where it is no number."""
    value = field_of(document, name)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number else 0
