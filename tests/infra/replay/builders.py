"""Documents made anew, and who holds the former ones: an index and an alias in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from tailrace.dead.letters import Letter, read_fields
from tailrace.dead.plan import Plan
from tailrace.dead.retry import Retried
from tailrace.digest import is_unaltered, with_digest
from tailrace.errors import CommandFailed
from tailrace.floors import NO_FLOORS, Floors
from tailrace.replay.compare import Version
from tailrace.replay.contracts import Place
from tailrace.replay.made import MadeDead, MadeDocument, Remade
from tailrace.replay.marked import marked_source
from tailrace.replay.publish import Publishing
from tailrace.replay.run import Done, Replaying
from tailrace.replay.tally import Tally
from tailrace.revised_indices import REVISED_BY, Standing, standing_of
from tests.infra.dead.builders import NO_FIELDS

NAMESPACE = "t"
ALIAS = "t-events"
GENERATION = "0123456789abcdef0123456789abcdef"
DAY = "t-app-2026.11.24"
NEXT_DAY = "t-app-2026.11.25"


def made(
    number: int,
    *,
    index: str = DAY,
    generation: str = GENERATION,
    more: Mapping[str, object] = NO_FIELDS,
    **fields: object,
) -> MadeDocument:
    """Return an event's document, with its digest, as the stream makes it."""
    source = {
        "@timestamp": "2026-11-24T01:02:03.456789Z",
        "message": f"line {number}",
        **fields,
        **more,
        "event.sequence": number,
        "event.dataset": "app",
        "event.created": "2026-11-24T02:00:00.000Z",
        "log.offset": 10 * number,
        "tailrace.generation": generation,
    }
    return MadeDocument(
        index=index,
        document_id=f"{generation[:4]}-{number}",
        number=number,
        offset=10 * number,
        source=with_digest(orjson.dumps(source)),
    )


def remade(
    *documents: MadeDocument,
    generation: str = GENERATION,
    dead: Sequence[MadeDead] = (),
    **facts: Any,  # noqa: ANN401 - whatever a record may say
) -> Remade:
    """Return what becomes of one raw record."""
    told: dict[str, Any] = {
        "partition": 3,
        "offset": 7,
        "agent_id": "agent-1",
        "host_name": "web1",
        "path": "/var/log/app.log",
        "dataset": "app",
        **facts,
    }
    return Remade(generation=generation, documents=documents, dead=tuple(dead), **told)


@dataclass(slots=True)
class _Held:
    source: bytes
    sequence_number: int


