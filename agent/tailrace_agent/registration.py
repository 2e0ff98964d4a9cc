"""How the fleet knows of this agent: an ephemeral node, made by a thread of its own."""

from __future__ import annotations

import os
import random
import time
from importlib.metadata import PackageNotFoundError, version

import msgspec

from tailrace.log import FilteringBoundLogger
from tailrace.settings import Connections
from tailrace.zookeeper import Registration, ZooKeeper
from tailrace_agent.config import AgentSettings
from tailrace_agent.hole_requests import HoleRequests
from tailrace_agent.records import Agent


class AgentNode(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in `/<namespace>/agents/<agent_id>`."""

    agent_id: str
    host_id: str
    host_name: str
    version: str
    group: str
    labels: dict[str, str]
    sources: tuple[str, ...]
    started_at_ms: int
    pid: int


def node_of(
    agent: Agent, *, settings: AgentSettings, started_at_ms: int, pid: int
) -> AgentNode:
    """Return what the fleet is told."""
    return AgentNode(
        agent_id=agent.agent_id,
        host_id=agent.host_id,
        host_name=agent.host_name,
        version=_version(),
        group=settings.group,
        labels=settings.labels,
        sources=tuple(source.name for source in settings.sources),
        started_at_ms=started_at_ms,
        pid=pid,
    )


class AgentRegistration:
    """The node, what this agent is asked, and the client of both; nothing waits for it."""

    def __init__(
        self, zookeeper: ZooKeeper, registration: Registration, holes: HoleRequests
    ) -> None:
        self._zookeeper = zookeeper
        self._registration = registration
        self.holes = holes

    def close(self) -> None:
        """Take the node away and end the session."""
        self.holes.close()
        self._registration.close()
        self._zookeeper.close()


def register(
    connections: Connections,
    *,
    settings: AgentSettings,
    agent: Agent,
    log: FilteringBoundLogger,
) -> AgentRegistration:
    """Register this agent, now or when ZooKeeper comes; return at once."""
    zookeeper = ZooKeeper.connect(connections.zookeeper_hosts)
    node = node_of(
        agent,
        settings=settings,
        started_at_ms=time.time_ns() // 1_000_000,
        pid=os.getpid(),
    )
    registration = zookeeper.register_ephemeral(
        f"/{connections.namespace}/agents/{agent.agent_id}",
        msgspec.json.encode(node),
        on_change=lambda state: log.info("registration_changed", state=state),
    )
    holes = HoleRequests(
        zookeeper,
        namespace=connections.namespace,
        agent_id=agent.agent_id,
        jitter=random.Random(),  # noqa: S311 - spreads load, no secret
        log=log,
    )
    holes.start()
    return AgentRegistration(zookeeper, registration, holes)


def _version() -> str:
    try:
        return version("tailrace")
    except PackageNotFoundError:
        return "unknown"
