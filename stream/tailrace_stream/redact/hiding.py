"""What is hidden of a chunk's events by pattern, before anything else looks at them.

A function of the chunk: it knows what stands before an event in its chunk, and not what was
in the chunk before. Only text and stored bytes change; place, number and checksum stay.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby

import polars as pl

from tailrace.multiline.container import JOINS
from tailrace.multiline.journald import JOURNALD
from tailrace.redaction.entries import entry_replaced, hidden_of_entry
from tailrace.redaction.pieces import with_pieces
from tailrace.redaction.redactor import (
    CUT_MARGIN_BYTES,
    Redactor,
    Replacement,
    counted,
    replaced,
)
from tailrace.wire import Origin
from tailrace_stream.events import BYTE_ORDER_MARK, Events, text_of_lines

Counts = tuple[tuple[str, int], ...]
"""How often each rule took something out."""


@dataclass(slots=True)
class _Changed:
    """Which events are stored otherwise, and how often each rule was needed."""

    stored: dict[int, bytes]
    done: list[Replacement]


def without_secrets(
    events: Events, *, redactor: Redactor, origin: Origin, is_open: bool
) -> tuple[Events, Counts]:
    """Return the events with tokens in the places of secrets.

    A chunk that `is_open` ends where its last line does not.
    """
    cut: list[int] = []
    if events.are_cut is not None:
        cut = events.are_cut.arg_true().to_list()
    if origin.placement.parser == JOURNALD:
        changed = _of_entries(events.stored, redactor, cut=cut, is_open=is_open)
    else:
        changed = _of_lines(
            events.stored,
            redactor,
            cut=cut,
            is_open=is_open,
            # What begins a file begins within nothing.
            is_begun=origin.first_offset > 0,
            is_joined=_is_of_container(origin),
        )
    if not changed.stored:
        return events, ()
    return with_stored(events, changed.stored), counted(changed.done)


def with_stored(events: Events, changed: dict[int, bytes]) -> Events:
    """Return the events with other bytes in some rows, whose true lengths they tell."""
    numbers = sorted(changed)
    rows = pl.Series(numbers, dtype=pl.UInt32)
    lines = [changed[row] for row in numbers]
    stored = list(events.stored)
    sizes = events.original_sizes
    if sizes is None:
        nothing = pl.Series([None], dtype=pl.Int64)
        sizes = nothing.new_from_index(0, len(events))
    # One that an agent cut or redacted has another true length than came.
    came = pl.Series([len(stored[row]) for row in numbers], dtype=pl.Int64)
    known = sizes.gather(rows)
    for row, line in changed.items():
        stored[row] = line
    text, base64 = text_of_lines(lines)
    if events.has_mark and 0 in changed:
        text = text.scatter(0, text[0].removeprefix(BYTE_ORDER_MARK))
    all_base64 = events.base64
    if all_base64 is None and base64 is not None:
        all_base64 = pl.Series([None], dtype=pl.String).new_from_index(0, len(events))
    if all_base64 is not None:
        if base64 is None:
            base64 = pl.Series([None], dtype=pl.String).new_from_index(0, len(rows))
        all_base64 = all_base64.clone().scatter(rows, base64)
    return replace(
        events,
        text=events.text.clone().scatter(rows, text),
        stored=stored,
        base64=all_base64,
        original_sizes=sizes.clone().scatter(
            rows, known.zip_with(known.is_not_null(), came)
        ),
    )


def _is_of_container(origin: Origin) -> bool:
    multiline = origin.placement.multiline
    return multiline is not None and (
        bool(multiline.container) or multiline.rule in JOINS
    )


def _of_lines(
    stored: Sequence[bytes],
    redactor: Redactor,
    *,
    cut: Collection[int],
    is_open: bool,
    is_begun: bool,
    is_joined: bool,
) -> _Changed:
    text = b"\n".join(stored)
    found = redactor.find(text, is_open=is_open, is_begun=is_begun)
    if not found and not cut and not is_joined:
        return _Changed({}, [])
    starts = list(accumulate((len(one) + 1 for one in stored), initial=0))[:-1]
    if is_joined:
        for row, one in enumerate(stored):
            if b"\n" in one:
                run = (starts[row], starts[row] + len(one))
                found = with_pieces(redactor, text, found, runs=(run,))
    changed = _Changed({}, [])
    whole = set(range(len(stored))) - set(cut) if cut else range(len(stored))
    for number, group in groupby(
        found, key=lambda one: bisect_right(starts, one.start)
    ):
        row, here = number - 1, list(group)
        if row in whole:
            changed.stored[row] = replaced(stored[row], here, offset=starts[row])
            changed.done += here
    for row in cut:
        here = redactor.find(stored[row])
        changed.stored[row], kept = _shortened(stored[row], here)
        changed.done += kept
    return changed


def _of_entries(
    stored: Sequence[bytes],
    redactor: Redactor,
    *,
    cut: Collection[int],
    is_open: bool,
) -> _Changed:
    changed = _Changed({}, [])
    for row, entry in enumerate(stored):
        is_part = row in cut or (is_open and row + 1 == len(stored))
        found = hidden_of_entry(redactor, entry, before=b"", is_open=is_part)
        if found:
            changed.stored[row] = entry_replaced(entry, found)
            changed.done += found
    return changed


def _shortened(
    stored: bytes, found: list[Replacement]
) -> tuple[bytes, list[Replacement]]:
    """Return the beginning of a cut event: its last bytes may be half of a secret."""
    end = max(0, len(stored) - CUT_MARGIN_BYTES)
    kept = [one for one in found if one.start < end]
    if kept:
        end = max(end, kept[-1].end)
    return replaced(stored[:end], kept, offset=0), kept
