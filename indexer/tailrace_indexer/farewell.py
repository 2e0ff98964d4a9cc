"""Which generations are over: all their documents expired, their file gone and read to its end.

Pure. Their records in the ledger are replaced by tombstones, so that the ledger does not
grow for ever: it holds what is in the index, what is on a disk, and nothing else. A file
that comes back all the same is known by the tombstone of its state in the stream, for
`tailrace.topics.TOMBSTONE_MS`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from tailrace.ledger import (
    HoleAnswer,
    IndexerLedger,
    LedgerRecord,
    RetentionLedger,
    StreamLedger,
)
from tailrace.topics import DAY_MS
from tailrace.wire import AgentLedger

SILENT_MS: Final = 8 * DAY_MS
"""A day longer than `tailrace.raw` keeps a chunk: after it no hop can have more to say."""

OfGeneration = AgentLedger | StreamLedger | IndexerLedger | RetentionLedger | HoleAnswer


def keys_to_bury(
    generations: Collection[str],
    *,
    records: Mapping[bytes, LedgerRecord],
    now_ms: int,
) -> dict[bytes, str]:
    """Return the keys of those generations that are over, and whose each is.

    `generations` are those of which no index holds a document any more. One is over when
    its agent says that its file is closed, or no agent speaks of it, and all hops have
    been silent for `SILENT_MS`.
    """
    of_generation: dict[str, dict[bytes, OfGeneration]] = {}
    for key, record in records.items():
        if isinstance(record, OfGeneration) and record.generation in generations:
            of_generation.setdefault(record.generation, {})[key] = record
    return {
        key: generation
        for generation, words in of_generation.items()
        if _are_last(words.values(), now_ms=now_ms)
        for key in words
    }


def never_stored(
    records: Iterable[LedgerRecord], *, horizon_ms: int | None
) -> set[str]:
    """Return the generations of which retention took nothing, and will take nothing.

    All their events were dropped, or died, or there were none. Nothing marks their end, so
    that it is told by their age: what was read before `horizon_ms` would have expired. None
    means that nothing ever did.
    """
    if horizon_ms is None:
        return set()
    read_at_ms: dict[str, int] = {}
    taken: set[str] = set()
    for record in records:
        if isinstance(record, RetentionLedger):
            taken.add(record.generation)
            continue
        match record:
            case StreamLedger() | IndexerLedger():
                at_ms = record.observed_at_ms
            case AgentLedger() if record.next_event_number == 0:
                at_ms = record.updated_at_ms
            case _:
                continue
        known_ms = read_at_ms.get(record.generation, at_ms)
        read_at_ms[record.generation] = max(known_ms, at_ms)
    old = {name for name, at_ms in read_at_ms.items() if at_ms < horizon_ms}
    return old - taken


def _are_last(words: Iterable[OfGeneration], *, now_ms: int) -> bool:
    """Tell whether these are the last words of a generation."""
    # What retention says of it is no sign of life.
    signs = [word for word in words if not isinstance(word, RetentionLedger)]
    return bool(signs) and all(
        now_ms - sign.updated_at_ms > SILENT_MS
        and not (isinstance(sign, AgentLedger) and not sign.is_closed)
        for sign in signs
    )
