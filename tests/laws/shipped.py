"""Files as an agent ships them to stream workers, and what must come of them."""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import crc32c

from tailrace.identity import document_id
from tailrace.ledger import StreamLedger, decode_ledger
from tailrace.topics import DEAD, DOCS, LEDGER, RATES, STATE, partition_of
from tailrace.wire import DeadLetter, decode, encode
from tailrace_stream.records import Outgoing
from tailrace_stream.windows import GenerationState
from tests.laws.workers import Sending, Workers
from tests.stream.builders import BORN_AT_MS, origin, placement, stored_of
from tests.stream.test_worker import assert_told_is_all, expected_rates, rates_in

LEVELS = ("INFO", "WARN", "ERROR")
POISON_HEADER = b"{"
"""An origin that nobody can read."""


@dataclass(slots=True)
class ShippedFile:
    """One file, all of whose lines go to one partition."""

    generation: str
    partition: int
    lines: list[bytes] = field(default_factory=list[bytes])
    sent_counts: Counter[str] = field(default_factory=Counter[str])
    """How often each document must have been sent where no worker ends."""

    def grow(self, count: int, *, again: int = 0) -> Sending:
        """Return so many new lines as a chunk, and before them some that were sent."""
        first = len(self.lines) - again
        self.lines += [
            f"2026-11-24 01:{n % 9:02d}:03 {LEVELS[n % 3]} {self.generation[:6]} event"
            f" {n}\n".encode()
            for n in range(len(self.lines), len(self.lines) + count)
        ]
        value = b"".join(self.lines[first:])
        made = origin(
            value,
            first_offset=self._offset(first),
            placed=placement("log4j", dataset="java.log"),
            generation=self.generation,
            first_event_number=first,
        )
        self.sent_counts.update(self.ids[first:])
        return Sending(
            partition=self.partition,
            value=value,
            key=self.generation.encode(),
            header=encode(made),
        )

    @property
    def ids(self) -> list[str]:
        """Return the id of each line's document, told by nothing but the file."""
        return [
            document_id(
                generation=self.generation,
                born_at_ms=BORN_AT_MS,
                offset=self._offset(number),
                checksum=crc32c.crc32c(line[:-1]),
            )
            for number, line in enumerate(self.lines)
        ]

    @property
    def texts(self) -> dict[str, str]:
        """Return each line as its document must have it, by id."""
        texts = (line[:-1].decode() for line in self.lines)
        return dict(zip(self.ids, texts, strict=True))

    def _offset(self, number: int) -> int:
        return sum(map(len, self.lines[:number]))


@dataclass(slots=True)
class Shipment:
    """What one law has sent to the raw topic."""

    workers: Workers
    files: list[ShippedFile] = field(default_factory=list[ShippedFile])
    first: dict[int, int] = field(default_factory=dict[int, int])
    newest: dict[int, int] = field(default_factory=dict[int, int])
    """Offsets by partition."""

    def file(self, partition: int) -> ShippedFile:
        """Begin a file that belongs to a partition."""
        while partition_of((generation := secrets.token_hex(16)).encode()) != partition:
            pass
        self.files.append(ShippedFile(generation, partition))
        return self.files[-1]

    def send(self, *records: Sending, is_transaction: bool = False) -> None:
        """Send records in their order, each with a transaction of its own if so."""
        workers = self.workers
        for record in records:
            send = workers.send_in_transaction if is_transaction else workers.send
            offset = self.newest[record.partition] = send(record)
            self.first.setdefault(record.partition, offset)

    def is_committed(self) -> bool:
        """Tell whether the group is behind all that was sent."""
        return all(map(self.is_committed_to, self.newest))

    def is_committed_to(self, partition: int) -> bool:
        """Tell whether it is behind all that was sent to a partition."""
        return self.workers.committed().get(partition, 0) > self.newest[partition]

    def await_documents(self) -> None:
        """Return when each line is in a document, as often as it was sent at least."""
        expected = sum((file.sent_counts for file in self.files), Counter[str]())

        def is_sent() -> bool:
            found = sendings(self.workers.read(DOCS))
            return all(
                len(found.get(key, ())) >= count for key, count in expected.items()
            )

        self.workers.until(is_sent, what="all documents")

    def await_commit(self) -> None:
        self.workers.until(self.is_committed, what="the commit of all that was sent")

    def await_commit_elsewhere(self, partition: int) -> None:
        """Return when a later record is committed, and so all that may be before it.

        One commit names every partition that has come further; a record of which only a
        dead letter remains needs no other topic.
        """
        self.send(poison(partition))
        last = self.newest[partition]
        self.workers.until(
            lambda: self.workers.committed().get(partition, 0) > last,
            what="the commit of another partition",
        )

    def is_untouched(self, partition: int) -> bool:
        """Tell whether nothing that was sent to a partition is committed."""
        first = self.first[partition]
        return self.workers.committed().get(partition, first) <= first

    def assert_exact(self) -> None:
        """Every line is a document with its own id, and counts once wherever it counts."""
        found = sendings(self.workers.read(DOCS))
        texts = {key: text for file in self.files for key, text in file.texts.items()}
        assert {key: text_of(each[0]) for key, each in found.items()} == texts
        for each in found.values():
            assert all(other == each[0] for other in each)
        lines = [line for file in self.files for line in file.lines]
        assert rates_in(self.workers.read(RATES)) == expected_rates(lines)
        words, states = words_in(self.workers.read(LEDGER)), states_in(self.workers)
        for file in self.files:
            assert_told_is_all(words[file.generation][-1], file.lines)
            assert states[file.generation][-1].revision == len(file.lines)


def poison(partition: int, value: bytes = b"poison") -> Sending:
    """Return a record whose origin nobody can read."""
    return Sending(partition=partition, value=value, header=POISON_HEADER)


def sendings(docs: Iterable[Outgoing]) -> dict[str, list[dict[str, Any]]]:
    """Return the documents of each id, one for each time it was sent."""
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in docs:
        for one in stored_of(record.value):
            found[one.document_id].append(one.document)
    return dict(found)


def text_of(document: dict[str, Any]) -> str:
    return document.get("event.original", document["message"])


def words_in(ledger: Iterable[Outgoing]) -> dict[str, list[StreamLedger]]:
    """Return what the stream said of each generation, in the order it was said in."""
    words: defaultdict[str, list[StreamLedger]] = defaultdict(list)
    for record in ledger:
        word = decode_ledger(record.value)
        assert isinstance(word, StreamLedger)
        words[word.generation].append(word)
    return dict(words)


def states_in(workers: Workers) -> dict[str, list[GenerationState]]:
    """Return the states of each generation, in the order they were written in."""
    states: defaultdict[str, list[GenerationState]] = defaultdict(list)
    for record in workers.read(STATE):
        states[record.key.decode()].append(
            decode(record.value, as_type=GenerationState)
        )
    return dict(states)


def letters_in(workers: Workers) -> list[DeadLetter]:
    return [decode(r.value, as_type=DeadLetter) for r in workers.read(DEAD)]


def of_partition(records: Iterable[Outgoing], partition: int) -> list[Outgoing]:
    return [record for record in records if record.partition == partition]
