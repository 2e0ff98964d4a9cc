"""What our topics' settings make of real brokers: copies demanded, and whose time counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import kafka
import pytest

from tailrace import log
from tailrace.kafka_producer import Producer
from tailrace.provision import provision_topics
from tailrace.settings import Connections
from tailrace.topics import RAW
from tailrace_embedded.stack import Endpoints
from tailrace_stream.config import StreamSettings
from tailrace_stream.faust_app import StreamApp
from tests.support.waiting import eventually

library = cast("Any", kafka)
pytestmark = [pytest.mark.stack, pytest.mark.timeout(90)]

YEAR_2099_MS = 4_070_908_800_000


@pytest.fixture
def connections(stack: Endpoints, namespace: str, tmp_path: Path) -> Connections:
    made = Connections().model_copy(
        update={
            "kafka_bootstrap": stack.kafka_bootstrap,
            "namespace": namespace,
            "data_dir": tmp_path,
        }
    )
    provision_topics(made)
    return made


@pytest.fixture
def producer(connections: Connections) -> Iterator[Producer]:
    made = Producer.connect(connections, client_id="laws")
    yield made
    made.close(wait_ms_max=2_000)


def test_k3_acknowledgement_is_asked_of_all_in_sync_replicas(
    producer: Producer, connections: Connections
) -> None:
    """Of fewer, it would be a promise that one lost broker breaks."""
    client = producer._client  # pyright: ignore[reportPrivateUsage]
    assert client.config["acks"] in {-1, "all"}
    assert client.config["enable_idempotence"] is True
    app = StreamApp(connections, settings=StreamSettings(), log=log.logger("test"))
    faust = app._app  # pyright: ignore[reportPrivateUsage]
    assert faust.conf.producer_acks == -1


def test_k13_a_time_of_the_far_future_is_replaced_by_the_brokers(
    connections: Connections,
) -> None:
    topic = RAW.name(connections.namespace)
    client = library.KafkaProducer(bootstrap_servers=connections.kafka_bootstrap)
    sent = client.send(topic, value=b"v", partition=0, timestamp_ms=YEAR_2099_MS)
    sent.get(timeout=10)
    client.close()
    consumer = library.KafkaConsumer(
        bootstrap_servers=connections.kafka_bootstrap, group_id=None
    )
    place = library.TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    found: list[Any] = []

    def is_found() -> bool:
        for batch in consumer.poll(timeout_ms=500).values():
            found.extend(batch)
        return bool(found)

    eventually(is_found, 20)
    consumer.close()
    assert found[0].timestamp < YEAR_2099_MS // 2
