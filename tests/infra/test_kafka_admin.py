"""What is told of a broker that takes questions and does not answer them."""

from __future__ import annotations

import socket

import pytest
from kafka.errors import KafkaTimeoutError, RequestTimedOutError

from tailrace import kafka_admin
from tailrace.errors import NoAnswer
from tailrace.kafka_admin import KafkaAdmin
from tailrace.settings import Connections


class StandsStill:
    """The library's client of a broker that was frozen after it was connected to."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.options: dict[str, object] = {}

    def opened(self, _kind: object, **options: object) -> StandsStill:
        self.options = options
        return self

    def describe_topics(self) -> object:
        raise self._error

    def list_group_offsets(self, _groups: object) -> object:
        raise self._error

    def close(self) -> None:
        """Let go of nothing."""


@pytest.mark.parametrize(
    "error", [RequestTimedOutError("after 3000 ms"), KafkaTimeoutError("timed out")]
)
def test_a_broker_that_stands_still_amid_a_connection_is_not_to_be_started(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = StandsStill(error)
    monkeypatch.setattr(kafka_admin, "open_client", client.opened)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        connections = Connections().model_copy(update={"kafka_bootstrap": address})
        with KafkaAdmin(connections, answer_ms_max=3_000) as admin:
            with pytest.raises(NoAnswer, match="no answer within 3 s") as still:
                admin.partition_counts()
            with pytest.raises(NoAnswer, match="no answer within 3 s"):
                admin.group_lag("g", topics=["t"])
    assert client.options["request_timeout_ms"] == 3_000
    assert "busy or stand still" in still.value.remedy
