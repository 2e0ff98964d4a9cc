"""What a real Elasticsearch finds too large is divided; what is so alone is a dead letter.

How a server refuses a body of which it has not read the end is its own business: it may
answer, or close the connection under the sender's hands.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tailrace.chaos.stored import stored_hits
from tailrace.elasticsearch import Elastic
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.sink import ElasticsearchSink
from tests.indexer.builders import DOCS, INDEX, NAMESPACE, Bench, documents, line_id
from tests.support.own_elasticsearch import own_elasticsearch
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
REQUEST_BYTES_MAX = 1024 * 1024
LINES = [f"line {number:02} " + "x" * 60_000 for number in range(40)]
HUGE = "y" * (REQUEST_BYTES_MAX + 1)
RECORD_LINES = 10
WAIT_S_MAX = 120


@pytest.fixture
def narrow() -> Iterator[Connections]:
    limit = {"http.max_content_length": f"{REQUEST_BYTES_MAX}b"}
    with own_elasticsearch(limit) as (_server, url):
        yield Connections(namespace=NAMESPACE).model_copy(
            # Not by the constructor, over which the environment wins.
            update={"elasticsearch_url": url}
        )


def test_e7_what_a_server_does_not_take_at_once_is_divided_until_it_does(
    narrow: Connections,
) -> None:
    provision_templates(narrow)
    with Elastic(narrow) as elastic:
        maker = IndexMaker(elastic, connections=narrow, is_expired=lambda _index: False)
        sink = ElasticsearchSink(elastic, index_maker=maker, in_flight_max=2)
        bench = Bench(sink_of=lambda _memory: sink, has_index=False)
        for first in range(0, len(LINES), RECORD_LINES):
            texts = LINES[first : first + RECORD_LINES]
            bench.kafka.write(DOCS, documents(texts, first=first))
        bench.kafka.write(DOCS, documents([HUGE, "small"], first=500))

        def is_committed() -> bool:
            bench.step(wait_ms=300)
            return bench.kafka.commits.get(DOCS) == len(LINES) // RECORD_LINES + 1

        eventually(is_committed, WAIT_S_MAX, what="all of it stored or buried")
        sink.close()
        hits = list(stored_hits(elastic, index=INDEX, fields=()))

    wanted = {line_id(text, n) for n, text in enumerate(LINES)}
    assert {str(hit["_id"]) for hit in hits} == {*wanted, line_id("small", 501)}
    (letter,) = bench.dead_letters.letters
    assert letter.reason == "too_large"
    assert HUGE.encode() in letter.original
