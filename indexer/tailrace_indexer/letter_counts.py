"""Which events the dead letters of an index stand for, by generation and window of numbers.

A letter may stand for many events, so that sums over letters do not say it: each is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

from tailrace.audit.bodies import undelivered_filter
from tailrace.elasticsearch import Elastic
from tailrace.ledger import WINDOW_EVENTS

LETTERS_PAGE = 5_000
FIELDS = ("tailrace.generation", "event.sequence", "dead.event_count")
SORT = ("tailrace.generation", "event.sequence", "dead.id")


class LetterSpan(NamedTuple):
    """Which events of a generation a letter stands for."""

    generation: str
    first_event_number: int
    event_count: int


def letter_windows(
    letters: Iterable[LetterSpan], *, window_events: int = WINDOW_EVENTS
) -> dict[str, dict[str, tuple[int, int]]]:
    """Return, by generation and window, how many events there are and their numbers' sum."""
    windows: dict[str, dict[str, tuple[int, int]]] = {}
    for letter in letters:
        held = windows.setdefault(letter.generation, {})
        first = letter.first_event_number
        end = first + letter.event_count
        while first < end:
            window = first // window_events
            next_first = min(end, (window + 1) * window_events)
            count, total = held.get(str(window), (0, 0))
            numbers = range(first, next_first)
            held[str(window)] = (count + len(numbers), total + sum(numbers))
            first = next_first
    return windows


def letters_of(elastic: Elastic, index: str) -> Iterator[LetterSpan]:
    """Yield what each letter of an index stands for, those that were delivered left out.

    Raises:
        ServiceUnavailable: Elasticsearch does not answer, or refuses.
    """
    known = [{"exists": {"field": field}} for field in FIELDS]
    query = {"bool": {"filter": [undelivered_filter(), *known]}}
    after: list[Any] | None = None
    while True:
        body: dict[str, Any] = {
            "size": LETTERS_PAGE,
            "_source": False,
            "docvalue_fields": list(FIELDS),
            "query": query,
            "sort": list(SORT),
        }
        if after is not None:
            body["search_after"] = after
        found = elastic.search(index, body=body)
        hits = cast("list[dict[str, Any]]", found["hits"]["hits"])
        for hit in hits:
            values = [hit["fields"][field][0] for field in FIELDS]
            if values[0]:
                yield LetterSpan(str(values[0]), int(values[1]), int(values[2]))
        if len(hits) < LETTERS_PAGE:
            return
        after = hits[-1]["sort"]
