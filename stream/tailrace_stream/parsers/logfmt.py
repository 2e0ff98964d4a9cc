"""Lines of `key=value` pairs, in logfmt's quoting; those of the same keys as columns at once.

What such a column holds is what the pairs of each line say: a test holds both to the same
cells. A line with other keys than its neighbours, or with something odd, is read pair by pair.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import polars as pl

from tailrace_stream.parsers.columns import MATCHED, extract
from tailrace_stream.parsers.fields import fields_of
from tailrace_stream.parsers.records import Cells, put_columns, put_records

_PAIR = re.compile(r'([^\s="]{1,256})=(?:"((?:[^"\\]|\\.)*)"|(\S*))')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_UNESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
# Whitespace is the same in both languages of patterns but for the separators of ASCII.
_VALUE = r'("[^"\\]*"|[^\s"\x00-\x1f]*)'
_SAMPLES = 16
_SEEN_MIN = 2
_SHAPES_MAX = 4
_KEYS_MAX = 64


def read_logfmt(lines: pl.Series) -> tuple[Cells, list[bool]]:
    """Return the cells of each line, and whether it has a pair at all."""
    cells = Cells(len(lines))
    matched = [False] * len(lines)
    is_plain = not lines.str.contains("\0", literal=True).any()
    rows = pl.int_range(len(lines), eager=True)
    if is_plain:
        for keys in _usual_keys(lines):
            left = lines if len(rows) == len(lines) else lines.gather(rows)
            taken = _read_alike(left, keys, rows, cells)
            for row in rows.filter(taken):
                matched[row] = True
            rows = rows.filter(~taken)
    left_rows: list[int] = rows.to_list()
    records = list(map(record_of, lines.gather(rows).to_list()))
    put_records(cells, left_rows, records, is_plain=is_plain)
    for row, record in zip(left_rows, records, strict=True):
        matched[row] = record is not None
    return cells, matched


def record_of(line: str) -> dict[str, object] | None:
    """Return the pairs of a line, the last of those with one key; None where it has none."""
    pairs = _PAIR.findall(line)
    if "\\" not in line:
        return {name: quoted or bare for name, quoted, bare in pairs} or None
    record: dict[str, object] = {}
    for name, quoted, bare in pairs:
        record[name] = _ESCAPE.sub(_unescaped, quoted) if quoted else bare
    return record or None


def _unescaped(found: re.Match[str]) -> str:
    return _UNESCAPED.get(found[1], found[1])


def _usual_keys(lines: pl.Series) -> list[tuple[str, ...]]:
    """Return the keys that several of some lines have in their order, most frequent first."""
    step = max(1, len(lines) // _SAMPLES)
    samples: list[str] = lines.gather_every(step).head(_SAMPLES).to_list()
    seen = Counter(
        tuple(name for name, _, _ in _PAIR.findall(line)) for line in samples
    )
    return [
        keys
        for keys, count in seen.most_common(_SHAPES_MAX)
        if count >= _SEEN_MIN and 0 < len(keys) <= _KEYS_MAX
    ]


def _read_alike(
    lines: pl.Series, keys: Sequence[str], rows: pl.Series, cells: Cells
) -> pl.Series:
    """Take the lines that have these keys and plain values; return which ones they are."""
    pattern = " ".join(f"{pl.escape_regex(key)}={_VALUE}" for key in keys)
    names = [str(number) for number in range(len(keys))]
    frame = extract(lines, f"^{pattern}$", names)
    taken = frame.get_column(MATCHED)
    frame = frame.filter(taken)
    columns = [
        column.str.strip_prefix('"').str.strip_suffix('"')
        if column.str.starts_with('"').any()
        else column
        for column in (frame.get_column(name) for name in names)
    ]
    taken_rows: list[int] = rows.filter(taken).to_list()
    if not put_columns(cells, taken_rows, keys, [one.to_list() for one in columns]):
        for row, line in zip(taken_rows, lines.filter(taken), strict=True):
            cells.put(row, fields_of(record_of(line) or {}))
    return taken
