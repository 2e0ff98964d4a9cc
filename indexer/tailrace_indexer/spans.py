"""Which events a docs record tells of, and what its generation's ledger may say of them.

A generation's records are told of only once the commit may pass them: everything before is
stored then, and "every event below this number" is true. What is told never falls in one
ownership: a span that is sent again with lower numbers says nothing new.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from tailrace.kafka_consumer import Partition
from tailrace.ledger import IndexerLedger

TOLD_GENERATIONS_MAX = 10_000
"""By partition; of one that is forgotten a lower figure may be told again, and whoever
reads takes the greatest revision."""


class Span(msgspec.Struct, frozen=True):
    """What the header of a docs record says; an absent field makes it tell nothing.

    The fields are those of `tailrace.wire.DocumentsOrigin` that are needed here, and no
    others, so that reading them costs about a microsecond a record.
    """

    generation: str = ""
    agent_id: str = ""
    host_name: str = ""
    path: str = ""
    next_offset: int = 0
    first_offset: int = -1
    first_event_number: int = -1
    event_count: int = 0
    document_count: int = -1
    observed_at_ms: int = 0
    is_repeat: bool = False

    @property
    def next_event_number(self) -> int:
        """Return the number of the first event after the span."""
        return self.first_event_number + self.event_count

    @property
    def is_telling(self) -> bool:
        """Whether it names events of a generation, and for the first time.

        One that fills a hole was told of before, maybe by an indexer that is gone; told
        again it could only say less, and that would be the newest of its key.
        """
        is_counted = self.event_count > 0 and self.first_event_number >= 0
        return bool(self.generation) and is_counted and not self.is_repeat


_decoder = msgspec.json.Decoder(Span)
NOTHING_TOLD = Span()


def span_of(header: bytes | None) -> Span:
    """Return what a header says; one that is missing or unreadable says nothing."""
    if header is None:
        return NOTHING_TOLD
    try:
        return _decoder.decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NOTHING_TOLD


@dataclass(slots=True)
class _Bucket:
    """Spans of records that follow one another, none of them open but the first.

    A record that has no span is in no bucket: it is not a generation's that is told of.
    """

    offset: int
    spans: dict[str, Span]


@dataclass(slots=True)
class Spans:
    """The spans that were read from one partition in one ownership, and not yet told.

    Bounded by the records that are open: what stands between two of them is merged.
    """

    _ahead: list[_Bucket] = field(default_factory=list["_Bucket"])
    """Not passed by the commit yet, ascending."""
    _untold: dict[str, Span] = field(default_factory=dict[str, Span])
    """Passed, and not acknowledged by Kafka in a ledger record."""
    _told: dict[str, tuple[int, int]] = field(
        default_factory=dict[str, tuple[int, int]]
    )

    @property
    def kept_count(self) -> int:
        """How many spans are in memory, told ones included."""
        ahead = sum(len(bucket.spans) for bucket in self._ahead)
        return ahead + len(self._untold) + len(self._told)

    def note(self, offset: int, span: Span) -> None:
        """Note a record that was read; offsets ascend."""
        self._ahead.append(_Bucket(offset, {span.generation: span}))

    def pass_to(self, next_offset: int, *, is_open: Callable[[int], bool]) -> None:
        """Let the commit's prefix end at `next_offset`, and merge what is behind it."""
        ahead: list[_Bucket] = []
        for bucket in self._ahead:
            if bucket.offset < next_offset:
                _merge(self._untold, bucket.spans)
            elif not ahead or is_open(bucket.offset):
                ahead.append(bucket)
            else:
                _merge(ahead[-1].spans, bucket.spans)
        self._ahead = ahead

    def records(
        self, partition: Partition, *, next_offset: int, now_ms: int
    ) -> list[IndexerLedger]:
        """Return one record for each generation of which there is news."""
        return [
            IndexerLedger(
                generation=generation,
                revision=span.next_event_number,
                agent_id=span.agent_id,
                host_name=span.host_name,
                path=span.path,
                next_offset=span.next_offset,
                next_event_number=span.next_event_number,
                observed_at_ms=span.observed_at_ms,
                docs_partition=partition.number,
                docs_next_offset=next_offset,
                updated_at_ms=now_ms,
            )
            for generation, span in self._untold.items()
            if self._is_news(span)
        ]

    def told(self) -> None:
        """Note that Kafka has acknowledged what `records` returned."""
        for generation, span in self._untold.items():
            if self._is_news(span):
                self._told.pop(generation, None)
                self._told[generation] = (span.next_event_number, span.next_offset)
        self._untold.clear()
        while len(self._told) > TOLD_GENERATIONS_MAX:
            del self._told[next(iter(self._told))]

    def _is_news(self, span: Span) -> bool:
        event_number, offset = self._told.get(span.generation, (-1, -1))
        return span.next_event_number > event_number or (
            span.next_event_number == event_number and span.next_offset > offset
        )


def _merge(into: dict[str, Span], spans: dict[str, Span]) -> None:
    for generation, span in spans.items():
        before = into.get(generation)
        into[generation] = span if before is None else _greatest(before, span)


def _greatest(one: Span, other: Span) -> Span:
    """Return what both say together, in the words of the one that reaches further."""
    first, last = sorted((one, other), key=lambda span: span.next_event_number)
    return msgspec.structs.replace(
        last,
        next_offset=max(first.next_offset, last.next_offset),
        observed_at_ms=max(first.observed_at_ms, last.observed_at_ms),
    )
