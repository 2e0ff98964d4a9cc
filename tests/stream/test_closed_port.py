"""At a closed port the Kafka library is not asked: ours is the only sentence."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

import pytest

from tailrace.clock import SystemClock
from tailrace.errors import NoAnswer, ServiceUnavailable
from tailrace.floor_topic import FloorReader
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_consumer import Consumer
from tailrace.kafka_spans import read_spans
from tailrace.ledger_topic import read_ledger_topic
from tailrace.settings import Connections
from tailrace_stream.main import check_topics

ASKING: dict[str, Callable[[Connections], object]] = {
    "topics": check_topics,
    "admin": KafkaAdmin,
    "floors": lambda given: FloorReader(given, client_id="test").read(),
    "ledger": lambda given: list(
        read_ledger_topic(given, client_id="test", is_stopping=lambda: False)
    ),
    "spans": lambda given: read_spans(
        given,
        client_id="test",
        topic="t",
        spans={0: range(1)},
        take=lambda _value: None,
        clock=SystemClock(),
    ),
    "group": lambda given: Consumer.connect(
        given, group="g", client_id="test", topics=["t"]
    ),
}


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
def test_a_closed_port_is_told_at_once_and_by_us_alone(
    ask: Callable[[Connections], object], caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        given = Connections().model_copy(update={"kafka_bootstrap": address})
        with (
            caplog.at_level(logging.WARNING),
            pytest.raises(ServiceUnavailable) as away,
        ):
            ask(given)

    assert address in str(away.value)
    assert "start it" in away.value.remedy
    assert not isinstance(away.value, NoAnswer)
    assert caplog.records == []
