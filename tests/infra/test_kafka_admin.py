"""What is told of a broker that takes questions and does not answer them."""

from __future__ import annotations

import socket
from typing import Any

import kafka.errors
import pytest
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MetadataEmptyBrokerList,
    RequestTimedOutError,
)

from tailrace import kafka_admin
from tailrace.errors import NoAnswer, ServiceUnavailable
from tailrace.kafka_admin import KafkaAdmin
from tailrace.settings import Connections
from tests.support.standing_clock import StandingClock

UNTYPED: Any = kafka.errors
"""The stubs that type checkers bundle describe an older release."""


class StandsStill:
    """The library's client of a broker that was frozen after it was connected to."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.options: dict[str, object] = {}
        self.opened_count = 0

    def opened(self, _kind: object, **options: object) -> StandsStill:
        self.options = options
        self.opened_count += 1
        return self

    def describe_topics(self, _topics: object = None) -> object:
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


class Busy(StandsStill):
    """Its brokers are too busy to say that they live, the first so many times it is asked."""

    def __init__(self, error: Exception, *, times: int) -> None:
        super().__init__(error)
        self.times = times

    def describe_topics(self, _topics: object = None) -> object:
        return self._answer([])

    def list_group_offsets(self, _groups: object) -> object:
        return self._answer({})

    def _answer(self, answer: object) -> object:
        self.times -= 1
        if self.times >= 0:
            raise self._error
        return answer


@pytest.mark.parametrize(
    "error", [MetadataEmptyBrokerList("much text"), UNTYPED.UnknownBrokerIdError(-1)]
)
def test_k1_a_cluster_that_knows_of_no_broker_for_a_moment_is_asked_again(
    error: KafkaError, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        connections = Connections().model_copy(update={"kafka_bootstrap": address})

        def admin(client: Busy) -> KafkaAdmin:
            monkeypatch.setattr(kafka_admin, "open_client", client.opened)
            return KafkaAdmin(connections, clock=StandingClock())

        assert admin(Busy(error, times=3)).partition_counts() == {}
        assert admin(Busy(error, times=3)).committed_offsets("g") == {}
        with pytest.raises(ServiceUnavailable, match="no broker that lives") as away:
            admin(Busy(error, times=10_000)).partition_counts()
        assert "much text" not in str(away.value)


@pytest.mark.parametrize(
    "error",
    [UNTYPED.KafkaConnectionError("111 ECONNREFUSED"), UNTYPED.NodeNotReadyError(2)],
)
def test_k2_a_broker_that_is_gone_is_asked_for_no_more_while_others_live(
    error: KafkaError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client knows of it until its metadata are new; with none left, nobody waits."""
    clock = StandingClock()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        connections = Connections().model_copy(update={"kafka_bootstrap": address})
        client = Busy(error, times=3)
        monkeypatch.setattr(kafka_admin, "open_client", client.opened)
        admin = KafkaAdmin(connections, clock=clock)
        assert admin.partition_counts() == {}
        client.times = 3
        assert admin.committed_offsets("g") == {}
        # Each time anew: a client never asks again where a group's coordinator is.
        assert client.opened_count == 1 + 3 + 3
        client.times = 10_000
    before_ms = clock.monotonic_ms()
    with pytest.raises(ServiceUnavailable, match="nothing listens there"):
        admin.partition_counts()
    assert clock.monotonic_ms() == before_ms
