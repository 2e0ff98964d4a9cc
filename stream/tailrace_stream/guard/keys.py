"""How many keys a source may bring of its own: those beyond stand together under one.

The index makes no field of a key, as `attributes` is flattened, but each new key is a word
there for every value under it. A program that writes ids for keys brings a new one with each
line. The keys that came first stay what they are; later ones are put under `_rest`, as one
JSON text, so that nothing of them is lost.

What was seen each worker remembers for itself, until it ends: so a line that is read again
may be put otherwise, as with data of enrichment. The document that is stored stays.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

import msgspec
import polars as pl

SOURCES_MAX = 1_000
"""Beyond it the one that was met first is forgotten."""
SHAPES_MAX = 10_000
"""Of one source, of lines whose keys are all known; those of others are looked at anew."""
SAMPLE = 8
"""While a source brings nothing new, each eighth of its lines is looked at."""
SAMPLED_LINES_MIN = 64
REST = "_rest"

TERM_BYTES_MAX = 32_766
"""Of a key and its value, with a byte between: of more Lucene makes no word, and
Elasticsearch refuses the whole document."""
TEXT_BYTES_MAX = TERM_BYTES_MAX - 1
"""A JSON text of attributes that is no longer holds nothing that long."""
VALUE_CHARACTERS_MAX = 8_191
"""Of a longer value the index makes no word at all (`ignore_above` of its template)."""

# Arrays of texts stay in the shape, and so make more shapes than there are.
_VALUES = r':(?:"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null)'
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, object]).decode


@dataclass(slots=True)
class _Seen:
    """What one source brought so far."""

    keys: set[str] = field(default_factory=set[str])
    shapes: set[str] = field(default_factory=set[str])
    """Lines without their values, of which all keys are known."""
    turn: int = 0
    is_full: bool = False


class SourceKeys:
    """The keys of each source; several threads may ask."""

    def __init__(self, *, keys_max: int) -> None:
        """Take how many keys a source may have."""
        self._keys_max = keys_max
        self._seen: dict[str, _Seen] = {}
        self._lock = threading.Lock()

    def capped(self, attributes: pl.Series, *, source: str) -> dict[int, str]:
        """Return the lines with too many keys, by row, as they are to be instead."""
        with self._lock:
            seen = self._seen.get(source)
            if seen is None:
                if len(self._seen) >= SOURCES_MAX:
                    del self._seen[next(iter(self._seen))]
                seen = self._seen[source] = _Seen()
            is_sampled = not seen.is_full and len(attributes) >= SAMPLED_LINES_MIN
            if is_sampled and seen.keys:
                seen.turn = (seen.turn + 1) % SAMPLE
                some = attributes.gather_every(SAMPLE, seen.turn)
                if not _new_shapes(some, seen).height:
                    return {}
            return self._looked_at(attributes, seen)

    def _looked_at(self, attributes: pl.Series, seen: _Seen) -> dict[int, str]:
        found: dict[int, str] = {}
        new = _new_shapes(attributes, seen)
        rows: list[int] = new.get_column("row").to_list()
        shapes: list[str] = new.get_column("shape").to_list()
        texts: list[str] = attributes.gather(rows).to_list()
        for row, shape, text in zip(rows, shapes, texts, strict=True):
            if shape in seen.shapes:
                continue
            changed = _split(text, lambda key: not self._is_taken(key, seen))
            if changed is not None:
                found[row] = changed
            elif len(seen.shapes) < SHAPES_MAX:
                seen.shapes.add(shape)
        return found

    def _is_taken(self, key: str, seen: _Seen) -> bool:
        if key in seen.keys:
            return True
        if len(seen.keys) >= self._keys_max:
            seen.is_full = True
            return False
        seen.keys.add(key)
        return True


def short_enough(attributes: pl.Series) -> dict[int, str]:
    """Return the lines with a key or value that no index takes, by row, without it."""
    large = attributes.str.len_bytes() > TEXT_BYTES_MAX
    found: dict[int, str] = {}
    for row in large.arg_true():
        changed = _split(attributes[row], lambda _key: False)
        if changed is not None:
            found[row] = changed
    return found


def _new_shapes(attributes: pl.Series, seen: _Seen) -> pl.DataFrame:
    """Return row and shape of each line with a shape that is not known yet."""
    shapes = attributes.str.replace_all(_VALUES, ":")
    distinct = shapes.unique().drop_nulls()
    new = [shape for shape in distinct.to_list() if shape not in seen.shapes]
    frame = pl.DataFrame([shapes.alias("shape")]).with_row_index("row")
    return frame.filter(pl.col("shape").is_in(new)) if new else frame.clear()


def _split(text: str, is_moved: Callable[[str], bool]) -> str | None:
    """Return attributes with some keys under `_rest`; None where all may stay."""
    rest: dict[str, object] = {}
    kept = _without(_decode(text), "", is_moved, rest)
    if not rest:
        return None
    if REST in kept:
        rest[REST] = kept.pop(REST)
    # In ASCII a text that the index makes a word of is never too long for one.
    kept[REST] = json.dumps(rest, ensure_ascii=True, separators=(",", ":"))
    return _encode(kept).decode()


def _without(
    value: dict[str, object],
    path: str,
    is_moved: Callable[[str], bool],
    rest: dict[str, object],
) -> dict[str, object]:
    kept: dict[str, object] = {}
    for name, inner in value.items():
        key = f"{path}{name}"
        leaves = _leaves(key, inner)
        if isinstance(inner, dict) and inner:
            left = _without(cast("dict[str, object]", inner), f"{key}.", is_moved, rest)
            if left:
                kept[name] = left
        elif any(_is_too_long(one, said) or is_moved(one) for one, said in leaves):
            rest[key] = inner
        else:
            kept[name] = inner
    return kept


def _leaves(key: str, value: object) -> Iterable[tuple[str, object]]:
    """Yield the keys of a value, each with what stands there; of a list, those in it."""
    if isinstance(value, list):
        for one in cast("list[object]", value):
            yield from _leaves(key, one)
    elif isinstance(value, dict) and value:
        for name, inner in cast("dict[str, object]", value).items():
            yield from _leaves(f"{key}.{name}", inner)
    else:
        yield key, value


def _is_too_long(key: str, value: object) -> bool:
    text = value if isinstance(value, str) else _encode(value).decode()
    # The server counts in units of UTF-16.
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > VALUE_CHARACTERS_MAX:
        return False
    return len(key.encode()) + 1 + len(text.encode()) > TERM_BYTES_MAX
