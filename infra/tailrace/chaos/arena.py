"""Where faults strike: the servers, roles, proxies, disks and network of one run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tailrace.chaos.disks import SmallDisk
from tailrace.chaos.http_proxy import ElasticsearchProxy
from tailrace.chaos.namespaces import Network
from tailrace.chaos.roles import RoleGroup
from tailrace.chaos.tcp_proxy import TcpProxy
from tailrace.chaos.writer import Writer
from tailrace.clock import Clock
from tailrace.settings import Connections
from tailrace_embedded.stack import Stack

POLL_MS = 100


class NotWitnessed(Exception):
    """A fault left no proof that it struck: the run is then invalid, not passed."""


class Interrupted(BaseException):
    """The user asked for the end.

    Raised also by a handler of signals, amid libraries that catch every `Exception`, and
    would tell of a server that cannot be reached.
    """


@dataclass(slots=True, kw_only=True)
class Arena:
    """Everything a fault may touch."""

    stack: Stack
    connections: Connections
    roles: RoleGroup
    writer: Writer
    elasticsearch_proxies: list[ElasticsearchProxy]
    kafka_proxies: list[TcpProxy]
    network: Network | None
    agent_disk: SmallDisk | None
    broker_disk: SmallDisk | None
    """Of the last broker."""
    clock: Clock
    stop: threading.Event
    bulks: threading.Lock = field(default_factory=threading.Lock)
    """Held by whichever fault decides what becomes of bulks."""
    poisons: list[bytes] = field(default_factory=list[bytes])
    """What was put on a topic and must be found among the dead letters, once each."""
    poisons_tried: list[bytes] = field(default_factory=list[bytes])
    """These, and those of which Kafka did not say whether it took them."""
    broken_promises: list[str] = field(default_factory=list[str])
    """What a role did under a fault that it must never do, whatever the lines say."""

    def wait(self, wait_ms: int) -> None:
        """Return after that time.

        Raises:
            Interrupted: the user ended the run meanwhile.
        """
        if self.stop.wait(wait_ms / 1_000):
            raise Interrupted

    def within(self, condition: Callable[[], bool], *, wait_ms_max: int) -> bool:
        """Return True as soon as it holds, False when it has not in time.

        Raises:
            Interrupted: the user ended the run meanwhile.
        """
        deadline_ms = self.clock.monotonic_ms() + wait_ms_max
        while not condition():
            if self.clock.monotonic_ms() > deadline_ms:
                return False
            self.wait(POLL_MS)
        return True

    def require(
        self, condition: Callable[[], bool], *, wait_ms_max: int, what: str
    ) -> None:
        """Return as soon as the witness is there.

        Raises:
            NotWitnessed: it was not in time.
            Interrupted: the user ended the run meanwhile.
        """
        if not self.within(condition, wait_ms_max=wait_ms_max):
            raise NotWitnessed(f"not within {wait_ms_max // 1_000} s: {what}")
