"""When agents are to wait, as what is unread in Kafka is half way to being taken away.

A node in ZooKeeper says so for as long as the leader of the indexers holds it there: it goes
with the leader's session, so that no pause outlives who could end it. The files are the
buffer meanwhile. Pure, but for the two functions that read and name the node.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import msgspec

PAUSE_SHARE: Final = 0.5
"""Agents wait when something unread has used up so much of its topic's retention."""
GO_ON_SHARE: Final = 0.4
"""They go on when nothing unread has used up more: what has just been caught up with is not
the next moment too old again."""


class LateTopic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic of which something unread is near to be taken away."""

    topic: str
    group: str
    """Who has not read it."""
    partitions: int
    """How many have such a record."""

    def sentence(self) -> str:
        """Return what is the matter."""
        where = (
            "a partition" if self.partitions == 1 else f"{self.partitions} partitions"
        )
        return f"{self.group} has not read the oldest of {self.topic} in {where}"


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """What the node holds."""

    late: tuple[LateTopic, ...]
    since_ms: int

    def why(self) -> str:
        """Return in words what is waited for."""
        if not self.late:
            return "the leading indexer asks for it, and is of another version"
        return (
            f"{'; '.join(each.sentence() for each in self.late)}, and half of the time or"
            " room that Kafka keeps it for was used up"
        )


class UnreadPlace(msgspec.Struct, frozen=True, kw_only=True):
    """What a group has not read of one partition. All offsets are the next to be read."""

    begin_offset: int
    next_offset: int
    end_offset: int
    late_before_offset: int
    """Records before it are older than the share of the topic's time; 0 where it has none."""
    size_bytes: int
    """What the partition takes on disk; 0 where that is not known."""

    def is_late(self, *, room_bytes: int) -> bool:
        """Tell whether the oldest unread record is too old, or too much stands behind it.

        Kafka takes away from the oldest on when the partition is larger than its bound.
        Of the bytes from a record on the brokers tell nothing: they are taken for as many
        as its share of the records.
        """
        unread = self.end_offset - self.next_offset
        if unread <= 0:
            return False
        if self.next_offset < self.late_before_offset:
            return True
        records = self.end_offset - self.begin_offset
        return 0 < room_bytes <= self.size_bytes * unread // max(records, 1)


class Reads(Protocol):
    """The part of a session that looks at a node."""

    def get(self, path: str) -> bytes | None:
        """Return what a node holds, or None when it is not there."""
        ...


def pause_path(namespace: str) -> str:
    """Return the node that is there while agents are to wait."""
    return f"/{namespace}/pause/agents"


def read_pause(zookeeper: Reads, *, namespace: str) -> Pause | None:
    """Return what agents are to wait for, None where they are not to.

    What is there and cannot be read is of a newer version, and a pause all the same.

    Raises:
        ServiceUnavailable: no server answers.
    """
    data = zookeeper.get(pause_path(namespace))
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=Pause)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Pause(late=(), since_ms=0)


def late_partitions(
    places: Iterable[UnreadPlace], *, retention_bytes: int, share: float
) -> int:
    """Return in how many partitions something unread has used up `share` of its retention.

    `retention_bytes` is that of one partition, and not above 0 where there is none.
    """
    return sum(
        place.is_late(room_bytes=round(retention_bytes * share)) for place in places
    )
