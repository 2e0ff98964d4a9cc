"""The times of texts that are all written in one way of ISO 8601: digits as a matrix.

A program writes all its times alike, so that each digit stands in one column of bytes. What
is not just so is left to `times.iso_ns`, which reads every way and says the same.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import polars as pl

_WAY = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,]([0-9]{1,9}))?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})"
)
_SECOND = 19
"""Characters up to the second."""
_LIMITS = ((11, 23), (14, 59), (17, 59))
"""Where hours, minutes and seconds stand, and how many there may be."""
_YEARS = (1971, 2261)
"""Whatever its zone, a time of these years is one that an index can hold."""
_DIGITS = np.uint8(10)

_Matrix = npt.NDArray[np.uint8]


def iso_matrix_ns(texts: pl.Series) -> pl.Series | None:
    """Return nanoseconds since 1970, or None where texts are not all written in one way,
    without a zone, or no time.
    """
    first = texts[0] if len(texts) else None
    way = None if first is None else _WAY.fullmatch(first)
    if way is None or texts.null_count():
        return None
    written = "\n".join(texts.to_list()).encode() + b"\n"
    width = len(way[0]) + 1
    if len(written) != len(texts) * width:
        return None
    matrix = np.frombuffer(written, np.uint8).reshape(-1, width).T
    zone = way.end(1) if way[1] else _SECOND
    if not _are_alike(matrix, way[0] + "\n", zone):
        return None
    seconds = _seconds(matrix)
    if seconds is None:
        return None
    if way[0][zone] != "Z":
        seconds -= _ahead(matrix[zone:])
    times = seconds * 1_000_000_000
    if way[1]:
        digits = way.end(1) - way.start(1)
        times += _number(matrix, way.start(1), digits) * 10 ** (9 - digits)
    return pl.Series(times)


def _are_alike(matrix: _Matrix, first: str, zone: int) -> bool:
    """Tell whether digits stand where the first text has digits, and its signs elsewhere."""
    for place, character in enumerate(first):
        column = matrix[place]
        if character.isdigit():
            # What is below `0` wraps around, and is more than nine.
            if not (column - np.uint8(ord("0")) < _DIGITS).all():
                return False
        elif place == zone and character in "+-":
            if not ((column == ord("+")) | (column == ord("-"))).all():
                return False
        elif not (column == ord(character)).all():
            return False
    return True


def _number(matrix: _Matrix, start: int, digits: int) -> npt.NDArray[np.int64]:
    found = np.zeros(matrix.shape[1], np.int64)
    for column in matrix[start : start + digits]:
        found = found * 10 + (column - np.uint8(ord("0")))
    return found


def _seconds(matrix: _Matrix) -> npt.NDArray[np.int64] | None:
    """Return the seconds since 1970 of dates and clocks, None where one is none."""
    year, month, day = (
        _number(matrix, 0, 4),
        _number(matrix, 5, 2),
        _number(matrix, 8, 2),
    )
    if not (_is_within(year, *_YEARS) and _is_within(month, 1, 12)):
        return None
    months = (year - 1_970) * 12 + month - 1
    begin, end = (
        several.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        for several in (months, months + 1)
    )
    if not ((day >= 1) & (day <= end - begin)).all():
        return None
    found = begin + day - 1
    for (start, most), unit in zip(_LIMITS, (24, 60, 60), strict=True):
        number = _number(matrix, start, 2)
        if not _is_within(number, 0, most):
            return None
        found = found * unit + number
    return found


def _ahead(zone: _Matrix) -> npt.NDArray[np.int64]:
    """Return the seconds that a zone is ahead, of columns such as `+01:00`."""
    minutes = _number(zone, 1, 2) * 60 + _number(zone, len(zone) - 3, 2)
    return np.where(zone[0] == ord("-"), -60, 60) * minutes


def _is_within(numbers: npt.NDArray[np.int64], least: int, most: int) -> bool:
    return bool(((numbers >= least) & (numbers <= most)).all())
