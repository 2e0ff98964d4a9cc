"""A hole is asked for in ZooKeeper and answered in the ledger, by the agent as a process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tailrace.holes import (
    HOLES_ASKED_MAX,
    HoleRequest,
    ask,
    holes_path,
    waiting_requests,
)
from tailrace.ledger import HoleAnswer, decode_ledger
from tailrace.topics import LEDGER
from tailrace.zookeeper import ZooKeeper
from tailrace_agent.hole_requests import HoleRequests
from tailrace_embedded.stack import Endpoints
from tests.agent.test_agent_on_kafka import Setup, records_of, stored_events
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(90)]


@pytest.fixture
def zookeeper(stack: Endpoints) -> Iterator[ZooKeeper]:
    made = ZooKeeper.connect(stack.zookeeper_hosts)
    assert made.wait_connected(wait_ms_max=10_000)
    yield made
    made.close()


def _request(number: int = 0) -> HoleRequest:
    return HoleRequest(
        generation="0" * 32,
        path="/var/log/a.log",
        first_offset=number,
        next_offset=number + 1,
        first_event_number=number,
        event_count=1,
    )


def _requests(zookeeper: ZooKeeper, namespace: str) -> HoleRequests:
    return HoleRequests(
        zookeeper,
        namespace=namespace,
        agent_id="a",
        jitter=random.Random(1),
        log=structlog.get_logger(),
    )


def test_a_request_is_taken_once_and_goes_when_it_is_answered(
    zookeeper: ZooKeeper, namespace: str
) -> None:
    requests = _requests(zookeeper, namespace)
    assert ask(zookeeper, _request(), namespace=namespace, agent_id="a")

    requests.look()
    requests.look()
    assert requests.take() == _request()
    assert requests.take() is None

    requests.answered(_request())
    requests.look()
    assert waiting_requests(zookeeper, namespace=namespace, agent_id="a") == {}


def test_a_request_that_is_asked_again_after_its_answer_is_taken_again(
    zookeeper: ZooKeeper, namespace: str
) -> None:
    requests = _requests(zookeeper, namespace)
    for _ in range(2):
        assert ask(zookeeper, _request(), namespace=namespace, agent_id="a")
        requests.look()
        taken = requests.take()
        assert taken == _request()
        requests.answered(_request())
        requests.look()


def test_z7_a_node_that_is_no_request_is_removed(
    zookeeper: ZooKeeper, namespace: str
) -> None:
    requests = _requests(zookeeper, namespace)
    zookeeper.set(f"{holes_path(namespace, 'a')}/junk", b"\xff{")

    requests.look()

    assert requests.take() is None
    assert zookeeper.children(holes_path(namespace, "a")) == []


def test_an_agent_is_asked_for_no_more_than_it_may_have_waiting(
    zookeeper: ZooKeeper, namespace: str
) -> None:
    asked = [
        ask(zookeeper, _request(number), namespace=namespace, agent_id="a")
        for number in range(HOLES_ASKED_MAX + 1)
    ]

    assert asked == [True] * HOLES_ASKED_MAX + [False]
    assert ask(zookeeper, _request(0), namespace=namespace, agent_id="a")


def test_the_agent_sends_a_hole_again_and_the_ledger_says_so(
    stack: Endpoints, zookeeper: ZooKeeper, namespace: str, tmp_path: Path
) -> None:
    setup = Setup(stack, namespace=namespace, folder=tmp_path)
    content = b"".join(b"line %d\n" % number for number in range(1_000))
    (setup.logs / "a.log").write_bytes(content)
    setup.role.start()
    try:
        eventually(lambda: len(stored_events(setup.connections)) == 1_000, 40)
        sent = stored_events(setup.connections)
        agents_path = f"/{namespace}/agents"
        eventually(lambda: zookeeper.children(agents_path), 20)
        [agent_id] = zookeeper.children(agents_path)
        request = HoleRequest(
            generation=sent[0].generation,
            path=str(setup.logs / "a.log"),
            first_offset=sent[100].offset,
            next_offset=sent[300].offset,
            first_event_number=100,
            event_count=200,
        )

        assert ask(zookeeper, request, namespace=namespace, agent_id=agent_id)
        folder = holes_path(namespace, agent_id)
        eventually(lambda: zookeeper.children(folder) == [], 40)

        assert stored_events(setup.connections)[1_000:] == sent[100:300]
        topic = LEDGER.name(namespace)
        ledger = [decode_ledger(r.value) for r in records_of(setup.connections, topic)]
        [answer] = [r for r in ledger if isinstance(r, HoleAnswer)]
        assert (answer.event_count, answer.refusal) == (200, "")
        assert answer.agent_id == agent_id
    finally:
        setup.role.stop()
