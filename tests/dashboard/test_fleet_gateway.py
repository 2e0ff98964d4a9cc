"""What the Fleet page says of a ZooKeeper that is away, or stands still."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from tailrace.clock import SystemClock
from tailrace.errors import NoAnswer, ServiceUnavailable
from tailrace.settings import Connections
from tailrace_dashboard.fleet_gateway import CONNECT_MS_MAX, ZooKeeperFleet

WAIT_S = 15


def fleet_at(hosts: str) -> closing[ZooKeeperFleet]:
    made = ZooKeeperFleet(Connections().model_copy(update={"zookeeper_hosts": hosts}))
    return closing(made)


def test_where_nothing_listens_is_said_at_once() -> None:
    clock = SystemClock()
    began_ms = clock.monotonic_ms()
    with (
        fleet_at("127.0.0.1:1") as fleet,
        pytest.raises(ServiceUnavailable, match="nothing listens there") as away,
    ):
        fleet.agents().result(WAIT_S)
    assert not isinstance(away.value, NoAnswer)
    assert clock.monotonic_ms() - began_ms < CONNECT_MS_MAX


def test_one_that_stands_still_is_not_to_be_started() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as frozen,
        fleet_at(f"127.0.0.1:{frozen.getsockname()[1]}") as fleet,
        pytest.raises(NoAnswer, match="no answer within 3 s") as still,
    ):
        fleet.agents().result(WAIT_S)
    assert "busy or stand still" in still.value.remedy
