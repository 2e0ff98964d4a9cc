"""What a consumer says of brokers that leave it in the middle of its start."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka import errors

from tailrace import kafka_consumer
from tailrace.errors import ServiceUnavailable
from tailrace.kafka_consumer import Consumer
from tailrace.settings import Connections


class LeftClient:
    """The library's consumer, whose broker resets the connection after the first word."""

    closed_count = 0

    def __init__(self, **_options: object) -> None:
        return

    def partitions_for_topic(self, _topic: str) -> set[int]:
        raise errors.KafkaConnectionError("[Errno 104] Connection reset by peer")

    def close(self, *, autocommit: bool) -> None:
        assert not autocommit
        LeftClient.closed_count += 1


def test_k1_broker_that_leaves_amid_a_start_is_told_of_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its error is one that the roles wait on; any other would end the role."""

    def listens(_hosts: str) -> None:
        return

    library = SimpleNamespace(KafkaConsumer=LeftClient)
    monkeypatch.setattr(kafka_consumer, "_kafka", library)
    monkeypatch.setattr(kafka_consumer, "require_listener", listens)
    with pytest.raises(ServiceUnavailable, match="Connection reset by peer"):
        Consumer.connect(Connections(), group="g", client_id="c", topics=["t"])
    assert LeftClient.closed_count == 1
