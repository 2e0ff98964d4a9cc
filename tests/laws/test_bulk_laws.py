"""What `_bulk` answers: laws that the memory's Elasticsearch and the real one obey."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Protocol

import pytest

from tailrace.elasticsearch import NDJSON, Answer, Elastic
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.bulk import Bulk, judge_answer
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.outcomes import Outcome, Reason, judge_request
from tailrace_indexer.pieces import Piece, Place, count_documents
from tailrace_indexer.sink import BULK_PATH, error_of
from tests.indexer.builders import DOCS, document, documents
from tests.support.fakes.elasticsearch import MemoryElasticsearch

PLACE = Place(DOCS, 1, 0)


class BulkService(Protocol):
    """What the laws ask of."""

    def bulk(self, body: bytes) -> Answer: ...
    def create_index(self, name: str) -> None: ...
    def block(self, name: str) -> None: ...
    def unblock(self, name: str) -> None: ...


class RealElasticsearch:
    """The real one, by the very path that the indexer uses."""

    def __init__(self, elastic: Elastic, *, connections: Connections) -> None:
        self._elastic = elastic
        self._maker = IndexMaker(
            elastic, connections=connections, is_expired=lambda _index: False
        )

    def bulk(self, body: bytes) -> Answer:
        return self._elastic.request("POST", BULK_PATH, body=body, content_type=NDJSON)

    def create_index(self, name: str) -> None:
        assert self._maker.make(name).outcome is Outcome.STORED

    def block(self, name: str) -> None:
        self._elastic.ask(
            "PUT", f"/{name}/_settings", body={"index.blocks.read_only": True}
        )

    def unblock(self, name: str) -> None:
        self._elastic.ask(
            "PUT", f"/{name}/_settings", body={"index.blocks.read_only": None}
        )


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def service(
    request: pytest.FixtureRequest, namespace: str
) -> Iterator[tuple[BulkService, str]]:
    index = f"{namespace}-app.log-2026.11.24"
    if request.param == "memory":
        yield MemoryElasticsearch(), index
        return
    stack: Endpoints = request.getfixturevalue("stack")
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url, namespace=namespace
    )
    provision_templates(connections)
    with Elastic(connections) as elastic:
        yield RealElasticsearch(elastic, connections=connections), index


def judged(answer: Answer, body: bytes) -> list[Reason]:
    assert answer.status == 200, answer
    piece = Piece(PLACE, body, count_documents(body))
    verdicts: list[Reason] = []
    for each in judge_answer(Bulk(1, [piece]), answer.body):
        verdicts.extend([each.verdict.reason] * each.piece.document_count)
    return verdicts


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
