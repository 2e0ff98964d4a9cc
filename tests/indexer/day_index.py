"""An index of one day with a few documents, as a leader that is to expire it finds it."""

from __future__ import annotations

import orjson

from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.settings import Connections
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.outcomes import Outcome


def put_day(
    elastic: Elastic,
    connections: Connections,
    day: int,
    *,
    generation: str,
    numbers: range,
) -> str:
    """Store documents of one generation in the index of a day of November; return its name."""
    index = f"{connections.namespace}-generic-2026.11.{day}"
    maker = IndexMaker(
        elastic, connections=connections, is_expired=lambda _index: False
    )
    assert maker.make(index).outcome is Outcome.STORED
    lines: list[bytes] = []
    for number in numbers:
        action = {"create": {"_index": index, "_id": f"{generation}-{day}-{number}"}}
        document = {
            "@timestamp": f"2026-11-{day}T10:00:00Z",
            "event.sequence": number,
            "tailrace.generation": generation,
        }
        lines += (orjson.dumps(action), orjson.dumps(document))
    answer = elastic.request(
        "POST",
        "/_bulk?refresh=true",
        body=b"\n".join(lines) + b"\n",
        content_type=NDJSON,
    )
    assert answer.json()["errors"] is False
    return index
