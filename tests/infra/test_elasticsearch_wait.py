"""A server that takes a question and never answers, or cannot yet, holds nobody up long."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from tailrace.audit.index import ElasticIndex
from tailrace.clock import Clock
from tailrace.elasticsearch import SHARDS_WAIT_MS_MAX, Elastic, RequestTimedOut
from tailrace.errors import ServiceUnavailable
from tailrace.settings import Connections
from tests.indexer.doubles import ManualClock
from tests.support.saying import Said, SayingServer, in_turn, saying


def connections_to(port: int) -> Connections:
    return Connections().model_copy(
        update={"elasticsearch_url": f"http://127.0.0.1:{port}"}
    )


def test_an_answer_is_waited_for_as_long_as_was_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with (
            Elastic(connections_to(port), timeout_s=0.2) as elastic,
            pytest.raises(RequestTimedOut, match=r"no answer within 0\.2 s"),
        ):
            elastic.count("events")


def shards_failed(*, kind: str, failed: list[str]) -> Said:
    error = {"root_cause": [], "type": kind, "reason": "why", "failed_shards": failed}
    return Said(503, {"error": error, "status": 503})


NO_SHARDS = [
    # What Elasticsearch 9 says of an index that was made a moment ago.
    shards_failed(kind="search_phase_execution_exception", failed=[]),
    # And what it says of one shard asked for by itself.
    shards_failed(kind="no_shard_available_action_exception", failed=["0"]),
]
NO_HIT = Said(200, {"hits": {"total": {"value": 0}, "hits": []}})
FOUND = Said(200, {"count": 7, "hits": {"hits": []}})


@contextmanager
def elastic_hearing(
    *answers: Said, clock: Clock | None = None
) -> Generator[tuple[Elastic, SayingServer]]:
    with saying(in_turn(*answers)) as server:
        port = server.server_address[1]
        clock = clock or ManualClock()
        with Elastic(connections_to(port), clock=clock) as elastic:
            yield elastic, server


@pytest.mark.parametrize("no_shards", NO_SHARDS)
def test_e3_an_index_that_was_made_just_now_is_waited_for(no_shards: Said) -> None:
    with elastic_hearing(no_shards, no_shards, FOUND) as (elastic, _):
        assert elastic.count("events") == 7
    with elastic_hearing(no_shards, no_shards, FOUND) as (elastic, server):
        assert elastic.search("events", body={})["hits"] == {"hits": []}
    assert server.asked == ["POST /events/_search"] * 3


def test_e3_an_audit_waits_for_an_index_that_was_made_just_now() -> None:
    """Both when its moment is taken and when it is read."""
    refreshed, point = Said(200, {}), Said(200, {"id": "a moment"})
    closed = Said(200, {})
    no_shards = NO_SHARDS[0]
    none_is_closed = Said(200, {})
    moments = (point, no_shards, point, no_shards, NO_HIT, closed, closed)
    answers = (none_is_closed, refreshed, *moments)
    with elastic_hearing(*answers) as (elastic, server):
        index = ElasticIndex(
            elastic, namespace="tailrace", window_events=10, clock=ManualClock()
        )
        with index.snapshot() as snapshot:
            assert snapshot.unnumbered().count == 0
    assert [one.partition("?")[0] for one in server.asked] == [
        "GET /tailrace-*/_alias",
        "POST /tailrace-events,tailrace-dead-*/_refresh",
        "POST /tailrace-dead-*/_pit",
        "POST /tailrace-events/_pit",
        "POST /tailrace-events/_pit",
        "POST /_search",
        "POST /_search",
        "DELETE /_pit",
        "DELETE /_pit",
    ]


def test_e3_a_cluster_that_cannot_now_is_told_at_once() -> None:
    """Only shards that are about to start are waited for; who asks decides of the rest."""
    no_master = Said(503, {"error": {"type": "cluster_block_exception"}})
    with (
        elastic_hearing(no_master, FOUND) as (elastic, server),
        pytest.raises(ServiceUnavailable, match="cluster_block_exception"),
    ):
        elastic.count("events")
    assert len(server.asked) == 1


def test_e3_an_index_without_any_shard_is_told_after_a_while() -> None:
    clock = ManualClock()
    began_ms = clock.monotonic_ms()
    with (
        elastic_hearing(NO_SHARDS[0], clock=clock) as (elastic, _),
        pytest.raises(ServiceUnavailable, match="search_phase_execution_exception"),
    ):
        elastic.count("events")
    assert clock.monotonic_ms() - began_ms == SHARDS_WAIT_MS_MAX
