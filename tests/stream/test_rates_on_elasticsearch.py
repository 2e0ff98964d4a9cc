"""The index adds up what the stream counts, and gives back what it does not index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tailrace.sketches import from_field
from tailrace.topics import RATES
from tailrace_embedded.stack import Endpoints
from tailrace_stream.enrich.enrichment import Enrichment
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import SEEN_AT_MS
from tests.stream.windows_sent import cut

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


@pytest.fixture
def elastic(stack: Endpoints, namespace: str) -> Iterator[tuple[Elastic, str]]:
    connections = Connections().model_copy(
        update={"elasticsearch_url": stack.elasticsearch_url, "namespace": namespace}
    )
    provision_templates(connections)
    with Elastic(connections) as found:
        found.ask("PUT", f"/{namespace}-rates")  # As the leader makes it.
        yield found, namespace


def test_records_that_come_again_change_no_sum_in_the_index(
    elastic: tuple[Elastic, str],
) -> None:
    index, namespace = elastic
    lines = [
        b'203.0.113.7 - - [24/Nov/2026:01:%02d:03 +0000] "%s HTTP/1.1" %d %d "-" "x"\n'
        % (n % 2, (b"GET /a", b"POST /b?c=d")[n % 3 // 2], (200, 503)[n % 5 // 4], n)
        for n in range(60)
    ]
    records = cut(lines, [(0, 20), (9, 20)], parser="access", dataset="nginx.access")
    state: bytes | None = None
    rates: list[bytes] = []
    for record in records:
        parsed = parse_record(
            record,
            topic_id="t",
            namespace=namespace,
            now_ms=SEEN_AT_MS,
            enrichment=Enrichment(has_templates=True),
        )
        work = work_of(parsed, state=state, namespace=namespace, now_ms=SEEN_AT_MS)
        state = work.state.value if work.state else state
        rates += [r.value for r in work.outputs if r.topic == RATES.name(namespace)]
    # Kafka gives each again, an older one behind a newer.
    for body in [*rates, *rates[::-1]]:
        answer = index.request(
            "POST", "/_bulk?refresh=true", body=body, content_type=NDJSON
        )
        items = index.decoded(answer)["items"]
        assert {item["index"]["status"] for item in items} <= {200, 201, 409}

    def sums(field: str) -> dict[Any, float]:
        by = {"terms": {"field": field}}
        counted = {"n": {"sum": {"field": "tailrace.rate.count"}}}
        asked = {"size": 0, "aggs": {"by": {**by, "aggs": counted}}}
        found = index.ask("POST", f"/{namespace}-rates/_search", body=asked)
        buckets = found["aggregations"]["by"]["buckets"]
        return {b["key"]: b["n"]["value"] for b in buckets if b["n"]["value"]}

    assert sums("event.dataset") == {"nginx.access": 60}
    assert sums("tailrace.rate.status_class") == {"2xx": 48, "5xx": 12}
    assert sorted(sums("tailrace.template.id").values()) == [20, 40]

    spreads = {
        "query": {"term": {"tailrace.spread.field": "http.response.body.bytes"}},
        "aggs": {"worst": {"max": {"field": "tailrace.spread.p99"}}},
    }
    found = index.ask("POST", f"/{namespace}-rates/_search", body=spreads)
    documents = [hit["_source"] for hit in found["hits"]["hits"]]
    assert found["aggregations"]["worst"]["value"] == pytest.approx(59, abs=2)
    assert sum(d["tailrace.spread.sum"] for d in documents) == sum(range(60))
    assert sum(from_field(d["tailrace.spread.sketch"]).count for d in documents) == 60
