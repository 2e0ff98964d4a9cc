"""Parsers as a user would write them, and the fields that they find."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec
import polars as pl

from tailrace_stream.config import StreamSettings
from tailrace_stream.own.build import own_parsers
from tailrace_stream.own.parser import OwnParser, OwnParsers
from tailrace_stream.parsers.columns import ATTRIBUTES, GUESSED, MATCHED, TIME_NS
from tests.stream.builders import SEEN_AT_MS

DATASET = "shop.checkout"


def parsers_of(text: str) -> OwnParsers:
    """Return the parsers of a table `[[parsers]]`, as in `[stream]`."""
    return own_parsers(StreamSettings(**tomllib.loads(text)).parsers)


def parser_of(*patterns: dict[str, object], **settings: object) -> OwnParser:
    """Return a parser of these patterns."""
    given = {"dataset": DATASET, "patterns": list(patterns), **settings}
    made = StreamSettings.model_validate({"parsers": [given]})
    return own_parsers(made.parsers)[DATASET]


def found(
    parser: OwnParser, *lines: str, time_zone: str = "UTC"
) -> list[dict[str, Any]]:
    """Return what each line says: its fields, and its attributes under that name.

    A line that no pattern takes says nothing at all, `{}` apart from its absence.
    """
    frame = parser.parse(
        pl.Series(lines, dtype=pl.String), time_zone=time_zone, anchor_ms=SEEN_AT_MS
    )
    assert frame.height == len(lines)
    rows: list[dict[str, Any]] = []
    for row in frame.to_dicts():
        said = {name: value for name, value in row.items() if value is not None}
        is_matched, is_guessed = said.pop(MATCHED), said.pop(GUESSED)
        attributes = said.pop(ATTRIBUTES, None)
        if attributes is not None:
            said["attributes"] = msgspec.json.decode(attributes)
        if TIME_NS in said:
            said["time"] = said.pop(TIME_NS)
            said["guessed"] = is_guessed
        assert is_matched or not said
        rows.append(said if is_matched else {"unmatched": True})
    return rows


def only(parser: OwnParser, line: str, **options: str) -> dict[str, Any]:
    """Return what one line says."""
    (one,) = found(parser, line, **options)
    return one


UNMATCHED = {"unmatched": True}
