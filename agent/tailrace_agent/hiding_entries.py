"""What is hidden in a journal's entries, each with what stands before it in mind."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from tailrace.framing import FLAG_REDACTED, MappedEvent
from tailrace.multiline.journald import begins_entry
from tailrace.redaction.entries import entry_replaced, hidden_of_entry
from tailrace.redaction.redactor import (
    LOOK_BACK_BYTES,
    Replacement,
    counted,
)
from tailrace_agent.forms import Form


def entries_with_tokens(
    events: Sequence[MappedEvent],
    value: bytes,
    *,
    before: bytes,
    form: Form,
    is_open: bool,
) -> tuple[list[MappedEvent], tuple[tuple[str, int], ...]]:
    """Return entries as they are stored, and how often each rule was needed.

    `value` begins with the first of them, and `before` stands before it. The last one
    may be `is_open`: it ends within a line.
    """
    assert form.redactor is not None
    made: list[MappedEvent] = []
    done: list[Replacement] = []
    for number, event in enumerate(events, 1):
        here = b""
        if not begins_entry(event.stored):
            passed = form.stored(value[: event.offset - events[0].offset])
            here = form.redactor.context((before + passed)[-LOOK_BACK_BYTES:])
        found = hidden_of_entry(
            form.redactor,
            event.stored,
            before=here,
            is_open=is_open and number == len(events),
        )
        if not found:
            made.append(event)
            continue
        stored = entry_replaced(event.stored, found)
        made.append(
            structs.replace(event, stored=stored, flags=event.flags | FLAG_REDACTED)
        )
        done += found
    return made, counted(done)
