"""Doubles of what the indexer stands on, each named for what it does.

`MemoryKafka` and `MemoryElasticsearch` obey the laws in `tests/laws`, which run on the real
ones, too; the others misbehave in one stated way.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from tailrace import wire
from tailrace.elasticsearch import Answer
from tailrace.kafka_consumer import Gap, Partition, Polled, Record
from tailrace.ledger import IndexerLedger
from tailrace_indexer.bulk import Bulk
from tailrace_indexer.contracts import BulkLost, Finished, IndexAnswered
from tailrace_indexer.outcomes import STORED, Outcome, Reason, Verdict
from tailrace_indexer.sink import answered


@dataclass(slots=True)
class ManualClock:
    """A clock that stands until it is told."""

    at_ms: int = 1_795_480_000_000

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> int:
        return self.at_ms

    def sleep_ms(self, wait_ms: int) -> None:
        self.at_ms += wait_ms


@dataclass(slots=True)
class MemoryKafka:
    """Partitions, one group with its commits, and members that share them."""

    partitions: Sequence[Partition]
    records: dict[Partition, list[Record]] = field(
        default_factory=dict[Partition, list[Record]]
    )
    oldest: dict[Partition, int] = field(default_factory=dict[Partition, int])
    commits: dict[Partition, int] = field(default_factory=dict[Partition, int])
    members: list[MemoryMember] = field(default_factory=list["MemoryMember"])

    def write(
        self,
        partition: Partition,
        value: bytes | None,
        *,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        held = self.records.setdefault(partition, [])
        offset = self.oldest.get(partition, 0) + len(held)
        held.append(Record(partition, offset, b"key", value, headers))
        return offset

    def delete_before(self, partition: Partition, offset: int) -> None:
        """Do as retention does."""
        first = self.oldest.get(partition, 0)
        self.records[partition] = self.records[partition][offset - first :]
        self.oldest[partition] = offset

    def join(self) -> MemoryMember:
        member = MemoryMember(self)
        self.members.append(member)
        self._share()
        return member

    def leave(self, member: MemoryMember) -> None:
        self.members.remove(member)
        member.take_away(member.owned)
        self._share()

    def _share(self) -> None:
        for number, member in enumerate(self.members):
            wanted = set(self.partitions[number :: len(self.members)])
            member.take_away(set(self.partitions) - wanted)
        for number, member in enumerate(self.members):
            member.give(set(self.partitions[number :: len(self.members)]))


@dataclass(slots=True)
class MemoryMember:
    """One consumer of the group."""

    kafka: MemoryKafka
    records_max: int = 3
    owned: set[Partition] = field(default_factory=set[Partition])
    positions: dict[Partition, int] = field(default_factory=dict[Partition, int])
    paused: set[Partition] = field(default_factory=set[Partition])
    polls: int = 0
    _lost: set[Partition] = field(default_factory=set[Partition])
    _gained: set[Partition] = field(default_factory=set[Partition])

    def take_away(self, partitions: set[Partition]) -> None:
        lost = self.owned & partitions
        self.owned -= lost
        self.paused -= lost
        self._lost |= lost
        self._gained -= lost

    def give(self, partitions: set[Partition]) -> None:
        # As eager rebalancing does, what stays is lost and gained again, too.
        self._lost |= self.owned & partitions
        self._gained |= partitions
        self.owned |= partitions
        for partition in partitions:
            oldest = self.kafka.oldest.get(partition, 0)
            self.positions[partition] = self.kafka.commits.get(partition, oldest)

    def poll(self, *, wait_ms_max: int) -> Polled:
        del wait_ms_max
        self.polls += 1
        lost, gained = frozenset(self._lost), frozenset(self._gained)
        self._lost.clear()
        self._gained.clear()
        records: list[Record] = []
        gaps: list[Gap] = []
        for partition in sorted(self.owned - self.paused):
            oldest = self.kafka.oldest.get(partition, 0)
            position = self.positions[partition]
            if position < oldest:
                gaps.append(Gap(partition, position, oldest))
                self.positions[partition] = oldest
                continue
            held = self.kafka.records.get(partition, [])[position - oldest :]
            taken = held[: self.records_max - len(records)]
            records.extend(taken)
            self.positions[partition] += len(taken)
        return Polled(records, lost, gained, gaps)

    def commit(self, next_offsets: Mapping[Partition, int]) -> bool:
        if not set(next_offsets) <= self.owned:
            return False
        self.kafka.commits.update(next_offsets)
        return True

    def pause(self, partitions: Sequence[Partition]) -> None:
        self.paused |= set(partitions) & self.owned

    def resume(self, partitions: Sequence[Partition]) -> None:
        self.paused -= set(partitions)


@dataclass(slots=True)
class MemoryElasticsearch:
    """Indices, documents by id, blocks; answers `_bulk` as Elasticsearch does."""

    indices: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=dict[str, dict[str, dict[str, Any]]]
    )
    blocked: set[str] = field(default_factory=set[str])
    requests: int = 0

    def bulk(self, body: bytes) -> Answer:
        self.requests += 1
        lines = body.split(b"\n")
        items: list[dict[str, Any]] = []
        for number in range(0, len(lines) - 1, 2):
            try:
                action = json.loads(lines[number])
            except ValueError:
                return _error(400, "illegal_argument_exception", "Malformed action")
            ((verb, where),) = action.items()
            status, error = self._store(verb, where, lines[number + 1])
            item: dict[str, Any] = {"status": status}
            if error is not None:
                item["error"] = error
            items.append({verb: item})
        if not items:
            return _error(400, "parse_exception", "request body is required")
        has_errors = any("error" in next(iter(item.values())) for item in items)
        answer = {"errors": has_errors, "items": items}
        return Answer(200, json.dumps(answer, separators=(",", ":")).encode())

    def create_index(self, name: str) -> None:
        self.indices.setdefault(name, {})

    def block(self, name: str) -> None:
        self.blocked.add(name)

    def unblock(self, name: str) -> None:
        self.blocked.discard(name)

    def documents(self, name: str) -> dict[str, dict[str, Any]]:
        return self.indices[name]

    def _store(
        self, verb: str, where: dict[str, Any], line: bytes
    ) -> tuple[int, dict[str, str] | None]:
        name = where["_index"]
        if name not in self.indices:
            return 404, _reason("index_not_found_exception", f"no such index [{name}]")
        if name in self.blocked:
            return 403, _reason(
                "cluster_block_exception", f"index [{name}] blocked by: [write (api)]"
            )
        try:
            document = cast("dict[str, Any]", json.loads(line))
        except ValueError:
            return 400, _reason("document_parsing_exception", "failed to parse")
        if "host" in document:
            return 400, _reason("document_parsing_exception", "[host] as object")
        held = self.indices[name].get(where["_id"])
        if verb == "create" and held is not None:
            return 409, _reason("version_conflict_engine_exception", "exists")
        version = where.get("version", 1)
        if verb == "index" and held is not None and held["version"] > version:
            return 409, _reason("version_conflict_engine_exception", "older")
        self.indices[name][where["_id"]] = {"version": version, **document}
        return (201 if held is None else 200), None


def _reason(kind: str, text: str) -> dict[str, str]:
    return {"type": kind, "reason": text}


def _error(status: int, kind: str, text: str) -> Answer:
    body = {"error": _reason(kind, text), "status": status}
    return Answer(status, json.dumps(body).encode())


@dataclass(slots=True)
class ImmediateSink:
    """Sends to the memory's Elasticsearch at once; answers when asked."""

    elasticsearch: MemoryElasticsearch
    answers: deque[Finished] = field(default_factory=deque[Finished])
    bulks: list[Bulk] = field(default_factory=list[Bulk])
    makes_indices: bool = True

    def submit(self, bulk: Bulk) -> None:
        self.bulks.append(bulk)
        self.answers.append(self._answer(bulk))

    def submit_index(self, index: str) -> None:
        if not self.makes_indices:
            verdict = Verdict(Outcome.HOLD, Reason.UNAUTHORIZED, "no right to make it")
            self.answers.append(IndexAnswered(index, verdict))
            return
        self.elasticsearch.create_index(index)
        self.answers.append(IndexAnswered(index, STORED))

    def finished(self, *, wait_ms_max: int) -> Sequence[Finished]:
        del wait_ms_max
        taken = list(self.answers)
        self.answers.clear()
        return taken

    def _answer(self, bulk: Bulk) -> Finished:
        return answered(bulk, self.elasticsearch.bulk(bulk.body()), took_ms=10)


