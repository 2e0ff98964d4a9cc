"""Bulks that are refused, in part or whole, or whose answer is lost: laws of both servers.

The real Elasticsearch refuses items for reasons of its own where it can be given one; what
it does of itself only when it is not well, a proxy before it does: it spoils requests and
answers, and never what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import cast

import orjson
import pytest

from tailrace.chaos.http_proxy import BulkFault, ElasticsearchProxy
from tailrace.elasticsearch import NDJSON, Answer, Elastic
from tailrace.errors import ServiceUnavailable
from tailrace_indexer.outcomes import Outcome, Reason
from tests.indexer.builders import documents
from tests.laws.services import (
    SHORT_PATH,
    AlwaysStrikes,
    BulkService,
    RealElasticsearch,
    RefusingMemory,
    RefusingService,
    verdicts,
    with_templates,
)
from tests.simulation.cluster import Cluster, SimulatedElastic
from tests.simulation.world import World

GIVEN_UP_S = 2.0
"""After which a client waits for no answer; the proxy's is later."""
STORM_MS = 1_000


@dataclass(frozen=True, slots=True)
class Refusing:
    """A service, and the name of an index of it that is not there yet."""

    service: RefusingService
    index: str


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def refusing(request: pytest.FixtureRequest, namespace: str) -> Iterator[Refusing]:
    index = f"{namespace}-app.log-2026.11.24"
    if request.param == "memory":
        yield Refusing(RefusingMemory(), index)
        return
    connections = with_templates(request)
    with Elastic(connections) as elastic:
        yield Refusing(RealElasticsearch(elastic, connections=connections), index)
        # A shard without a place would leave the whole cluster red.
        elastic.request("DELETE", f"/{index}")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("status", [403, 429, 503])
def test_e1_e2_e3_items_of_one_index_are_refused_and_all_others_are_stored(
    refusing: Refusing, status: int
) -> None:
    """E4: they are tried again, none is given up, and then they are there once."""
    service, index = refusing.service, refusing.index
    other = index.replace("app.log", "other")
    service.create_index(other)
    if status != 503:
        service.create_index(index)
    service.refuse(index, status=status)
    body = documents(["a", "b"], index=index) + documents(["c"], index=other)

    answer = service.bulk(body)

    *refused, stored = verdicts(answer, body)
    assert statuses(answer) == [status, status, 201]
    assert {verdict.outcome for verdict in refused} <= {Outcome.RETRY, Outcome.HOLD}
    assert stored.outcome is Outcome.STORED

    service.relent(index, status=status)
    reasons = [verdict.reason for verdict in verdicts(service.bulk(body), body)]
    assert reasons == [Reason.STORED, Reason.STORED, Reason.ALREADY_THERE]
    service.delete_index(other)


def statuses(answer: Answer) -> list[int]:
    """Return what was said of each item."""
    items = cast("list[dict[str, dict[str, int]]]", answer.json()["items"])
    return [next(iter(item.values()))["status"] for item in items]


@dataclass(frozen=True, slots=True)
class Unreliable:
    """What the indexer's sink sends to, and how it is made to misbehave and to stop it."""

    elastic: Elastic
    healthy: BulkService
    index: str
    begin: Callable[[str], None]
    end: Callable[[], None]

    def bulk(self, body: bytes) -> Answer:
        return self.elastic.request(
            "POST", SHORT_PATH, body=body, content_type=NDJSON, timeout_s=GIVEN_UP_S
        )


STORMS = {
    "answer late": "elasticsearch.timeout_after_success",
    "answer lost": "elasticsearch.timeout_after_success",
    "busy": "elasticsearch.request_429",
    "unavailable": "elasticsearch.request_503",
    "down": "elasticsearch.down",
    "items forbidden": "elasticsearch.item_403",
    "items busy": "elasticsearch.item_429",
}
"""What a simulation calls what the proxy does."""
PROXIED = {
    "answer late": BulkFault.ANSWER_LATE,
    "answer lost": BulkFault.ANSWER_LOST,
    "busy": BulkFault.BUSY,
    "unavailable": BulkFault.UNAVAILABLE,
    "down": BulkFault.RESET,
    "items forbidden": BulkFault.FORBIDDEN,
    "items busy": BulkFault.ITEMS_BUSY,
}


