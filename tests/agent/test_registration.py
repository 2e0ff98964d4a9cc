"""What the fleet is told of an agent, by two threads of it."""

from __future__ import annotations

from typing import cast

from tailrace.fleet.nodes import AgentNode, read_node
from tailrace.zookeeper import Registration, ZooKeeper
from tailrace_agent.hole_requests import HoleRequests
from tailrace_agent.pause import RetentionPause
from tailrace_agent.registration import AgentRegistration


class Node:
    """Remembers what it was to hold."""

    def __init__(self) -> None:
        self.held: list[AgentNode | None] = []

    def update(self, data: bytes) -> None:
        self.held.append(read_node(data))


def test_what_an_agent_waits_for_is_told_once_and_taken_back() -> None:
    node, first = Node(), AgentNode(agent_id="a1", sources=("app",))
    registration = AgentRegistration(
        cast("ZooKeeper", None),
        cast("Registration", node),
        node=first,
        holes=cast("HoleRequests", None),
        pause=cast("RetentionPause", None),
    )

    registration.hold_up("")
    registration.hold_up("Kafka is away")
    registration.hold_up("Kafka is away")
    registration.hold_up("")

    waiting = AgentNode(agent_id="a1", sources=("app",), held_up="Kafka is away")
    assert node.held == [waiting, first]
