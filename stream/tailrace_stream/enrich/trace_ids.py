"""Which trace, span and request a line is of, where its text says so.

What a parser found comes first. The patterns are Rust's, so linear, and each is asked only of
lines that hold its word, and of which nothing better is known.
"""

from __future__ import annotations

import polars as pl

TRACE, SPAN, REQUEST = "trace.id", "span.id", "http.request.id"

# A name may stand in quotes, in a text within JSON with backslashes before them.
_SIGN = r"""(?:\\*["'])?[ \t]{0,4}(?:=>|[:=])[ \t]{0,4}(?:\\*["'\[(])?"""
_START = r"(?:\b|_|otel|dd\.)"
# https://www.w3.org/TR/trace-context/: version, trace, parent and flags. No version is ff.
_VERSION = r"\b(?:[0-9a-e][0-9a-f]|f[0-9a-e])"
_PARENT_NAME = r"(?i)traceparent"
_SHAPES = (
    (
        TRACE,
        _PARENT_NAME,
        rf"{_VERSION}-([0-9a-f]{{32}})-[0-9a-f]{{16}}-[0-9a-f]{{2}}\b",
    ),
    (
        SPAN,
        _PARENT_NAME,
        rf"{_VERSION}-[0-9a-f]{{32}}-([0-9a-f]{{16}})-[0-9a-f]{{2}}\b",
    ),
    (
        TRACE,
        r"(?i)trace[ ._-]?id",
        rf"(?i){_START}trace[ ._-]?id{_SIGN}([0-9a-z][0-9a-z-]{{7,63}})\b",
    ),
    (
        SPAN,
        r"(?i)span[ ._-]?id",
        rf"(?i){_START}span[ ._-]?id{_SIGN}([0-9a-f]{{16}}|[0-9]{{8,20}})\b",
    ),
    (
        REQUEST,
        r"(?i)request[ ._-]?id",
        (
            rf"(?i){_START}request[ ._-]?id{_SIGN}"
            r"([0-9a-z][0-9a-z_.:/+=-]{2,126}[0-9a-z_/+=-])"
        ),
    ),
)
"""The field, the word that a line must hold, and where the id is; in the order in which
they are believed."""


_NEVER = r"[^\s\S]"
"""What no text matches."""


def with_ids(frame: pl.DataFrame, text: pl.Series) -> pl.DataFrame:
    """Return `frame` with the ids that the text of its lines names."""
    rows = text.str.contains(_screen(frame)).arg_true()
    if not len(rows):
        return frame
    lines = text.gather(rows)
    found: dict[str, pl.Series] = {}
    for name, word, pattern in _SHAPES:
        known = found.get(name)
        if known is None and name in frame.columns:
            known = frame.get_column(name).gather(rows).cast(pl.String)
        if known is not None and not known.null_count():
            continue
        is_asked = lines.str.contains(word)
        if known is not None:
            is_asked &= known.is_null()
        asked = is_asked.arg_true()
        if len(asked):
            ids = _ids(lines.gather(asked).str.extract(pattern))
            before = _nothing(len(lines)) if known is None else known
            found[name] = before.scatter(asked, ids)
    return frame.with_columns(
        _laid(frame, name, ids, rows=rows)
        for name, ids in found.items()
        if ids.null_count() < len(ids)
    )


def _screen(frame: pl.DataFrame) -> str:
    """Return what a line must hold to be asked: the words of what is not known of all."""
    known = {
        name
        for name in (TRACE, SPAN, REQUEST)
        if name in frame.columns and not frame.get_column(name).null_count()
    }
    words = {
        word.removeprefix("(?i)") for name, word, _ in _SHAPES if name not in known
    }
    return f"(?i){'|'.join(sorted(words))}" if words else _NEVER


def _ids(texts: pl.Series) -> pl.Series:
    """Return texts that can be ids, and null for others.

    A word is none, and zeros alone are what tracers write where there is no trace.
    """
    is_id = texts.str.contains(r"[0-9]") & texts.str.contains(r"[^0-]")
    return texts.set(~is_id.fill_null(value=False), None)


def _laid(
    frame: pl.DataFrame, name: str, ids: pl.Series, *, rows: pl.Series
) -> pl.Series:
    """Return the whole column with the ids in their rows."""
    if name in frame.columns:
        # A clone, because `scatter` changes the series that it is asked of.
        column = frame.get_column(name).cast(pl.String).clone()
    else:
        column = _nothing(frame.height)
    return column.scatter(rows, ids).alias(name)


def _nothing(count: int) -> pl.Series:
    return pl.Series([None], dtype=pl.String).new_from_index(0, count)