@dataclass(slots=True)
class SilentSink(ImmediateSink):
    """Stores, and never answers."""

    def finished(self, *, wait_ms_max: int) -> Sequence[Finished]:
        del wait_ms_max
        return ()


@dataclass(slots=True)
class TimingOutAfterStoringSink(ImmediateSink):
    """Stores the first bulks, and loses the answers."""

    answers_lost: int = 1

    def _answer(self, bulk: Bulk) -> Finished:
        finished = answered(bulk, self.elasticsearch.bulk(bulk.body()), took_ms=10)
        if self.answers_lost:
            self.answers_lost -= 1
            verdict = Verdict(Outcome.RETRY, Reason.TIMED_OUT, "no answer within 60 s")
            return BulkLost(bulk, verdict)
        return finished


@dataclass(slots=True)
class RefusingSink(ImmediateSink):
    """Answers whole requests with `status` as long as `refuses` says so."""

    status: int = 429
    kind: str = "es_rejected_execution_exception"
    refuses: Callable[[Bulk], bool] = lambda _bulk: True

    def _answer(self, bulk: Bulk) -> Finished:
        if self.refuses(bulk):
            return answered(bulk, _error(self.status, self.kind, "no"), took_ms=10)
        return answered(bulk, self.elasticsearch.bulk(bulk.body()), took_ms=10)


