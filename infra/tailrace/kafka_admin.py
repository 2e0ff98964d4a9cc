"""What Kafka is asked about itself: topics, their settings, and how far groups have read.

The one file that knows kafka-python's admin client; every answer leaves it as a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import kafka
import kafka.admin
import kafka.errors
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaError,
    KafkaTimeoutError,
    MetadataEmptyBrokerList,
    NotCoordinatorError,
    RequestTimedOutError,
    TopicAlreadyExistsError,
)

from tailrace.clock import Clock, SystemClock
from tailrace.errors import NoAnswer, ServiceUnavailable
from tailrace.kafka_opening import open_client
from tailrace.kafka_options import kafka_options, reason_of
from tailrace.kafka_probe import require_listener
from tailrace.partition_lag import PartitionLag, lag_of
from tailrace.settings import Connections

# The stubs that type checkers bundle describe an older release.
_kafka: Any = kafka
_admin: Any = kafka.admin
_errors: Any = kafka.errors

CONNECT_MS_MAX = 10_000
"""How long a first answer may take; a person waits for most of these questions."""
ANSWER_MS_MAX = 30_000
"""How long each later one may take, where nobody looks at a page."""
MOVES_WAIT_MS_MAX = 20_000
"""A fresh cluster makes its topic of offsets when a group is first asked for; one whose
brokers were too busy to say that they live knows of none for some seconds; and what led on a
broker that died is elsewhere after its session of 9 s, twice that if it led them all."""
MOVES_POLL_MS = 200
_MOVES: tuple[type[KafkaError], ...] = (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
    MetadataEmptyBrokerList,
    _errors.UnknownBrokerIdError,
    # Of several brokers one is gone, and the client does not know it yet.
    _errors.KafkaConnectionError,
    _errors.NodeNotReadyError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTopic:
    """One topic to make."""

    name: str
    partitions: int
    replication_factor: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionCopies:
    """Which brokers hold one partition, by their ids."""

    leader: int
    """Negative where there is none."""
    leader_epoch: int
    """Grows with every election."""
    in_sync: frozenset[int]


@dataclass(frozen=True, slots=True)
class LogFolder:
    """A folder in which a broker keeps its topics."""

    broker: int
    path: str
    free_bytes: int


class KafkaAdmin:
    """Questions and orders to the brokers; a context manager."""

    def __init__(
        self,
        connections: Connections,
        *,
        client_id: str = "tailrace-admin",
        connect_ms_max: int = CONNECT_MS_MAX,
        answer_ms_max: int = ANSWER_MS_MAX,
        clock: Clock | None = None,
    ) -> None:
        """Connect.

        Raises:
            NoAnswer: a broker listens, and says nothing.
            ServiceUnavailable: none listens, or it refuses the credentials.
        """
        self._bootstrap = connections.kafka_bootstrap
        self._connect_ms_max = connect_ms_max
        self._answer_ms_max = answer_ms_max
        self._clock = clock or SystemClock()
        self._options = kafka_options(connections, client_id=client_id)
        self._client = self._opened()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def broker_count(self) -> int:
        """Return how many brokers the cluster has now.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        return len(self._ask("describe_cluster")["brokers"])

    def log_folders(self) -> tuple[LogFolder, ...]:
        """Return where each broker keeps its topics, and how much room it has there.

        Empty where the cluster is not to be described by this user, or is older than 3.3,
        and tells no room.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        brokers = [
            int(b["broker_id"]) for b in self._ask("describe_cluster")["brokers"]
        ]
        # Of no topic: only the folders themselves are asked for.
        answers = self._ask("describe_log_dirs", [], brokers=brokers)
        return tuple(
            LogFolder(
                broker=int(answer["broker"]),
                path=str(folder["log_dir"]),
                free_bytes=int(folder["usable_bytes"]),
            )
            for answer in answers
            for folder in answer["log_dirs"]
            if not folder["error_code"] and folder.get("usable_bytes", -1) >= 0
        )

    def partition_sizes(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """Return the bytes that each partition takes on the disk of the broker with most.

        Empty where the cluster is not to be described by this user.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        sizes: dict[tuple[str, int], int] = {}
        for answer in self._ask("describe_log_dirs", list(topics)):
            for folder in answer["log_dirs"]:
                for topic in folder["topics"]:
                    for told in topic["partitions"]:
                        place = (str(topic["name"]), int(told["partition_index"]))
                        size_bytes = int(told["partition_size"])
                        sizes[place] = max(sizes.get(place, 0), size_bytes)
        return sizes

    def partition_counts(self) -> dict[str, int]:
        """Return every topic's number of partitions.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        topics = self._ask("describe_topics")
        return {topic["name"]: len(topic["partitions"]) for topic in topics}

    def copies(self, topic: str) -> dict[int, PartitionCopies]:
        """Return which brokers hold each partition of a topic that is there.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        (described,) = self._ask("describe_topics", [topic])
        return {
            int(one["partition_index"]): PartitionCopies(
                leader=int(one["leader_id"]),
                leader_epoch=int(one["leader_epoch"]),
                in_sync=frozenset(map(int, one["isr_nodes"])),
            )
            for one in described["partitions"]
        }

    def create_topics(self, topics: Iterable[NewTopic]) -> None:
        """Make topics and wait until each has its leaders; one already there is fine.

        Raises:
            ServiceUnavailable: the brokers do not answer, or refuse a topic.
        """
        for topic in topics:
            described = {
                "num_partitions": topic.partitions,
                "replication_factor": topic.replication_factor,
                "configs": dict(topic.settings),
            }
            try:
                self._client.create_topics(
                    {topic.name: described}, wait_for_metadata=True
                )
            except TopicAlreadyExistsError:
                continue  # Another process provisions at the same time.
            except (KafkaError, OSError) as error:
                raise self._unavailable(error) from error

    def topic_settings(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return every setting of each topic, defaults included.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        resources = [_topic_resource(name) for name in names]
        if not resources:
            return {}
        answer = self._ask("describe_configs", resources, config_filter="all")
        return {
            name: {key: str(entry["value"]) for key, entry in entries.items()}
            for name, entries in answer["topic"].items()
        }

    def alter_topic_settings(self, changes: Mapping[str, Mapping[str, str]]) -> None:
        """Set the given settings of each topic, and leave the others as they are.

        Raises:
            ServiceUnavailable: the brokers do not answer, or refuse a setting.
        """
        resources = [
            _topic_resource(name, settings=dict(settings))
            for name, settings in changes.items()
            if settings
        ]
        if not resources:
            return
        answer = self._ask("alter_configs", resources)
        refused = {k: v for k, v in answer["topic"].items() if v != "OK"}
        if refused:
            raise self._unavailable(f"it refused settings: {refused}")

    def end_offsets(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """Return where each partition ends; topics that do not exist are left out.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        return self._offsets(topics, _admin.OffsetSpec.LATEST)

    def beginning_offsets(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """Return each partition's oldest offset; topics not there are left out.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        return self._offsets(topics, _admin.OffsetSpec.EARLIEST)

    def offsets_at(
        self, topics: Iterable[str], *, at_ms: int
    ) -> dict[tuple[str, int], int]:
        """Return each partition's first record not older than a moment, by the brokers' time.

        -1 where all records are older; topics not there are left out.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        return self._offsets(topics, _admin.OffsetTimestamp(at_ms))

    def committed_offsets(self, group: str) -> dict[tuple[str, int], int]:
        """Return what the group reads next, where it has ever committed.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        answer = self._patiently(lambda: self._client.list_group_offsets({group: None}))
        return {
            (place.topic, place.partition): found.offset
            for place, found in answer.get(group, {}).items()
            if found.offset >= 0
        }

    def group_lag(
        self, group: str, *, topics: Iterable[str]
    ) -> tuple[PartitionLag, ...]:
        """Return how far `group` is in each partition of `topics`, in their order.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        wanted = tuple(topics)
        # The beginnings first: what is missed was gone by then, and is not committed even
        # now. Asked for later, they would call missed, and no lag any more, what the group
        # had read and retention took in between; so it counts as lag until the next look.
        beginnings = self.beginning_offsets(wanted)
        committed = self.committed_offsets(group)
        ends = self.end_offsets(wanted)
        return tuple(
            lag_of(
                place,
                begin=beginnings.get(place, 0),
                committed=committed.get(place),
                end=end,
            )
            for place, end in sorted(ends.items())
        )

    def _offsets(self, topics: Iterable[str], spec: Any) -> dict[tuple[str, int], int]:  # noqa: ANN401 - kafka-python's own kind of value
        wanted = list(topics)
        # Of these alone: a cluster may hold thousands of other topics. One that is not there
        # is answered without partitions.
        described = self._ask("describe_topics", wanted) if wanted else ()
        places = {
            _kafka.TopicPartition(topic["name"], partition): spec
            for topic in described
            for partition in range(len(topic["partitions"]))
        }
        if not places:
            return {}
        answer = self._ask("list_partition_offsets", places)
        return {(p.topic, p.partition): found.offset for p, found in answer.items()}

    def _ask(self, question: str, *args: object, **options: object) -> Any:  # noqa: ANN401 - kafka-python is untyped
        return self._patiently(
            lambda: getattr(self._client, question)(*args, **options)
        )

    def _patiently(self, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - kafka-python is untyped
        """Return the answer, asked for again while brokers move, and for no longer."""
        wait_ms = min(MOVES_WAIT_MS_MAX, self._answer_ms_max)
        deadline_ms = self._clock.monotonic_ms() + wait_ms
        while True:
            try:
                return ask()
            except _MOVES as error:
                if self._clock.monotonic_ms() > deadline_ms:
                    raise self._unavailable(error) from error
                # Where a group's coordinator is, a client never asks again.
                self._client.close()
                self._client = self._opened()
                self._clock.sleep_ms(MOVES_POLL_MS)
            except (KafkaError, OSError) as error:
                raise self._unavailable(error) from error

    def _opened(self) -> Any:  # noqa: ANN401 - kafka-python is untyped
        require_listener(self._bootstrap)
        try:
            return open_client(
                _kafka.KafkaAdminClient,
                **self._options,
                bootstrap_timeout_ms=self._connect_ms_max,
                request_timeout_ms=self._answer_ms_max,
            )
        except KafkaTimeoutError as error:
            raise NoAnswer(
                "Kafka", address=self._bootstrap, wait_s=self._connect_ms_max / 1_000
            ) from error
        except (KafkaError, ValueError, OSError) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, reason: Exception | str) -> ServiceUnavailable:
        if isinstance(reason, KafkaTimeoutError | RequestTimedOutError):
            # A broker that stands still runs: nobody is told to start it.
            wait_s = self._answer_ms_max / 1_000
            return NoAnswer("Kafka", address=self._bootstrap, wait_s=wait_s)
        text = reason if isinstance(reason, str) else reason_of(reason)
        text = text.split("\n", maxsplit=1)[0][:300]
        return ServiceUnavailable("Kafka", address=self._bootstrap, reason=text)


def _topic_resource(name: str, *, settings: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - kafka-python is untyped
    return _admin.ConfigResource(
        _admin.ConfigResourceType.TOPIC, name, configs=settings
    )
