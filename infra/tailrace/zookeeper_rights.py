"""Who may do what below our node in ZooKeeper, and as whom a session is known there.

By SASL (DIGEST-MD5), whose names stand in an ACL as they are: a new node takes the ACL of
the one above it, and its maker may do everything with it. The scheme `digest` would send
the password itself, and ZooKeeper shows nobody the ids by which others are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kazoo import security  # pyright: ignore[reportMissingTypeStubs]
from kazoo.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    KazooException,
)
from kazoo.protocol.connection import (  # pyright: ignore[reportMissingTypeStubs]
    ConnectionDropped,
)

from tailrace.credentials import LivePassword, zookeeper_password
from tailrace.errors import ServiceUnavailable
from tailrace.settings import Connections
from tailrace.zookeeper_users import ROLES

_security: Any = security

RIGHTS: Mapping[str, Mapping[str, str]] = {
    "": dict.fromkeys(ROLES, "r"),
    "agents": {"agent": "rc", "dashboard": "r", "operator": "r"},
    "config": {"agent": "r", "operator": "rwcd"},
    "holes": {"agent": "rd", "operator": "rwcd"},
    # Who only orders changes and removes no order of another: the answer to one may give
    # up documents.
    "orders": {"indexer": "rc", "leader": "rwc"},
    "leaders": {"leader": "rwcd"},
    "pause": {"agent": "r", "leader": "rwcd", "operator": "r"},
    "replaying": {"operator": "rwcd"},
}
"""By node below the namespace's, the letters of what each role may do there and with what
others make below it: Read, Write, Create and Delete below it."""
MECHANISM = "DIGEST-MD5"
REFUSAL = "it refuses user {!r} or the password that is given for it"
LASTING = ("config", "holes", "leaders")
"""Below which nodes outlive the sessions that made them."""
_LETTERS = {"r": "read", "w": "write", "c": "create", "d": "delete"}
_CONNECTION = "_connection"
_AUTHENTICATE = "_authenticate_with_sasl"
_EVERYBODY = "world"
_MAKER = "auth"


@dataclass(frozen=True, slots=True)
class Login:
    """As whom a session is known."""

    username: str
    password: LivePassword

    def options(self) -> dict[str, str]:
        """Return what kazoo asks for; the password is as it is now.

        Raises:
            KeyFileUnread: the file of the password was never in good order.
        """
        return {
            "mechanism": MECHANISM,
            "username": self.username,
            "password": self.password.read(),
        }


def name_at_each_connection(
    client: object, login: Login, *, tell: Callable[[str], None]
) -> None:
    """Have kazoo's client say who we are with the password of that moment.

    Where the server refuses it, `tell` is told so, and the client tries again as with a
    server that is away: left to itself it would never connect again, or its thread die of
    an error that it does not know. `tell` is told "" once we are known.
    """
    connection: Any = getattr(client, _CONNECTION)
    authenticate = getattr(connection, _AUTHENTICATE)

    def named(host: str, timeout_s: float) -> None:
        try:
            connection.sasl_options = login.options()
            authenticate(host, timeout_s)
        except (KazooException, ServiceUnavailable) as error:
            is_ours = isinstance(error, ServiceUnavailable)
            refusal = str(error) if is_ours else REFUSAL.format(login.username)
            tell(refusal)
            raise ConnectionDropped(refusal) from error
        tell("")

    setattr(connection, _AUTHENTICATE, named)


class Guarded(Protocol):
    """The part of a session that guards nodes."""

    def set_acl(self, path: str, acl: Sequence[object]) -> None:
        """Let `acl` alone say who may do what with a node."""
        ...

    def children(self, path: str) -> list[str]:
        """Return the names below a node."""
        ...

    def is_passing(self, path: str) -> bool:
        """Tell whether a node goes with its session, or is gone already."""
        ...


def login_of(connections: Connections) -> Login | None:
    """Return as whom we are known; None where no name is configured."""
    if not connections.zookeeper_username:
        return None
    return Login(connections.zookeeper_username, zookeeper_password(connections))


def acl_below(acl: Iterable[object]) -> list[object] | None:
    """Return the ACL of a new node below one that has `acl`; None: everybody's."""
    above: list[Any] = list(acl)
    if any(one.id.scheme == _EVERYBODY for one in above):
        return None
    return [*above, _everything_for_the_maker()]


def guard(
    zookeeper: Guarded, *, namespace: str, users: Mapping[str, Sequence[str]]
) -> list[str]:
    """Give each role's users their rights, and nobody else any; return the nodes.

    Whoever does this may do everything, from then on as well. Nodes of sessions stay as
    they were made until their makers start anew.

    Raises:
        ServiceUnavailable: ZooKeeper does not answer, or refuses.
    """
    guarded: list[str] = []
    # What is above first: nobody then makes a node in between.
    for name, rights in RIGHTS.items():
        path = f"/{namespace}/{name}".rstrip("/")
        acl = [_everything_for_the_maker(), *_entries(rights, users)]
        zookeeper.set_acl(path, acl)
        guarded.append(path)
        if name in LASTING:
            for below in _all_below(zookeeper, path):
                zookeeper.set_acl(below, acl)
                guarded.append(below)
    return guarded


def _entries(
    rights: Mapping[str, str], users: Mapping[str, Sequence[str]]
) -> list[object]:
    """Return the entries of an ACL; a user of several roles has the rights of each."""
    letters: dict[str, set[str]] = {}
    for role, granted in rights.items():
        for user in users.get(role, ()):
            letters.setdefault(user, set()).update(granted)
    return [
        _security.make_acl("sasl", user, **{_LETTERS[one]: True for one in granted})
        for user, granted in letters.items()
    ]


def _everything_for_the_maker() -> object:
    return _security.make_acl(_MAKER, "", all=True)


def _all_below(zookeeper: Guarded, path: str) -> list[str]:
    found: list[str] = []
    for name in zookeeper.children(path):
        below = f"{path}/{name}"
        # To guard one of a session that ends meanwhile would make it anew, for good.
        if not zookeeper.is_passing(below):
            found += [below, *_all_below(zookeeper, below)]
    return found
