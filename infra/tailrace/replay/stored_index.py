"""What is stored of events, asked for behind the alias as any search asks."""

from __future__ import annotations

import http
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from tailrace.clock import Clock
from tailrace.dead.index import LetterIndex
from tailrace.dead.letters import Letter, read_fields
from tailrace.digest import is_unaltered
from tailrace.elasticsearch import Elastic
from tailrace.index_templates import events_alias
from tailrace.point_in_time import refresh
from tailrace.query import Body
from tailrace.replay.compare import Version
from tailrace.replay.contracts import Place
from tailrace.revised_indices import REVISED_BY

RESULTS_MAX: Final = 10_000
"""Elasticsearch's own `index.max_result_window`."""
COPIES_MAX: Final = 10
"""Documents of one `_id` that are looked for: more than one is a fault of its own."""
WHOLE: Final = "_search?allow_partial_search_results=false"
"""What a shard that does not answer holds must not pass for what is not stored."""


class _Hit(
    msgspec.Struct,
    rename={
        "index": "_index",
        "id": "_id",
        "source": "_source",
        "sequence_number": "_seq_no",
        "primary_term": "_primary_term",
    },
):
    index: str
    id: str
    sequence_number: int
    primary_term: int
    source: msgspec.Raw = msgspec.Raw(b"{}")


class _Hits(msgspec.Struct):
    hits: list[_Hit] = []


class _Page(msgspec.Struct):
    hits: _Hits = msgspec.field(default_factory=_Hits)


class StoredEvents:
    """The events and the dead letters of one namespace."""

    def __init__(
        self, elastic: Elastic, *, letters: LetterIndex, namespace: str, clock: Clock
    ) -> None:
        self._elastic = elastic
        self._letters = letters
        self._events = events_alias(namespace)
        self._dead = f"{namespace}-dead-*"
        self._indices = f"{namespace}-*-*"
        self._clock = clock

    def refresh(self) -> None:
        """Let all be found that is written by now.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        refresh(self._elastic, f"{self._events},{self._dead}", clock=self._clock)

    def versions(
        self, document_ids: Collection[str]
    ) -> Mapping[str, Sequence[Version]]:
        """Return by `_id` every document behind the alias.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        names = sorted(set(document_ids))
        body: Body = {
            "size": min(COPIES_MAX * len(names), RESULTS_MAX),
            "query": {"terms": {"_id": names}},
            "seq_no_primary_term": True,
            "track_total_hits": False,
        }
        path = f"/{quote(self._events)}/{WHOLE}"
        answer = self._elastic.look_up("POST", path, body=body)
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return {}  # Nothing was ever indexed.
        if not answer.is_success:
            raise self._elastic.refusal(answer)
        found: dict[str, list[Version]] = {}
        for hit in msgspec.json.decode(answer.body, type=_Page).hits.hits:
            version = Version(
                index=hit.index,
                document_id=hit.id,
                fields=read_fields(hit.source) or {},
                sequence_number=hit.sequence_number,
                primary_term=hit.primary_term,
                is_unaltered=is_unaltered(bytes(hit.source)),
            )
            found.setdefault(hit.id, []).append(version)
        for each in found.values():
            each.sort(key=lambda version: version.index)
        return found

    def hidden(self, document_ids: Collection[str]) -> Collection[str]:
        """Return those of which a version is there that was marked as replaced.

        Past the alias; of what a search does not find, the mark is in force.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        names = sorted(set(document_ids))
        if not names:
            return ()
        filters: list[Body] = [
            {"terms": {"_id": names}},
            {"exists": {"field": REVISED_BY}},
        ]
        body: Body = {
            "size": min(COPIES_MAX * len(names), RESULTS_MAX),
            "query": {"bool": {"filter": filters}},
            "seq_no_primary_term": True,
            "_source": False,
            "track_total_hits": False,
        }
        path = f"/{quote(self._indices)}/{WHOLE}"
        answer = self._elastic.look_up("POST", path, body=body)
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return ()
        if not answer.is_success:
            raise self._elastic.refusal(answer)
        hits = msgspec.json.decode(answer.body, type=_Page).hits.hits
        return {hit.id for hit in hits}

    def letters(self, places: Collection[Place]) -> Mapping[Place, Sequence[Letter]]:
        """Return the letters that name events, those that are not delivered.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        found: dict[Place, list[Letter]] = {}
        if not places:
            return found
        with self._letters.open_letters(places=places) as letters:
            named = list(letters)
        wanted = {
            generation: sorted(number for name, number in places if name == generation)
            for generation in {name for name, _ in places}
        }
        for letter in named:
            first, count = letter.event_number, max(letter.event_count, 1)
            for number in wanted.get(letter.generation, ()):
                if first <= number < first + count:
                    found.setdefault((letter.generation, number), []).append(letter)
        return found

    def count(self, generation: str, numbers: range) -> int:
        """Return how many documents of these event numbers are found.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        span = {"gte": numbers.start, "lt": numbers.stop}
        filters: list[Body] = [
            {"term": {"tailrace.generation": {"value": generation}}},
            {"range": {"event.sequence": span}},
        ]
        return self._elastic.count(self._events, query={"bool": {"filter": filters}})
