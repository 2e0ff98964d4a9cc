"""Which parser or pattern takes a line, and why those that were asked before it did not.

What `tailrace parse --explain` shows. It asks what the stream asks, in the same order, so
it cannot say another thing than what is done.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import polars as pl

from tailrace.detect import AUTO, DATASET_OF_CONTAINER
from tailrace.multiline.journald import JOURNALD
from tailrace.wire import Placement
from tailrace_stream.own.misfit import misfit
from tailrace_stream.own.parser import NO_OWN, OwnParser, OwnParsers
from tailrace_stream.parsers import journald
from tailrace_stream.parsers.columns import MATCHED, MESSAGE
from tailrace_stream.parsing import auto_shapes, is_read_by_shape, parse_as

PLAIN = "plain"


class Asked(msgspec.Struct, frozen=True):
    """A parser or pattern that was asked for a line, and why it did not take it."""

    name: str
    kind: str
    reason: str = ""
    """Empty where it did."""

    @property
    def took_it(self) -> bool:
        """Tell whether it took the line."""
        return not self.reason


def explain(
    lines: pl.Series,
    *,
    stored: Sequence[bytes],
    placement: Placement,
    own: OwnParsers = NO_OWN,
) -> list[tuple[Asked, ...]]:
    """Return who was asked for each line, in order; the last one may have taken it."""
    reader = own.get(placement.dataset)
    if placement.parser == AUTO:
        if reader is not None:
            return _of_own(reader, lines)
        return _of_auto(lines, placement=placement)
    if placement.parser == JOURNALD:
        frame = journald.parse(stored)
    else:
        frame = parse_as(placement.parser, lines, placement=placement)
    first = [
        Asked(
            placement.parser, "parser", "" if is_one else "it is no line of that shape"
        )
        for is_one in frame.get_column(MATCHED)
    ]
    if is_read_by_shape(placement, own=own):
        return _with_others(first, lines, placement=placement)
    has_inner = placement.parser in DATASET_OF_CONTAINER and MESSAGE in frame.columns
    if not has_inner or not (placement.inner or reader):
        return [(one,) for one in first]
    texts = frame.get_column(MESSAGE).fill_null("")
    if placement.inner == AUTO:
        within = _of_auto(texts, placement=placement)
    elif placement.inner:
        inner = parse_as(placement.inner, texts, placement=placement)
        within = [
            (Asked(placement.inner, "parser", "" if one else "its text is none of it"),)
            for one in inner.get_column(MATCHED)
        ]
    else:
        assert reader is not None
        within = _of_own(reader, texts)
    return [
        (one, *others) if one.took_it else (one,)
        for one, others in zip(first, within, strict=True)
    ]


def _with_others(
    first: Sequence[Asked], lines: pl.Series, *, placement: Placement
) -> list[tuple[Asked, ...]]:
    """Return who was asked further for what the file's own parser did not take."""
    rows = [row for row, asked in enumerate(first) if not asked.took_it]
    texts = lines.gather(pl.Series(rows, dtype=pl.UInt32))
    found = [(asked,) for asked in first]
    others: dict[int, tuple[Asked, ...]] = dict(
        zip(rows, _of_auto(texts, placement=placement), strict=True)
    )
    # Plain text is what is left where nobody takes it.
    return [
        (*asked, *(one for one in others.get(row, ()) if one.name != PLAIN))
        for row, asked in enumerate(found)
    ]


def _of_own(reader: OwnParser, lines: pl.Series) -> list[tuple[Asked, ...]]:
    found: list[tuple[Asked, ...]] = []
    for line, hit in zip(lines, reader.hits(lines), strict=True):
        last = len(reader.shapes) if hit is None else hit
        asked = [
            Asked(shape.name, shape.kind, misfit(shape, line))
            for shape in reader.shapes[:last]
        ]
        if hit is not None:
            shape = reader.shapes[hit]
            asked.append(Asked(shape.name, shape.kind))
        found.append(tuple(asked))
    return found


def _of_auto(lines: pl.Series, *, placement: Placement) -> list[tuple[Asked, ...]]:
    found: list[list[Asked]] = [list[Asked]() for _ in lines]
    left = pl.int_range(len(lines), eager=True)
    for parser, start in auto_shapes():
        if not len(left):
            break
        texts = lines.gather(left)
        looks_so = texts.str.contains(start)
        read = parse_as(parser, texts, placement=placement).get_column(MATCHED)
        is_taken = looks_so & read
        rows: list[int] = left.to_list()
        for row, looks, is_one in zip(rows, looks_so, is_taken, strict=True):
            reason = "" if is_one else "the line does not begin like one"
            if looks and not is_one:
                reason = "the line begins like one, and is none"
            found[row].append(Asked(parser, "shape", reason))
        left = left.filter(~is_taken)
    others: list[int] = left.to_list()
    for row in others:
        found[row].append(Asked(PLAIN, "shape"))
    return [tuple(asked) for asked in found]