@dataclass(slots=True)
class MemoryRevisions:
    """Indices and an alias with filters, as the real one has them; every step is told.

    Both faces of it: what searches find, and what a replay writes.
    """

    indices: dict[str, dict[str, _Held]] = field(
        default_factory=dict[str, dict[str, _Held]]
    )
    aliases: dict[str, Any] = field(default_factory=dict[str, Any])
    """By index the filter behind the alias, None where there is none."""
    letter_list: list[Letter] = field(default_factory=list[Letter])
    after_each: Callable[[], None] = lambda: None
    refuses: Callable[[MadeDocument], bool] = lambda _made: False
    swap_count: int = 0
    write_count: int = 0
    _sequence: int = 0

    def store(self, *documents: MadeDocument) -> None:
        """Index documents as the indexer does: created, so that what is there stays."""
        for each in documents:
            held = self.indices.setdefault(each.index, {})
            self.aliases.setdefault(each.index, None)
            held.setdefault(each.document_id, self._held(each.source))

    def visible(self) -> Iterator[tuple[str, str, bytes]]:
        """Yield index, `_id` and source of what a search finds."""
        for index, held in self.indices.items():
            if index not in self.aliases:
                continue
            hidden = standing_of(
                {index: {"aliases": {ALIAS: self._alias(index)}}}, alias=ALIAS
            ).hiding[index]
            for document_id, each in held.items():
                if orjson.loads(each.source).get(REVISED_BY) not in hidden:
                    yield index, document_id, each.source

    def seen(self) -> Counter[str]:
        """Return how often each event is found."""
        return Counter(document_id for _, document_id, _ in self.visible())

    def messages(self) -> dict[str, Any]:
        """Return the field `user` of each event that is found."""
        return {
            document_id: orjson.loads(source).get("user")
            for _, document_id, source in self.visible()
        }

    # What a replay asks.

    def refresh(self) -> None:
        """Find everything at once anyway."""

    def versions(
        self, document_ids: Collection[str]
    ) -> Mapping[str, Sequence[Version]]:
        found: dict[str, list[Version]] = {}
        for index, document_id, source in self.visible():
            if document_id in document_ids:
                held = self.indices[index][document_id]
                version = Version(
                    index=index,
                    document_id=document_id,
                    fields=read_fields(source) or {},
                    sequence_number=held.sequence_number,
                    primary_term=1,
                    is_unaltered=is_unaltered(source),
                )
                found.setdefault(document_id, []).append(version)
        return found

    def hidden(self, document_ids: Collection[str]) -> Collection[str]:
        return {
            document_id
            for held in self.indices.values()
            for document_id, each in held.items()
            if document_id in document_ids and REVISED_BY in orjson.loads(each.source)
        }

    def letters(self, places: Collection[Place]) -> Mapping[Place, Sequence[Letter]]:
        found: dict[Place, list[Letter]] = {}
        for letter in self.letter_list:
            first = letter.event_number
            for number in range(first, first + max(letter.event_count, 1)):
                if (letter.generation, number) in places:
                    place = (letter.generation, number)
                    found.setdefault(place, []).append(letter)
        return found

    def count(self, generation: str, numbers: range) -> int:
        documents = (orjson.loads(source) for _, _, source in self.visible())
        return sum(
            each["tailrace.generation"] == generation
            and each["event.sequence"] in numbers
            for each in documents
        )

    # What a replay writes.

    def standing(self) -> Standing:
        told = {
            index: {
                "aliases": {ALIAS: self._alias(index)} if index in self.aliases else {}
            }
            for index in self.indices
        }
        return standing_of(told, alias=ALIAS)

    def greatest_mark(self) -> int:
        return max(
            (orjson.loads(s).get(REVISED_BY, 0) for _, _, s in self.visible()),
            default=0,
        )

    def drop(self, index: str) -> None:
        assert index not in self.aliases, "what is seen is never dropped"
        self.indices.pop(index, None)
        self._wrote()

    def make(self, index: str) -> None:
        assert index not in self.indices
        self.indices[index] = {}
        self._wrote()

    def prepare(self, index: str) -> None:
        assert index in self.indices
        self._wrote()

    def create(
        self, documents: Sequence[tuple[str, MadeDocument]]
    ) -> Mapping[str, str]:
        refused: dict[str, str] = {}
        for index, each in documents:
            if self.refuses(each):
                refused[each.document_id] = "document_parsing_exception: no"
            else:
                held = self._held(each.source)
                self.indices[index].setdefault(each.document_id, held)
            self._wrote()
        return refused

    def mark(self, formers: Sequence[Version], *, revision: int) -> None:
        for each in formers:
            held = self.indices[each.index][each.document_id]
            if held.sequence_number != each.sequence_number:
                raise CommandFailed("It was altered.", remedy="run it again")
            source = marked_source(each, revision=revision)
            self.indices[each.index][each.document_id] = self._held(source)
            self._wrote()

    def count_in(self, indices: Collection[str]) -> int:
        return sum(len(self.indices[index]) for index in indices)

    def count_marked(self, indices: Collection[str], *, revision: int) -> int:
        return sum(
            orjson.loads(held.source).get(REVISED_BY) == revision
            for index in indices
            for held in self.indices[index].values()
        )

    def swap(self, actions: Sequence[dict[str, Any]]) -> None:
        for action in actions:
            told = action["add"]
            assert told["index"] in self.indices
            assert told["alias"] == ALIAS
            self.aliases[told["index"]] = told.get("filter")
        self.swap_count += 1
        self._wrote()

    def _alias(self, index: str) -> dict[str, Any]:
        found = self.aliases[index]
        return {} if found is None else {"filter": found}

    def _held(self, source: bytes) -> _Held:
        self._sequence += 1
        return _Held(source, self._sequence)

    def _wrote(self) -> None:
        self.write_count += 1
        self.after_each()


@dataclass(slots=True)
class ListedLetters:
    """Notes what it is to send, and stores it at once."""

    memory: MemoryRevisions
    planned: list[Plan] = field(default_factory=list[Plan])

    def send(self, planned: Plan) -> Retried:
        self.planned.append(planned)
        return Retried(
            stored=[each.dead_id for each in planned.resends],
            sent_count=len(planned.resends),
        )


def shadow(
    memory: MemoryRevisions, *records: Remade, samples_max: int = 5
) -> tuple[Tally, Done]:
    """Compare and write nothing."""
    tally = Tally(samples_max=samples_max)
    return tally, Replaying(stored=memory, tally=tally).run(records)


def publish(
    memory: MemoryRevisions,
    *records: Remade,
    floors: Floors = NO_FLOORS,
    is_alone: Callable[[], bool] = lambda: True,
    letters: ListedLetters | None = None,
) -> tuple[Tally, Done]:
    """Compare, and publish what changed."""
    tally = Tally(samples_max=5)
    publishing = Publishing(
        revisions=memory,
        alias=ALIAS,
        namespace=NAMESPACE,
        read_floors=lambda: floors,
        is_alone=is_alone,
    )
    replaying = Replaying(
        stored=memory,
        tally=tally,
        publishing=publishing,
        letters=letters or ListedLetters(memory),
    )
    return tally, replaying.run(records)
