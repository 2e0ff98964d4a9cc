"""Elasticsearch as laws ask it: in memory, real, and real behind a proxy that misbehaves."""

from __future__ import annotations

import random
from typing import Protocol
from urllib.parse import quote

import pytest

from tailrace.elasticsearch import NDJSON, Answer, Elastic
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.bulk import Bulk, judge_answer
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.outcomes import Outcome, Verdict
from tailrace_indexer.pieces import Piece, Place, count_documents
from tailrace_indexer.sink import BULK_PATH
from tests.indexer.builders import DOCS
from tests.support.fakes.elasticsearch import MemoryElasticsearch
from tests.support.waiting import eventually

PLACE = Place(DOCS, 1, 0)
READY_S_MAX = 20.0
SHORT_PATH = BULK_PATH.replace("timeout=10s", "timeout=300ms")
"""The indexer's own path, but a shard that is not there is not waited for so long."""
_BLOCKS = {403: "read_only", 429: "read_only_allow_delete"}


def with_templates(request: pytest.FixtureRequest) -> Connections:
    """Return the real Elasticsearch of a test, in whose namespace our templates are."""
    stack: Endpoints = request.getfixturevalue("stack")
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url,
        namespace=request.getfixturevalue("namespace"),
    )
    provision_templates(connections)
    return connections


class BulkService(Protocol):
    """What the laws ask of."""

    def bulk(self, body: bytes) -> Answer: ...
    def create_index(self, name: str) -> None: ...
    def delete_index(self, name: str) -> None: ...
    def block(self, name: str) -> None: ...
    def unblock(self, name: str) -> None: ...


class RefusingService(BulkService, Protocol):
    """One that can be made to take nothing for an index."""

    def refuse(self, name: str, *, status: int) -> None: ...
    def relent(self, name: str, *, status: int) -> None: ...


class RealElasticsearch:
    """The real one, by the very path that the indexer uses."""

    def __init__(self, elastic: Elastic, *, connections: Connections) -> None:
        self._elastic = elastic
        self._maker = IndexMaker(
            elastic, connections=connections, is_expired=lambda _index: False
        )

    def bulk(self, body: bytes) -> Answer:
        return self._elastic.request("POST", SHORT_PATH, body=body, content_type=NDJSON)

    def create_index(self, name: str) -> None:
        assert self._maker.make(name).outcome is Outcome.STORED
        self._await_shards(name)

    def delete_index(self, name: str) -> None:
        self._elastic.ask("DELETE", f"/{quote(name)}")

    def block(self, name: str) -> None:
        self.refuse(name, status=403)

    def unblock(self, name: str) -> None:
        self.relent(name, status=403)

    def refuse(self, name: str, *, status: int) -> None:
        """Let Elasticsearch itself have a reason to refuse each item for an index.

        403 and 429 by a block, as by hand and by the flood stage; 503 because its shard
        is allowed on no node, for which it must not be there yet.
        """
        if status in _BLOCKS:
            self._set(name, f"blocks.{_BLOCKS[status]}", value=True)
            return
        nowhere = {"index.routing.allocation.require._name": "no such node"}
        path = f"/{quote(name)}?wait_for_active_shards=0"
        self._elastic.ask("PUT", path, body={"settings": nowhere})

    def relent(self, name: str, *, status: int) -> None:
        """Take the reason away, and return when the index takes documents again."""
        setting = "routing.allocation.require._name"
        if status in _BLOCKS:
            setting = f"blocks.{_BLOCKS[status]}"
        self._set(name, setting, value=None)
        self._await_shards(name)

    def _set(self, name: str, setting: str, *, value: object) -> None:
        body = {f"index.{setting}": value}
        self._elastic.ask("PUT", f"/{quote(name)}/_settings", body=body)

    def _await_shards(self, name: str) -> None:
        """Return when a search of the index is answered.

        Just after it was made, its shard may not have begun: "all shards failed", 503.
        """

        def is_ready() -> bool:
            path = f"/{quote(name)}/_search?size=0&allow_partial_search_results=false"
            return self._elastic.request("GET", path).is_success

        eventually(is_ready, READY_S_MAX, what=f"the shards of {name}")


class RefusingMemory(MemoryElasticsearch):
    """The memory's, which refuses by index where a test says so."""

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {}
        super().__init__(refusal_of=lambda name: self._statuses.get(name, 200))

    def refuse(self, name: str, *, status: int) -> None:
        self.create_index(name)
        self._statuses[name] = status

    def relent(self, name: str, *, status: int) -> None:
        assert self._statuses.pop(name) == status


class AlwaysStrikes(random.Random):
    """Draws the smallest number, so that a proxy spoils every bulk."""

    def random(self) -> float:
        return 0.0


def verdicts(answer: Answer, body: bytes) -> list[Verdict]:
    """Return what the indexer makes of an answer, document by document."""
    assert answer.status == 200, answer
    piece = Piece(PLACE, body, count_documents(body))
    found: list[Verdict] = []
    for each in judge_answer(Bulk(1, [piece]), answer.body):
        found.extend([each.verdict] * each.piece.document_count)
    return found
