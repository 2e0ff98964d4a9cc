"""Why a pattern does not take a line: how far it goes along, and what it wants then.

For a person who looks at one line; nothing here is asked while logs are read.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.own.pattern import Shape

SHOWN_CHARACTERS_MAX = 40


def misfit(shape: Shape, line: str) -> str:
    """Return the reason in words; the line is one that the pattern does not take."""
    pieces = shape.pieces
    if len(pieces) == 1:
        return f"{_quoted(pieces[0].shown)} is nowhere in the line"
    # What begins a pattern that fits, fits: so the longest beginning can be halved for.
    low, high = 0, len(pieces)
    while high - low > 1:
        middle = (low + high) // 2
        if _end(shape, middle, line) is None:
            high = middle
        else:
            low = middle
    wanted = _quoted(pieces[low].shown)
    so_far = _quoted("".join(piece.shown for piece in pieces[:low]), is_end=True)
    end = _end(shape, low, line) if low else None
    if end is None:
        return f"it begins with {wanted}, which is nowhere in the line"
    if pieces[low].is_sought:
        return f"{wanted} does not come behind {so_far}"
    rest = line[end:]
    found = f"stands {_quoted(rest)}" if rest else "the line ends"
    if not end:
        return f"it wants {wanted} where the line begins, and there {found}"
    return (
        f"it fits up to {so_far}, {end} characters of the line, then wants {wanted},"
        f" and there {found}"
    )


def _end(shape: Shape, count: int, line: str) -> int | None:
    """Return where the first pieces end in the line; None where they do not fit."""
    regex = "(" + "".join(piece.regex for piece in shape.pieces[:count]) + ")"
    text = pl.Series([line])
    matched: str | None = text.str.extract(regex, 1)[0]
    if matched is None:
        return None
    start_bytes: int | None = text.str.find(regex)[0]
    before = line.encode("utf-8", "surrogatepass")[: start_bytes or 0]
    return len(before.decode("utf-8", "surrogatepass")) + len(matched)


def _quoted(text: str, *, is_end: bool = False) -> str:
    if len(text) <= SHOWN_CHARACTERS_MAX:
        return f"`{text}`"
    if is_end:
        return f"`...{text[-SHOWN_CHARACTERS_MAX:]}`"
    return f"`{text[:SHOWN_CHARACTERS_MAX]}...`"
