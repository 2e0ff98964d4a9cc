"""Which dead letters a place of a file stands in, be it named by a number or not.

A letter of a whole chunk begins before most of its events. Where the number of one is not
known, as where a file was asked about, what stands around it tells: the letter that begins
nearest before it, the documents on either side, and the next letter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.answers import field
from tailrace.audit.facts import GenerationFacts
from tailrace.digest import DELIVERED, FIX
from tailrace.query import Body
from tailrace.why.hops import LinePlace

COPIES_MAX: Final = 20
_WITHOUT_ORIGINAL: Final[Body] = {"excludes": ["dead.original_base64", "message"]}
"""An original may be of a megabyte, and nothing of it is said."""

Hit = dict[str, Any]
Ask = Callable[[Body], Sequence[Hit]]
"""Searches the dead letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """The letters that begin nearest before a place, and what stands around it."""

    letters: Sequence[Hit]
    """Several where one stands there more than once."""
    next_letter_number: int | None
    """Where the next one behind the place begins."""

    def parted(
        self, *, before: int, ends: Sequence[int | None]
    ) -> tuple[list[Hit], list[Hit]]:
        """Return the letters that the place stands in, and those that it may stand in.

        `before` is the number of the document before it, -1 where none is; before one of
        the `ends`, as far as they are known, its own number lies.
        """
        known = [end for end in (*ends, self.next_letter_number) if end is not None]
        sure: list[Hit] = []
        perhaps: list[Hit] = []
        for hit in self.letters:
            span = span_of(hit)
            if before >= span.start:
                continue  # The document is behind the letter, and the place behind that.
            is_within = bool(known) and min(known) <= span.stop
            (sure if is_within else perhaps).append(hit)
        return sure, perhaps


def letters_at(ask: Ask, place: LinePlace) -> list[Hit]:
    """Return the letters that name a place by its offset, or have its number in their span.

    Raises:
        ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
    """
    body: Body = {
        "size": COPIES_MAX,
        "_source": _WITHOUT_ORIGINAL,
        "query": {
            "bool": {
                "filter": [
                    _of_generation(place),
                    {"bool": {"should": _names(place), "minimum_should_match": 1}},
                ]
            }
        },
        # Of many the one that begins nearest before the event.
        "sort": [_sorted("event.sequence", "desc")],
    }
    number = place.event_number
    return [
        hit
        for hit in ask(body)
        if number is None or span_of(hit).start < 0 or number in span_of(hit)
    ]


def letters_near(ask: Ask, place: LinePlace) -> Near | None:
    """Return the letters of many events that begin nearest before a place, if any do.

    None where one begins at the place itself, which names it.

    Raises:
        ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
    """
    hits = ask(_beside(place, {"lte": place.offset}, order="desc", size=COPIES_MAX))
    offset = _offset(hits[0]) if hits else place.offset
    if offset == place.offset:
        return None
    behind = ask(_beside(place, {"gt": place.offset}, order="asc", size=1))
    return Near(
        letters=[hit for hit in hits if _offset(hit) == offset],
        next_letter_number=span_of(behind[0]).start if behind else None,
    )


def end_number_of(place: LinePlace, facts: GenerationFacts) -> int | None:
    """Return the number before which a place's own lies, if the stream has read beyond it."""
    stream = facts.stream
    if stream is None or place.offset >= stream.next_offset:
        return None
    return stream.next_event_number


def span_of(hit: Hit) -> range:
    """Return the numbers of a letter's events; from -1 on where it does not tell them."""
    number = field(hit["_source"], "event.sequence")
    count = field(hit["_source"], "dead.event_count")
    if not isinstance(number, int) or not isinstance(count, int) or number < 0:
        return range(-1, 0)
    return range(number, number + max(count, 1))


def is_delivered(hit: Hit) -> bool:
    """Tell whether a retry has stored a letter's documents since."""
    return field(hit["_source"], DELIVERED) is not None


def letter_text(hit: Hit) -> str:
    """Return where and of what a letter died, and where it lies."""
    letter = hit["_source"]
    return (
        f"{field(letter, 'dead.stage')}: {field(letter, 'dead.reason')}:"
        f" {field(letter, 'dead.detail')} ({hit['_index']}/{hit['_id']})"
    )


def letter_text_with_span(hit: Hit) -> str:
    """Return the same, with the events that it stands for."""
    span = span_of(hit)
    return f"events {span.start} to {span.stop - 1}: {letter_text(hit)}"


def mended_text(hit: Hit) -> str:
    """Return why a letter died whose document is stored, and how that was mended."""
    letter = hit["_source"]
    fix = field(letter, FIX)
    mended = f"mended by {fix}" if fix else "sent again"
    return f"{field(letter, 'dead.reason')}, {mended}"


def _names(place: LinePlace) -> list[Body]:
    """Return how a dead letter may name a place: by offset, or by number in a span."""
    names: list[Body] = [{"term": {"log.offset": {"value": place.offset}}}]
    if place.event_number is not None:
        # A letter of a whole chunk begins before the event.
        names.append(
            {
                "bool": {
                    "filter": [
                        {"range": {"event.sequence": {"lte": place.event_number}}},
                        {"range": {"dead.event_count": {"gt": 1}}},
                    ]
                }
            }
        )
    return names


def _beside(place: LinePlace, offsets: Body, *, order: str, size: int) -> Body:
    filters: list[Body] = [
        _of_generation(place),
        {"range": {"log.offset": offsets}},
        {"range": {"event.sequence": {"gte": 0}}},
        {"range": {"dead.event_count": {"gte": 1}}},
    ]
    return {
        "size": size,
        "_source": _WITHOUT_ORIGINAL,
        "query": {"bool": {"filter": filters}},
        "sort": [_sorted("log.offset", order)],
    }


def _of_generation(place: LinePlace) -> Body:
    return {"term": {"tailrace.generation": {"value": place.generation}}}


def _sorted(name: str, order: str) -> Body:
    # A letter at the very place may tell no number, and must not be cut off for that.
    return {name: {"order": order, "missing": "_first", "unmapped_type": "long"}}


def _offset(hit: Hit) -> int:
    offset = field(hit["_source"], "log.offset")
    return offset if isinstance(offset, int) else -1
