"""Which columns a file of separated values has, told by its first line and those behind it.

The agent asks once for each generation and fixes the answer in its placement: what a line
means depends on the head of its file alone, and on no line in between.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Sequence

from tailrace.wire import Table

SEPARATORS = (",", ";", "\t", "|")
LINES_MAX = 64
LINE_BYTES_MAX = 4_096
COLUMNS_MAX = 200
NAME_CHARACTERS_MAX = 128
NAMES_CHARACTERS_MAX = 8_192
"""Of all together: they travel with each chunk."""
UNTOLD_COLUMNS_MIN = 3
"""Of a file that nothing but its lines says to be one: prose has a comma in it, too."""
SHARE_MIN = 0.9
"""Of the lines behind the first: they have as many cells as it has."""

_PATH = re.compile(r"\.(?:csv|tsv|psv)(?:[.-][0-9a-z_.-]*)?$")
_NAME = re.compile(r"[^\W\d][^\x00-\x1f\x7f=<>{}\[\]\"'\\!?,;|]*")
_TYPED = re.compile(
    r"[+-]?(?:\d+(?:[.,]\d+)?|\.\d+)(?:[eE][+-]?\d+)?%?"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?|\d\d?[/.]\d\d?[/.]\d{2,4}.*|\d\d?:\d\d(?::\d\d.*)?"
    r"|\d{1,3}(?:\.\d{1,3}){3}|true|false",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", re.ASCII)
_CELLS = {
    one: re.compile(
        rf'(?:"((?:[^"]|"")*+)"|((?:[^"{re.escape(one)}][^{re.escape(one)}]*+)?))'
        rf"(?:({re.escape(one)})|\Z)"
    )
    for one in SEPARATORS
}


def cells_of(line: str, *, separator: str) -> list[str] | None:
    """Return the cells of a line, as RFC 4180 has them, or None where it has none.

    A cell in quotes may hold the separator and newlines, and a quote twice. Others may
    hold a quote that is not their first character. `separator` is one of `SEPARATORS`.
    """
    if '"' not in line:
        return line.split(separator)
    pattern = _CELLS[separator]
    cells: list[str] = []
    at = 0
    while True:
        found = pattern.match(line, at)
        if found is None:
            return None
        quoted, bare, end = found.groups()
        cells.append(bare if quoted is None else quoted.replace('""', '"'))
        if end is None:
            return cells
        at = found.end()


def table_of(
    sample: bytes, *, path: str, columns: Sequence[str] = (), is_told: bool = False
) -> Table | None:
    """Return the columns of a file that begins with `sample`, or None: it is another file.

    Where it `is_told` that it is one, or its name says so, two columns and a first line
    suffice. `columns` are the names of a file that does not begin with them, as after a
    rotation; without them, its columns are numbered.
    """
    is_told = is_told or bool(columns) or bool(_PATH.search(path.lower()))
    lines = _lines(sample)
    best: Table | None = None
    for separator in SEPARATORS:
        table = _table(lines, separator=separator, columns=columns, is_told=is_told)
        if table is not None and (
            best is None or len(table.columns) > len(best.columns)
        ):
            best = table
    return best


def is_header(cells: Sequence[str]) -> bool:
    """Tell whether cells could name columns: words, no two alike, and no values."""
    names = [cell.strip() for cell in cells]
    return (
        all(
            len(name) <= NAME_CHARACTERS_MAX and _NAME.fullmatch(name) for name in names
        )
        and len({name.lower() for name in names}) == len(names)
        and not any(_TYPED.fullmatch(name) for name in names)
    )


def _table(
    lines: Sequence[str], *, separator: str, columns: Sequence[str], is_told: bool
) -> Table | None:
    if not lines:
        return None
    rows = [cells_of(line, separator=separator) for line in lines]
    first, others = rows[0], rows[1:]
    if first is None:
        return None
    count_min = 2 if is_told else UNTOLD_COLUMNS_MIN
    if not count_min <= len(first) <= COLUMNS_MAX:
        return None
    alike = [row for row in others if row is not None and len(row) == len(first)]
    if len(alike) < SHARE_MIN * len(others):
        return None
    # Some writers leave the name of the column that numbers the rows empty.
    named = [cell.strip() or f"column_{number}" for number, cell in enumerate(first, 1)]
    if is_header(named if is_told else first):
        is_evident = bool(alike) and _differs(first, alike)
        names = tuple(named)
        return _fitting(names, separator) if is_told or is_evident else None
    if not is_told or (columns and len(columns) != len(first)):
        return None
    names = tuple(columns) or _numbered([first, *alike])
    return _fitting(names, separator, has_header=False)


def _numbered(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return names for columns that have none: the first of times is `time`."""
    names = [f"column_{number}" for number in range(1, len(rows[0]) + 1)]
    for index in range(len(names)):
        if all(_MOMENT.match(row[index].strip()) for row in rows):
            names[index] = "time"
            break
    return tuple(names)


def _fitting(
    names: tuple[str, ...], separator: str, *, has_header: bool = True
) -> Table | None:
    if sum(map(len, names)) > NAMES_CHARACTERS_MAX:
        return None
    return Table(columns=names, separator=separator, has_header=has_header)


def _differs(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether some column holds numbers, times or addresses alone below its name."""
    for index in range(len(header)):
        # The header may come again, as of a writer that was restarted.
        others = [row for row in rows if row != header]
        values = [row[index].strip() for row in others if row[index].strip()]
        if values and all(_TYPED.fullmatch(value) for value in values):
            return True
    return False


def _lines(sample: bytes) -> list[str]:
    looked_at = sample[: LINES_MAX * LINE_BYTES_MAX].removeprefix(BOM_UTF8)
    pieces = looked_at.split(b"\n", LINES_MAX)
    # What follows the last newline may be half a line, and is asked only if alone.
    whole = [piece.removesuffix(b"\r") for piece in pieces[:-1] or pieces]
    return [
        line[:LINE_BYTES_MAX].decode("utf-8", "replace")
        for line in whole
        if line.strip()
    ]
