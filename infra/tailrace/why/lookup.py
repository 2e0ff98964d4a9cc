"""What Elasticsearch holds of a line, asked for by its place, its id, or its words."""

from __future__ import annotations

import binascii
import http
from base64 import b64decode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from tailrace.answers import Document, field
from tailrace.audit.line import is_stored_otherwise, original_line, read_id
from tailrace.elasticsearch import MISSING_IS_NONE, Answer, Elastic
from tailrace.framing import MappedEvent
from tailrace.index_templates import events_alias
from tailrace.query import SORT, Body
from tailrace.revised_indices import REVISED_BY, base_of, revision_of, standing_of
from tailrace.why.hops import Found, LinePlace, Made
from tailrace.why.letters import (
    COPIES_MAX,
    Hit,
    is_delivered,
    letter_text,
    letter_text_with_span,
    letters_at,
    letters_near,
    mended_text,
)
from tailrace.why.standing import StandingDocument, as_they_stand

MATCHES_MAX: Final = 500
"""Documents with the words of a line that are compared with it."""
WORDS_CHARACTERS_MAX: Final = 2_000
"""Of a longer line the beginning is looked for; the whole is then compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One stored document of the line that was asked about."""

    index: str
    document_id: str
    document: Document

    @property
    def place(self) -> LinePlace:
        """Where its event stands, with its bytes where text and id tell them."""
        number, offset = field(self.document, "event.sequence"), 0
        found = field(self.document, "log.offset")
        if isinstance(found, int):
            offset = found
        text = written_line(self.document).encode("utf-8", "surrogatepass")
        return LinePlace(
            generation=str(field(self.document, "tailrace.generation") or ""),
            offset=offset,
            line=text,
            event_number=number if isinstance(number, int) else None,
            event=self._event(offset, text),
        )

    def _event(self, offset: int, text: bytes) -> MappedEvent | None:
        parts = read_id(self.document_id)
        if parts is None or is_stored_otherwise(self.document):
            return None
        original = original_line(self.document, checksum=parts.checksum)
        if original is None:
            return None
        return MappedEvent(offset, len(original), parts.checksum, text)


def written_line(document: Document) -> str:
    """Return the line as it was written, as far as it is text."""
    original = field(document, "event.original")
    text = original if isinstance(original, str) else field(document, "message")
    return text if isinstance(text, str) else ""


def holds(document: Document, line: str) -> bool:
    """Return whether a document's event is a line, or has it as one of its own.

    On a terminal of UTF-8, bytes that are none come in as surrogates; of such an event the
    document holds the bytes beside the text.
    """
    encoded = field(document, "tailrace.original_base64")
    wanted = line.encode("utf-8", "surrogateescape")
    if isinstance(encoded, str):
        try:
            written = b64decode(encoded, validate=True)
        except binascii.Error:
            return False
    else:
        written = written_line(document).encode("utf-8", "surrogatepass")
    if written == wanted:
        return True
    return any(one.removesuffix(b"\r") == wanted for one in written.split(b"\n"))


