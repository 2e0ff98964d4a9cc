"""One word for each level, whoever wrote it, and the number that sorts them.

Numbers are those of syslog (RFC 5424, 6.2.1): 0 is the worst. A word that is not known stays
as it is, and has no number.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.enrich.fragments import Fragments

LEVEL = "log.level"
NUMBER = "event.severity"

NUMBERS = {
    "emergency": 0,
    "alert": 1,
    "critical": 2,
    "fatal": 2,
    "error": 3,
    "warn": 4,
    "notice": 5,
    "info": 6,
    "debug": 7,
    "trace": 7,
}
"""The vocabulary. `fatal` is what a program calls its end, as grave as `critical`."""
_SAME = {
    "emergency": ("emerg", "panic"),
    "alert": ("a",),
    "critical": ("crit",),
    "fatal": ("f", "ftl"),
    "error": ("err", "severe", "e", "eror"),
    "warn": ("warning", "w", "wrn"),
    "info": ("information", "informational", "i", "inf", "log"),
    "debug": ("fine", "verbose", "d", "v", "dbg"),
    "trace": ("finer", "finest", "t", "trc"),
}


class _Words(dict[str | None, str | None]):
    """The word for each word; of one that is not known itself."""

    def __missing__(self, word: str | None) -> str | None:
        return word


_WORDS = _Words({other: word for word, others in _SAME.items() for other in others})


def normalised(levels: pl.Series) -> pl.Series:
    """Return the words of the vocabulary for the levels of lines, which are lower case."""
    if not any(level in _WORDS for level in levels.unique()):
        return levels
    words = list(map(_WORDS.__getitem__, levels.to_list()))
    return pl.Series(levels.name, words, dtype=pl.String)


def numbers() -> Fragments:
    """Return what each word adds."""
    return Fragments(
        lambda word: {NUMBER: NUMBERS[word]} if word in NUMBERS else {},
    )
