"""Records of a foreign topic, and the documents and dead letters that become of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tailrace.wire import Origin, decode, header_of
from tailrace_stream.chunk import DeadEvent, process_chunk
from tailrace_stream.enrich.enrichment import NO_ENRICHMENT, Enrichment
from tailrace_stream.foreign.chunks import Batch, batch_of
from tailrace_stream.foreign.config import ForeignSettings
from tailrace_stream.records import Outgoing, RawRecord
from tailrace_stream.redact.redaction import NO_REDACTION, Redaction
from tests.stream.builders import NAMESPACE, Stored, stored_of

TOPIC = "foreign.logs"
TOPIC_ID = "k3t1oQ5uRmyPzCwTtq8w2A"
AT_MS = 1_795_500_000_123  # 2026-11-24T06:00:00.123Z
DAY_MS = 86_400_000
TODAY_MS = AT_MS // DAY_MS * DAY_MS
PARTITION = 4


def foreign_record(
    value: bytes | None, *, offset: int = 0, at_ms: int = AT_MS
) -> RawRecord:
    return RawRecord(
        topic=TOPIC,
        partition=PARTITION,
        offset=offset,
        key=None,
        value=value,
        headers=(),
        appended_at_ms=at_ms,
    )


def batch(
    records: Iterable[RawRecord],
    *,
    source: ForeignSettings | None = None,
    topic_id: str = TOPIC_ID,
    today_ms: int = TODAY_MS,
) -> Batch:
    return batch_of(
        records,
        topic_id=topic_id,
        source=source or ForeignSettings(topic=TOPIC),
        today_ms=today_ms,
        now_ms=AT_MS,
    )


@dataclass
class Made:
    """All that becomes of some records."""

    stored: list[Stored] = field(default_factory=list[Stored])
    dead: list[DeadEvent] = field(default_factory=list[DeadEvent])

    @property
    def places(self) -> dict[str, str]:
        """Index by id: what makes two documents the same one."""
        return {one.document_id: one.index for one in self.stored}


def made_of(
    found: Batch,
    *,
    redaction: Redaction = NO_REDACTION,
    enrichment: Enrichment = NO_ENRICHMENT,
) -> Made:
    made = Made()
    for chunk in found.chunks:
        _add(made, chunk.value, chunk.origin, redaction, enrichment)
    return made


def made_of_sent(sent: Sequence[Outgoing]) -> Made:
    made = Made()
    for one in sent:
        header = header_of(one.headers)
        if header is not None and one.value:
            _add(made, one.value, decode(header, as_type=Origin))
    return made


def _add(
    made: Made,
    value: bytes,
    origin: Origin,
    redaction: Redaction = NO_REDACTION,
    enrichment: Enrichment = NO_ENRICHMENT,
) -> None:
    processed = process_chunk(
        value,
        origin=origin,
        namespace=NAMESPACE,
        redaction=redaction,
        enrichment=enrichment,
    )
    assert processed.event_count == origin.event_count
    for piece in processed.pieces:
        made.stored += stored_of(piece.body)
    made.dead += processed.dead
