"""Which values did not fit their fields of late: what the stream moved, what the index ignored.

The stream moves what it sees to `attributes` and names the field in `tailrace.conflicts`. What
Elasticsearch itself leaves out of its index, such as a text longer than its field takes, it
names in `_ignored`: it is stored, and no search for it finds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

CONFLICTS = "tailrace.conflicts"
IGNORED = "_ignored"
SPAN = "24h"
FIELDS_MAX = 3


class Misfits(msgspec.Struct, frozen=True, kw_only=True):
    """Of the last day."""

    moved: dict[str, int] = {}
    """Events by the fields whose values the stream moved; the most frequent ones."""
    moved_events: int = 0
    ignored_events: int = 0
    """Of which Elasticsearch did not index every value."""


def misfits_body() -> dict[str, Any]:
    """Return the search for them; of indices without such a field nothing is found."""
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {
            "bool": {
                "filter": [{"range": {"event.created": {"gte": f"now-{SPAN}"}}}],
                "should": [
                    {"exists": {"field": CONFLICTS}},
                    {"exists": {"field": IGNORED}},
                ],
                "minimum_should_match": 1,
            }
        },
        "aggs": {
            "fields": {"terms": {"field": CONFLICTS, "size": FIELDS_MAX}},
            "moved": {"filter": {"exists": {"field": CONFLICTS}}},
            "ignored": {"filter": {"exists": {"field": IGNORED}}},
        },
    }


def read_misfits(answer: Mapping[str, Any]) -> Misfits:
    """Read the answer; where there is no index at all, there is nothing in it."""
    said = answer.get("aggregations")
    if said is None:
        return Misfits()
    return Misfits(
        moved={one["key"]: one["doc_count"] for one in said["fields"]["buckets"]},
        moved_events=said["moved"]["doc_count"],
        ignored_events=said["ignored"]["doc_count"],
    )


def misfit_notes(found: Misfits) -> Iterator[str]:
    """Say it in words, each with the search that shows them."""
    if found.moved_events:
        names = ", ".join(f"{name} ({count:,})" for name, count in found.moved.items())
        yield (
            f"{_events(found.moved_events)} of the last day held values that do not fit"
            f" their fields, which stand in `attributes`: {names};"
            f" `tailrace search '_exists_:{CONFLICTS}'` shows them"
        )
    if found.ignored_events:
        yield (
            f"of {_events(found.ignored_events)} of the last day Elasticsearch stored"
            " values by which no search finds them, such as very long ones;"
            f" `tailrace search --json '_exists_:{IGNORED}'` names the fields"
        )


def _events(count: int) -> str:
    return "one event" if count == 1 else f"{count:,} events"
