"""What a real Elasticsearch finds too large is divided; what is so alone is a dead letter.

How a server refuses a body of which it has not read the end is its own business: it may
answer, or close the connection under the sender's hands.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tailrace.chaos.stored import stored_hits
from tailrace.elasticsearch import Elastic
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tailrace_indexer.bulk import Bulk
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.index_orders import Maker
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


class CountingSink(ElasticsearchSink):
    """The real one, which remembers how large each request was."""

    def __init__(self, elastic: Elastic, *, index_maker: Maker) -> None:
        ElasticsearchSink.__init__(
            self, elastic, index_maker=index_maker, in_flight_max=2
        )
        self.sizes_bytes: list[int] = []

    def submit(self, bulk: Bulk) -> None:
        self.sizes_bytes.append(bulk.size_bytes)
        ElasticsearchSink.submit(self, bulk)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery from a topic in memory to a real server with a limit of its own."""

    bench: Bench
    sink: CountingSink
    elastic: Elastic

    def write(self, texts: Sequence[str], *, first: int) -> None:
        """Write a record of these lines, each at an offset of its own."""
        self.bench.kafka.write(DOCS, documents(texts, first=first))

    def wait(self, *, records: int) -> None:
        def is_committed() -> bool:
            self.bench.step(wait_ms=300)
            return self.bench.kafka.commits.get(DOCS) == records

        eventually(is_committed, WAIT_S_MAX, what="all of it stored or buried")

    def stored_ids(self) -> set[str]:
        hits = stored_hits(self.elastic, index=INDEX, fields=())
        return {str(hit["_id"]) for hit in hits}


@contextmanager
def delivering(settings: Mapping[str, str]) -> Generator[Delivered]:
    """Yield a delivery to a server of these settings."""
    with own_elasticsearch(settings) as (_server, url):
        connections = Connections(namespace=NAMESPACE).model_copy(
            # Not by the constructor, over which the environment wins.
            update={"elasticsearch_url": url}
        )
        provision_templates(connections)
        with Elastic(connections) as elastic:
            maker = IndexMaker(
                elastic, connections=connections, is_expired=lambda _index: False
            )
            sink = CountingSink(elastic, index_maker=maker)
            bench = Bench(sink_of=lambda _memory: sink, has_index=False)
            try:
                yield Delivered(bench, sink, elastic)
            finally:
                sink.close()


def test_e7_what_a_server_does_not_take_at_once_is_divided_until_it_does() -> None:
    """And nothing that comes later is sent as large again."""
    with delivering({"http.max_content_length": f"{REQUEST_BYTES_MAX}b"}) as made:
        for first in range(0, len(LINES), RECORD_LINES):
            made.write(LINES[first : first + RECORD_LINES], first=first)
        made.write([HUGE, "small"], first=500)
        records = len(LINES) // RECORD_LINES + 1
        made.wait(records=records)
        before = len(made.sink.sizes_bytes)
        assert max(made.sink.sizes_bytes) > REQUEST_BYTES_MAX
        for first in range(1_000, 1_000 + 5 * len(LINES), len(LINES)):
            made.write(LINES, first=first)
        made.wait(records=records + 5)
        stored = made.stored_ids()

    assert max(made.sink.sizes_bytes[before:]) <= REQUEST_BYTES_MAX
    again = {
        line_id(text, first + n)
        for first in (0, *range(1_000, 1_000 + 5 * len(LINES), len(LINES)))
        for n, text in enumerate(LINES)
    }
    assert stored == {*again, line_id("small", 501)}
    (letter,) = made.bench.dead_letters.letters
    assert letter.reason == "too_large"
    assert HUGE.encode() in letter.original


def test_e7_a_document_beyond_a_shards_limit_leaves_those_beside_it_alone() -> None:
    """Elasticsearch answers 429 for all that goes to that shard, however often asked."""
    limit = {"indexing_pressure.memory.max_operation_size": f"{REQUEST_BYTES_MAX}b"}
    texts = [*LINES[:7], HUGE, *LINES[7:20]]
    with delivering(limit) as made:
        made.write(texts, first=0)
        made.wait(records=1)
        stored = made.stored_ids()

    assert stored == {
        line_id(text, n) for n, text in enumerate(texts) if text is not HUGE
    }
    (letter,) = made.bench.dead_letters.letters
    assert letter.reason == "too_large"
    assert HUGE.encode() in letter.original
