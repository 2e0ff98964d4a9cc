"""That one replay publishes at a time, by a lock in ZooKeeper that goes with its session."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, cast

from kazoo.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    KazooException,
    LockTimeout,
)

from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace.settings import Connections
from tailrace.zookeeper import SESSION_MS, ZooKeeper
from tailrace.zookeeper_rights import login_of

CONNECT_MS_MAX: Final = 10_000
LOCK_WAIT_MS_MAX: Final = SESSION_MS + 10_000
"""One that was killed holds it until its session expires."""


@contextmanager
def alone(connections: Connections) -> Generator[Callable[[], bool]]:
    """Publish alone; yield whether that is still sure.

    Raises:
        CommandFailed: another one publishes.
        ServiceUnavailable: ZooKeeper does not answer.
    """
    zookeeper = ZooKeeper.connect(
        connections.zookeeper_hosts, login=login_of(connections)
    )
    try:
        if not zookeeper.wait_connected(wait_ms_max=CONNECT_MS_MAX):
            raise ServiceUnavailable(
                "ZooKeeper",
                address=connections.zookeeper_hosts,
                reason="no server answers, so another replay may be publishing",
            )
        client = cast("Any", zookeeper.native)
        path = f"/{connections.namespace}/replaying"
        zookeeper.guard_below(path)
        lock = client.Lock(path)
        try:
            lock.acquire(timeout=LOCK_WAIT_MS_MAX / 1_000)
        except LockTimeout:
            raise CommandFailed(
                "Another replay publishes now.",
                remedy="wait for it to end, and run this one again; --into shadow may"
                " run at any time",
            ) from None
        except KazooException as error:
            raise ServiceUnavailable(
                "ZooKeeper",
                address=connections.zookeeper_hosts,
                reason=f"{type(error).__name__}: {error}".rstrip(": "),
            ) from error
        session = client.client_id
        try:
            yield lambda: zookeeper.is_connected and client.client_id == session
        finally:
            with contextlib.suppress(Exception):
                lock.release()
    finally:
        zookeeper.close()
