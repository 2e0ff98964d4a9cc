"""What the guard says of a value, and what Elasticsearch does with it, is one and the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from tailrace.elasticsearch import Elastic
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.outcomes import Outcome
from tailrace_indexer.sink import BULK_PATH, NDJSON
from tailrace_stream.guard.fitting import kind_of, misfits
from tailrace_stream.guard.guard import UNCOUNTED
from tailrace_stream.parsers.columns import ATTRIBUTES
from tests.stream.guard.values import VALUES, name_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


class Index:
    """An index by our own template."""

    def __init__(self, elastic: Elastic, name: str) -> None:
        self.elastic = elastic
        self.name = name

    def store(self, *documents: dict[str, Any]) -> list[str]:
        """Return of each `taken`, `ignored` or `refused`."""
        lines: list[str] = []
        for number, document in enumerate(documents):
            action = {"create": {"_index": self.name, "_id": str(number)}}
            lines += [json.dumps(action), json.dumps(document)]
        body = "".join(f"{line}\n" for line in lines).encode()
        answer = self.elastic.request("POST", BULK_PATH, body=body, content_type=NDJSON)
        assert answer.is_success
        self.elastic.refresh(self.name)
        query: dict[str, Any] = {"size": 1_000, "query": {"match_all": {}}}
        hits = self.elastic.search(self.name, body=query)["hits"]["hits"]
        ignored = {hit["_id"]: "_ignored" in hit for hit in hits}
        said = {True: "ignored", False: "taken", None: "refused"}
        return [said[ignored.get(str(n))] for n in range(len(documents))]


@pytest.fixture
def index(stack: Endpoints, namespace: str) -> Iterator[Index]:
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url, namespace=namespace
    )
    provision_templates(connections)
    name = f"{namespace}-app.log-2026.11.24"
    with Elastic(connections) as elastic:
        maker = IndexMaker(
            elastic, connections=connections, is_expired=lambda _index: False
        )
        assert maker.make(name).outcome is Outcome.STORED
        yield Index(elastic, name)
        elastic.request("DELETE", f"/{name}")


def test_e5_the_guard_takes_what_the_index_takes_and_nothing_else(index: Index) -> None:
    # A document that is refused for another field would say nothing.
    documents = [
        {"tailrace.generation": "g", name: value} for name, _, value, _ in VALUES
    ]
    told = index.store(*documents)
    wrong = {
        name_of(case): answer
        for case, answer in zip(VALUES, told, strict=True)
        if (answer == "taken") != case[3]
    }
    assert wrong == {}
    # And of some of them the whole document would be lost.
    assert {"taken", "ignored", "refused"} == set(told)


def test_e5_what_the_guard_moved_is_taken_and_found_where_it_went(index: Index) -> None:
    documents: list[dict[str, Any]] = []
    for name, dtype, value, _ in VALUES:
        column = pl.Series(name, [value], dtype=dtype)
        frame = UNCOUNTED.of_fields(pl.DataFrame([column]), source="s")
        row = {k: v for k, v in frame.to_dicts()[0].items() if v is not None}
        if ATTRIBUTES in row:
            row["attributes"] = json.loads(row.pop(ATTRIBUTES))
        documents.append(row)
        kind = kind_of(name)
        assert kind is not None
        is_moved = misfits(column, kind) is not None
        assert (row.get("tailrace.conflicts") == [name]) is is_moved
    assert set(index.store(*documents)) == {"taken"}
    query = {
        "query": {
            "bool": {
                "filter": [
                    {"term": {"tailrace.conflicts": "http.response.status_code"}},
                    {"term": {"attributes.http.response.status_code": "99999"}},
                ]
            }
        }
    }
    assert len(index.elastic.search(index.name, body=query)["hits"]["hits"]) == 1


def test_e5_a_key_that_no_word_holds_costs_its_place_and_not_the_document(
    index: Index,
) -> None:
    wide = "\u6587" * 8_191
    cases: list[dict[str, Any]] = [
        {"k" * 40_000: "x"},
        {"in": {"k" * 40_000: 1}},
        {"k" * 9_000: wide},
        {"l": [{"k" * 40_000: "x"}]},
    ]
    moved: list[dict[str, Any]] = []
    for attributes in cases:
        text = json.dumps(attributes, ensure_ascii=False)
        frame = pl.DataFrame({ATTRIBUTES: [text]})
        guarded = UNCOUNTED.of_fields(frame, source="s")
        moved.append({"attributes": json.loads(guarded.get_column(ATTRIBUTES)[0])})
    told = index.store(*({"attributes": one} for one in cases), *moved)
    assert told == ["refused"] * len(cases) + ["taken"] * len(cases)


def test_e5_values_that_are_long_and_of_long_letters_are_no_fault(index: Index) -> None:
    """What the guard leaves where it is because the server makes no word of it."""
    texts = ["\U0001f600" * 8_190, "\U0001f600" * 4_095, "\u6587" * 8_191, "a" * 40_000]
    frame = pl.DataFrame({ATTRIBUTES: [json.dumps({"a" * 99: one}) for one in texts]})
    assert UNCOUNTED.of_fields(frame, source="s").equals(frame)
    told = index.store(*({"attributes": {"a" * 99: one}} for one in texts))
    assert told == ["taken"] * len(texts)
