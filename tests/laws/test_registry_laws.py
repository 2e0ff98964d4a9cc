"""What every role relies on of ZooKeeper, through our face of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from tailrace.errors import ServiceUnavailable
from tailrace.zookeeper import ZooKeeper
from tailrace_embedded.stack import Endpoints
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def zookeeper(stack: Endpoints) -> Iterator[ZooKeeper]:
    made = ZooKeeper.connect(stack.zookeeper_hosts)
    assert made.wait_connected(wait_ms_max=10_000)
    yield made
    made.close()


@pytest.mark.stack
def test_what_was_set_is_read(zookeeper: ZooKeeper, namespace: str) -> None:
    path = f"/{namespace}/a/b"
    assert zookeeper.get(path) is None
    zookeeper.set(path, b"one")
    zookeeper.set(path, b"two")
    assert zookeeper.get(path) == b"two"
    assert zookeeper.children(f"/{namespace}") == ["a"]
    zookeeper.delete(path)
    zookeeper.delete(path)
    assert zookeeper.get(path) is None
    assert zookeeper.children(f"/{namespace}/nowhere") == []


@pytest.mark.stack
def test_registered_node_is_there_until_it_is_closed(
    zookeeper: ZooKeeper, namespace: str
) -> None:
    path = f"/{namespace}/agents/one"
    registration = zookeeper.register_ephemeral(path, b"me")
    eventually(lambda: zookeeper.get(path) == b"me")
    registration.close()
    assert zookeeper.get(path) is None


@pytest.mark.stack
def test_z1_node_returns_after_its_session_is_lost(
    stack: Endpoints, zookeeper: ZooKeeper, namespace: str
) -> None:
    """The session is closed by its id from elsewhere, as an expiry does."""
    path = f"/{namespace}/agents/one"
    mine = ZooKeeper.connect(stack.zookeeper_hosts, session_ms=4_000)
    states: list[str] = []
    mine.register_ephemeral(path, b"me", on_change=states.append, verify_ms=200)
    eventually(lambda: zookeeper.get(path) == b"me")
    client = cast("Any", mine.native)
    lost = client.client_id
    thief = cast("Any", type(client))(hosts=stack.zookeeper_hosts, client_id=lost)
    thief.start(timeout=10)
    thief.stop()
    thief.close()
    eventually(lambda: client.client_id != lost and mine.is_connected, 40)
    eventually(lambda: zookeeper.get(path) == b"me", 30)
    mine.close()
    eventually(lambda: zookeeper.get(path) is None)


@pytest.mark.stack
def test_node_that_was_removed_returns(zookeeper: ZooKeeper, namespace: str) -> None:
    path = f"/{namespace}/agents/one"
    zookeeper.register_ephemeral(path, b"me", verify_ms=100, return_ms_max=50)
    eventually(lambda: zookeeper.get(path) == b"me")
    zookeeper.delete(path)
    eventually(lambda: zookeeper.get(path) == b"me")


@pytest.mark.stack
def test_z8_node_of_an_earlier_life_is_taken_over(
    stack: Endpoints, zookeeper: ZooKeeper, namespace: str
) -> None:
    """A role that was killed comes back before its old session has expired."""
    path = f"/{namespace}/agents/one"
    dead = ZooKeeper.connect(stack.zookeeper_hosts)
    assert dead.wait_connected(wait_ms_max=10_000)
    assert dead.hold_ephemeral(path, b"old")
    zookeeper.register_ephemeral(path, b"new")
    eventually(lambda: zookeeper.get(path) == b"new")
    dead.close()
    assert zookeeper.get(path) == b"new"


def test_z2_absent_server_is_said_to_be_and_holds_nothing_up() -> None:
    zookeeper = ZooKeeper.connect("127.0.0.1:1")
    states: list[str] = []
    zookeeper.register_ephemeral("/x/agents/one", b"me", on_change=states.append)
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:1"):
        zookeeper.get("/x")
    eventually(lambda: states)
    assert "cannot be reached" in states[0]
    zookeeper.close()