def simulated(index: str) -> Unreliable:
    """Return the Elasticsearch that the simulation's roles stand on."""
    world = World(1)
    cluster = Cluster(world, docs_bytes_max=1_000_000)

    def begin(fault: str) -> None:
        world.begin_storm(STORMS[fault], lasts_ms=STORM_MS, chance=1.0)

    return Unreliable(
        elastic=cast("Elastic", SimulatedElastic(cluster)),
        healthy=cluster.elasticsearch,
        index=index,
        begin=begin,
        end=lambda: world.advance_to(world.now_ms + STORM_MS),
    )


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.stack)])
def unreliable(request: pytest.FixtureRequest, namespace: str) -> Iterator[Unreliable]:
    index = f"{namespace}-app.log-2026.11.24"
    if request.param == "simulated":
        yield simulated(index)
        return
    connections = with_templates(request)
    with ExitStack() as closing:
        proxy = ElasticsearchProxy(
            connections.elasticsearch_url,
            host="127.0.0.1",
            port=0,
            chance=AlwaysStrikes(),
        )
        proxy.start()
        closing.callback(proxy.stop)
        through = connections.model_copy(update={"elasticsearch_url": proxy.url})
        straight = closing.enter_context(Elastic(connections))

        def end() -> None:
            assert proxy.struck, "a fault without its witness proves nothing"
            proxy.behave(BulkFault.NONE)

        yield Unreliable(
            elastic=closing.enter_context(Elastic(through)),
            healthy=RealElasticsearch(straight, connections=connections),
            index=index,
            begin=lambda fault: proxy.behave(PROXIED[fault]),
            end=end,
        )


def reasons_of(unreliable: Unreliable, body: bytes) -> list[Reason]:
    return [verdict.reason for verdict in verdicts(unreliable.bulk(body), body)]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("fault", ["answer late", "answer lost"])
def test_e8_what_was_carried_out_and_never_answered_is_there_and_is_not_twice(
    unreliable: Unreliable, fault: str
) -> None:
    unreliable.healthy.create_index(unreliable.index)
    body = documents(["a", "b", "c"], index=unreliable.index)
    unreliable.begin(fault)
    with pytest.raises(ServiceUnavailable):
        unreliable.bulk(body)
    unreliable.end()

    assert reasons_of(unreliable, body) == [Reason.ALREADY_THERE] * 3


@pytest.mark.timeout(60)
@pytest.mark.parametrize("fault", ["busy", "unavailable", "down"])
def test_e2_e3_a_request_that_is_refused_whole_stores_nothing(
    unreliable: Unreliable, fault: str
) -> None:
    unreliable.healthy.create_index(unreliable.index)
    body = documents(["a", "b"], index=unreliable.index)
    unreliable.begin(fault)
    if fault == "down":
        with pytest.raises(ServiceUnavailable):
            unreliable.bulk(body)
    else:
        answer = unreliable.bulk(body)
        assert answer.status == {"busy": 429, "unavailable": 503}[fault]
        assert orjson.loads(answer.body)["error"]["reason"]
    unreliable.end()

    assert reasons_of(unreliable, body) == [Reason.STORED] * 2


@pytest.mark.timeout(60)
@pytest.mark.parametrize("fault", ["items forbidden", "items busy"])
def test_e1_e2_items_that_are_refused_are_tried_again_and_are_there_once(
    unreliable: Unreliable, fault: str
) -> None:
    """One that is said to be refused may be stored all the same."""
    unreliable.healthy.create_index(unreliable.index)
    body = documents(["a", "b", "c"], index=unreliable.index)
    unreliable.begin(fault)
    first = verdicts(unreliable.bulk(body), body)
    unreliable.end()

    refused = [each for each in first if each.outcome is not Outcome.STORED]
    assert refused
    assert {each.outcome for each in refused} <= {Outcome.RETRY, Outcome.HOLD}
    again = reasons_of(unreliable, body)
    assert set(again) <= {Reason.STORED, Reason.ALREADY_THERE}
    assert reasons_of(unreliable, body) == [Reason.ALREADY_THERE] * 3
