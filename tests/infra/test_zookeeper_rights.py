"""Who may do what in ZooKeeper, on a real server that asks who comes.

The rights are those that `docs/rights.md` has: each is tried, and so is each that it lacks.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from kazoo import security  # pyright: ignore[reportMissingTypeStubs]
from kazoo.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    NoAuthError,
)
from structlog.testing import capture_logs

from tailrace import holes
from tailrace.clock import SystemClock
from tailrace.errors import NodeForbidden, ServiceUnavailable
from tailrace.holes import HoleRequest
from tailrace.log import logger
from tailrace.provision import provision_zookeeper
from tailrace.replay.alone import alone
from tailrace.settings import Connections
from tailrace.zookeeper import ZooKeeper
from tailrace.zookeeper_rights import LASTING, RIGHTS, login_of
from tailrace.zookeeper_users import ROLES, users_by_role
from tailrace_indexer.config import IndexerSettings
from tailrace_indexer.election import Election, Lead, leaders_path
from tailrace_indexer.index_orders import OrderClerk, OrderingMaker, orders_path
from tailrace_indexer.leader import RetentionLeader
from tailrace_indexer.outcomes import STORED, Outcome, Reason, Verdict
from tests.support.secured_zookeeper import (
    ADMIN,
    known_as,
    password_of,
    secured_zookeeper,
)
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
STRANGER = "stranger"
OTHER_AGENT = "agent-web2"
OTHER_INDEXER = "indexer-2"
NAMED = users_by_role(
    {"agent": ("agent", OTHER_AGENT), "indexer": ("indexer", OTHER_INDEXER)}
)
PAGE = Path(__file__).parents[2] / "docs" / "rights.md"
WAIT_S_MAX = 60
WAIT_MS_MAX = WAIT_S_MAX * 1_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with secured_zookeeper((*ROLES, STRANGER, OTHER_AGENT, OTHER_INDEXER)) as found:
        yield found


@pytest.fixture
def connections(address: str, namespace: str) -> Connections:
    made = at(address, namespace)
    provision_zookeeper(known_as(made, ADMIN))
    return made


def at(address: str, namespace: str) -> Connections:
    # Not by the constructor, over which the environment wins.
    return Connections(namespace=namespace).model_copy(
        update={"zookeeper_hosts": address, "zookeeper_users": NAMED}
    )


@contextmanager
def session(connections: Connections, user: str = "") -> Generator[ZooKeeper]:
    known = known_as(connections, user) if user else connections
    hosts = connections.zookeeper_hosts
    with closing(ZooKeeper.connect(hosts, login=login_of(known))) as made:
        made.wait_connected(wait_ms_max=WAIT_MS_MAX)
        yield made


def may(zookeeper: ZooKeeper, path: str) -> str:
    """Return the letters of what a session may do with a node, each tried on it."""
    native = cast("Any", zookeeper.native)

    def delete_below() -> None:
        # Who may not read a folder cannot see what is in it.
        native.delete(f"{path}/planted")

    tries = {
        "r": lambda: native.get_children(path),
        "w": lambda: native.set(path, b""),
        "c": lambda: native.create(f"{path}/made", b"", ephemeral=True),
        "d": delete_below,
    }
    found = ""
    for letter, attempt in tries.items():
        try:
            attempt()
        except NoAuthError:
            continue
        found += letter
    return found


def documented() -> dict[str, dict[str, str]]:
    """Return by node and role the letters that the page has."""
    found: dict[str, dict[str, str]] = {}
    text = PAGE.read_text("utf-8")
    row = r"^\| `(\w+)` \| node `/tailrace/?(\w*)` \| ([A-Za-z, ]+) \|$"
    for role, node, words in re.findall(row, text, re.MULTILINE):
        letters = "".join(word.strip()[0].lower() for word in words.split(","))
        found.setdefault(node, {})[role] = letters
    return found


def test_x13_the_page_has_the_rights_in_zookeeper_that_are_given() -> None:
    given = {
        node: {role: "".join(sorted(letters)) for role, letters in rights.items()}
        for node, rights in RIGHTS.items()
    }
    told = {
        node: {role: "".join(sorted(letters)) for role, letters in rights.items()}
        for node, rights in documented().items()
    }
    assert told == given


def test_x13_each_user_may_do_what_its_role_must_and_nothing_else(
    connections: Connections,
) -> None:
    wrong: list[str] = []
    with session(connections, ADMIN) as admin:
        for node in RIGHTS:
            path = f"/{connections.namespace}/{node}".rstrip("/")
            for user in (*ROLES, STRANGER):
                admin.set(f"{path}/planted", b"")
                with session(connections, user) as known:
                    found = may(known, path)
                if sorted(found) != sorted(RIGHTS[node].get(user, "")):
                    wrong.append(f"{user} on {path}: {found}")
    assert not wrong


def test_x13_what_is_made_below_a_node_is_guarded_like_it(
    connections: Connections,
) -> None:
    """A configuration is read by agents, and changed by nobody but who may set one."""
    path = f"/{connections.namespace}/config/groups/web"
    with session(connections, "operator") as operator:
        operator.set(path, b"wanted")
    with session(connections, "agent") as agent:
        assert agent.get(path) == b"wanted"
        with pytest.raises(ServiceUnavailable, match="NoAuth"):
            agent.set(path, b"planted")
        with pytest.raises(ServiceUnavailable, match="NoAuth"):
            agent.set(f"/{connections.namespace}/config/groups/other", b"planted")
    with session(connections, STRANGER) as stranger:
        for name in (path, f"/{connections.namespace}/config/agents/a1"):
            with pytest.raises(ServiceUnavailable, match="NoAuth"):
                stranger.set(name, b"planted")
        with pytest.raises(ServiceUnavailable, match="NoAuth"):
            stranger.get(path)


def test_x13_an_agents_node_is_its_own(connections: Connections) -> None:
    path = f"/{connections.namespace}/agents/a1"
    with session(connections, "agent") as agent:
        agent.hold_ephemeral(path, b"one")
        agent.hold_ephemeral(path, b"two", is_news=True)
        for user in (OTHER_AGENT, "dashboard", "operator"):
            with session(connections, user) as other:
                assert other.get(path) == b"two"
                refuses_to_change(other, path)
        assert agent.get(path) == b"two"


def refuses_to_change(other: ZooKeeper, path: str) -> None:
    """A node is neither written, removed nor given other rights by who did not make it."""
    everybodys = [cast("Any", security).make_acl("world", "anyone", all=True)]
    for refused in (
        lambda: other.set(path, b"planted"),
        lambda: other.delete(path),
        lambda: other.set_acl(path, everybodys),
    ):
        with pytest.raises(NodeForbidden, match="NoAuth"):
            refused()


def test_x13_what_was_there_before_is_guarded_too(address: str, namespace: str) -> None:
    connections = at(address, namespace)
    path = f"/{namespace}/config/groups/web"
    with session(connections, STRANGER) as stranger:
        stranger.set(path, b"set before")
    guarded = provision_zookeeper(known_as(connections, ADMIN))
    assert path in guarded
    assert {f"/{namespace}/{name}" for name in LASTING} <= set(guarded)
    with (
        session(connections, STRANGER) as stranger,
        pytest.raises(ServiceUnavailable, match="NoAuth"),
    ):
        stranger.set(path, b"planted")
    # Safe to repeat.
    assert provision_zookeeper(known_as(connections, ADMIN)) == guarded


def test_x13_an_operator_asks_and_an_agent_answers_for_lines(
    connections: Connections,
) -> None:
    request = HoleRequest(
        generation="0" * 32,
        path="/var/log/app.log",
        first_offset=0,
        next_offset=10,
        first_event_number=0,
        event_count=1,
    )
    asked = {"namespace": connections.namespace, "agent_id": "a1"}
    with (
        session(connections, "operator") as operator,
        session(connections, "agent") as agent,
        session(connections, STRANGER) as stranger,
    ):
        assert holes.ask(operator, request, **asked)
        with pytest.raises(ServiceUnavailable, match="NoAuth"):
            holes.ask(stranger, request, **asked)
        with pytest.raises(ServiceUnavailable, match="NoAuth"):
            holes.ask(agent, request, **asked)
        waiting = holes.waiting_requests(agent, **asked)
        assert waiting == {request.name: request}
        assert holes.forget(agent, request.name, **asked)
        assert holes.waiting_requests(agent, **asked) == {}


def test_x13_a_leader_leads_and_an_indexer_and_a_stranger_do_not(
    connections: Connections,
) -> None:
    namespace = connections.namespace
    led: list[bool] = []
    with session(connections, "leader") as leader:
        election = Election(leader, namespace=namespace)
        election.run(lambda lead: led.append(lead.is_held()))
        for user in ("indexer", STRANGER):
            with session(connections, user) as other:
                with pytest.raises(NodeForbidden, match="NoAuth"):
                    Election(other, namespace=namespace).run(lambda _: led.append(True))
                with pytest.raises(NodeForbidden, match="NoAuth"):
                    other.children(leaders_path(namespace))
    assert led == [True]


def test_x13_indexers_order_and_only_a_leader_answers(connections: Connections) -> None:
    """By an answer an index is said to be expired: no other indexer may give one."""
    namespace = connections.namespace
    indices = [f"{namespace}-app-2026.11.{day}" for day in (24, 25)]
    with (
        session(connections, "leader") as leader,
        session(connections, "indexer") as writer,
        session(connections, OTHER_INDEXER) as other,
        session(connections, STRANGER) as stranger,
    ):
        clerk = OrderClerk(leader, namespace=namespace, maker=Makes())
        maker = OrderingMaker(
            MayMakeNone(),
            book=lambda: writer,
            namespace=namespace,
            clock=SystemClock(),
        )
        clerk.start()
        verdicts = [maker.make(index) for index in indices]
        clerk.close()
        assert verdicts == [STORED, STORED]
        # One node of its own, for one order after the other.
        (name,) = leader.children(orders_path(namespace))
        refuses_to_change(other, f"{orders_path(namespace)}/{name}")
        with pytest.raises(NodeForbidden, match="NoAuth"):
            stranger.hold_ephemeral(f"{orders_path(namespace)}/planted", b"ordered")


class Makes:
    """Makes every index."""

    def make(self, index: str) -> Verdict:
        del index
        return STORED


class MayMakeNone:
    """Lacks the right to make any."""

    def make(self, index: str) -> Verdict:
        return Verdict(Outcome.HOLD, Reason.UNAUTHORIZED, index)


@pytest.mark.timeout(300)
def test_x13_who_may_not_lead_in_zookeeper_leaves_it_to_others(
    connections: Connections,
) -> None:
    """It says so once, and stands for no election; given the right, it stands for it."""
    indexer = RetentionLeader(
        known_as(connections, OTHER_INDEXER),
        group="g",
        settings=IndexerSettings(),
        is_expired=lambda _index: False,
        log=logger("test"),
    )
    users = {**NAMED, "leader": ("leader", OTHER_INDEXER)}
    more = connections.model_copy(update={"zookeeper_users": users})
    path = leaders_path(connections.namespace)

    def stands(lead: Lead) -> None:
        """While another leads, all that it can do is to stand behind it."""
        assert len(leader.children(path)) == 1
        provision_zookeeper(known_as(more, ADMIN))
        eventually(lambda: len(leader.children(path)) == 2, WAIT_S_MAX)
        assert lead.is_held()
        indexer.stop()

    with session(connections, "leader") as leader, capture_logs() as said:
        indexer.start()
        try:
            eventually(lambda: bool(said), WAIT_S_MAX)
            Election(leader, namespace=connections.namespace).run(stands)
        finally:
            indexer.stop()
    assert said[0]["event"] == "leading_left_to_others"
    assert f"user '{OTHER_INDEXER}' lacks a right there" in said[0]["reason"]
    assert "leading_left_to_others" not in [one["event"] for one in said[1:]]


def test_x13_an_operator_publishes_a_replay_alone(connections: Connections) -> None:
    with alone(known_as(connections, "operator")) as is_sure:
        assert is_sure()
    with (
        pytest.raises(ServiceUnavailable, match="NoAuth"),
        alone(known_as(connections, STRANGER)),
    ):
        raise AssertionError("a stranger published")


def test_x12_nobody_does_anything_in_zookeeper_without_a_name(
    connections: Connections,
) -> None:
    with (
        session(connections) as nameless,
        pytest.raises(ServiceUnavailable, match="who has no name lacks a right"),
    ):
        nameless.children("/")


def test_x12_e11_a_wrong_password_is_told_and_one_that_was_mended_lets_in(
    connections: Connections, tmp_path: Path
) -> None:
    path = tmp_path / "password"
    path.write_text("of another")
    known = connections.model_copy(
        update={"zookeeper_username": "agent", "zookeeper_password_file": path}
    )
    hosts, folder = connections.zookeeper_hosts, f"/{connections.namespace}/agents"
    with closing(ZooKeeper.connect(hosts, login=login_of(known))) as named:

        def said() -> str:
            with pytest.raises(ServiceUnavailable) as error:
                named.children(folder)
            return str(error.value)

        eventually(lambda: "it refuses user 'agent'" in said())
        path.write_text(password_of("agent"))
        assert named.wait_connected(wait_ms_max=WAIT_MS_MAX)
        assert named.children(folder) == []
