"""How a service speaks through Kafka: a message that is durable, a worker that goes on.

A message is published when all brokers in step have it. A worker handles each message and
only then commits its position: after a crash it sees the last ones again, so what it does
must be safe to do twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol, TypeVar, cast

import kafka
import msgspec
from kafka.errors import KafkaError

from tailrace.errors import ServiceUnavailable
from tailrace.kafka_admin import KafkaAdmin, NewTopic
from tailrace.kafka_consumer import Consumer, Partition
from tailrace.kafka_opening import open_client
from tailrace.kafka_options import kafka_unavailable, record_client_options
from tailrace.kafka_probe import require_listener
from tailrace.kafka_reader import topic_reader
from tailrace.provision import INSYNC_KEY, copies_on, insync_min
from tailrace.settings import Connections

# The stubs that type checkers bundle describe an older release.
_kafka: Any = kafka

CLIENT_ID = "tailrace-shop"
PARTITIONS = 2
"""Enough that two workers of a group share the work."""
RETENTION_MS = 86_400_000
MESSAGE_BYTES_MAX = 64 * 1_024
PUBLISH_S_MAX = 10.0
POLL_MS = 500
RETRY_MS = 1_000
STOP_S_MAX = 15.0

MessageT = TypeVar("MessageT", bound=msgspec.Struct)


class Topic(StrEnum):
    """The shop's queues; each is a topic `<namespace>.shop.<name>`."""

    USERS = "users"
    """Who registered, for the e-mail and the SMS that welcome them."""
    ORDERS = "orders"
    """What was ordered, for the inventory, and once more for the fulfilment."""
    TICKETS = "tickets"
    """Who was admitted to a flash sale."""
    CHAT = "chat"
    """What was said, for everyone who listens."""
    QUESTIONS = "questions"
    """What was asked, for one of those who answer."""

    def name_in(self, namespace: str) -> str:
        """Return the topic's whole name."""
        return f"{namespace}.shop.{self}"


def make_topics(connections: Connections) -> None:
    """Make the queues that are missing, on as many brokers as there are, at most three.

    A message is acknowledged when it is on all of them that are in step, at least two
    of three: so an accepted order survives the loss of a broker.

    Raises:
        ServiceUnavailable: Kafka does not answer, or refuses a topic.
    """
    with KafkaAdmin(connections, client_id=CLIENT_ID) as admin:
        copies = copies_on(admin.broker_count())
        there = admin.partition_counts()
        settings = {
            INSYNC_KEY: insync_min(copies),
            "retention.ms": str(RETENTION_MS),
            "max.message.bytes": str(MESSAGE_BYTES_MAX),
        }
        names = [topic.name_in(connections.namespace) for topic in Topic]
        admin.create_topics(
            NewTopic(
                name=name,
                partitions=PARTITIONS,
                replication_factor=copies,
                settings=settings,
            )
            for name in names
            if name not in there
        )


class Queue:
    """Publishes messages; any thread may."""

    def __init__(self, connections: Connections) -> None:
        """Connect.

        Raises:
            ServiceUnavailable: no broker answers.
        """
        self._connections = connections
        require_listener(connections.kafka_bootstrap)
        try:
            self._producer = open_client(
                _kafka.KafkaProducer,
                **record_client_options(connections, client_id=CLIENT_ID),
                acks="all",
                # What it sends twice is counted once by whoever reads it; and so no failed
                # message stands in the way of those after it.
                enable_idempotence=False,
                # Somebody waits for each message: none waits for company.
                linger_ms=0,
                max_block_ms=PUBLISH_S_MAX * 1_000,
            )
        except (KafkaError, OSError) as error:
            raise kafka_unavailable(connections.kafka_bootstrap, error) from error

    def publish(self, topic: Topic, message: msgspec.Struct, *, key: str) -> None:
        """Return when the message is durable; messages of one key keep their order.

        Raises:
            ServiceUnavailable: it is not known to be; publish it again.
        """
        try:
            self._producer.send(
                topic.name_in(self._connections.namespace),
                value=msgspec.json.encode(message),
                key=key.encode(),
            ).get(timeout=PUBLISH_S_MAX)
        except KafkaError as error:
            raise kafka_unavailable(self._connections.kafka_bootstrap, error) from error

    def close(self) -> None:
        """Send what is under way, and let go of the brokers."""
        self._producer.close(timeout=PUBLISH_S_MAX)


