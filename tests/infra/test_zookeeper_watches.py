"""Who asks for a node again and again is told of a change once, and leaves nothing behind."""

from __future__ import annotations

import pytest

from tailrace.zookeeper import ZooKeeper
from tailrace_embedded.stack import Endpoints
from tests.support.waiting import eventually, within

pytestmark = [pytest.mark.stack, pytest.mark.timeout(60)]
CONNECT_MS_MAX = 20_000
LOOKS = 5


@pytest.mark.parametrize("is_there", [False, True])
def test_a_node_that_is_looked_at_many_times_has_one_listener_of_each_caller(
    stack: Endpoints, namespace: str, *, is_there: bool
) -> None:
    """The client keeps listeners until the node changes, which may be never."""
    zookeeper = ZooKeeper.connect(stack.zookeeper_hosts)
    assert zookeeper.wait_connected(wait_ms_max=CONNECT_MS_MAX)
    path = f"/{namespace}/node"
    if is_there:
        zookeeper.set(path, b"before")
    told: list[str] = []

    def tell() -> None:
        told.append("changed")

    for _ in range(LOOKS):
        zookeeper.get(path, on_change=tell)
    zookeeper.set(path, b"after")

    eventually(lambda: told)
    assert not within(lambda: len(told) > 1, wait_s_max=1)
    assert zookeeper.get(path) == b"after"
    zookeeper.close()
