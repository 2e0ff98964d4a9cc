"""What a chunk has of each template: how many new events, between which times."""

from __future__ import annotations

import numpy as np
import pytest

from tailrace_stream import chunk as chunks
from tailrace_stream.chunk import ProcessedChunk, process_chunk
from tailrace_stream.enrich.enrichment import Enrichment
from tailrace_stream.templates.sightings import Sighting, sightings_of
from tests.stream.builders import (
    NAMESPACE,
    SEEN_AT_MS,
    origin,
    placement,
    processed,
    stored,
)

PLACED = placement("log4j", dataset="java.log")
LINES = [
    b"2026-11-24 01:00:05 INFO opened 5 files",
    b"2026-11-24 01:00:01 INFO opened 7 files",
    b"2026-11-24 01:00:09 WARN closed",
    b"no time here",
    b"2099-01-01 00:00:00 WARN closed",
]
VALUE = b"\n".join(LINES) + b"\n"
FIRST_MS = 1_795_482_001_000


def chunk_of(value: bytes = VALUE, *, has_templates: bool = True) -> ProcessedChunk:
    return processed(
        value, placed=PLACED, enrichment=Enrichment(has_templates=has_templates)
    )


def seen_in(done: ProcessedChunk, *, new: list[bool] | None = None) -> list[Sighting]:
    assert done.templates is not None
    is_new = np.array([True] * done.event_count if new is None else new)
    made = origin(VALUE, placed=PLACED)
    return sightings_of(
        done.templates, times_ns=done.times_ns, is_new=is_new, origin=made
    )


def test_each_template_has_its_count_and_its_first_and_last_time() -> None:
    """A time that the file cannot have dates no template; without one, reading does."""
    done = chunk_of()
    opened, closed, untimed = seen_in(done)
    assert (opened.text, opened.new_count) == ("opened <*> files", 2)
    assert (opened.first_ms, opened.last_ms) == (FIRST_MS, FIRST_MS + 4_000)
    assert (closed.text, closed.new_count) == ("closed", 2)
    assert (closed.first_ms, closed.last_ms) == (FIRST_MS + 8_000, SEEN_AT_MS)
    assert (untimed.first_ms, untimed.last_ms) == (SEEN_AT_MS, SEEN_AT_MS)
    ids = [one.document["tailrace.template.id"] for one in stored(done)]
    assert ids == [one.template_id for one in (opened, opened, closed, untimed, closed)]


def test_events_that_were_counted_before_are_seen_and_not_counted() -> None:
    opened, closed, untimed = seen_in(
        chunk_of(), new=[True, False, False, False, False]
    )
    assert [one.new_count for one in (opened, closed, untimed)] == [1, 0, 0]
    assert opened.first_ms == FIRST_MS


def test_off_it_is_not_there() -> None:
    assert chunk_of(has_templates=False).templates is None
    assert chunk_of(b"").templates is None


def test_an_event_without_a_document_is_of_no_template(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = chunks.documents_of

    def raising(events: chunks.Events, *args: object, **kwargs: object) -> object:
        if any("closed" in text for text in events.text.to_list()):
            raise ValueError("no such line")
        return real(events, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(chunks, "documents_of", raising)
    done = process_chunk(
        VALUE,
        origin=origin(VALUE, placed=PLACED),
        namespace=NAMESPACE,
        enrichment=Enrichment(has_templates=True),
    )
    assert len(done.dead) == 2
    assert [one.text for one in seen_in(done)] == ["opened <*> files", "no time here"]
