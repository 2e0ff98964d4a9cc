"""What of a chunk's events is hidden before they leave, and the text that tells it.

Only what is stored changes. Offsets, lengths, numbers and checksums stay those of the
file's bytes, so identity, ledger and audit know nothing of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, groupby

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
    rule = "" if form.joiner is None else form.joiner.rule.rule
    if rule in JOINS and form.codec is None:
        for one in joined:
            found = with_pieces(redactor, text, found, start=one.start, end=one.end)
    return found


def starts_of(events: Sequence[MappedEvent], *, form: Form, start: int) -> list[int]:
    """Return where each event begins in the text of all."""
    if form.codec is None:
        return [event.offset - start for event in events]
    return list(accumulate((len(e.stored) + 1 for e in events[:-1]), initial=0))


def with_tokens(
    events: list[MappedEvent],
    replacements: Sequence[Replacement],
    *,
    starts: Sequence[int],
) -> tuple[list[MappedEvent], Redacted]:
    """Return the events as they are stored, and how often each rule was needed.

    `starts` say where each event begins in the text of all; events behind them are left
    as they are, for their chunk has no room for them.
    """
    if not replacements:
        return events, ()
    made, done = list(events), list[Replacement]()
    by_event = groupby(replacements, key=lambda one: bisect_right(starts, one.start))
    for number, group in by_event:
        start, event, here = starts[number - 1], made[number - 1], list(group)
        if here[0].start - start >= max(1, len(event.stored)):
            break
        stored = replaced(event.stored, here, offset=start)
        made[number - 1] = structs.replace(
            event, stored=stored, flags=event.flags | FLAG_REDACTED
        )
        done += here
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