@dataclass(slots=True)
class BackpressuredSink(ImmediateSink):
    """Rejects each second document of the first bulks with 429, as a full queue does."""

    bulks_rejected: int = 2

    def _answer(self, bulk: Bulk) -> Finished:
        if not self.bulks_rejected:
            return answered(bulk, self.elasticsearch.bulk(bulk.body()), took_ms=10)
        self.bulks_rejected -= 1
        lines = bulk.body().split(b"\n")
        items: list[dict[str, Any]] = []
        for number in range(0, len(lines) - 1, 2):
            if number % 4:
                rejected = _reason("es_rejected_execution_exception", "queue full")
                items.append({"create": {"status": 429, "error": rejected}})
                continue
            pair = b"\n".join([*lines[number : number + 2], b""])
            answer = self.elasticsearch.bulk(pair).json()
            items.append(answer["items"][0])
        body = json.dumps({"errors": True, "items": items}).encode()
        return answered(bulk, Answer(200, body), took_ms=10)


@dataclass(slots=True)
class MemoryDeadLetters:
    """Keeps dead letters; refuses as often as told first."""

    refusals_left: int = 0
    letters: list[wire.DeadLetter] = field(default_factory=list[wire.DeadLetter])

    def write(self, letters: Sequence[wire.DeadLetter]) -> bool:
        if self.refusals_left:
            self.refusals_left -= 1
            return False
        self.letters.extend(letters)
        return True


@dataclass(slots=True)
class MemoryLedger:
    """Keeps ledger records in order; refuses as often as told first."""

    refusals_left: int = 0
    records: list[IndexerLedger] = field(default_factory=list[IndexerLedger])
    writings: int = 0

    def write(self, records: Sequence[IndexerLedger]) -> bool:
        self.writings += 1
        if self.refusals_left:
            self.refusals_left -= 1
            return False
        self.records.extend(records)
        return True

    def concluded(self) -> dict[str, IndexerLedger]:
        """Return what a reader concludes: of each generation the greatest revision."""
        newest: dict[str, IndexerLedger] = {}
        for record in self.records:
            known = newest.get(record.generation)
            if known is None or record.revision >= known.revision:
                newest[record.generation] = record
        return newest
