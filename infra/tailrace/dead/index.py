"""Where dead letters stand, asked for and marked: the indices `<namespace>-dead-*`."""

from __future__ import annotations

import http
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec
import orjson

from tailrace.audit.bodies import (
    SEQUENCE,
    generations_filter,
    undelivered_filter,
)
from tailrace.clock import Clock
from tailrace.dead.letters import Letter, read_letter
from tailrace.digest import DELIVERED, FIX
from tailrace.elasticsearch import MISSING_IS_NONE, NDJSON, WHOLE_SEARCH, Elastic
from tailrace.errors import CommandFailed
from tailrace.index_templates import events_alias
from tailrace.point_in_time import point_in_time, refresh
from tailrace.query import Body
from tailrace.revised_indices import revision_of

PAGE_LETTERS: Final = 50
"""A letter is a kilobyte or two, and may be ten megabytes."""
IDS_ASKED_MAX: Final = 1_000
KEEP_ALIVE: Final = "10m"
"""Between two pages a batch may wait for the indexers."""
COPIES_MAX: Final = 10
"""Days on which one letter may have died: each has a document of it."""
MARK_PATH: Final = "/_bulk?refresh=wait_for&filter_path=errors,items.*.error"


_T = TypeVar("_T")


class _Hit(
    msgspec.Struct, rename={"index": "_index", "id": "_id", "source": "_source"}
):
    index: str
    id: str
    source: msgspec.Raw = msgspec.Raw(b"{}")
    sort: list[Any] = []


class _Total(msgspec.Struct):
    value: int = 0


class _Hits(msgspec.Struct):
    hits: list[_Hit] = []
    total: _Total = msgspec.field(default_factory=_Total)


class _Page(msgspec.Struct):
    hits: _Hits = msgspec.field(default_factory=_Hits)


