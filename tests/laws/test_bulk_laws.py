"""What `_bulk` answers: laws that the memory's Elasticsearch and the real one obey."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tailrace.elasticsearch import Answer, Elastic
from tailrace_indexer.outcomes import Outcome, Reason, judge_request
from tailrace_indexer.sink import error_of
from tests.indexer.builders import document, documents
from tests.laws.services import (
    BulkService,
    RealElasticsearch,
    verdicts,
    with_templates,
)
from tests.support.fakes.elasticsearch import MemoryElasticsearch


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def service(
    request: pytest.FixtureRequest, namespace: str
) -> Iterator[tuple[BulkService, str]]:
    index = f"{namespace}-app.log-2026.11.24"
    if request.param == "memory":
        yield MemoryElasticsearch(), index
        return
    connections = with_templates(request)
    with Elastic(connections) as elastic:
        yield RealElasticsearch(elastic, connections=connections), index


def judged(answer: Answer, body: bytes) -> list[Reason]:
    return [verdict.reason for verdict in verdicts(answer, body)]


def revised(index: str, *, version: int, text: str) -> bytes:
    action = {
        "index": {
            "_index": index,
            "_id": "same",
            "version": version,
            "version_type": "external_gte",
        }
    }
    return f"{json.dumps(action)}\n{json.dumps({'message': text})}\n".encode()


def test_e8_a_document_that_is_created_again_is_already_there(
    service: tuple[BulkService, str],
) -> None:
    elasticsearch, index = service
    elasticsearch.create_index(index)
    body = documents(["a", "b", "c"], index=index)
    first = elasticsearch.bulk(body)

    assert first.body.startswith(b'{"errors":false')
    assert judged(first, body) == [Reason.STORED] * 3
    again = elasticsearch.bulk(body + document("d", offset=9, index=index))
    more = body + document("d", offset=9, index=index)
    assert judged(again, more) == [Reason.ALREADY_THERE] * 3 + [Reason.STORED]


def test_an_older_revision_is_done_and_a_newer_or_equal_one_is_stored(
    service: tuple[BulkService, str],
) -> None:
    elasticsearch, index = service
    elasticsearch.create_index(index)
    for version, reason in [
        (5, Reason.STORED),
        (4, Reason.ALREADY_THERE),
        (5, Reason.STORED),
        (9, Reason.STORED),
    ]:
        body = revised(index, version=version, text=f"v{version}")
        assert judged(elasticsearch.bulk(body), body) == [reason], version


def test_e10_a_missing_index_is_not_made_by_writing_to_it(
    service: tuple[BulkService, str],
) -> None:
    elasticsearch, index = service
    other = index.replace("app.log", "other")
    elasticsearch.create_index(other)
    body = documents(["a"], index=index) + documents(["b"], index=other)

    for _ in range(2):
        missing, stored = judged(elasticsearch.bulk(body), body)
        assert missing is Reason.MISSING_INDEX
        assert stored in {Reason.STORED, Reason.ALREADY_THERE}


def test_e5_a_mapping_conflict_fails_alone(service: tuple[BulkService, str]) -> None:
    elasticsearch, index = service
    elasticsearch.create_index(index)
    bad = document("bad", offset=5, index=index, host="a string")
    body = documents(["a"], index=index) + bad + document("z", offset=8, index=index)

    assert judged(elasticsearch.bulk(body), body) == [
        Reason.STORED,
        Reason.MAPPING_CONFLICT,
        Reason.STORED,
    ]


def test_e4_a_blocked_index_is_held_until_the_block_is_gone(
    service: tuple[BulkService, str],
) -> None:
    elasticsearch, index = service
    elasticsearch.create_index(index)
    elasticsearch.block(index)
    body = documents(["a", "b"], index=index)

    assert judged(elasticsearch.bulk(body), body) == [Reason.BLOCKED] * 2
    elasticsearch.unblock(index)
    assert judged(elasticsearch.bulk(body), body) == [Reason.STORED] * 2


@pytest.mark.parametrize(
    "body", [b'{"create":{"_index":broken\n{"message":"x"}\n', b"\n"]
)
def test_lines_that_are_no_bulk_are_refused_as_a_whole(
    service: tuple[BulkService, str], body: bytes
) -> None:
    elasticsearch, _ = service
    answer = elasticsearch.bulk(body)

    assert answer.status == 400
    verdict = judge_request(answer.status, error_of(answer))
    assert verdict.outcome is Outcome.DEAD_LETTER
