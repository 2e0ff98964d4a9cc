"""A node that is kept there: made again whenever its session was lost.

By a thread of its own, as nothing may happen in the listeners of the client, and after a
random part of a second, so that a thousand that lost one server do not return at once.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from typing import Protocol

from kazoo.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    KazooException,
)

from tailrace.errors import ServiceUnavailable

CLOSE_MS_MAX = 2_000


class Holder(Protocol):
    """The part of a session that a registration needs."""

    def hold_ephemeral(self, path: str, data: bytes, *, is_news: bool = False) -> bool:
        """Make this session the owner of an ephemeral node."""
        ...

    def delete(self, path: str) -> None:
        """Remove a node, if it is there."""
        ...


class Registration:
    """One ephemeral node that is kept there by a thread of its own."""

    def __init__(
        self,
        zookeeper: Holder,
        *,
        path: str,
        data: bytes,
        on_change: Callable[[str], None],
        verify_ms: int,
        return_ms_max: int,
        jitter: random.Random,
    ) -> None:
        self._zookeeper = zookeeper
        self._path = path
        self._data = self._told_data = data
        self._on_change = on_change
        self._verify_ms = verify_ms
        self._return_ms_max = return_ms_max
        self._jitter = jitter
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"registration of {path}", daemon=True
        )
        self.state = "not registered yet"

    def start(self) -> None:
        """Begin to keep the node there."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once: the session has changed."""
        self._woken.set()

    def update(self, data: bytes) -> None:
        """Let the node hold `data` from now on; returns at once."""
        self._data = data
        self._woken.set()

    def close(self) -> None:
        """Keep it no longer, and remove it if a server answers."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._woken.set()
        self._thread.join(CLOSE_MS_MAX / 1_000)
        if self.state == "registered":
            with contextlib.suppress(ServiceUnavailable):
                self._zookeeper.delete(self._path)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._woken.clear()
            data = self._data
            try:
                self._zookeeper.hold_ephemeral(
                    self._path, data, is_news=data != self._told_data
                )
                self._told_data = data
                self._say("registered")
            except ServiceUnavailable as error:
                self._say(str(error))
            except KazooException as error:
                self._say(f"ZooKeeper refuses {self._path}: {error!r}")
            self._woken.wait(self._verify_ms / 1_000)
            # Full jitter: any moment of the window is as likely as another.
            self._closing.wait(self._jitter.uniform(0, self._return_ms_max) / 1_000)

    def _say(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self._on_change(state)
