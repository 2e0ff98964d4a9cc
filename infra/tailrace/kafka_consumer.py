"""The typed face of kafka-python's consumer: records, what was gained and lost, commits.

Nothing is committed that the caller does not name, and nothing is skipped in silence: where
retention overtook the group, the gap is reported and reading goes on at the oldest record
that is left. The library has no types; its objects stay in this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import kafka
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata

from tailrace.errors import ServiceUnavailable
from tailrace.kafka_changes import Changes, Partition, TopicIds, listener_of
from tailrace.kafka_opening import open_client
from tailrace.kafka_options import kafka_unavailable, record_client_options
from tailrace.kafka_probe import require_listener
from tailrace.settings import Connections
from tailrace.topics import MEBIBYTE

# The stubs that type checkers bundle describe an older release.
_kafka: Any = kafka
_TopicPartition: Any = _kafka.TopicPartition

PARTITION_FETCH_BYTES = 8 * MEBIBYTE
"""As large as the largest record of a topic that is read, so that one always fits."""
FETCH_BYTES = 8 * MEBIBYTE
"""What one answer of a broker may hold, packed; documents unpack to the tenfold."""
POLL_BYTES = 16 * MEBIBYTE
"""About what one poll brings, unpacked: records of the size that the last ones had."""
RECORDS_MAX = 500
RECORDS_FIRST = 4
"""How many are asked for before their size is known."""
COMMIT_MS_MAX = 5_000
SESSION_MS = 10_000
"""A process that died is noticed after this; its partitions then go to others."""
HEARTBEAT_MS = 2_000
REJOIN_MS_MAX = 5_000
POLL_INTERVAL_MS_MAX = 300_000

METADATA_MS_MAX = 60_000
"""A topic that was made anew under its name is noticed after this at the latest."""

_IN_LINE = "_next_partition_records"
_JOINING = "_join_task"
_NOT_OURS = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read."""

    partition: Partition
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp_ms: int = -1
    """Its producer's, or the broker's, as the topic has it; -1 where it has none."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that retention deleted before the group read them."""

    partition: Partition
    missed_from: int
    resumed_at: int


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought; `lost` and `gained` come before `records`."""

    records: Sequence[Record] = ()
    lost: frozenset[Partition] = frozenset()
    gained: frozenset[Partition] = frozenset()
    """Ours from now on, each read from the group's commit."""
    gaps: Sequence[Gap] = ()


