"""Kafka in memory: partitions that keep what they took, and groups that share them.

It obeys the laws in `tests/laws`, which real brokers obey, too. A group is the classic
one: who joins or leaves makes everybody give all partitions up and join again; the new
generation begins when the last member has, or was given up by the broker. A commit of
an older generation is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tailrace.kafka_consumer import Gap, Partition, Polled, Record

RECORDS_MAX = 3
"""In one poll: few, so that a partition is left amid its records."""


class TooLarge(Exception):
    """The topic takes no record of this size."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One record in a log, and when the broker took it."""

    record: Record
    at_ms: int

    @property
    def offset(self) -> int:
        return self.record.offset


@dataclass(slots=True)
class MemoryKafka:
    """All partitions; `commits`, `join` and `leave` are those of one group."""

    partitions: Sequence[Partition]
    now_ms: Callable[[], int] = lambda: 0
    is_marked: Callable[[str], bool] = lambda _topic: False
    """Whether another producer's transaction ends just before a record of a topic."""
    bytes_max: dict[str, int] = field(default_factory=dict[str, int])
    """The largest value by topic; any size where none is named."""
    logs: dict[Partition, list[Kept]] = field(
        default_factory=dict[Partition, list[Kept]]
    )
    oldest: dict[Partition, int] = field(default_factory=dict[Partition, int])
    ends: dict[Partition, int] = field(default_factory=dict[Partition, int])
    group: MemoryGroup = field(init=False)

    def __post_init__(self) -> None:
        self.group = MemoryGroup(self, self.partitions)

    @property
    def commits(self) -> dict[Partition, int]:
        return self.group.commits

    def write(
        self,
        partition: Partition,
        value: bytes | None,
        *,
        key: bytes | None = b"key",
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        """Append a record; return its offset.

        Raises:
            TooLarge: the topic takes no record of this size.
        """
        limit = self.bytes_max.get(partition.topic)
        if limit is not None and value is not None and len(value) > limit:
            raise TooLarge(f"{len(value)} bytes, and {partition.topic} takes {limit}")
        if self.is_marked(partition.topic):
            self.mark(partition)
        offset = self.ends.get(partition, 0)
        record = Record(partition, offset, key, value, headers)
        self.logs.setdefault(partition, []).append(Kept(record, self.now_ms()))
        self.ends[partition] = offset + 1
        return offset

    def mark(self, partition: Partition) -> None:
        """End a transaction: its marker takes an offset, and nobody is given it."""
        self.ends[partition] = self.ends.get(partition, 0) + 1

    def read(self, partition: Partition, *, offset: int) -> Sequence[Kept]:
        """Return what a partition holds from an offset on."""
        log = self.logs.get(partition, [])
        # Where compaction left holes, fewer follow than the offsets say.
        start = max(0, len(log) - (self.ends.get(partition, 0) - offset))
        return [kept for kept in log[start:] if kept.offset >= offset]

    def delete_before(self, partition: Partition, offset: int) -> None:
        """Do as retention does."""
        log = self.logs.get(partition, [])
        self.logs[partition] = [kept for kept in log if kept.offset >= offset]
        self.oldest[partition] = offset

    def compact(self, partition: Partition, *, before_ms: int | None = None) -> int:
        """Keep the newest record of each key, in order; return how many went.

        Where `before_ms` says so, younger records are left alone, and outdo none.
        """
        log = self.logs.get(partition, [])
        newest = {
            kept.record.key: kept.offset
            for kept in log
            if before_ms is None or kept.at_ms < before_ms
        }
        kept = [
            one for one in log if one.offset >= newest.get(one.record.key, one.offset)
        ]
        self.logs[partition] = kept
        return len(log) - len(kept)

    def join(self) -> MemoryMember:
        return self.group.join()

    def leave(self, member: MemoryMember) -> None:
        self.group.leave(member)


@dataclass(slots=True)
class MemoryGroup:
    """The members that share partitions, what they committed, and their generation."""

    kafka: MemoryKafka
    partitions: Sequence[Partition]
    commits: dict[Partition, int] = field(default_factory=dict[Partition, int])
    members: list[MemoryMember] = field(default_factory=list["MemoryMember"])
    generation: int = 0
    refused_commits: int = 0
    """Of members that were not, or no longer, of the generation."""
    awaited: list[MemoryMember] = field(default_factory=list["MemoryMember"])
    """Members of a generation that ends, which have not joined the next one yet."""

    def join(self) -> MemoryMember:
        member = MemoryMember(self)
        self.admit(member)
        return member

    def admit(self, member: MemoryMember) -> None:
        """Take a member in; the others have to join again."""
        self.members.append(member)
        self._begin_rebalance(joined=member)

    def leave(self, member: MemoryMember) -> None:
        """Let a member go that says so."""
        member.give_up()
        self.expel(member)

    def expel(self, member: MemoryMember) -> None:
        """Give a member up of which nothing was heard; it does not know."""
        if member in self.members:
            self.members.remove(member)
            self._begin_rebalance(joined=None)

    def rejoined(self, member: MemoryMember) -> None:
        """Note that a member joins the next generation."""
        if member in self.awaited:
            self.awaited.remove(member)
            self._share_if_complete()

    def _begin_rebalance(self, *, joined: MemoryMember | None) -> None:
        self.awaited = [
            member
            for member in self.members
            if member is not joined
            and (member in self.awaited or member.generation == self.generation)
        ]
        self._share_if_complete()

    def _share_if_complete(self) -> None:
        if self.awaited:
            return
        self.generation += 1
        for number, member in enumerate(self.members):
            member.give(set(self.partitions[number :: len(self.members)]))


@dataclass(slots=True, eq=False)
class MemoryMember:
    """One consumer of a group; what changed hands is told by its next poll."""

    group: MemoryGroup
    records_max: int = RECORDS_MAX
    generation: int = -1
    owned: set[Partition] = field(default_factory=set[Partition])
    positions: dict[Partition, int] = field(default_factory=dict[Partition, int])
    paused: set[Partition] = field(default_factory=set[Partition])
    polls: int = 0
    _lost: set[Partition] = field(default_factory=set[Partition])
    _gained: set[Partition] = field(default_factory=set[Partition])

    @property
    def must_rejoin(self) -> bool:
        """Whether the group waits for this member, or has given it up."""
        return self in self.group.awaited or self not in self.group.members

    def rejoin(self) -> None:
        """Give all partitions up, and join the next generation."""
        self.give_up()
        if self not in self.group.members:
            self.group.admit(self)
        else:
            self.group.rejoined(self)

    def give_up(self) -> None:
        self._lost |= self.owned
        self._gained.clear()
        self.owned.clear()
        self.paused.clear()

    def give(self, partitions: set[Partition]) -> None:
        """Begin a generation: read from what the group has committed."""
        self.give_up()
        self.generation = self.group.generation
        self._gained |= partitions
        self.owned |= partitions
        kafka = self.group.kafka
        for partition in partitions:
            oldest = kafka.oldest.get(partition, 0)
            self.positions[partition] = self.group.commits.get(partition, oldest)

    def poll(self, *, wait_ms_max: int) -> Polled:
        """Return what changed hands, and a few records."""
        del wait_ms_max
        self.polls += 1
        if self.must_rejoin:
            self.rejoin()
        lost, gained = frozenset(self._lost), frozenset(self._gained)
        self._lost.clear()
        self._gained.clear()
        records: list[Record] = []
        gaps: list[Gap] = []
        ends = self.group.kafka.ends
        for partition in sorted(
            partition
            for partition in self.owned - self.paused
            if self.positions[partition] < ends.get(partition, 0)
        ):
            gap = self._gap(partition)
            if gap is not None:
                gaps.append(gap)
            else:
                records.extend(kept.record for kept in self.take(partition, records))
        return Polled(records, lost, gained, gaps)

    def take(self, partition: Partition, taken: Sequence[object] = ()) -> list[Kept]:
        """Return the next records of a partition, as many as a poll has room for."""
        kafka, position = self.group.kafka, self.positions[partition]
        if position >= kafka.ends.get(partition, 0):
            return []
        room = self.records_max - len(taken)
        kept = list(kafka.read(partition, offset=position)[:room])
        if kept:
            self.positions[partition] = kept[-1].offset + 1
        return kept

    def commit(self, next_offsets: Mapping[Partition, int]) -> bool:
        """Store positions; False from whoever is not of the generation."""
        if self.generation != self.group.generation or not (
            self in self.group.members and set(next_offsets) <= self.owned
        ):
            self.group.refused_commits += 1
            return False
        self.group.commits.update(next_offsets)
        return True

    def seek(self, partition: Partition, *, offset: int) -> None:
        if partition in self.owned:
            self.positions[partition] = offset

    def pause(self, partitions: Iterable[Partition]) -> None:
        self.paused |= set(partitions) & self.owned

    def resume(self, partitions: Iterable[Partition]) -> None:
        self.paused -= set(partitions)

    def _gap(self, partition: Partition) -> Gap | None:
        oldest = self.group.kafka.oldest.get(partition, 0)
        position = self.positions[partition]
        if position >= oldest:
            return None
        self.positions[partition] = oldest
        return Gap(partition, position, oldest)
