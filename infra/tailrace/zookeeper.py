"""The typed face of kazoo: a session that returns, and nodes that return with it.

Nothing happens in kazoo's listeners but the setting of an event: a node is made again by
a thread of ours, after a random part of a second or more, so that a thousand clients that
lost one server do not return in one instant.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from collections.abc import Callable
from typing import Any, cast

from kazoo import client as kazoo_client  # pyright: ignore[reportMissingTypeStubs]
from kazoo.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    KazooException,
    NodeExistsError,
    NoNodeError,
)
from kazoo.handlers.threading import (  # pyright: ignore[reportMissingTypeStubs]
    KazooTimeoutError,
    SequentialThreadingHandler,
)
from kazoo.protocol.states import KazooState  # pyright: ignore[reportMissingTypeStubs]
from kazoo.retry import KazooRetry  # pyright: ignore[reportMissingTypeStubs]

from tailrace.clock import Clock, SystemClock
from tailrace.errors import NoAnswer, ServiceUnavailable

_kazoo: Any = kazoo_client
_retry: Any = KazooRetry
_handler: Any = SequentialThreadingHandler

SESSION_MS = 30_000
"""Long enough that a pause of the collector ends no session; the servers may shorten it."""
COMMAND_MS_MAX = 5_000
RECONNECT_MS_MAX = 10_000
VERIFY_MS = 10_000
"""How often a registration looks whether its node is really there."""
RETURN_MS_MAX = 1_000
"""Over how long the clients of a server that came back spread their return."""
CLOSE_MS_MAX = 2_000


class ZooKeeper:
    """One session; every call either answers or says that ZooKeeper is not there."""

    def __init__(
        self,
        hosts: str,
        *,
        session_ms: int,
        jitter: random.Random,
        clock: Clock,
        command_ms_max: int = COMMAND_MS_MAX,
    ) -> None:
        self._hosts = hosts
        self._command_ms_max = command_ms_max
        self._session_ms = session_ms
        self._jitter = jitter
        self._clock = clock
        self._away_since_ms: int | None = None
        """When the servers were last lost; None while one answers."""
        self._changed = threading.Condition()
        handler = _handler()
        # Its retries are held to wait as it does.
        handler.sleep_func = self._pause
        self._registrations: list[Registration] = []
        self._refusal = ""
        """Why kazoo would make no client of these hosts, which none then answers."""
        self._client: Any = _NoClient()
        try:
            self._client = _kazoo.KazooClient(
                hosts=hosts,
                handler=handler,
                timeout=session_ms / 1_000,
                connection_retry=_retry(
                    max_tries=-1,
                    delay=0.2,
                    backoff=2,
                    max_jitter=1.0,
                    max_delay=RECONNECT_MS_MAX / 1_000,
                    sleep_func=self._pause,
                ),
                command_retry=_retry(max_tries=0, sleep_func=self._pause),
            )
            self._client.add_listener(self._note)
        except Exception as error:  # noqa: BLE001 - of many kinds; none may end a role
            self._refusal = _reason(error)

    @classmethod
    def connect(
        cls,
        hosts: str,
        *,
        session_ms: int = SESSION_MS,
        jitter: random.Random | None = None,
        command_ms_max: int = COMMAND_MS_MAX,
    ) -> ZooKeeper:
        """Return at once; the session is made now, or when a server is there.

        Whatever hosts it is given: what depends on no ZooKeeper is not ended by them.
        """
        # It tells of each attempt to connect; our errors and states say it once.
        logging.getLogger("kazoo.client").setLevel(logging.ERROR)
        zookeeper = cls(
            hosts,
            session_ms=session_ms,
            jitter=jitter or random.Random(),  # noqa: S311 - spreads load, no secret
            clock=SystemClock(),
            command_ms_max=command_ms_max,
        )
        zookeeper._start()
        return zookeeper

    @property
    def native(self) -> object:
        """Return kazoo's client, for its recipes (election, watches)."""
        return self._client

    @property
    def is_connected(self) -> bool:
        """Return whether there is a session and a server that answers."""
        return bool(self._client.connected)

    def wait_connected(self, *, wait_ms_max: int) -> bool:
        """Wait for a session; return whether there is one."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self.is_connected, timeout=wait_ms_max / 1_000
            )

    def children(self, path: str) -> list[str]:
        """Return the names below a node, sorted; none when the node is not there.

        Raises:
            ServiceUnavailable: no server answers.
        """
        try:
            found = self._call(lambda: self._client.get_children_async(path))
        except NoNodeError:
            return []
        return sorted(cast("list[str]", found))

    def get(
        self, path: str, *, on_change: Callable[[], None] | None = None
    ) -> bytes | None:
        """Return what a node holds, or None when it is not there.

        `on_change` is called once, in a thread of the client's, when the node is next
        made, changed or removed. It is a hint: it can go with the session.

        Raises:
            ServiceUnavailable: no server answers.
        """
        watch = None if on_change is None else _told(on_change)
        try:
            value, _ = self._call(lambda: self._client.get_async(path, watch))
        except NoNodeError:
            if watch is not None:
                self._call(lambda: self._client.exists_async(path, watch))
            return None
        return cast("bytes", value)

    def set(self, path: str, data: bytes) -> None:
        """Make a node hold `data`; it and those above it are made if need be.

        Raises:
            ServiceUnavailable: no server answers.
        """
        try:
            self._call(lambda: self._client.set_async(path, data))
        except NoNodeError:
            with contextlib.suppress(NodeExistsError):
                self._call(lambda: self._client.create_async(path, data, makepath=True))
                return
            self._call(lambda: self._client.set_async(path, data))

    def delete(self, path: str) -> None:
        """Remove a node, if it is there.

        Raises:
            ServiceUnavailable: no server answers.
        """
        with contextlib.suppress(NoNodeError):
            self._call(lambda: self._client.delete_async(path))

    def hold_ephemeral(self, path: str, data: bytes, *, is_news: bool = False) -> bool:
        """Make this session the owner of an ephemeral node; return if it was made now.

        A node of another session is that of an earlier life of the same owner, whose
        session has not yet expired: it is removed. One of ours is left as it is, unless
        `data` is news.

        Raises:
            ServiceUnavailable: no server answers.
        """
        stat = self._call(lambda: self._client.exists_async(path))
        if stat is not None:
            if stat.ephemeralOwner == self._client.client_id[0]:
                if is_news:
                    with contextlib.suppress(NoNodeError):  # The next look makes it.
                        self._call(lambda: self._client.set_async(path, data))
                return False
            self.delete(path)
        with contextlib.suppress(NodeExistsError):
            self._call(
                lambda: self._client.create_async(
                    path, data, ephemeral=True, makepath=True
                )
            )
        return True

    def register_ephemeral(
        self,
        path: str,
        data: bytes,
        *,
        on_change: Callable[[str], None] = lambda _state: None,
        verify_ms: int = VERIFY_MS,
        return_ms_max: int = RETURN_MS_MAX,
    ) -> Registration:
        """Keep an ephemeral node there from now on, whatever happens to the session.

        Returns at once. `on_change` is told `registered` or why not, when that changes.
        """
        registration = Registration(
            self,
            path=path,
            data=data,
            on_change=on_change,
            verify_ms=verify_ms,
            return_ms_max=return_ms_max,
            jitter=self._jitter,
        )
        self._registrations.append(registration)
        registration.start()
        return registration

    def close(self) -> None:
        """End the session; its ephemeral nodes go with it."""
        for registration in self._registrations:
            registration.close()
        for step in (self._client.stop, self._client.close):
            with contextlib.suppress(KazooException, KazooTimeoutError, OSError):
                step()

    def _start(self) -> None:
        try:
            self._client.start_async()
        except Exception as error:  # noqa: BLE001 - of many kinds; none may end a role
            self._refusal = _reason(error)

    def _pause(self, wait_s: float) -> None:
        """Wait between two attempts to connect, in the thread that connects.

        Servers that lost their data refuse, without a word and for ever, a client that
        has seen a later transaction than theirs. Once its session must have expired, it
        claims to have seen none: it is then told that its session is unknown, and
        begins a new one.
        """
        away_since_ms, now_ms = self._away_since_ms, self._clock.monotonic_ms()
        if away_since_ms is not None and now_ms - away_since_ms > self._session_ms:
            self._client.last_zxid = 0
        self._clock.sleep_ms(round(wait_s * 1_000))

    def _note(self, state: object) -> None:
        """Run in kazoo's thread: wake whoever waits, and return."""
        if state == KazooState.CONNECTED:
            self._away_since_ms = None
        elif self._away_since_ms is None:
            self._away_since_ms = self._clock.monotonic_ms()
        with self._changed:
            self._changed.notify_all()
        for registration in self._registrations:
            registration.wake()

    def _call(self, start: Callable[[], Any]) -> Any:  # noqa: ANN401 - kazoo's answer
        if not self.is_connected:
            raise self._unavailable(self._refusal or "there is no session now")
        try:
            return start().get(timeout=self._command_ms_max / 1_000)
        except (NoNodeError, NodeExistsError):
            raise
        except KazooTimeoutError as error:
            wait_s = self._command_ms_max / 1_000
            raise NoAnswer("ZooKeeper", address=self._hosts, wait_s=wait_s) from error
        except (KazooException, OSError) as error:
            raise self._unavailable(_reason(error)) from error

    def _unavailable(self, reason: str) -> ServiceUnavailable:
        return ServiceUnavailable("ZooKeeper", address=self._hosts, reason=reason)


class _NoClient:
    """Stands where kazoo makes no client: never connected, and nothing to stop."""

    connected = False

    def start_async(self) -> None:
        """Connect to nothing."""

    def stop(self) -> None:
        """Stop nothing."""

    def close(self) -> None:
        """Close nothing."""


def _told(on_change: Callable[[], None]) -> Callable[[object], None]:
    """Return a listener of the client's that passes on only that something happened."""

    def listener(event: object) -> None:
        del event
        on_change()

    return listener


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


class Registration:
    """One ephemeral node that is kept there by a thread of its own."""

    def __init__(
        self,
        zookeeper: ZooKeeper,
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
