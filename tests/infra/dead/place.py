"""A bench on which documents die, and a person who retries their letters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from tailrace.dead.fixes import Fix
from tailrace.dead.letters import Letter
from tailrace.dead.plan import Resend
from tailrace.dead.retry import Name, Retried, Retrying
from tailrace.kafka_consumer import Partition
from tailrace.wire import ORIGIN_HEADER
from tests.indexer.builders import DOCS, NAMESPACE, Bench
from tests.infra.dead.builders import bulk_lines, indexed, values


class Killed(Exception):
    """The retry's process is gone."""


@dataclass(slots=True)
class KillsAt:
    """Kills at the given pass of a place, once."""

    name: str
    passes_left: int = 1

    def pass_(self, name: str) -> None:
        if name == self.name:
            self.passes_left -= 1
            if self.passes_left == 0:
                raise Killed


@dataclass(slots=True)
class BenchStored:
    """The bench's index as a search sees it, and marks by dead id."""

    bench: Bench
    marks: dict[str, str] = field(default_factory=dict[str, str])

    def prepare(self) -> None:
        """Have nothing to prepare."""

    def stored(self, names: Collection[Name]) -> set[Name]:
        held = self.bench.elasticsearch.indices
        return {(index, name) for index, name in names if name in held.get(index, {})}

    def mark(self, dead_ids: Collection[str], *, fix: str, at_ms: int) -> None:
        assert at_ms == self.bench.clock.at_ms
        self.marks |= dict.fromkeys(dead_ids, fix)

    def delivered(self, generation: str, *, numbers: Collection[int]) -> list[Letter]:
        found = {
            each.dead_id: replace(each, fix=self.marks[each.dead_id] or None)
            for each in map(indexed, self.bench.dead_letters.letters)
            if each.dead_id in self.marks
            and each.generation == generation
            and each.event_number in numbers
        }
        return list(found.values())

    def reopen(self, dead_ids: Collection[str]) -> None:
        for dead_id in dead_ids:
            del self.marks[dead_id]


@dataclass(slots=True)
class BenchDocuments:
    """The bench's topic, and its indexer, which works while it is waited for."""

    bench: Bench
    sent: list[Resend] = field(default_factory=list[Resend])
    too_large_bytes: int = 10_000
    is_indexer_away: bool = False
    _letters_before: int = 0

    def send(self, resends: Sequence[Resend]) -> Mapping[str, str]:
        self._letters_before = len(self.bench.dead_letters.letters)
        large = {e.dead_id for e in resends if len(e.value) > self.too_large_bytes}
        for each in resends:
            if each.dead_id not in large:
                self.sent.append(each)
                self.bench.kafka.write(
                    Partition(DOCS.topic, each.partition),
                    each.value,
                    key=each.key,
                    headers=[(ORIGIN_HEADER, each.header)],
                )
        return dict.fromkeys(large, "too large")

    def passed(self, *, wait_ms_max: int) -> frozenset[int]:
        if self.is_indexer_away:
            self.bench.clock.at_ms += wait_ms_max
            return frozenset()
        self.bench.run()
        return frozenset({0})

    def refused(self) -> Mapping[str, str]:
        came = self.bench.dead_letters.letters[self._letters_before :]
        return {letter.dead_id: letter.detail for letter in came}


class Place:
    """An indexer that refuses what its mapping does not take, and a person who retries."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.takes_words = False
        self.bench.elasticsearch.conflicts = self._has_conflict
        self.stored = BenchStored(self.bench)
        self.documents = BenchDocuments(self.bench)

    def _has_conflict(self, line: bytes) -> bool:
        return not self.takes_words and "user.id" in values(line)

    def write(self, *originals: bytes) -> list[Letter]:
        """Index documents, and return the letters of those that died."""
        for original in originals:
            self.bench.kafka.write(DOCS, original)
        self.bench.run()
        self.bench.delivery.commit()
        return self.letters()

    def letters(self) -> list[Letter]:
        """Return the letters that are not marked, as their index shows them."""
        found = [indexed(each) for each in self.bench.dead_letters.letters]
        return [each for each in found if each.dead_id not in self.stored.marks]

    def retry(
        self, fix: Fix | None = None, *, letters: Sequence[Letter] | None = None
    ) -> Retried:
        chosen = self.letters() if letters is None else letters
        return self.retrying().retry(chosen, fix_of=lambda _letter: fix)

    def retrying(self) -> Retrying:
        return Retrying(
            stored=self.stored,
            documents=self.documents,
            clock=self.bench.clock,
            namespace=NAMESPACE,
            wait_ms_max=1_000,
            tell=lambda _text: None,
        )

    def lines(self) -> list[str]:
        return self.bench.stored()


def users(count: int, *, prefix: str = "u-") -> list[bytes]:
    return [
        bulk_lines(f"user {n}", offset=10 * n, fields={"user.id": f"{prefix}{n}"})
        for n in range(count)
    ]
