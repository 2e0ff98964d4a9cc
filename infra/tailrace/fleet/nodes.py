"""What stands in ZooKeeper of agents: the ephemeral node of each that is alive."""

from __future__ import annotations

import msgspec

from tailrace.zookeeper import ZooKeeper


class AgentNode(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in `/<namespace>/agents/<agent_id>`; unknown keys are passed over."""

    agent_id: str = ""
    host_id: str = ""
    host_name: str = ""
    version: str = ""
    group: str = ""
    labels: dict[str, str] = {}
    sources: tuple[str, ...] = ()
    started_at_ms: int = 0
    pid: int = 0
    takes_config: bool = False
    """Whether it follows the fleet's configuration: its host names allowed folders."""
    config_versions: dict[str, int] = {}
    """By scope (`groups/web`), the version that it works by."""
    config_hash: str = ""
    """Of the sources and labels that it works by; the same for equal ones."""
    held_up: str = ""
    """Why it does not read any file yet, and so takes no configuration; empty once it does."""
    config_refusals: dict[str, str] = {}
    """By scope, why what is to be had was not taken, and the one before is kept."""


def agents_folder(namespace: str) -> str:
    """Return the node below which agents register."""
    return f"/{namespace}/agents"


def read_node(raw: bytes) -> AgentNode | None:
    """Return what a registration says; None where it cannot be read."""
    try:
        return msgspec.json.decode(raw, type=AgentNode)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def live_agents(zookeeper: ZooKeeper, *, namespace: str) -> dict[str, AgentNode]:
    """Return the agents that are registered now, by id; unreadable ones are left out.

    Raises:
        ServiceUnavailable: no server answers.
    """
    folder = agents_folder(namespace)
    agents: dict[str, AgentNode] = {}
    for agent_id in zookeeper.children(folder):
        value = zookeeper.get(f"{folder}/{agent_id}")
        node = None if value is None else read_node(value)
        if node is not None:
            agents[agent_id] = node
    return agents
