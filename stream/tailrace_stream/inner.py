"""What a container's own line says: its fields join those of the line around it.

The runtime's time stays the event's, as the index follows it. A line that its parser does
not know stays text, says so and is counted; it is never a reason to die.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
from polars.exceptions import PanicException

from tailrace_stream.parsers.columns import (
    GUESSED,
    INNER_UNREAD,
    MATCHED,
    MESSAGE,
    TIME_NS,
    unmatched,
)

Read = Callable[[pl.Series], pl.DataFrame]
_ROW = "_row"
_OWN = "_own"


def with_inner(
    frame: pl.DataFrame, *, parser: str, read: Read, error_kind: str
) -> pl.DataFrame:
    """Return `frame` with the fields that `read` finds in its messages."""
    rows = pl.int_range(frame.height, eager=True).alias(_ROW)
    text = frame.get_column(MESSAGE)
    is_asked = frame.get_column(MATCHED) & text.is_not_null()
    # An empty line is nobody's mistake.
    is_asked &= (text.str.strip_chars() != "").fill_null(value=False)
    asked = rows.filter(is_asked)
    if not len(asked):
        return frame
    found = read_or_unmatched(text.filter(is_asked), read=read)
    is_read = found.get_column(MATCHED)
    own = found.drop(MATCHED, TIME_NS, GUESSED, strict=False).with_columns(asked)
    if MESSAGE in own.columns:
        own = own.rename({MESSAGE: _OWN})
    joined = frame.with_columns(rows).join(
        own.filter(is_read), on=_ROW, how="left", maintain_order="left"
    )
    if _OWN in joined.columns:
        joined = joined.with_columns(pl.coalesce(_OWN, MESSAGE).alias(MESSAGE))
    unread = asked.filter(~is_read)
    if not len(unread):
        return joined.drop(_ROW, _OWN, strict=False)
    is_unread = pl.col(_ROW).is_in(unread.implode())
    words = {"event.kind": error_kind, "error.message": f"not a line of {parser}"}
    marks = [
        pl.when(is_unread)
        .then(pl.lit(word))
        .otherwise(pl.col(name) if name in joined.columns else None)
        .alias(name)
        for name, word in words.items()
    ]
    joined = joined.with_columns(is_unread.alias(INNER_UNREAD), *marks)
    return joined.drop(_ROW, _OWN, strict=False)


def read_or_unmatched(texts: pl.Series, *, read: Read) -> pl.DataFrame:
    """Return what `read` makes of texts; one that it raises for is none of its lines.

    Of several it raises, as the caller asks again for each by itself.
    """
    try:
        return read(texts)
    except (Exception, PanicException):
        # The chunk is halved until the line that a parser raises for stands alone.
        if len(texts) > 1:
            raise
        return unmatched(1)
