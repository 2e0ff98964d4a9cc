"""Lines for which a parser raises, as a fault in a parser would make it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from tailrace.wire import Placement
from tailrace_stream import chunk as chunk_module
from tailrace_stream.own.parser import OwnParsers

POISON = b"POISON"


def poison_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every parser raise for text that holds `POISON`, until the test ends."""
    parse = chunk_module.parse

    def raising(
        text: pl.Series,
        *,
        stored: Sequence[bytes],
        placement: Placement,
        own: OwnParsers,
    ) -> pl.DataFrame:
        if text.str.contains(POISON.decode(), literal=True).any():
            raise ValueError("poisoned")
        return parse(text, stored=stored, placement=placement, own=own)

    monkeypatch.setattr(chunk_module, "parse", raising)
