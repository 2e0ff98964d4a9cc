"""How one indexer of many comes to lead: by kazoo's election, in a session of its own.

The node by which it was won names the leadership (`fence.py`). A leader that was frozen
past its session finds a new session when it wakes, and no node of its own: it asks for the
node, and not for the connection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, cast

from kazoo.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    KazooException,
    NodeExistsError,
    NoNodeError,
)
from kazoo.handlers.threading import (  # pyright: ignore[reportMissingTypeStubs]
    KazooTimeoutError,
)

from tailrace.errors import ServiceUnavailable
from tailrace.zookeeper import ZooKeeper
from tailrace_indexer.fence import Epoch, LeadLost

ANSWER_S_MAX = 5.0


def leaders_path(namespace: str) -> str:
    """Return the node below which candidates stand, the first of them being the leader."""
    return f"/{namespace}/leaders/indexer"


class Election:
    """One candidacy, in one session."""

    def __init__(self, zookeeper: ZooKeeper, *, namespace: str) -> None:
        self._zookeeper = zookeeper
        self._native = cast("Any", zookeeper.native)
        self._path = leaders_path(namespace)
        self._election = self._native.Election(self._path)

    def run(self, lead: Callable[[Lead], None]) -> None:
        """Wait for the lead, call `lead` once, and give it up when that returns.

        Raises:
            Exception: of many kinds; all mean that the session is of no more use.
        """
        self._zookeeper.guard_below(self._path)
        self._election.run(self._led, lead)

    def cancel(self) -> None:
        """Wait no more."""
        self._election.cancel()

    def _led(self, lead: Callable[[Lead], None]) -> None:
        lock = self._election.lock
        lead(Lead(self._zookeeper, path=f"{lock.path}/{lock.node}"))


class Lead:
    """A lead that was won, for as long as its node is there."""

    def __init__(self, zookeeper: ZooKeeper, *, path: str) -> None:
        self._zookeeper = zookeeper
        self._native = cast("Any", zookeeper.native)
        self._path = path
        self.transaction = self._made_by()
        """By which ZooKeeper made the node."""

    def is_held(self) -> bool:
        """Tell whether the node that won is still there; False where nobody answers."""
        try:
            self.ask()
        except (ServiceUnavailable, LeadLost):
            return False
        return True

    def require(self) -> None:
        """Return if the node that won is still there.

        Raises:
            LeadLost: it is not, or nobody can tell.
        """
        if not self.is_held():
            raise LeadLost("its node in ZooKeeper is gone, or nobody can tell")

    def ask(self) -> None:
        """Return if the node that won is still there.

        Raises:
            LeadLost: it is not.
            ServiceUnavailable: nobody can tell now.
        """
        if self._made_by() != self.transaction:
            raise LeadLost("another node is in its place")

    def _made_by(self) -> int:
        stat = _answer(self._native.exists_async(self._path))
        if stat is None:
            raise LeadLost("its node in ZooKeeper is gone")
        return int(stat.czxid)


class ZooKeeperEras:
    """The era, in a node that goes with all else when ZooKeeper loses its data."""

    def __init__(self, zookeeper: ZooKeeper, *, namespace: str) -> None:
        self._native = cast("Any", zookeeper.native)
        self._path = f"{leaders_path(namespace)}-era"

    def present(self, known: Epoch | None) -> int:
        """Return the era now, begun anew where ZooKeeper is not what gave `known`.

        Raises:
            ServiceUnavailable: no server answers.
        """
        last = known.era if known is not None else 0
        stored = self._stored()
        if stored is None or stored < last:
            return self._begin(last + 1)
        # A transaction of this moment is later than any that was ever given.
        now = self._write(stored)
        if known is not None and stored == known.era and now < known.transaction:
            return self._begin(stored + 1)
        return stored

    def _stored(self) -> int | None:
        try:
            value, _ = _answer(self._native.get_async(self._path))
            return int(value)
        except (NoNodeError, ValueError):
            return None

    def _begin(self, era: int) -> int:
        self._write(era)
        return era

    def _write(self, era: int) -> int:
        """Write the era, and return the transaction by which it was written."""
        data = str(era).encode()
        # Another candidate may make it at the same time, having seen the same.
        with contextlib.suppress(NodeExistsError):
            _answer(self._native.create_async(self._path, data, makepath=True))
        return int(_answer(self._native.set_async(self._path, data)).mzxid)


def _answer(waiting: Any) -> Any:  # noqa: ANN401 - kazoo's
    try:
        return waiting.get(timeout=ANSWER_S_MAX)
    except (NoNodeError, NodeExistsError):
        raise
    except (KazooException, KazooTimeoutError, OSError) as error:
        raise ServiceUnavailable(
            "ZooKeeper", address="the election", reason=repr(error)[:200]
        ) from error
