"""Whether a line that was read since the start can already be found."""

from __future__ import annotations

from tailrace.elasticsearch import INTERACTIVE_TIMEOUT_S, Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.query import events_alias
from tailrace.settings import Connections


def is_searchable(connections: Connections, *, since_ms: int) -> bool:
    """Tell whether a search finds an event that an agent saw since `since_ms`."""
    body = {
        "size": 0,
        "track_total_hits": 1,
        "query": {
            "range": {"event.created": {"gte": since_ms, "format": "epoch_millis"}}
        },
    }
    try:
        # Whoever asks has dead processes to start again meanwhile.
        with Elastic(connections, timeout_s=INTERACTIVE_TIMEOUT_S) as elastic:
            events = events_alias(connections.namespace)
            if not elastic.has_shards(events):
                return False
            # An index that is gone again makes the answer an error.
            answer = elastic.search(events, body=body)
    except ServiceUnavailable:
        return False
    return int(answer["hits"]["total"]["value"]) > 0
