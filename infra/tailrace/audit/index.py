"""What Elasticsearch really holds, asked for in a point in time after a refresh."""

from __future__ import annotations

import http
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import orjson

from tailrace.audit import line
from tailrace.audit.bodies import (
    DOCUMENTS_PAGE,
    EVENT_COUNT,
    KEEP_ALIVE,
    LETTERS_PAGE,
    NUMBERS_PAGE,
    RENEW_MS,
    SEQUENCE,
    Hit,
    HitsAnswer,
    IndicesAnswer,
    WindowsAnswer,
    generations_body,
    generations_filter,
    holding_body,
    named_body,
    numbers_body,
    numbers_filter,
    renewing_body,
    senders_body,
    undelivered_filter,
    unnumbered_body,
    unreached_body,
    windows_body,
)
from tailrace.audit.repeats import HOSTS_MAX, Senders, SendersAnswer
from tailrace.audit.sources import (
    SnapshotLost,
    StoredDocument,
    StoredLetter,
    StoredPlace,
    Unnumbered,
    Unreached,
)
from tailrace.audit.tally import Numbers
from tailrace.audit.windows import EXACT_MAX, Sums, WindowSum
from tailrace.clock import Clock
from tailrace.elasticsearch import WHOLE_SEARCH, Elastic
from tailrace.index_templates import events_alias
from tailrace.ledger import INDEX_EXPIRED
from tailrace.point_in_time import point_in_time, refresh
from tailrace.query import Body
from tailrace.shut_indices import require_open

COPIES_MAX = 20
"""Documents of one number that are named."""
RESULTS_MAX = 10_000
_ANY_NUMBER: Body = {"range": {SEQUENCE: {"gte": 0, "lt": EXACT_MAX}}}

AnswerT = TypeVar("AnswerT")


