"""What a first answer leaves out is asked for once more, of a real server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tailrace import completeness
from tailrace.completeness import completeness_body, ledger_index, missing_body
from tailrace.completeness_answer import read_completeness
from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.provision import provision
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints

FILES = 12


@pytest.mark.stack
@pytest.mark.timeout(60)
def test_no_file_counts_as_waiting_because_its_indexers_word_was_not_read(
    stack: Endpoints, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = Connections(
        kafka_bootstrap=stack.kafka_bootstrap,
        elasticsearch_url=stack.elasticsearch_url,
        namespace=namespace,
    )
    provision(connections)
    now_ms = int(time.time() * 1_000)
    monkeypatch.setattr(completeness, "DOCUMENTS_MAX", FILES + 1)
    with Elastic(connections) as elastic:
        words = [*_words(FILES, now_ms=now_ms), _heartbeat(now_ms)]
        index = ledger_index(namespace)
        elastic.ask("PUT", f"/{index}")
        lines = [
            line for word in words for line in ({"index": {"_index": index}}, word)
        ]
        body = b"\n".join(map(orjson.dumps, lines)) + b"\n"
        answer = elastic.request(
            "POST", "/_bulk?refresh=true", body=body, content_type=NDJSON
        )
        assert not answer.json()["errors"]

        def asked(question: Any) -> dict[str, Any]:  # noqa: ANN401 - a search's body
            return elastic.ask("POST", f"/{index}/_search", body=question)

        _check(asked, now_ms=now_ms)


def _check(asked: Callable[[Any], dict[str, Any]], *, now_ms: int) -> None:
    said = asked(completeness_body())
    lacking = missing_body(said)
    assert lacking is not None
    stated = read_completeness(
        said, missing=asked(lacking), now_ms=now_ms, until_ms=now_ms
    )

    assert stated.is_partial
    assert stated.waiting_events == 3
    (host,) = stated.hosts
    assert host.complete_to_ms == now_ms - 70_000


def _words(files: int, *, now_ms: int) -> list[dict[str, Any]]:
    """Return words of files that are stored to their end, but for the first."""
    words: list[dict[str, Any]] = []
    for number in range(files):
        stored = 7 if number == 0 else 10
        common = {
            "host.name": "web-1",
            "agent.id": "a1",
            "tailrace.generation": f"{number:032x}",
            "figures": {"host_id": "h1"},
        }
        agent = {"tailrace.hop": "agent", "tailrace.next_event_number": 10}
        indexer = {
            "tailrace.hop": "indexer",
            "tailrace.next_event_number": stored,
            "tailrace.observed_at_ms": now_ms - 70_000,
        }
        words += [
            {**common, **agent, "@timestamp": now_ms - 1_000},
            {**common, **indexer, "@timestamp": now_ms - 60_000},
        ]
    return words


def _heartbeat(now_ms: int) -> dict[str, Any]:
    return {
        "@timestamp": now_ms,
        "tailrace.hop": "heartbeat",
        "host.name": "web-1",
        "agent.id": "a1",
        "tailrace.swept_at_ms": now_ms - 500,
        "tailrace.interval_ms": 10_000,
        "figures": {"host_id": "h1"},
    }
