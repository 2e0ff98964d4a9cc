"""What of a document becomes a field: nothing that a line brings of its own."""

from __future__ import annotations

import json

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.index_templates import Capabilities, index_templates
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.outcomes import Outcome
from tailrace_indexer.sink import BULK_PATH, NDJSON

EXPLOSION = {f"key{n}": n for n in range(2_000)}


@pytest.mark.parametrize("kind", ["events", "dead", "rates", "ledger"])
def test_e6_no_template_lets_a_line_make_fields(kind: str) -> None:
    bodies = index_templates("t", capabilities=Capabilities())
    assert bodies[f"t-{kind}"]["template"]["mappings"]["dynamic"] is False


@pytest.mark.stack
@pytest.mark.timeout(60)
def test_e6_a_thousand_keys_of_a_line_leave_the_mapping_as_it_was(
    stack: Endpoints, namespace: str
) -> None:
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url, namespace=namespace
    )
    provision_templates(connections)
    index = f"{namespace}-app.log-2026.11.24"
    document = {
        "@timestamp": "2026-11-24T00:00:00Z",
        "message": "m",
        "attributes": EXPLOSION,
        **{f"top{key}": value for key, value in EXPLOSION.items()},
    }
    action = {"create": {"_index": index, "_id": "one"}}
    body = f"{json.dumps(action)}\n{json.dumps(document)}\n".encode()
    with Elastic(connections) as elastic:
        maker = IndexMaker(
            elastic, connections=connections, is_expired=lambda _index: False
        )
        assert maker.make(index).outcome is Outcome.STORED
        before = elastic.ask("GET", f"/{index}/_mapping")
        answer = elastic.request("POST", BULK_PATH, body=body, content_type=NDJSON)
        assert b'"errors":false' in answer.body
        assert elastic.ask("GET", f"/{index}/_mapping") == before
        elastic.refresh(index)
        query = {"query": {"term": {"attributes.key1999": "1999"}}}
        found = elastic.search(index, body=query)["hits"]["hits"]
        assert [hit["_source"]["topkey7"] for hit in found] == [7]
        elastic.request("DELETE", f"/{index}")