class Lookup:
    """Asks one namespace, for lines by words those of some hosts alone where they are named."""

    def __init__(
        self, elastic: Elastic, *, namespace: str, host_names: Collection[str] = ()
    ) -> None:
        self._elastic = elastic
        self._host_names = sorted(host_names)
        self._events = events_alias(namespace)
        self._dead = f"{namespace}-dead-*"

    def lines(self, line: str) -> list[Match]:
        """Return the stored documents of exactly this line, the newest first.

        Of an event of several lines, each of them is it.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        # As the stream makes text of bytes that are none.
        text = line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        words = text[:WORDS_CHARACTERS_MAX]
        body: Body = {
            "size": MATCHES_MAX,
            "sort": [{"_score": "desc"}, *SORT],
            "track_total_hits": False,
            "query": {
                "bool": {
                    "minimum_should_match": 1,
                    "filter": self._of_hosts(),
                    "should": [
                        {"match_phrase": {"message": {"query": words, "boost": 10}}},
                        {"match": {"message": {"query": words}}},
                    ],
                }
            },
        }
        matches = [
            Match(index=hit["_index"], document_id=hit["_id"], document=hit["_source"])
            for hit in self._hits(self._events, body)
        ]
        same = [each for each in matches if holds(each.document, line)]
        return sorted(
            same,
            key=lambda each: str(field(each.document, "@timestamp")),
            reverse=True,
        )

    def found(
        self, place: LinePlace, *, made: Made | None, end_number: int | None = None
    ) -> Found:
        """Return what is stored of a place, and what is dead.

        Before `end_number` the number of its event lies, where that is known.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        where: Body = {
            "bool": {
                "filter": [
                    {"term": {"tailrace.generation": {"value": place.generation}}},
                    {"term": {"log.offset": {"value": place.offset}}},
                ]
            }
        }
        body: Body = {"size": COPIES_MAX, "query": where}
        stored = self._standing(body)
        documents = [each.name for each in stored]
        computed = f"{made.index}/{made.document_id}" if made else ""
        there = self._there(made) if made else None
        is_there = there is not None
        if there and not _is_among(documents, made) and not self._is_hidden(*there):
            # Stored, and not yet found by searches.
            documents.append(computed)
        letters = letters_at(self._dead_hits, place)
        perhaps: list[Hit] = []
        if place.event_number is None and not documents and not letters:
            letters, perhaps = self._letters_around(place, end_number=end_number)
        return Found(
            documents=documents,
            dead=tuple(letter_text(hit) for hit in letters if not is_delivered(hit)),
            perhaps_dead=tuple(
                letter_text_with_span(hit) for hit in perhaps if not is_delivered(hit)
            ),
            delivered=tuple(mended_text(hit) for hit in letters if is_delivered(hit)),
            altered=tuple(each.altered for each in stored if each.altered),
            is_where_computed=is_there,
        )

    def _letters_around(
        self, place: LinePlace, *, end_number: int | None
    ) -> tuple[list[Hit], list[Hit]]:
        """Return the letters that a place stands in, and those that it may stand in."""
        near = letters_near(self._dead_hits, place)
        if near is None:
            return [], []
        before, after = self.numbers_around(place.generation, offset=place.offset)
        return near.parted(before=before, ends=(after, end_number))

    def _dead_hits(self, body: Body) -> list[Hit]:
        return self._hits(self._dead, body)

    def event_offsets(self, generation: str, *, first: int, last: int) -> list[int]:
        """Return where documents begin from byte `first` to `last` of a generation.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        where: Body = {
            "bool": {
                "filter": [
                    {"term": {"tailrace.generation": {"value": generation}}},
                    {"range": {"log.offset": {"gte": first, "lte": last}}},
                ]
            }
        }
        body: Body = {
            "size": MATCHES_MAX,
            "query": where,
            "_source": False,
            "fields": ["log.offset"],
            "sort": [{"log.offset": "asc"}],
        }
        return [
            int(hit["fields"]["log.offset"][0])
            for hit in self._hits(self._events, body)
        ]

    def numbers_around(self, generation: str, *, offset: int) -> tuple[int, int | None]:
        """Return the event numbers of the documents before and after a place.

        -1 where none is before, None where none is after.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        before = self._number_beside(generation, {"lt": offset}, order="desc")
        after = self._number_beside(generation, {"gt": offset}, order="asc")
        return (-1 if before is None else before), after

    def _number_beside(
        self, generation: str, offsets: Body, *, order: str
    ) -> int | None:
        where: Body = {
            "bool": {
                "filter": [
                    {"term": {"tailrace.generation": {"value": generation}}},
                    {"range": {"log.offset": offsets}},
                    {"range": {"event.sequence": {"gte": 0}}},
                ]
            }
        }
        body: Body = {
            "size": 1,
            "query": where,
            "_source": False,
            "fields": ["event.sequence"],
            "sort": [{"log.offset": order}],
        }
        for hit in self._hits(self._events, body):
            return int(hit["fields"]["event.sequence"][0])
        return None

    def stored_offsets(
        self, generation: str, *, offsets: Collection[int]
    ) -> frozenset[int]:
        """Return at which of these places of a generation a document is.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        stored: set[int] = set()
        asked = sorted(offsets)
        for start in range(0, len(asked), MATCHES_MAX):
            part = asked[start : start + MATCHES_MAX]
            where: Body = {
                "bool": {
                    "filter": [
                        {"term": {"tailrace.generation": {"value": generation}}},
                        {"terms": {"log.offset": part}},
                    ]
                }
            }
            # Some may be there twice.
            body: Body = {
                "size": 2 * MATCHES_MAX,
                "query": where,
                "_source": False,
                "fields": ["log.offset"],
            }
            stored.update(
                int(hit["fields"]["log.offset"][0])
                for hit in self._hits(self._events, body)
            )
        return frozenset(stored)

    def event_number(self, document: str) -> int | None:
        """Return the event number of a document named `<index>/<_id>`, if it has one.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached.
        """
        index, _, document_id = document.partition("/")
        path = f"/{quote(index)}/_source/{quote(document_id)}"
        answer = self._elastic.request("GET", path)
        if not answer.is_success:
            return None
        number = field(answer.json(), "event.sequence")
        return number if isinstance(number, int) else None

    def _of_hosts(self) -> list[Body]:
        names = self._host_names
        return [{"terms": {"host.name": names}}] if names else []

    def _there(self, made: Made) -> tuple[str, Document] | None:
        """Return what is under the index and `_id` of a line, as far as replays go."""
        if not made.document_id:
            return None
        path = f"/{quote(made.index)}/_doc/{quote(made.document_id)}"
        answer = self._elastic.request("GET", f"{path}?_source_includes={REVISED_BY}")
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return None
        if not answer.is_success:
            raise self._elastic.refusal(answer)
        return made.index, self._elastic.decoded(answer).get("_source") or {}

    def _is_hidden(self, index: str, document: Document) -> bool:
        """Tell whether a replay has put another in its place, so that no search finds it.

        That other one was searchable before this one was hidden: it is not there any more.
        """
        revision = field(document, REVISED_BY)
        if revision is None:
            return False
        told = self._elastic.ask("GET", f"/{quote(index)}/_alias")
        hiding = standing_of(told, alias=self._events).hiding
        return revision in hiding.get(index, frozenset())

    def _standing(self, body: Body) -> list[StandingDocument]:
        answer = self._answer(self._events, body)
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return []
        if not answer.is_success:
            raise self._elastic.refusal(answer)
        return as_they_stand(answer.body)

    def _answer(self, index: str, body: Body) -> Answer:
        return self._elastic.look_up(
            "POST",
            f"/{quote(index, safe=',*')}/_search{MISSING_IS_NONE}",
            body=body,
        )

    def _hits(self, index: str, body: Body) -> list[Hit]:
        answer = self._answer(index, body)
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return []
        hits: list[Hit] = self._elastic.decoded(answer)["hits"]["hits"]
        return hits


def _is_among(documents: Sequence[str], made: Made | None) -> bool:
    """Tell whether a document, or the one that a replay put in its place, is found."""
    named = (each.rpartition("/") for each in documents)
    return made is not None and any(
        (base_of(index), document_id) == (made.index, made.document_id)
        or (revision_of(index) > 0 and document_id == made.document_id)
        for index, _, document_id in named
    )
