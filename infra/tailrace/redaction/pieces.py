"""What is hidden of a line that a container's runtime wrote in several pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

from tailrace.multiline.container import written_lines
from tailrace.redaction.redactor import Redactor, Replacement


def with_pieces(
    redactor: Redactor,
    text: bytes,
    found: Sequence[Replacement],
    *,
    runs: Iterable[tuple[int, int]],
) -> list[Replacement]:
    """Return what is hidden where a line was written in pieces, as if it were whole.

    The event's lines stand at `runs`; `found` is what was found in all of the text.
    """
    all_found = list(found)
    for places in written_lines(text, runs):
        if len(places) > 1:
            all_found = _with_line(redactor, text, all_found, places=places)
    return all_found


def _with_line(
    redactor: Redactor,
    text: bytes,
    found: Sequence[Replacement],
    *,
    places: Sequence[tuple[int, int]],
) -> list[Replacement]:
    """Return what is hidden of a line, and of all others as it was found.

    A secret may stand on both sides of where the runtime parted the line. Its token
    stands in the first piece, and nothing in those after it.
    """
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
