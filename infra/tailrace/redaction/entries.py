"""What is hidden in an entry of a journal, whose binary values carry their size.

Rules see an entry as lines `NAME=value`, also where a value is binary, so a size is no part
of any text. Where something is taken out of a binary value its size is written anew, so that
the entry is read as before.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace

from tailrace.multiline.journald import (
    SIZE_BYTES,
    begins_entry,
    binary_values,
    size_bytes,
)
from tailrace.redaction.redactor import Redactor, Replacement, replaced

HEAD_BYTES = 1 + SIZE_BYTES
"""The newline behind the name of a binary field, and the size: `=` stands for both."""


def hidden_of_entry(
    redactor: Redactor, entry: bytes, *, before: bytes, is_open: bool
) -> list[Replacement]:
    """Return what is to be hidden of an entry, in order: never a binary field's name.

    What stands `before` tells only of what may be the second half of an entry that time
    ended, and not of what begins as every entry does.
    """
    pieces = [b"" if begins_entry(entry) else before]
    begin = length = len(pieces[0])
    starts: list[int] = []
    """Where each binary value begins in what the rules see."""
    at = 0
    for start, _ in binary_values(entry):
        pieces += (entry[at : start - HEAD_BYTES], b"=")
        length += start - HEAD_BYTES - at + 1
        starts.append(length)
        at = start
    text = b"".join((*pieces, entry[at:]))
    made: list[Replacement] = []
    for one in redactor.find(text, begin=begin, is_open=is_open):
        start, passed = one.start, bisect_right(starts, one.start)
        value_start = starts[passed] if passed < len(starts) else len(text)
        # A piece is of one line, so it is in the name before a value, or in what it says.
        if passed < len(starts) and text.find(b"\n", start, value_start) < 0:
            start, passed = value_start, passed + 1
        if start < one.end:
            shift = passed * SIZE_BYTES - begin
            made.append(replace(one, start=start + shift, end=one.end + shift))
    return made


def entry_replaced(entry: bytes, replacements: Sequence[Replacement]) -> bytes:
    """Return an entry with its replacements, and sizes that tell how long values are."""
    edits = list(replacements)
    places = [one.start for one in replacements]
    for start, end in binary_values(entry):
        inside = replacements[bisect_left(places, start) : bisect_left(places, end)]
        if not inside:
            continue
        growth = sum(len(one.token) - (min(one.end, end) - one.start) for one in inside)
        size = size_bytes(end - start + growth)
        edits.append(Replacement(start - SIZE_BYTES, start, size, rule=""))
    edits.sort(key=lambda one: one.start)
    return replaced(entry, edits, offset=0)
