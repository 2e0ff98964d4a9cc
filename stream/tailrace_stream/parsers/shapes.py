"""How lines of JSON that are written alike are written: one pattern, and where values stand.

A program writes its lines with the same keys in the same order and the same blanks. A shape
is made of one such line. What matches its pattern has plain values alone, which are the same
decoded as written; cut at its quotes it has a fixed number of pieces, and each value is one
of them, or stands in one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Union, cast

import msgspec
import polars as pl

from tailrace_stream.parsers.json_objects import object_of

SHAPES_MAX = 4
"""Of a chunk; each costs the lines that are left a look."""
SAMPLES = 16
ROWS_MIN = 512
"""So many lines are to be written alike, by what the samples say: with fewer of each shape,
what a shape costs is more than what is saved of its lines."""
KEYS_MAX = 64
DEPTH_MAX = 4

_TEXT = r'[^"\\\x00-\x1f]*'
# No more digits than a `long` has, and no exponent that leads out of a double.
_BARE = (
    r"(?:-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?(?:[eE][-+]?[0-9]{1,2})?|true|false)"
)

Kind = Union[str, "Signature"]
"""`text`, `bare` for a number or a boolean, `null`, or the keys and kinds of an object."""
Signature = tuple[tuple[str, Kind], ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """Where a value stands that is no object."""

    path: tuple[str, ...]
    is_text: bool
    """And a number or a boolean if not."""
    piece: int = 0
    """Which piece of its line it is, or stands in."""
    before: str = ""
    """What stands before it in its piece; nothing before a text."""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One way of writing lines."""

    signature: Signature
    pattern: str
    piece_count: int
    leaves: Mapping[tuple[str, ...], Leaf]
    """By the keys that lead to them, in the order of the line."""


def shapes_of(lines: pl.Series) -> list[Shape]:
    """Return the shapes that many lines have, the most frequent first."""
    if len(lines) < ROWS_MIN:
        return []
    step = len(lines) // SAMPLES
    samples: list[str] = lines.gather_every(step).head(SAMPLES).to_list()
    seen = Counter(one for one in map(_seen, samples) if one is not None)
    return [
        _shape(signature, is_spaced)
        for (signature, is_spaced), count in seen.most_common(SHAPES_MAX)
        if count * step >= ROWS_MIN
    ]


class Pieces:
    """Lines that match a shape's pattern, cut at their quotes."""

    def __init__(self, lines: pl.Series, shape: Shape) -> None:
        """Cut all lines at once."""
        self._pieces = lines.str.split('"').explode()
        self._count = shape.piece_count
        assert len(self._pieces) == len(lines) * self._count, "as many quotes each"

    def of(self, leaf: Leaf) -> pl.Series:
        """Return the value that each line has there; a number as it is written."""
        piece = self._pieces.gather_every(self._count, leaf.piece)
        if leaf.is_text:
            return piece
        return piece.str.strip_prefix(leaf.before).str.strip_suffix(leaf.after)


def _seen(line: str) -> tuple[Signature, bool] | None:
    # A line with an escape in it matches no pattern, but others like it do.
    record = object_of(line) if line.startswith("{") else None
    signature = None if record is None else _signature(record)
    if signature is None:
        return None
    first, _ = signature[0]
    return signature, line.startswith(f'{{"{first}": ')


def _signature(record: dict[str, object], *, depth: int = 1) -> Signature | None:
    if depth > DEPTH_MAX or not 0 < len(record) <= KEYS_MAX:
        return None
    kinds: list[tuple[str, Kind]] = []
    for key, value in record.items():
        if msgspec.json.encode(key) != f'"{key}"'.encode():
            return None
        kind: Kind | None
        if isinstance(value, dict):
            kind = _signature(cast("dict[str, object]", value), depth=depth + 1)
        else:
            kind = _KINDS.get(type(value))
        if kind is None:
            return None
        kinds.append((key, kind))
    return tuple(kinds)


_KINDS: dict[type, str] = {
    str: "text",
    int: "bare",
    float: "bare",
    bool: "bare",
    type(None): "null",
}


@lru_cache(maxsize=256)
def _shape(signature: Signature, is_spaced: bool) -> Shape:  # noqa: FBT001
    parts = _parts(_tokens((), signature, blank=" " if is_spaced else ""))
    patterns: list[str] = []
    leaves: list[Leaf] = []
    piece_count = 1
    for number, part in enumerate(parts):
        if isinstance(part, str):
            piece_count += part.count('"')
            patterns.append(pl.escape_regex(part))
            continue
        before, after = parts[number - 1], parts[number + 1]
        assert isinstance(before, str), "an object begins with its brace"
        assert isinstance(after, str), "and ends with one"
        patterns.append(_TEXT if part.is_text else _BARE)
        leaves.append(
            replace(
                part,
                piece=piece_count - 1,
                before=before.rpartition('"')[2],
                after=after.partition('"')[0],
            )
        )
    return Shape(
        signature=signature,
        pattern=f"^{''.join(patterns)}$",
        piece_count=piece_count,
        leaves={leaf.path: leaf for leaf in leaves},
    )


def _parts(tokens: Iterable[str | Leaf]) -> list[str | Leaf]:
    """Return the same with texts that follow one another joined."""
    parts: list[str | Leaf] = [""]
    for token in tokens:
        last = parts[-1]
        if isinstance(token, str) and isinstance(last, str):
            parts[-1] = last + token
        else:
            parts.append(token)
    return parts


def _tokens(
    path: tuple[str, ...], signature: Signature, *, blank: str
) -> Iterable[str | Leaf]:
    """Yield how an object is written, with leaves in the places of values."""
    for number, (key, kind) in enumerate(signature):
        yield f',{blank}"{key}":{blank}' if number else f'{{"{key}":{blank}'
        inner = (*path, key)
        if kind == "null":
            yield "null"
        elif kind == "text":
            yield from ('"', Leaf(inner, is_text=True), '"')
        elif isinstance(kind, str):
            yield Leaf(inner, is_text=False)
        else:
            yield from _tokens(inner, kind, blank=blank)
    yield "}"