class ElasticIndex:
    """The events and the dead letters of one namespace."""

    def __init__(
        self, elastic: Elastic, *, namespace: str, window_events: int, clock: Clock
    ) -> None:
        self._elastic = elastic
        self._namespace = namespace
        self._window_events = window_events
        self._clock = clock

    @contextmanager
    def snapshot(self) -> Generator[ElasticSnapshot, None, None]:
        """Show all that is written by now.

        Raises:
            IndexShut: an index is closed or blocked: what is in it would seem missing.
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        require_open(self._elastic, namespace=self._namespace)
        events, dead = events_alias(self._namespace), f"{self._namespace}-dead-*"
        refresh(self._elastic, f"{events},{dead}", clock=self._clock)
        # Dead letters first: one that is retried is stored before it is marked.
        with (
            point_in_time(self._elastic, dead, keep_alive=KEEP_ALIVE) as dead_pit,
            point_in_time(self._elastic, events, keep_alive=KEEP_ALIVE) as events_pit,
        ):
            yield ElasticSnapshot(
                self._elastic,
                events_pit=events_pit,
                dead_pit=dead_pit,
                window_events=self._window_events,
                clock=self._clock,
            )


class ElasticSnapshot:
    """The documents of one moment."""

    def __init__(
        self,
        elastic: Elastic,
        *,
        events_pit: str,
        dead_pit: str,
        window_events: int,
        clock: Clock,
    ) -> None:
        self._elastic = elastic
        self._events_pit = events_pit
        self._dead_pit = dead_pit
        self._window_events = window_events
        self._clock = clock
        self._asked_ms = dict.fromkeys((events_pit, dead_pit), clock.monotonic_ms())

    def holding(self, indices: Collection[str]) -> frozenset[str]:
        """Return those of these indices that hold something.

        Raises:
            SnapshotLost: an index of it is gone.
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        if not indices:
            return frozenset()
        body = holding_body(self._events_pit, indices)
        return self._search(body, as_type=IndicesAnswer).names

    def sums(self, generations: Collection[str] | None) -> dict[str, Sums]:
        """Return the sums of every generation, or of those that are named.

        Raises:
            SnapshotLost: an index of it is gone.
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        filters: list[Body] = []
        if generations is not None:
            filters.append(generations_filter(generations))
        stored: dict[str, dict[int, WindowSum]] = {}
        dead: dict[str, dict[int, WindowSum]] = {}
        for generation, window, found in self._windows(filters, is_dead=False):
            stored.setdefault(generation, {})[window] = found
        for generation, window, found in self._windows(filters, is_dead=True):
            dead.setdefault(generation, {})[window] = found
        return {
            generation: Sums(
                stored=stored.get(generation, {}), dead=dead.get(generation, {})
            )
            for generation in stored | dead
        }

    def _windows(
        self, filters: Sequence[Body], *, is_dead: bool
    ) -> Iterator[tuple[str, int, WindowSum]]:
        after: dict[str, Any] | None = None
        pit = self._dead_pit if is_dead else self._events_pit
        wanted = [*filters, _ANY_NUMBER]
        if is_dead:
            wanted.append(undelivered_filter())
        while True:
            body = windows_body(
                pit,
                filters=wanted,
                window_events=self._window_events,
                is_dead=is_dead,
                after=after,
            )
            answer = self._search(body, as_type=WindowsAnswer)
            yield from answer.sums(window_events=self._window_events)
            after = answer.after
            if after is None:
                return

    def numbers(self, generation: str, *, spans: Sequence[range]) -> Numbers:
        """Return every number in the spans, and maybe others, stored and dead.

        Raises:
            SnapshotLost: an index of it is gone.
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        numbers = Numbers.of_windows(self._window_events)
        filters = [generations_filter([generation])]
        wanted = [*filters, numbers_filter(spans)]
        for hit in self._hits(self._events_pit, filters=wanted, size=NUMBERS_PAGE):
            numbers.stored.add(hit.number(SEQUENCE))
        # A dead letter of many events begins before the span that it reaches into.
        within = range(
            min(span.start for span in spans), max(span.stop for span in spans)
        )
        wanted = [*filters, _ANY_NUMBER]
        for hit in self._hits(self._dead_pit, filters=wanted, size=NUMBERS_PAGE):
            first, count = hit.number(SEQUENCE), hit.number(EVENT_COUNT, 1)
            numbers.note_letter(hit.index, hit.id, dead_id=hit.dead_id, number=first)
            if hit.is_delivered:
                numbers.delivered.add_span(first, count=count, within=within)
                continue
            numbers.dead.add_span(first, count=count, within=within)
            if hit.dead_reason == INDEX_EXPIRED:
                numbers.late.add_span(first, count=count, within=within)
        return numbers.without_delivered()

    def places(
        self, generation: str, *, numbers: Collection[int]
    ) -> Sequence[StoredPlace]:
        """Return where the stored documents of these numbers lie.

        Raises:
            SnapshotLost: an index of it is gone.
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        if not numbers:
            return ()
        body = named_body(
            self._events_pit,
            filters=[generations_filter([generation])],
            numbers=numbers,
            size=min(COPIES_MAX * len(numbers), RESULTS_MAX),
        )
        return [_place(hit) for hit in self._search(body, as_type=HitsAnswer).hits.hits]

    def unnumbered(self) -> Unnumbered:
        """Return the event documents that have no number, or no generation.

        Raises:
            SnapshotLost: an index of it is gone.
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        return self._unnumbered(self._events_pit)

    def unnamed_letters(self) -> int:
        """Return how many dead letters name no event, and so are in no sum.

        Raises:
            SnapshotLost: an index of it is gone.
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        return self._unnumbered(self._dead_pit).count

    def _unnumbered(self, pit: str) -> Unnumbered:
        answer = orjson.loads(self._answer(unnumbered_body(pit)))["hits"]
        named = tuple(f"{hit['_index']}/{hit['_id']}" for hit in answer["hits"])
        return Unnumbered(count=int(answer["total"]["value"]), named=named)

    def ambiguous(self) -> dict[str, int]:
        """Return by index how many generations too many its event documents bear.

        Raises:
            SnapshotLost: an index of it is gone.
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        body = generations_body(self._events_pit)
        return self._search(body, as_type=IndicesAnswer).surplus()

    def unreached(self) -> Unreached:
        """Return the event documents of numbers that no file ever reaches.

        Raises:
            SnapshotLost: an index of it is gone.
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        found = self._search(unreached_body(self._events_pit), as_type=HitsAnswer).hits
        return Unreached(
            count=found.total.value,
            named=tuple((h.number(SEQUENCE), f"{h.index}/{h.id}") for h in found.hits),
        )

    def senders(self, hosts: Collection[str]) -> Senders:
        """Return, by host, which agents first sent its event documents, and when.

        Raises:
            SnapshotLost: an index of it is gone.
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        names, found = sorted(hosts), dict[str, Mapping[str, int]]()
        for first in range(0, len(names), HOSTS_MAX):
            body = senders_body(self._events_pit, names[first : first + HOSTS_MAX])
            found |= self._search(body, as_type=SendersAnswer).senders
        return found

    def documents(
        self, generations: Collection[str] | None
    ) -> Iterator[StoredDocument]:
        """Yield every document with a number: of all generations, or of those named.

        Raises:
            SnapshotLost: an index of it is gone.
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        filters = [_ANY_NUMBER]
        if generations is not None:
            filters.append(generations_filter(generations))
        hits = self._hits(
            self._events_pit,
            filters=filters,
            size=DOCUMENTS_PAGE,
            with_source=True,
        )
        for hit in hits:
            yield StoredDocument(
                index=hit.index,
                document_id=hit.id,
                generation=hit.generation,
                number=hit.number(SEQUENCE),
                source=hit.source,
            )

    def letters(self) -> Iterator[StoredLetter]:
        """Yield every dead letter.

        Raises:
            SnapshotLost: an index of it is gone.
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        for hit in self._hits(
            self._dead_pit, filters=(), size=LETTERS_PAGE, with_source=True
        ):
            yield StoredLetter(index=hit.index, document_id=hit.id, source=hit.source)

    def _hits(
        self,
        pit: str,
        *,
        filters: Sequence[Body],
        size: int,
        with_source: bool = False,
    ) -> Iterator[Hit]:
        after: Sequence[Any] = ()
        while True:
            body = numbers_body(
                pit, filters=filters, after=after, size=size, with_source=with_source
            )
            hits = self._search(body, as_type=HitsAnswer).hits.hits
            yield from hits
            if len(hits) < size:
                return
            after = hits[-1].sort

    def _search(self, body: Body, *, as_type: type[AnswerT]) -> AnswerT:
        answer = self._answer(body)
        self._asked_ms[body["pit"]["id"]] = now_ms = self._clock.monotonic_ms()
        for pit, asked_ms in self._asked_ms.items():
            # Millions of documents take longer than what nobody asks for is kept.
            if now_ms - asked_ms >= RENEW_MS:
                self._answer(renewing_body(pit))
                self._asked_ms[pit] = now_ms
        return msgspec.json.decode(answer, type=as_type)

    def _answer(self, body: Body) -> bytes:
        # A shard that does not answer must not pass for one that holds nothing.
        answer = self._elastic.look_up("POST", WHOLE_SEARCH, body=body)
        if answer.status == http.HTTPStatus.NOT_FOUND:
            raise SnapshotLost
        if not answer.is_success:
            raise self._elastic.refusal(answer)
        return answer.body


def _place(hit: Hit) -> StoredPlace:
    document = orjson.loads(bytes(hit.source))
    offset = line.field(document, "log.offset")
    return StoredPlace(
        number=hit.number(SEQUENCE),
        document=f"{hit.index}/{hit.id}",
        offset=offset if isinstance(offset, int) else -1,
        size_bytes=line.size_bytes(document, document_id=hit.id),
        newline_bytes=line.newline_bytes(document, document_id=hit.id),
        path=str(line.field(document, "log.file.path") or ""),
        host_name=str(line.field(document, "host.name") or ""),
    )
