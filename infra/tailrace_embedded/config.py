"""How large the embedded stack is: how many servers, and the memory of each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tailrace.errors import ConfigError
from tailrace_embedded.ports import LOOPBACK

BROKERS_MAX = 3
ELASTICSEARCH_NODES_MAX = 3
# A slow laptop with other work to do: at a load of 60 on two cores a start was under way
# for longer than five minutes. A healthy one takes 20 seconds.
READY_WAIT_MS_MAX = 600_000

JAVA_FLAGS_VARIABLE = "TAILRACE_JAVA_FLAGS"
_HEAPS = ("kafka_heap_mb", "zookeeper_heap_mb", "elasticsearch_heap_mb")
_HEAP_MB_MIN = 64
_HEAP_MB_MAX = 31_744  # Above, Java's object pointers double in size.


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one server listens: on loopback, but for tests that break networks.

    Another address belongs to a network namespace that the caller made, and nobody
    outside of it can reach. Elasticsearch's nodes share one, whose loopback they use
    among themselves.
    """

    address: str = LOOPBACK
    prefix: tuple[str, ...] = ()
    """A command before the server's own, which enters that namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackConfig:
    """How the servers are started.

    The default heaps leave an 8 GB laptop more than half of its memory: three Java
    processes take about 1.5 times their heaps.
    """

    brokers: int = 1
    elasticsearch_nodes: int = 1
    kafka_heap_mb: int = 512
    zookeeper_heap_mb: int = 128
    elasticsearch_heap_mb: int = 1_024
    java_flags: tuple[str, ...] = ()
    """For Kafka's and Elasticsearch's Java, behind our own, so that they win."""
    ready_ms_max: int = READY_WAIT_MS_MAX
    ports: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Ports that must be these: `kafka-1`, `zookeeper`, `elasticsearch-1` and so on."""
    places: Mapping[str, Place] = field(default_factory=lambda: MappingProxyType({}))
    """Servers that are not on loopback, by name."""
    advertised: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """For brokers behind a proxy, the `HOST:PORT` that clients are told; brokers talk
    to each other past it."""

    def __post_init__(self) -> None:
        problems: list[str] = []
        for name, maximum in (
            ("brokers", BROKERS_MAX),
            ("elasticsearch_nodes", ELASTICSEARCH_NODES_MAX),
        ):
            count = getattr(self, name)
            if count not in {1, maximum}:
                problems.append(f"{name} must be 1 or {maximum}, got {count}")
        for name in _HEAPS:
            heap_mb = getattr(self, name)
            if not _HEAP_MB_MIN <= heap_mb <= _HEAP_MB_MAX:
                problems.append(
                    f"{name} must be {_HEAP_MB_MIN} to {_HEAP_MB_MAX}, got {heap_mb}"
                )
        problems.extend(
            f"the port of {name} must be 1 to 65535, got {port}"
            for name, port in self.ports.items()
            if not 1 <= port <= 65_535
        )
        if problems:
            raise ConfigError(problems, source="the settings of the embedded servers")

    def place(self, name: str) -> Place:
        """Return where the server of this name listens."""
        return self.places.get(name, Place())


def config_from_environment(
    environ: Mapping[str, str] = os.environ,
    *,
    brokers: int = 1,
    elasticsearch_nodes: int = 1,
    ports: Mapping[str, int] | None = None,
) -> StackConfig:
    """Return the configuration with heaps from `TAILRACE_KAFKA_HEAP_MB` and so on.

    Flags for Java come from `TAILRACE_JAVA_FLAGS`, with spaces between them.

    Raises:
        ConfigError: a heap is not a number, or out of its range.
    """
    heaps: dict[str, int] = {}
    problems: list[str] = []
    for name in _HEAPS:
        key = f"TAILRACE_{name.upper()}"
        if text := environ.get(key):
            if text.isdecimal():
                heaps[name] = int(text)
            else:
                problems.append(f"{key} must be a number of megabytes, got {text!r}")
    if problems:
        raise ConfigError(problems, source="the environment")
    counts = StackConfig(
        brokers=brokers,
        elasticsearch_nodes=elasticsearch_nodes,
        java_flags=tuple(environ.get(JAVA_FLAGS_VARIABLE, "").split()),
        ports=MappingProxyType(dict(ports or {})),
    )
    return replace(counts, **heaps)
