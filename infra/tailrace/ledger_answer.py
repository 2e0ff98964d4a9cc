"""What an answer of the ledger's index holds, and whether it is all there is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tailrace.answers import Document


class _Hit(msgspec.Struct, rename={"source": "_source"}):
    source: dict[str, Any] = {}


class _Total(msgspec.Struct):
    value: int = 0


class _Hits(msgspec.Struct):
    hits: list[_Hit] = []
    total: _Total | None = None


class _Shards(msgspec.Struct):
    failed: int = 0


class _Newest(msgspec.Struct):
    value: float | None = None


class _Present(msgspec.Struct):
    at: _Newest = msgspec.field(default_factory=_Newest)


class _Indexed(msgspec.Struct):
    present: _Present = msgspec.field(default_factory=_Present)


class _Aggregations(msgspec.Struct):
    indexed: _Indexed = msgspec.field(default_factory=_Indexed)


class LedgerAnswer(msgspec.Struct):
    """The answer to `completeness_body`, as far as it is looked at."""

    timed_out: bool = False
    shards: _Shards = msgspec.field(default_factory=_Shards, name="_shards")
    hits: _Hits = msgspec.field(default_factory=_Hits)
    aggregations: _Aggregations = msgspec.field(default_factory=_Aggregations)

    @property
    def documents(self) -> list[Document]:
        """The words that were found."""
        return [hit.source for hit in self.hits.hits]

    @property
    def is_cut_short(self) -> bool:
        """Whether a part of the index did not answer."""
        return self.timed_out or self.shards.failed > 0

    @property
    def is_partial(self) -> bool:
        """Whether there are more words than these."""
        total = self.hits.total.value if self.hits.total else 0
        return total > len(self.hits.hits) or self.is_cut_short

    @property
    def indexed_at_ms(self) -> int | None:
        """When the newest word of all was written; None where that is not known."""
        if self.is_cut_short:
            return None
        return int(self.aggregations.indexed.present.at.value or 0)


def read_answer(answer: Mapping[str, Any]) -> LedgerAnswer:
    """Read an answer; one of another shape counts as cut short. Never raises."""
    try:
        return msgspec.convert(answer, type=LedgerAnswer)
    except msgspec.ValidationError:
        return LedgerAnswer(timed_out=True)
