"""How a hole is asked for: a node in ZooKeeper for each span an agent shall read again.

The nodes stand under `/<namespace>/holes/<agent_id>/`, not under the agent's own node,
which is ephemeral and so can have none below it. The agent answers with a `HoleAnswer` in
the ledger and then removes the node; what it sends again has the ids of the first time, so
asking twice, or for more than is missing, is harmless.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tailrace.errors import ServiceUnavailable, WireError
from tailrace.wire import WIRE_VERSION, decode, encode
from tailrace.zookeeper import ZooKeeper

HOLE_BYTES_MAX: Final = 64 * 1_024 * 1_024 * 1_024
"""One request: it is read twice, once to see that it still holds the same events, a chunk
between two turns of the agent's other files. Where a whole index is gone, that is the file."""
HOLES_ASKED_MAX: Final = 64
"""Of one agent at once; whoever asks waits for answers before asking for more."""


class HoleRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A span of one generation, from the start of an event to the end of another."""

    wire_version: int = WIRE_VERSION
    generation: str
    path: str
    """As the ledger knows it, for people."""
    first_offset: int
    next_offset: int
    first_event_number: int
    event_count: int
    is_untold: bool = False
    """It ends beyond what every hop has told of, and so is told of like a first sending."""

    @property
    def name(self) -> str:
        """Name the node: one for each beginning of a span."""
        return f"{self.generation}-{self.first_offset}"


def holes_path(namespace: str, agent_id: str) -> str:
    """Return the node under which an agent is asked."""
    return f"/{namespace}/holes/{agent_id}"


def ask(
    zookeeper: ZooKeeper, request: HoleRequest, *, namespace: str, agent_id: str
) -> bool:
    """Ask an agent for a span; False where it has as many to answer as it may.

    Raises:
        ServiceUnavailable: no server answers.
    """
    folder = holes_path(namespace, agent_id)
    waiting = zookeeper.children(folder)
    if len(waiting) >= HOLES_ASKED_MAX and request.name not in waiting:
        return False
    zookeeper.set(f"{folder}/{request.name}", encode(request))
    return True


def waiting_requests(
    zookeeper: ZooKeeper, *, namespace: str, agent_id: str
) -> dict[str, HoleRequest | None]:
    """Return what an agent is asked, by node name; None for one that cannot be read.

    Raises:
        ServiceUnavailable: no server answers.
    """
    folder = holes_path(namespace, agent_id)
    requests: dict[str, HoleRequest | None] = {}
    for name in zookeeper.children(folder)[:HOLES_ASKED_MAX]:
        value = zookeeper.get(f"{folder}/{name}")
        if value is None:
            continue
        try:
            requests[name] = decode(value, as_type=HoleRequest)
        except WireError:
            requests[name] = None
    return requests


def forget(zookeeper: ZooKeeper, name: str, *, namespace: str, agent_id: str) -> bool:
    """Remove a request that was answered; False where it has to be tried again."""
    try:
        zookeeper.delete(f"{holes_path(namespace, agent_id)}/{name}")
    except ServiceUnavailable:
        return False
    return True
