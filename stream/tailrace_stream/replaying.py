"""What the stream makes of a raw record that is read again: values for who compares them.

It is the very function that a worker calls, so what is shown is what would be sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from tailrace.floors import Floors
from tailrace.replay.made import MadeDead, MadeDocument, Remade
from tailrace.wire import DeadLetter, Origin
from tailrace_stream.chunk import ProcessedChunk
from tailrace_stream.enrich.enrichment import Enrichment
from tailrace_stream.guard.guard import Guard
from tailrace_stream.intake import FOREIGN_AGENT, Chunk, read_record
from tailrace_stream.own.parser import OwnParsers
from tailrace_stream.records import RawRecord
from tailrace_stream.redact.redaction import Redaction
from tailrace_stream.shaping.fates import Ruling
from tailrace_stream.shaping.rules import NO_RULES, Rules
from tailrace_stream.work import Parsed, parse_record

DETAIL_CHARACTERS_MAX: Final = 2_000


class _Create(msgspec.Struct, rename={"index": "_index", "id": "_id"}):
    index: str
    id: str


class _Action(msgspec.Struct):
    create: _Create


class _Place(msgspec.Struct):
    number: int = msgspec.field(name="event.sequence")
    offset: int = msgspec.field(name="log.offset")


_action = msgspec.json.Decoder(_Action)
_place = msgspec.json.Decoder(_Place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaking:
    """The present pipeline, as one installation has it."""

    topic_id: str
    namespace: str
    floors: Floors
    own: OwnParsers
    enrichment: Enrichment
    redaction: Redaction
    """What workers hide is hidden again: a replay publishes nothing that they would not."""
    guard: Guard
    rules: Rules = NO_RULES
    """They leave out nothing of what is made: what was stored is compared all the same."""
    takes: Callable[[Origin], bool]
    """Whether a chunk is meant."""

    def remake(self, record: RawRecord, *, now_ms: int) -> Remade | None:
        """Return all that becomes of a record; None where it is not meant, or empty."""
        read = read_record(record, topic_id=self.topic_id, died_at_ms=now_ms)
        if read is None:
            return None
        if isinstance(read, DeadLetter):
            return Remade(
                partition=record.partition, offset=record.offset, is_unreadable=True
            )
        if not self.takes(read.origin):
            return None
        parsed = parse_record(
            record,
            topic_id=self.topic_id,
            namespace=self.namespace,
            now_ms=now_ms,
            floors=self.floors,
            own=self.own,
            enrichment=self.enrichment,
            redaction=self.redaction,
            guard=self.guard,
            rule=lambda _origin: (Ruling(((0, self.rules),), keeps_all=True), ()),
        )
        return _remade(read, parsed)


def _remade(chunk: Chunk, parsed: Parsed) -> Remade:
    origin, processed = chunk.origin, parsed.processed
    dead: list[MadeDead] = []
    dropped: tuple[range, ...] = ()
    first = origin.first_event_number
    of_all = range(first, first + origin.event_count)
    if origin.dropped_reason and processed is None:
        dropped = (of_all,)
    elif processed is None:
        letter = parsed.dead
        dead.append(
            MadeDead(
                numbers=of_all,
                reason=letter.reason if letter else origin.dead_reason,
                detail=letter.detail if letter else "its agent could not send it",
            )
        )
    else:
        dead += [
            MadeDead(
                numbers=range(first + each.position, first + each.position + 1),
                reason=each.reason,
                detail=each.detail[:DETAIL_CHARACTERS_MAX],
            )
            for each in processed.dead
        ]
    return Remade(
        partition=parsed.record.partition,
        offset=parsed.record.offset,
        generation=origin.generation,
        agent_id=origin.agent_id,
        host_name=origin.host_name,
        path=origin.path,
        dataset=origin.placement.dataset,
        observed_at_ms=origin.observed_at_ms,
        is_foreign=origin.agent_id == FOREIGN_AGENT,
        documents=_documents(processed, first_number=first) if processed else (),
        dead=tuple(dead),
        dropped=dropped,
        expired_count=len(processed.expired_positions) if processed else 0,
    )


def _documents(
    processed: ProcessedChunk, *, first_number: int
) -> tuple[MadeDocument, ...]:
    left = processed.left_out
    numbers = (left.positions + first_number).tolist()
    left_out_by = dict(zip(numbers, left.reasons, strict=True))
    found: list[MadeDocument] = []
    for piece in processed.pieces:
        lines = piece.body.split(b"\n")
        for at in range(0, len(lines) - 1, 2):
            create = _action.decode(lines[at]).create
            place = _place.decode(lines[at + 1])
            found.append(
                MadeDocument(
                    index=create.index,
                    document_id=create.id,
                    number=place.number,
                    offset=place.offset,
                    source=lines[at + 1],
                    left_out_by=left_out_by.get(place.number, ""),
                )
            )
    return tuple(found)
