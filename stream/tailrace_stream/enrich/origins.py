"""Which fields of an origin are ECS' own: what a host says of itself stands where ECS has it.

A source of the agent has `fields`. Those that ECS knows of a host, its cloud, its cluster and
its service become fields of that name; the others stay labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tailrace.wire import Origin
from tailrace_stream.intake import FOREIGN_AGENT

NAMES: Final = frozenset(
    {
        "agent.type", "agent.version",
        "cloud.account.id", "cloud.account.name", "cloud.availability_zone",
        "cloud.instance.id", "cloud.instance.name", "cloud.machine.type",
        "cloud.project.id", "cloud.project.name", "cloud.provider", "cloud.region",
        "cloud.service.name",
        "container.image.name", "container.name", "container.runtime",
        "host.architecture", "host.domain", "host.hostname", "host.os.family",
        "host.os.full", "host.os.kernel", "host.os.name", "host.os.platform",
        "host.os.type", "host.os.version", "host.type",
        "kubernetes.cluster.name", "kubernetes.container.image", "kubernetes.deployment.name",
        "kubernetes.node.name",
        "orchestrator.cluster.name", "orchestrator.cluster.id", "orchestrator.namespace",
        "orchestrator.type",
        "service.environment", "service.name", "service.node.name", "service.type",
        "service.version",
    }
)  # fmt: skip
"""Of text alone, and none that documents have from the path or the agent already."""


def facts_of(origin: Origin) -> Mapping[str, str]:
    """Return what an origin says of where its lines come from, by ECS' names."""
    facts = {name: origin.fields[name] for name in origin.fields if name in NAMES}
    if origin.host_id and origin.agent_id != FOREIGN_AGENT:
        facts["host.id"] = origin.host_id
    return facts


def labels_of(origin: Origin) -> Mapping[str, str]:
    """Return the other fields."""
    return {name: text for name, text in origin.fields.items() if name not in NAMES}
