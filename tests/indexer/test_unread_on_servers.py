"""How near retention is to what is unread, asked of a real Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import kafka
import pytest

from tailrace.clock import SystemClock
from tailrace.kafka_admin import KafkaAdmin
from tailrace.provision import provision_topics
from tailrace.retention_pause import LateTopic
from tailrace.settings import Connections
from tailrace.topics import DOCS, RAW
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.unread import late_topics

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
library = cast("Any", kafka)
DAY_MS = 86_400_000
GROUP = "the-indexers"


class Topics:
    """The topics of one namespace."""

    def __init__(self, stack: Endpoints, *, namespace: str) -> None:
        self.connections = Connections(
            kafka_bootstrap=stack.kafka_bootstrap, namespace=namespace
        )
        self.namespace = namespace
        self.now_ms = SystemClock().now_ms()

    def believe_records(self, names: Sequence[str]) -> None:
        """Take a record's age from its writer, as only a test may: not by the brokers."""
        setting = {"message.timestamp.type": "CreateTime"}
        with KafkaAdmin(self.connections, client_id="test") as admin:
            admin.alter_topic_settings(dict.fromkeys(names, setting))

    def write(self, topic: str, *, age_ms: int, size_bytes: int = 10) -> None:
        """Write a record of an age to the first partition."""
        producer = library.KafkaProducer(
            bootstrap_servers=self.connections.kafka_bootstrap
        )
        producer.send(
            topic,
            bytes(size_bytes),
            partition=0,
            timestamp_ms=self.now_ms - age_ms,
        ).get(timeout=30)
        producer.close()

    def commit(self, topic: str, offset: int, *, group: str) -> None:
        """Say that a group has read the first partition as far."""
        consumer = library.KafkaConsumer(
            bootstrap_servers=self.connections.kafka_bootstrap,
            group_id=group,
            enable_auto_commit=False,
        )
        place = library.TopicPartition(topic, 0)
        consumer.assign([place])
        consumer.commit({place: library.OffsetAndMetadata(offset, "", -1)})
        consumer.close()

    def late_at(self, share: float) -> tuple[LateTopic, ...]:
        with KafkaAdmin(self.connections, client_id="test") as kafka:
            return late_topics(
                kafka,
                namespace=self.namespace,
                group=GROUP,
                share=share,
                now_ms=self.now_ms,
            )


@pytest.fixture
def topics(stack: Endpoints, namespace: str) -> Topics:
    found = Topics(stack, namespace=namespace)
    provision_topics(found.connections)
    return found


def test_k10_what_nobody_has_read_is_late_at_its_share_of_the_time(
    topics: Topics,
) -> None:
    raw, docs = RAW.name(topics.namespace), DOCS.name(topics.namespace)
    assert topics.late_at(0.0) == ()
    topics.believe_records([raw, docs])
    topics.write(raw, age_ms=3 * DAY_MS)
    topics.write(raw, age_ms=DAY_MS)
    topics.write(docs, age_ms=4 * DAY_MS)
    late_raw = LateTopic(topic=raw, group=f"{topics.namespace}-stream", partitions=1)
    late_docs = LateTopic(topic=docs, group=GROUP, partitions=1)

    assert topics.late_at(0.6) == ()
    assert topics.late_at(0.5) == (late_docs,)
    assert topics.late_at(0.4) == (late_raw, late_docs)

    topics.commit(raw, 1, group=late_raw.group)
    assert topics.late_at(0.4) == (late_docs,)
    topics.commit(docs, 1, group=GROUP)
    assert topics.late_at(0.0) == (late_raw,)


def test_k10_what_nobody_has_read_is_late_at_its_share_of_the_room(
    topics: Topics,
) -> None:
    raw = RAW.name(topics.namespace)
    for _ in range(4):
        topics.write(raw, age_ms=0, size_bytes=100_000)
    with KafkaAdmin(topics.connections, client_id="test") as admin:
        size_bytes = admin.partition_sizes([raw])[raw, 0]
        admin.alter_topic_settings({raw: {"retention.bytes": str(size_bytes)}})
    assert 400_000 <= size_bytes <= 410_000

    assert [late.topic for late in topics.late_at(0.9)] == [raw]
    # Three of four are read.
    topics.commit(raw, 3, group=f"{topics.namespace}-stream")
    assert topics.late_at(0.3) == ()
    assert [late.topic for late in topics.late_at(0.2)] == [raw]
