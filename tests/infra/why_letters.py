"""Documents and dead letters of one generation, searched as Elasticsearch searches them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from tailrace.elasticsearch import Answer, Elastic
from tests.infra.audit.builders import GENERATION, LINE_BYTES

Source = dict[str, Any]

COMPARED: dict[str, Callable[[int, int], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


class SearchedElastic(Elastic):
    """Answers searches in events and dead letters by their filters, order and size."""

    def __init__(
        self, *, documents: Sequence[Source] = (), letters: Sequence[Source] = ()
    ) -> None:
        self.asked_dead: list[Mapping[str, Any]] = []
        self._documents = documents
        self._letters = letters

    def look_up(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None
    ) -> Answer:
        assert method == "POST"
        assert body is not None
        is_dead = path.startswith("/t-dead-")
        if is_dead:
            self.asked_dead.append(body)
        held = self._letters if is_dead else self._documents
        found = [(n, d) for n, d in enumerate(held) if _fits(d, body["query"])]
        # Documents that are alike in order come as they lie in the index.
        for one in reversed(body.get("sort", ())):
            ((name, how),) = one.items()
            found.sort(key=_key(name, how), reverse=_is_descending(how))
        hits = [
            {
                "_index": "t-dead-1" if is_dead else "t-generic-1",
                "_id": str(number),
                "_source": document,
                "fields": {name: [value] for name, value in document.items()},
            }
            for number, document in found[: body["size"]]
        ]
        return Answer(200, orjson.dumps({"hits": {"hits": hits}}))


def document_of(number: int) -> Source:
    """Return a stored event, of lines that are all of one length."""
    return {
        "tailrace.generation": GENERATION,
        "event.sequence": number,
        "log.offset": number * LINE_BYTES,
    }


def letter_of(number: int, *, count: int, **says: object) -> Source:
    """Return the dead letter of so many events from a number on."""
    return {
        **document_of(number),
        "dead.event_count": count,
        "dead.stage": "agent",
        "dead.reason": f"too_large_{number}",
        "dead.detail": "x",
        **says,
    }


def _fits(document: Source, query: Mapping[str, Any]) -> bool:
    ((kind, clause),) = query.items()
    if kind == "bool":
        should = clause.get("should", ())
        return all(_fits(document, each) for each in clause.get("filter", ())) and (
            not should or any(_fits(document, each) for each in should)
        )
    ((name, wanted),) = clause.items()
    value = document.get(name)
    if value is None:
        return False
    if kind == "term":
        return value == wanted["value"]
    assert kind == "range", kind
    return all(COMPARED[how](value, bound) for how, bound in wanted.items())


def _is_descending(how: str | Mapping[str, str]) -> bool:
    return (how if isinstance(how, str) else how["order"]) == "desc"


def _key(
    name: str, how: str | Mapping[str, str]
) -> Callable[[tuple[int, Source]], tuple[bool, int]]:
    """Return what is sorted by; without a value a document comes last, if not told."""
    is_first = not isinstance(how, str) and how.get("missing") == "_first"
    lies_high = is_first == _is_descending(how)

    def key(one: tuple[int, Source]) -> tuple[bool, int]:
        value = one[1].get(name)
        return (value is None) == lies_high, 0 if value is None else value

    return key
