"""How the fleet knows of this agent: an ephemeral node, made by a thread of its own."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from tailrace.clock import SystemClock
from tailrace.fleet.desired import agent_scope, group_scope
from tailrace.fleet.nodes import AgentNode, agents_folder
from tailrace.key_files import chosen_key
from tailrace.log import FilteringBoundLogger
from tailrace.registration import Registration
from tailrace.settings import Connections
from tailrace.zookeeper import ZooKeeper
from tailrace.zookeeper_rights import login_of
from tailrace_agent.config import AgentSettings
from tailrace_agent.fleet_config import FleetConfig, Report
from tailrace_agent.hole_requests import HoleRequests
from tailrace_agent.pause import RetentionPause
from tailrace_agent.records import Agent


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
        takes_config=bool(settings.allowed_folders),
    )


class AgentRegistration:
    """The node, what this agent is asked and given, and the client of all; nothing waits
    for it.
    """

    def __init__(
        self,
        zookeeper: ZooKeeper,
        registration: Registration,
        *,
        node: AgentNode,
        holes: HoleRequests,
        pause: RetentionPause,
    ) -> None:
        self._zookeeper = zookeeper
        self._registration = registration
        self._node = node
        self._fleet: FleetConfig | None = None
        # The thread that follows the fleet tells what was taken, the agent's own the rest.
        self._telling = threading.Lock()
        self.holes = holes
        self.pause = pause

    def hold_up(self, why: str) -> None:
        """Say what is waited for before any file is read, or "" once nothing is."""
        self._change(held_up=why)

    def follow_fleet(
        self,
        connections: Connections,
        settings: AgentSettings,
        *,
        folder: Path,
        check: Callable[[AgentSettings], object],
        log: FilteringBoundLogger,
    ) -> FleetConfig:
        """Return what the fleet wants of this agent, followed from now on.

        Raises:
            CommandFailed: the key of signatures cannot be read.
        """
        key_file = settings.fleet_key_file
        agent_id = self._node.agent_id
        self._fleet = FleetConfig(
            self._zookeeper,
            local=settings,
            scopes=(group_scope(settings.group), agent_scope(agent_id)),
            namespace=connections.namespace,
            folder=folder,
            key=None
            if key_file is None
            else chosen_key(key_file, name="fleet_key_file"),
            check=check,
            tell=self._tell,
            jitter=random.Random(),  # noqa: S311 - spreads load, no secret
            log=log,
        )
        self._fleet.start()
        return self._fleet

    def close(self) -> None:
        """Take the node away and end the session."""
        if self._fleet is not None:
            self._fleet.close()
        self.holes.close()
        self.pause.close()
        self._registration.close()
        self._zookeeper.close()

    def _tell(self, settings: AgentSettings, report: Report) -> None:
        self._change(
            labels=settings.labels,
            sources=tuple(source.name for source in settings.sources),
            config_versions=dict(report.versions),
            config_hash=report.config_hash,
            config_refusals=dict(report.refusals),
        )

    def _change(self, **changes: object) -> None:
        with self._telling:
            node = msgspec.structs.replace(self._node, **changes)
            if node != self._node:
                self._node = node
                self._registration.update(msgspec.json.encode(node))


def register(
    connections: Connections,
    *,
    settings: AgentSettings,
    agent: Agent,
    log: FilteringBoundLogger,
) -> AgentRegistration:
    """Register this agent, now or when ZooKeeper comes; return at once."""
    zookeeper = ZooKeeper.connect(
        connections.zookeeper_hosts, login=login_of(connections)
    )
    node = node_of(
        agent,
        settings=settings,
        started_at_ms=time.time_ns() // 1_000_000,
        pid=os.getpid(),
    )
    registration = zookeeper.register_ephemeral(
        f"{agents_folder(connections.namespace)}/{agent.agent_id}",
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
    pause = RetentionPause(
        zookeeper,
        namespace=connections.namespace,
        clock=SystemClock(),
        jitter=random.Random(),  # noqa: S311 - spreads load, no secret
        log=log,
    )
    pause.start()
    return AgentRegistration(
        zookeeper, registration, node=node, holes=holes, pause=pause
    )


def _version() -> str:
    try:
        return version("tailrace")
    except PackageNotFoundError:
        return "unknown"
