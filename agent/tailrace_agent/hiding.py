"""What of a chunk's events is hidden before they leave, and the text that tells it.

Only what is stored changes. Offsets, lengths, numbers and checksums stay those of the
file's bytes, so identity, ledger and audit know nothing of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

from msgspec import structs

from tailrace.framing import FLAG_REDACTED, MappedEvent
from tailrace.multiline.container import JOINS
from tailrace.multiline.joining import Joined
from tailrace.redaction.pieces import with_pieces
from tailrace.redaction.redactor import (
    CUT_MARGIN_BYTES,
    LOOK_BACK_BYTES,
    Redactor,
    Replacement,
    counted,
    replaced,
)
from tailrace_agent.forms import Form
from tailrace_agent.hiding_entries import entry_replaced, hidden_of_entry
from tailrace_agent.positions import Position, Source, tail_of

Redacted = tuple[tuple[str, int], ...]
"""How often each rule took something out."""


def text_before(
    source: Source, start: int, *, position: Position, form: Form
) -> bytes | None:
    """Return what stands before a place and may tell what is secret behind it.

    None where the file does not hold what stood before the position.

    Raises:
        OSError: the file cannot be read.
    """
    assert form.redactor is not None
    size = min(start, LOOK_BACK_BYTES * form.unit_bytes)
    size -= size % form.unit_bytes
    window = bytearray(size)
    if source.read_into((memoryview(window),), offset=start - size) < size:
        return None
    tail_end = size - (start - position.offset)
    tail_start = tail_end - position.tail.size_bytes
    if 0 <= tail_start < tail_end:
        tail = tail_of(memoryview(window)[tail_start:tail_end])
        if tail != position.tail:
            return None
    return form.redactor.context(form.stored(bytes(window)))


def hidden_of(
    redactor: Redactor,
    text: bytes,
    *,
    before: bytes,
    joined: Sequence[Joined],
    form: Form,
    is_open: bool,
) -> list[Replacement]:
    """Return what is to be hidden of events whose text is `text`.

    `joined` are those of several lines; a text that `is_open` ends within a line.
    """
    found = _hidden_of(redactor, text, before=before, is_open=is_open)
    rule = None if form.joiner is None else form.joiner.rule
    if rule is not None and (rule.container or rule.rule in JOINS):
        for one in joined if form.codec is None else ():
            found = with_pieces(redactor, text, found, runs=one.spans)
    return found


class Run(NamedTuple):
    """Lines of an event that stand one behind the other in the text of all."""

    start: int
    end: int
    number: int
    """Which event they are of."""
    stored_start: int
    """Where they begin in what is stored of it."""


def runs_of(
    events: Sequence[MappedEvent],
    *,
    form: Form,
    start: int,
    joined: Sequence[Joined] = (),
) -> list[Run]:
    """Return where the lines of events stand in the text of all, in its order."""
    if form.codec is None:
        starts = [event.offset - start for event in events]
    else:
        starts = [*accumulate((len(e.stored) + 1 for e in events[:-1]), initial=0)]
    parted = {one.start: one.runs for one in joined if one.runs}
    found: list[Run] = []
    for number, (place, event) in enumerate(zip(starts, events, strict=True)):
        stored_start = 0
        for run in parted.get(place, ((place, place + len(event.stored)),)):
            found.append(Run(*run, number, stored_start))
            stored_start += run[1] - run[0] + 1
    return sorted(found) if parted else found


def with_tokens(
    events: list[MappedEvent],
    replacements: Sequence[Replacement],
    *,
    runs: Sequence[Run],
) -> tuple[list[MappedEvent], Redacted]:
    """Return the events as they are stored, and how often each rule was needed.

    `runs` say where the lines of each event stand in the text of all; what stands behind
    them is left as it is, for the chunk has no room for it.
    """
    if not replacements:
        return events, ()
    made, done = list(events), list[Replacement]()
    starts = [run.start for run in runs]
    by_event: dict[int, list[Replacement]] = {}
    for one in replacements:
        run = runs[bisect_right(starts, one.start) - 1]
        if one.start - run.start >= max(1, run.end - run.start):
            continue
        shift = run.stored_start - run.start
        here = replace(one, start=one.start + shift, end=min(one.end, run.end) + shift)
        by_event.setdefault(run.number, []).append(here)
    for number, all_here in by_event.items():
        event = made[number]
        stored = replaced(event.stored, all_here, offset=0)
        made[number] = structs.replace(
            event, stored=stored, flags=event.flags | FLAG_REDACTED
        )
        done += all_here
    return made, counted(done)


def hidden_of_long(
    stored: bytes, *, before: bytes, form: Form, is_cut: bool, is_ended: bool
) -> tuple[bytes, Redacted]:
    """Return what is stored of a too long event, and how often each rule was needed.

    That is its beginning where it `is_cut`, and all of it where it is not.
    """
    assert form.redactor is not None
    is_open = is_cut or not is_ended
    if form.is_entries:
        found = hidden_of_entry(form.redactor, stored, before=before, is_open=is_open)
    else:
        found = _hidden_of(form.redactor, stored, before=before, is_open=is_open)
    end = max(0, len(stored) - CUT_MARGIN_BYTES) if is_cut else len(stored)
    kept = [one for one in found if one.start < end]
    if kept:
        end = max(end, kept[-1].end)
    if form.is_entries:
        return entry_replaced(stored[:end], kept), counted(kept)
    return replaced(stored[:end], kept, offset=0), counted(kept)


def _hidden_of(
    redactor: Redactor, text: bytes, *, before: bytes, is_open: bool
) -> list[Replacement]:
    begin = len(before)
    found = redactor.find(before + text, begin=begin, is_open=is_open)
    if not begin:
        return found
    return [replace(one, start=one.start - begin, end=one.end - begin) for one in found]