class LetterIndex:
    """The dead letters and the events of one namespace."""

    def __init__(self, elastic: Elastic, *, namespace: str, clock: Clock) -> None:
        self._elastic = elastic
        self._dead = f"{namespace}-dead-*"
        self._events = events_alias(namespace)
        self._clock = clock

    @contextmanager
    def open_letters(
        self,
        dead_ids: Collection[str] = (),
        *,
        places: Collection[tuple[str, int]] = (),
    ) -> Generator[OpenLetters, None, None]:
        """Give the letters that are not delivered, at one moment: all, or those named.

        They are named by their ids, or by the generation and number of an event: then
        those come, too, that speak of many events, and maybe not of it.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        filters: list[Body] = []
        if dead_ids:
            filters.append(_named(sorted(dead_ids)))
        if places:
            filters += _naming(places)
        with point_in_time(self._elastic, self._dead, keep_alive=KEEP_ALIVE) as pit:
            yield OpenLetters(self._elastic, pit=pit, filters=filters)

    def prepare(self) -> None:
        """Make sure that each index of dead letters can tell the marked ones apart.

        One that was made before there were marks knows no such field.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        path = f"/{quote(self._dead, safe=',*')}/_mapping"
        answer = self._elastic.request("GET", path)
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return
        for name, found in self._elastic.decoded(answer).items():
            if not knows_field(found["mappings"], DELIVERED):
                body = {"properties": {DELIVERED: {"type": "date"}}}
                self._elastic.ask("PUT", f"/{quote(name)}/_mapping", body=body)

    def stored(self, names: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those of the documents, by index and `_id`, that a search finds.

        Of one that a replay has put another version in the place of, it finds that.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        refresh(self._elastic, self._events, clock=self._clock)
        found: set[tuple[str, str]] = set()
        for some in _some(sorted(document_id for _, document_id in names)):
            body: Body = {
                # An `_id` may stand in a replay's index, too.
                "size": min(COPIES_MAX * len(some), 10_000),
                "query": {"terms": {"_id": some}},
                "_source": False,
            }
            path = f"/{quote(self._events)}/_search{MISSING_IS_NONE}"
            hits = self._page("POST", path, body=body).hits.hits
            found |= {(hit.index, hit.id) for hit in hits}
        revised = {document_id for index, document_id in found if revision_of(index)}
        return {name for name in names if name in found or name[1] in revised}

    def delivered(self, generation: str, *, numbers: Collection[int]) -> list[Letter]:
        """Return the letters of these single events that are marked, each once.

        The older of two that died on two days: it holds what was written.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        refresh(self._elastic, self._dead, clock=self._clock)
        found: dict[str, Letter] = {}
        for some in _some(sorted(numbers)):
            wanted: list[Body] = [
                generations_filter([generation]),
                {"terms": {SEQUENCE: some}},
                {"exists": {"field": DELIVERED}},
            ]
            for letter in self._letters(wanted, size=COPIES_MAX * len(some)):
                if letter.event_count == 1:
                    found.setdefault(letter.dead_id, letter)
        return list(found.values())

    def _letters(self, filters: Sequence[Body], *, size: int) -> Iterator[Letter]:
        """Yield letters, the oldest first, a few at a time: one may be megabytes."""
        path = f"/{quote(self._dead, safe=',*')}/_search{MISSING_IS_NONE}"
        for start in range(0, min(size, 10_000), PAGE_LETTERS):
            body: Body = {
                "from": start,
                "size": PAGE_LETTERS,
                "query": {"bool": {"filter": list(filters)}},
                "sort": [{"@timestamp": "asc"}, {"dead.id": "asc"}],
            }
            hits = self._page("POST", path, body=body).hits.hits
            yield from _letters_of(hits)
            if len(hits) < PAGE_LETTERS:
                return

    def reopen(self, dead_ids: Collection[str]) -> None:
        """Take the marks of the letters of these ids away, in every index that has one.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
            CommandFailed: it refused some of that.
        """
        marked: Body = {"exists": {"field": DELIVERED}}
        self._change(dead_ids, {DELIVERED: None, FIX: None}, only=marked)

    def mark(self, dead_ids: Collection[str], *, fix: str, at_ms: int) -> None:
        """Mark the letters of these ids as delivered, in every index that has one.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
            CommandFailed: it refused some of the marks.
        """
        change: dict[str, object] = {DELIVERED: at_ms}
        if fix:
            change[FIX] = fix
        self._change(dead_ids, change, only=_OPEN)

    def _change(
        self, dead_ids: Collection[str], change: dict[str, object], *, only: Body
    ) -> None:
        for some in _some(sorted(dead_ids)):
            body: Body = {
                "size": min(COPIES_MAX * len(some), 10_000),
                "query": {"bool": {"filter": [_named(some), only]}},
                "_source": False,
            }
            path = f"/{quote(self._dead, safe=',*')}/_search{MISSING_IS_NONE}"
            hits = self._page("POST", path, body=body).hits.hits
            lines = [
                line
                for hit in hits
                for line in (
                    {"update": {"_index": hit.index, "_id": hit.id}},
                    {"doc": change},
                )
            ]
            if lines:
                self._update(b"\n".join(map(orjson.dumps, lines)) + b"\n")

    def _update(self, body: bytes) -> None:
        answer = self._elastic.request(
            "POST", MARK_PATH, body=body, content_type=NDJSON
        )
        told = self._elastic.decoded(answer)
        if told.get("errors"):
            refused = [item["update"]["error"] for item in told["items"] if item]
            raise CommandFailed(
                f"Elasticsearch refused to change the marks of {len(refused)} letters:"
                f" {refused[0].get('type')}: {refused[0].get('reason')}",
                remedy="give this user the right to write to the indices of dead"
                " letters, and run the same command again; nothing is stored twice",
            )

    def _page(self, method: str, path: str, *, body: Body) -> _Page:
        answer = self._elastic.look_up(method, path, body=body)
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return _Page()
        if not answer.is_success:
            raise self._elastic.refusal(answer)
        return msgspec.json.decode(answer.body, type=_Page)


class OpenLetters:
    """The letters of one moment, the oldest first."""

    def __init__(self, elastic: Elastic, *, pit: str, filters: Sequence[Body]) -> None:
        self._elastic = elastic
        self._pit = pit
        self._filters: list[Body] = [_OPEN, *filters]

    def count(self) -> int:
        """Return how many documents of letters there are.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        body = {**self._body(()), "size": 0, "track_total_hits": True}
        return self._page(body).total.value

    def __iter__(self) -> Iterator[Letter]:
        """Yield each; documents that are no letters of ours are passed over.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        after: Sequence[Any] = ()
        while True:
            hits = self._page(self._body(after)).hits
            yield from _letters_of(hits)
            if len(hits) < PAGE_LETTERS:
                return
            after = hits[-1].sort

    def _body(self, after: Sequence[Any]) -> Body:
        body: Body = {
            "pit": {"id": self._pit, "keep_alive": KEEP_ALIVE},
            "size": PAGE_LETTERS,
            "query": {"bool": {"filter": self._filters}},
            "sort": [
                {"@timestamp": "asc"},
                # Those of one file in the order of the file.
                {"event.sequence": {"order": "asc", "unmapped_type": "long"}},
                {"_shard_doc": "asc"},
            ],
            "track_total_hits": False,
        }
        if after:
            body["search_after"] = list(after)
        return body

    def _page(self, body: Body) -> _Hits:
        answer = self._elastic.look_up("POST", WHOLE_SEARCH, body=body)
        if not answer.is_success:
            raise self._elastic.refusal(answer)
        return msgspec.json.decode(answer.body, type=_Page).hits


_OPEN: Body = undelivered_filter()


def knows_field(mapping: Mapping[str, Any], field: str) -> bool:
    """Tell whether a mapping has a field; the server nests what was dotted."""
    first, _, rest = field.partition(".")
    properties: dict[str, Any] = mapping.get("properties") or {}
    found = properties.get(first)
    return found is not None and (not rest or knows_field(found, rest))


def _naming(places: Collection[tuple[str, int]]) -> list[Body]:
    numbers = sorted({number for _, number in places})
    of_one: Body = {"terms": {"event.sequence": numbers}}
    of_many: Body = {"range": {"dead.event_count": {"gt": 1}}}
    return [
        {"terms": {"tailrace.generation": sorted({name for name, _ in places})}},
        {"bool": {"should": [of_one, of_many], "minimum_should_match": 1}},
    ]


def _named(dead_ids: Sequence[str]) -> Body:
    return {"terms": {"dead.id": list(dead_ids)}}


def _some(names: Sequence[_T]) -> Iterator[list[_T]]:
    rest = iter(names)
    while some := list(islice(rest, IDS_ASKED_MAX)):
        yield some


def _letters_of(hits: Sequence[_Hit]) -> Iterator[Letter]:
    """Yield the letters; documents that are none of ours are passed over."""
    for hit in hits:
        letter = read_letter(bytes(hit.source))
        if letter is not None:
            yield letter
