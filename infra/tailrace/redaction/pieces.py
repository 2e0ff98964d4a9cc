"""What is hidden of a line that a container's runtime wrote in several pieces."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from tailrace.multiline.container import text_places
from tailrace.redaction.redactor import Redactor, Replacement


def with_pieces(
    redactor: Redactor,
    text: bytes,
    found: Sequence[Replacement],
    *,
    start: int,
    end: int,
) -> list[Replacement]:
    """Return what is hidden where a line was written in pieces, as if it were whole.

    The event stands from `start` to `end`; `found` is what was found in all of the text.
    A secret may stand on both sides of where the runtime parted the line. Its token
    stands in the first piece, and nothing in those after it.
    """
    places = text_places(text, start, end)
    whole = b"".join(text[start:end] for start, end in places)
    sizes = list(accumulate((end - start for start, end in places), initial=0))
    outside = [
        each
        for each in found
        if not any(each.start < end and start < each.end for start, end in places)
    ]
    inside: list[Replacement] = []
    for each in redactor.find(whole):
        token = each.token
        for (first, _), before, behind in zip(places, sizes, sizes[1:], strict=False):
            low, high = max(each.start, before), min(each.end, behind)
            if low < high:
                shift = first - before
                inside.append(Replacement(low + shift, high + shift, token, each.rule))
                token = b""
    return sorted([*outside, *inside], key=lambda each: each.start)
