"""What did not fit, or was ignored, is told of a real index."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.misfits import Misfits, misfits_body, read_misfits
from tailrace.moments import LATEST_MS
from tailrace.provision import provision_templates
from tailrace.query import SearchRequest, events_alias
from tailrace.search import AsksElastic, Searcher
from tailrace.settings import Connections
from tailrace.status_facts import (
    _misfits,  # pyright: ignore[reportPrivateUsage] - what `status` asks
)
from tailrace_embedded.stack import Endpoints

LONG: dict[str, Any] = {"user.name": "n" * 2_000}


def event(hours_ago: int = 0, /, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    at = datetime.now(tz=UTC) - timedelta(hours=hours_ago)
    told = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"@timestamp": told, "event.created": told, "message": "m", **fields}


@pytest.mark.stack
@pytest.mark.timeout(60)
def test_e5_what_was_moved_or_ignored_of_late_is_counted_and_named(
    stack: Endpoints, namespace: str
) -> None:
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url, namespace=namespace
    )
    assert _misfits(connections) == Misfits()
    provision_templates(connections)
    moved: dict[str, Any] = {"tailrace.conflicts": ["source.ip", "user.id"]}
    documents = [
        event(),
        event(0, **moved),
        event(0, **(moved | {"tailrace.conflicts": ["source.ip"]})),
        event(0, **LONG),
        event(25, **moved),
        event(25, **LONG),
    ]
    with Elastic(connections) as elastic:
        index = f"{namespace}-app.log-2026.11.24"
        elastic.ask("PUT", f"/{index}")
        lines = [
            line
            for number, one in enumerate(documents)
            for line in ({"create": {"_index": index, "_id": str(number)}}, one)
        ]
        body = b"\n".join(map(orjson.dumps, lines)) + b"\n"
        answer = elastic.request(
            "POST", "/_bulk?refresh=true", body=body, content_type=NDJSON
        )
        assert not answer.json()["errors"]
        said = Misfits(
            moved={"source.ip": 2, "user.id": 1}, moved_events=2, ignored_events=1
        )
        asked = elastic.search(events_alias(namespace), body=misfits_body())
        assert read_misfits(asked) == said == _misfits(connections)

        searcher = Searcher(AsksElastic(elastic), namespace=namespace)
        request = SearchRequest(
            query="_exists_:_ignored", since_ms=0, until_ms=LATEST_MS, size_max=10
        )
        rows = searcher.newest(request)
        assert {row.document_id: row.ignored for row in rows} == {
            "3": ("user.name",),
            "5": ("user.name",),
        }
        elastic.request("DELETE", f"/{index}")
