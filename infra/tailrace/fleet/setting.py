"""Where configurations of the fleet are set and read: ZooKeeper, by its typed face."""

from __future__ import annotations

from collections.abc import Mapping

from tailrace.clock import Clock
from tailrace.errors import ConfigError
from tailrace.fleet.desired import (
    Desired,
    config_path,
    decode_desired,
    encode_desired,
    signed,
)
from tailrace.fleet.nodes import AgentNode, live_agents
from tailrace.zookeeper import ZooKeeper


class ZooKeeperConfigs:
    """The nodes of one namespace; what is set is signed where there is a key."""

    def __init__(
        self,
        zookeeper: ZooKeeper,
        *,
        namespace: str,
        key: bytes | None,
        clock: Clock,
    ) -> None:
        self._zookeeper = zookeeper
        self._namespace = namespace
        self._key = key
        self._clock = clock

    def agents(self) -> Mapping[str, AgentNode]:
        """Return those that are alive, by id.

        Raises:
            ServiceUnavailable: no server answers.
        """
        return live_agents(self._zookeeper, namespace=self._namespace)

    def desired(self, scope: str) -> Desired | None:
        """Return what is set for a scope; None for nothing, or nothing readable.

        Raises:
            ServiceUnavailable: no server answers.
        """
        raw = self._zookeeper.get(config_path(self._namespace, scope))
        if raw is None:
            return None
        try:
            return decode_desired(raw, scope=scope, key=None)
        except ConfigError:
            return None

    def text(self, scope: str) -> str:
        """Return what is set for a scope; "" for nothing.

        Raises:
            ServiceUnavailable: no server answers.
        """
        desired = self.desired(scope)
        return "" if desired is None else desired.text

    def set(self, scope: str, text: str) -> int:
        """Set a scope's configuration; return its version, greater than its last one.

        Raises:
            ConfigError: it is larger than a node may be.
            ServiceUnavailable: no server answers.
        """
        last = self.desired(scope)
        version = max(self._clock.now_ms(), 0 if last is None else last.version + 1)
        desired = Desired(version=version, text=text)
        if self._key is not None:
            desired = signed(desired, scope=scope, key=self._key)
        raw = encode_desired(desired, scope=scope)
        self._zookeeper.set(config_path(self._namespace, scope), raw)
        return version