class Problem(Protocol):
    """Where a worker tells of what hinders it."""

    def __call__(self, message: str, /, *, error: Exception) -> None:
        """Tell it."""
        ...


class Worker:
    """A thread that handles one topic's messages, one after another.

    Workers of one group share the topic: each message goes to one of them (point to
    point). Workers of different groups each get every message (publish and subscribe).
    So does a worker of no group, which keeps no position: whenever it begins, it hears
    all that is kept, and Kafka remembers nothing of it once it is gone.
    """

    def __init__(
        self,
        connections: Connections,
        *,
        topic: Topic,
        group: str | None,
        message_type: type[MessageT],
        handle: Callable[[MessageT], None],
        problem: Problem,
    ) -> None:
        self._connections = connections
        self._topic = topic.name_in(connections.namespace)
        self._group = group and f"{connections.namespace}-shop-{group}"
        self._decoder = msgspec.json.Decoder(message_type)
        self._handle = cast("Callable[[msgspec.Struct], None]", handle)
        self._problem = problem
        self._stop = threading.Event()
        self._steered = threading.Lock()
        """Held by who starts or stops it, so that each has its effect in its turn."""
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether it takes messages."""
        return self._thread is not None and self._thread.is_alive()

    def waiting(self, admin: KafkaAdmin) -> int:
        """Return how many messages wait for its group; of no group none does.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        if self._group is None:
            return 0
        lags = admin.group_lag(self._group, topics=[self._topic])
        return sum(lag.lag_records for lag in lags)

    def start(self) -> None:
        """Start it, or start it again where it was stopped, once it has ended.

        Raises:
            ServiceUnavailable: what it does is not finished within `STOP_S_MAX`.
        """
        with self._steered:
            if self._stop.is_set():
                self._await_end()
                if self.is_running:
                    raise ServiceUnavailable(
                        "the service",
                        address=self._topic,
                        reason=f"it is still ending after {STOP_S_MAX} s",
                        remedy="start it again in a moment",
                    )
            if not self.is_running:
                self._stop.clear()
                self._thread = threading.Thread(
                    target=self._run, name=self._group or self._topic, daemon=True
                )
                self._thread.start()

    def ask_to_stop(self) -> None:
        """Let it end, and do not wait for it."""
        self._stop.set()

    def stop(self) -> None:
        """Finish the message at hand and leave the group; the others wait in Kafka."""
        with self._steered:
            self.ask_to_stop()
            self._await_end()

    def _await_end(self) -> None:
        if self._thread is not None:
            self._thread.join(STOP_S_MAX)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if self._group is None:
                    self._listen()
                else:
                    self._consume(self._group)
            except ServiceUnavailable as error:
                self._problem("Kafka cannot be reached", error=error)
                self._stop.wait(RETRY_MS / 1_000)

    def _consume(self, group: str) -> None:
        """Handle messages until stopped: 1 the work, 2 the position."""
        consumer = Consumer.connect(
            self._connections,
            group=group,
            client_id=CLIENT_ID,
            topics=[self._topic],
        )
        try:
            while not self._stop.is_set():
                next_offsets: dict[Partition, int] = {}
                for record in consumer.poll(wait_ms_max=POLL_MS).records:
                    if self._stop.is_set():
                        break
                    self._take(record.value or b"")
                    next_offsets[record.partition] = record.offset + 1
                if next_offsets:
                    consumer.commit(next_offsets)
        finally:
            consumer.close(wait_ms_max=POLL_MS)

    def _listen(self) -> None:
        """Handle every message that is kept, and what comes, until stopped."""
        places = [_kafka.TopicPartition(self._topic, n) for n in range(PARTITIONS)]
        with topic_reader(self._connections, client_id=CLIENT_ID) as reader:
            reader.assign(places)
            reader.seek_to_beginning(*places)
            while not self._stop.is_set():
                for records in reader.poll(timeout_ms=POLL_MS).values():
                    for record in records:
                        self._take(record.value or b"")

    def _take(self, value: bytes) -> None:
        try:
            message = self._decoder.decode(value)
        except msgspec.DecodeError as error:
            # It will never be readable: held on to, it would hold up all others.
            self._problem("A message cannot be read and is passed over", error=error)
            return
        self._handle(message)
