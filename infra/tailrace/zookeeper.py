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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kazoo import client as kazoo_client  # pyright: ignore[reportMissingTypeStubs]
from kazoo.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    KazooException,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    SessionClosedRequireSaslError,
)
from kazoo.handlers.threading import (  # pyright: ignore[reportMissingTypeStubs]
    KazooTimeoutError,
    SequentialThreadingHandler,
)
from kazoo.protocol.states import (  # pyright: ignore[reportMissingTypeStubs]
    KazooState,
)
from kazoo.retry import KazooRetry  # pyright: ignore[reportMissingTypeStubs]

from tailrace.clock import Clock, SystemClock
from tailrace.errors import NoAnswer, NodeForbidden, ServiceUnavailable
from tailrace.registration import Registration
from tailrace.zookeeper_rights import (
    MECHANISM,
    Login,
    acl_below,
    name_at_each_connection,
)

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
        login: Login | None = None,
    ) -> None:
        self._hosts = hosts
        self._login = login
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
                sasl_options=None if login is None else {"mechanism": MECHANISM},
            )
            if login is not None:
                name_at_each_connection(self._client, login, tell=self._be_told)
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
        login: Login | None = None,
    ) -> ZooKeeper:
        """Return at once; the session is made now, or when a server is there.

        Whatever hosts it is given: what depends on no ZooKeeper is not ended by them. With
        a `login` nodes are made so that they are guarded like the node above them.
        """
        # It tells of each attempt to connect; our errors and states say it once.
        logging.getLogger("kazoo.client").setLevel(logging.ERROR)
        zookeeper = cls(
            hosts,
            session_ms=session_ms,
            jitter=jitter or random.Random(),  # noqa: S311 - spreads load, no secret
            clock=SystemClock(),
            command_ms_max=command_ms_max,
            login=login,
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

    def is_passing(self, path: str) -> bool:
        """Tell whether a node goes with its session, or is gone already.

        Raises:
            ServiceUnavailable: no server answers.
        """
        stat = self._call(lambda: self._client.exists_async(path))
        return stat is None or bool(stat.ephemeralOwner)

    def get(
        self, path: str, *, on_change: Callable[[], None] | None = None
    ) -> bytes | None:
        """Return what a node holds, or None when it is not there.

        `on_change` is called once, in a thread of the client's, when the node is next
        made, changed or removed. It is a hint: it can go with the session.

        Raises:
            ServiceUnavailable: no server answers.
        """
        watch = None if on_change is None else _Told(on_change)
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
                self._create(path, data)
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
            self._create(path, data, ephemeral=True)
        return True

    def guard_below(self, path: str) -> None:
        """Have kazoo's recipes make their nodes as what stands below `path` is guarded.

        Raises:
            ServiceUnavailable: no server answers.
        """
        self._client.default_acl = self._acl_below(path)

    def set_acl(self, path: str, acl: Sequence[object]) -> None:
        """Let `acl` alone say who may do what with a node, which is made if need be.

        Raises:
            ServiceUnavailable: no server answers, or refuses.
        """
        try:
            self._call(lambda: self._client.set_acls_async(path, acl))
        except NoNodeError:
            with contextlib.suppress(NodeExistsError):
                self._call(lambda: self._client.create_async(path, b"", acl=acl))
                return
            self._call(lambda: self._client.set_acls_async(path, acl))

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

    def _create(self, path: str, data: bytes, **options: bool) -> None:
        acl = self._acl_below(path.rpartition("/")[0] or "/")
        self._call(
            lambda: self._client.create_async(
                path, data, acl=acl, makepath=True, **options
            )
        )

    def _acl_below(self, path: str) -> list[object] | None:
        """Return whose a new node below `path` is; None: everybody's, as kazoo has it."""
        if self._login is None:
            return None
        while True:
            try:
                acl, _ = self._call(lambda at=path: self._client.get_acls_async(at))
                return acl_below(acl)
            except NoNodeError:
                path = path.rpartition("/")[0] or "/"

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
        except (NoAuthError, SessionClosedRequireSaslError) as error:
            raise self._refused() from error
        except (KazooException, OSError) as error:
            raise self._unavailable(_reason(error)) from error

    def _refused(self) -> NodeForbidden:
        known = f"user {self._login.username!r}" if self._login else "who has no name"
        return NodeForbidden(known, address=self._hosts)

    def _be_told(self, refusal: str) -> None:
        self._refusal = refusal

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


@dataclass(frozen=True, slots=True)
class _Told:
    """Passes on that something happened. Two of one caller are equal, as the client keeps
    each that differs until a node changes, which may be never.
    """

    on_change: Callable[[], None]

    def __call__(self, _event: object) -> None:
        self.on_change()


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
