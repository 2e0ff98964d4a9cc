"""What Elasticsearch really holds, asked as chaos asks it."""

from __future__ import annotations

from tailrace.chaos.stored import StoredEvent, stored_events
from tailrace.elasticsearch import Elastic

__all__ = ["StoredEvent", "stored_count", "stored_events"]


def stored_count(elastic: Elastic, *, index: str) -> int:
    """Return how many documents a search would find now; 0 before the first index."""
    elastic.refresh(index)
    return elastic.count(index)
