"""Which generations are over: all their documents expired, their file gone and read to its end.

Pure. Their records in the ledger are replaced by tombstones, so that the ledger does not
grow for ever: it holds what is in the index, what is on a disk, and nothing else.
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


def _are_last(words: Iterable[OfGeneration], *, now_ms: int) -> bool:
    """Tell whether these are the last words of a generation."""
    # What retention says of it is no sign of life.
    signs = [word for word in words if not isinstance(word, RetentionLedger)]
    return bool(signs) and all(
        now_ms - sign.updated_at_ms > SILENT_MS
        and not (isinstance(sign, AgentLedger) and not sign.is_closed)
        for sign in signs
    )
