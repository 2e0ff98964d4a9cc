"""Doubles of what the indexer stands on, each named for what it does.

Kafka and Elasticsearch in memory are those of `tests/support/fakes`; what is here stands
on them and misbehaves in one stated way.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace import wire
from tailrace.elasticsearch import Answer
from tailrace.ledger import IndexerLedger
from tailrace_indexer.bulk import Bulk
from tailrace_indexer.contracts import BulkLost, Finished, IndexAnswered
from tailrace_indexer.outcomes import STORED, Outcome, Reason, Verdict
from tailrace_indexer.pieces import document_lines
from tailrace_indexer.sink import answered
from tests.support.fakes.elasticsearch import (
    MemoryElasticsearch,
    error_answer,
    reason,
)
from tests.support.standing_clock import StandingClock


@dataclass(slots=True)
class ManualClock(StandingClock):
    """A clock that stands until it is told, at a time of today."""

    at_ms: int = 1_795_480_000_000


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
class ExpiredSink(ImmediateSink):
    """Makes no index again whose name begins so: it is below its floor, and gone."""

    expired: str = ""

    def submit_index(self, index: str) -> None:
        if not index.startswith(self.expired):
            ImmediateSink.submit_index(self, index)
            return
        verdict = Verdict(Outcome.DEAD_LETTER, Reason.INDEX_EXPIRED, "taken away")
        self.answers.append(IndexAnswered(index, verdict))


@dataclass(slots=True)
class SilentSink(ImmediateSink):
    """Stores, and never answers a bulk."""

    def finished(self, *, wait_ms_max: int) -> Sequence[Finished]:
        taken = ImmediateSink.finished(self, wait_ms_max=wait_ms_max)
        return [answer for answer in taken if isinstance(answer, IndexAnswered)]


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
            return answered(
                bulk, error_answer(self.status, self.kind, "no"), took_ms=10
            )
        return answered(bulk, self.elasticsearch.bulk(bulk.body()), took_ms=10)


@dataclass(slots=True)
class ShardLimitSink(ImmediateSink):
    """Rejects a whole bulk by items where one document of it is beyond a shard's limit."""

    limit_bytes: int = 100_000

    def _answer(self, bulk: Bulk) -> Finished:
        bodies = [body for piece in bulk.pieces for body in document_lines(piece.body)]
        largest = max(map(len, bodies))
        if largest <= self.limit_bytes:
            return answered(bulk, self.elasticsearch.bulk(bulk.body()), took_ms=10)
        rejected = reason(
            "es_rejected_execution_exception",
            f"Request contains an operation of size [{largest}] bytes, which exceeds"
            f" the maximum allowed limit of [{self.limit_bytes}] bytes",
        )
        items = [{"create": {"status": 429, "error": rejected}} for _body in bodies]
        body = json.dumps({"errors": True, "items": items}).encode()
        return answered(bulk, Answer(200, body), took_ms=10)


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
                rejected = reason("es_rejected_execution_exception", "queue full")
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
