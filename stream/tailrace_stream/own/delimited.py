"""How lines of CSV and TSV are read: cells in the order of columns that were named.

As RFC 4180 has it: a cell in quotes may hold the separator, newlines, and quotes twice. A line
must have as many cells as there are columns; one that names its columns holds no values.
"""

from __future__ import annotations

from collections.abc import Sequence

from tailrace_stream.own.dissect import re_text
from tailrace_stream.own.grok import TYPES
from tailrace_stream.own.pattern import Cell, PatternProblem, Piece, Shape, checked

COLUMNS_MAX = 200


def delimited_shape(
    columns: Sequence[str], *, name: str, separator: str, quote: str
) -> Shape:
    """Return the shape of lines with these columns, each `name` or `name:type`.

    A column that is named by nothing, or `-`, is passed over.

    Raises:
        PatternProblem: columns, separator or quote cannot be used.
    """
    _check(columns, separator=separator, quote=quote)
    pieces: list[Piece] = []
    cells: list[Cell] = []
    types: dict[str, str] = {}
    header: list[str] = []
    group = 0
    bare, between = _bare(separator, quote), re_text(separator)
    for index, column in enumerate(columns):
        named, _, given = column.partition(":")
        header.append(named)
        if index:
            pieces.append(Piece(separator, between))
        shown = f"column {index + 1} {named!r}"
        regex = ("^" if not index else "") + bare
        pieces.append(Piece(shown, regex))
        groups = (group, group + 1) if quote else (group,)
        group += len(groups)
        if named in {"", "-"}:
            continue
        if given:
            if given not in TYPES:
                raise PatternProblem(
                    f"has column {column!r}, whose type {given!r} is none of"
                    f" {', '.join(sorted(TYPES))}"
                )
            types[named] = TYPES[given]
        cells.append(Cell(name=named, groups=groups, quote=quote))
    pieces.append(Piece("the end of the line", "$"))
    shape = Shape(
        name=name,
        kind="csv",
        source=separator.join(columns),
        pieces=tuple(pieces),
        group_count=group,
        cells=tuple(cells),
        types=types,
        header=tuple(header),
    )
    return checked(shape, steps=8 * len(columns))


def _bare(separator: str, quote: str) -> str:
    if not quote:
        return f"([^{re_text(separator)}]*)"
    stop, mark = re_text(separator), re_text(quote)
    # One that does not begin with a quote may hold some, as a name like `5"` does.
    return f"(?:{mark}((?:[^{mark}]|{mark}{mark})*){mark}|((?:[^{stop}{mark}][^{stop}]*)?))"


def _check(columns: Sequence[str], *, separator: str, quote: str) -> None:
    if len(separator) != 1 or separator in '\r\n"':
        raise PatternProblem(
            f"has the separator {separator!r}: one character is needed, no newline and"
            " no quote"
        )
    if len(quote) > 1 or quote == separator:
        raise PatternProblem(
            f"has the quote {quote!r}: one character other than the separator, or none"
        )
    if not 1 <= len(columns) <= COLUMNS_MAX:
        raise PatternProblem(
            f"has {len(columns)} columns, and 1 to {COLUMNS_MAX} can be named"
        )
    names = [column.partition(":")[0] for column in columns]
    named = [name for name in names if name not in {"", "-"}]
    if not named:
        raise PatternProblem("names no column")
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise PatternProblem(f"names more than one column {', '.join(twice)}")