class Consumer:
    """One member of a group; every method belongs to one thread."""

    def __init__(self, client: object, *, brokers: str) -> None:
        self._client = cast("Any", client)
        self._brokers = brokers
        self._changes = Changes()
        self._ids = TopicIds(client)
        self._to_begin: frozenset[Partition] = frozenset()
        self._records_max = RECORDS_FIRST
        self._told: dict[Partition, Gap] = {}
        self._notes: dict[Partition, str] = {}

    @classmethod
    def connect(
        cls,
        connections: Connections,
        *,
        group: str,
        client_id: str,
        topics: Iterable[str],
        isolation: Literal["read_uncommitted", "read_committed"] = "read_uncommitted",
    ) -> Consumer:
        """Join `group` and subscribe to `topics`.

        `isolation` says whether records of transactions that were given up come, too.

        Raises:
            ServiceUnavailable: no broker answered within
                `kafka_options.BOOTSTRAP_MS_MAX`.
        """
        require_listener(connections.kafka_bootstrap)
        try:
            client = open_client(
                _kafka.KafkaConsumer,
                **record_client_options(connections, client_id=client_id),
                group_id=group,
                enable_auto_commit=False,
                # Neither end is right where records are gone: the gap is told first.
                auto_offset_reset="none",
                isolation_level=isolation,
                max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
                fetch_max_bytes=FETCH_BYTES,
                max_poll_records=RECORDS_MAX,
                max_poll_interval_ms=POLL_INTERVAL_MS_MAX,
                session_timeout_ms=SESSION_MS,
                heartbeat_interval_ms=HEARTBEAT_MS,
                metadata_max_age_ms=METADATA_MS_MAX,
            )
        except (KafkaError, OSError) as error:
            raise kafka_unavailable(connections.kafka_bootstrap, error) from error
        consumer = cls(client, brokers=connections.kafka_bootstrap)
        listener = listener_of(consumer._changes)
        wanted = list(topics)
        try:
            for topic in wanted:
                # Known before the first assignment, which would be empty without.
                client.partitions_for_topic(topic)
        except (KafkaError, OSError) as error:
            client.close(autocommit=False)
            raise kafka_unavailable(connections.kafka_bootstrap, error) from error
        client.subscribe(topics=wanted, listener=listener)
        return consumer

    def poll(self, *, wait_ms_max: int) -> Polled:
        """Return what came within `wait_ms_max`, and which partitions changed hands.

        Raises:
            ServiceUnavailable: Kafka refuses in a way that waiting does not cure by
                itself, such as a right that is missing. Asking again is safe.
        """
        gaps: Sequence[Gap] = ()
        fetched: dict[Any, Any] = {}
        self._unpark()
        try:
            self._rejoin()
            fetched = self._client.poll(
                timeout_ms=wait_ms_max, max_records=self._records_max
            )
        except NoOffsetForPartitionError as error:
            places = cast("Any", error).args[0]
            self._begin(dict.fromkeys(places, 0))
        except OffsetOutOfRangeError as error:
            gaps = self._begin(cast("Any", error).args[0])
        except (KafkaError, OSError) as error:
            raise self._unavailable(error) from error
        anew = self._ids.changed(self._client.assignment())
        if anew:
            # As if they were another's meanwhile: what is read of the topic that is
            # gone has no place in the one that has its name.
            found = self._begin({one: self._place_of(one) for one in anew})
            # Where nothing was read yet nothing is missed.
            gaps = [*gaps, *(one for one in found if one.missed_from)]
            self._changes.lose(anew)
            self._changes.gain(anew)
        lost, gained = self._changes.take()
        # A partition that comes back after a rebalance would go on where it was read to,
        # not where it was committed to, and skip what was read and not done. So each
        # begins at its commit; what came of it before that is read again.
        self._to_begin = (self._to_begin - lost) | gained
        unbegun = self._to_begin
        begun, of_others = self._begin_at_commits(unbegun)
        self._to_begin = unbegun - begun
        records = [
            Record(
                Partition(place.topic, place.partition),
                raw.offset,
                raw.key,
                raw.value,
                raw.headers or (),
                -1 if raw.timestamp is None else raw.timestamp,
            )
            for place, raws in fetched.items()
            if Partition(place.topic, place.partition) not in unbegun
            for raw in raws
        ]
        if records:
            self._records_max = records_max_of(records)
        return Polled(records, lost, begun, self._untold(gaps or of_others))

    def commit(
        self,
        next_offsets: Mapping[Partition, int],
        *,
        notes: Mapping[Partition, str] | None = None,
    ) -> bool:
        """Store what is to be read next; return False where it is no longer ours to say.

        `notes` are kept beside the offsets, for whoever begins there; without one it is
        the topic's id, so that nobody begins there in another topic of its name.

        Raises:
            ServiceUnavailable: Kafka does not answer; asking again is safe.
        """
        offsets = {
            _TopicPartition(*place): cast("Any", OffsetAndMetadata)(
                offset, (notes or {}).get(place) or self._ids.note_of(place.topic), -1
            )
            for place, offset in next_offsets.items()
        }
        try:
            self._client.commit(offsets, timeout_ms=COMMIT_MS_MAX)
        except _NOT_OURS:
            return False
        except (KafkaError, OSError) as error:
            raise self._unavailable(error) from error
        return True

    def note_of(self, partition: Partition) -> str | None:
        """Return what stood beside the commit that a partition began at; None of none."""
        return self._notes.get(partition)

    def begin_at_oldest(self, partition: Partition) -> None:
        """Read a partition from its oldest record on, whatever was committed.

        Raises:
            ServiceUnavailable: Kafka does not answer; asking again is safe.
        """
        self._begin({_TopicPartition(*partition): 0})

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Fetch nothing from `partitions`; polling goes on and keeps the membership."""
        self._client.pause(*self._ours(partitions))

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Fetch from `partitions` again."""
        self._client.resume(*self._ours(partitions))

    def close(self, *, wait_ms_max: int) -> None:
        """Leave the group, so that others take over at once."""
        self._client.close(autocommit=False, timeout_ms=wait_ms_max)

    def _untold(self, gaps: Sequence[Gap]) -> list[Gap]:
        """Leave out what was told: until a commit, each new ownership meets it again."""
        untold = [gap for gap in gaps if self._told.get(gap.partition) != gap]
        self._told.update((gap.partition, gap) for gap in untold)
        return untold

    def _rejoin(self) -> None:
        """Let a rebalance run to its end, however short the polls are.

        A poll that gives up in the middle of one, again and again, starts it anew or
        never sees its end: the member then owns nothing, and no error says so. One that
        takes too long is begun anew; the broker knows the member by its id.
        """
        coordinator = getattr(self._client, "_coordinator", None)
        if coordinator is None:
            return
        if getattr(coordinator, "rejoining", False) and not coordinator.need_rejoin():
            # Metadata that came meanwhile took the reason away, and nobody ends what
            # was begun: no heartbeat goes out, and the broker gives the member up.
            coordinator.request_rejoin()
        if not coordinator.need_rejoin():
            return
        if not coordinator.poll(timeout_ms=REJOIN_MS_MAX):
            setattr(coordinator, _JOINING, None)

    def _unpark(self) -> None:
        """Let records that were set aside for a pause come again after it.

        The client takes them back only while no partition's records stand in line, and
        mistakes a partition whose records are used up for one (seen in 3.0.12).
        """
        fetcher = getattr(self._client, "_fetcher", None)
        if fetcher is not None and not getattr(fetcher, _IN_LINE, None):
            setattr(fetcher, _IN_LINE, None)

    def _ours(self, partitions: Iterable[Partition]) -> list[Any]:
        assigned = self._client.assignment()
        places = [_TopicPartition(*partition) for partition in partitions]
        return [place for place in places if place in assigned]

    def _begin_at_commits(
        self, partitions: frozenset[Partition]
    ) -> tuple[frozenset[Partition], list[Gap]]:
        """Read each partition from what the group committed; return which could be.

        The others are tried again at the next poll, and bring nothing until then. What
        was committed in another topic of the same name is told as a gap.
        """
        begun: set[Partition] = set()
        gaps: list[Gap] = []
        for partition in partitions:
            place = _TopicPartition(*partition)
            try:
                committed = self._client.committed(
                    place, metadata=True, timeout_ms=COMMIT_MS_MAX
                )
                is_others = committed is not None and self._ids.is_of_another(
                    partition.topic, note=committed.metadata or ""
                )
                if committed is None or is_others:
                    offset = self._client.beginning_offsets([place])[place]
                    self._notes.pop(partition, None)
                else:
                    offset = committed.offset
                    self._notes[partition] = committed.metadata or ""
                self._client.seek(place, offset)
                # It may be paused from before; whoever gains it knows nothing of that.
                self._client.resume(place)
            except (KafkaError, OSError, AssertionError):
                continue
            begun.add(partition)
            if committed is not None and is_others:
                gaps.append(Gap(partition, committed.offset, offset))
        return frozenset(begun), gaps

    def _place_of(self, place: Any) -> int:  # noqa: ANN401 - the library's partition
        """Return up to where a partition of ours was read."""
        try:
            return self._client.position(place, timeout_ms=COMMIT_MS_MAX) or 0
        except (KafkaError, OSError) as error:
            raise self._unavailable(error) from error

    def _begin(self, asked: Mapping[Any, int]) -> list[Gap]:
        """Read on at the oldest record that is left; return what was missed."""
        try:
            oldest = self._client.beginning_offsets(list(asked))
        except (KafkaError, OSError) as error:
            raise self._unavailable(error) from error
        gaps: list[Gap] = []
        for place, offset in asked.items():
            self._client.seek(place, oldest[place])
            partition = Partition(place.topic, place.partition)
            gaps.append(Gap(partition, offset, oldest[place]))
        return gaps

    def _unavailable(self, error: Exception) -> ServiceUnavailable:
        return kafka_unavailable(self._brokers, error)


def records_max_of(records: Sequence[Record]) -> int:
    """Return how many records of this size make about `POLL_BYTES`."""
    size_bytes = sum(len(record.value or b"") for record in records)
    mean_bytes = max(size_bytes // len(records), 1)
    return min(max(POLL_BYTES // mean_bytes, 1), RECORDS_MAX)
