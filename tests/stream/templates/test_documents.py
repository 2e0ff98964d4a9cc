"""The template's id in each document, and what it is of."""

from __future__ import annotations

import pytest

from tailrace.clock import SystemClock
from tailrace_stream.chunk import ProcessedChunk
from tailrace_stream.enrich.build import enrichment_of
from tailrace_stream.enrich.config import EnrichmentSettings
from tailrace_stream.enrich.enrichment import Enrichment
from tests.stream.builders import placement, processed, stored
from tests.stream.templates.corpora import corpus_of

LINES = [
    *(line.encode() for line in corpus_of("linux", lines_count=40, seed=3).lines),
    b"not \xff UTF-8 of 10.0.0.1",
    b"",
]
WITH_TEMPLATES = Enrichment(has_templates=True)
VALUE = b"\n".join(LINES) + b"\n"


def ids(done: ProcessedChunk) -> list[str]:
    return [one.document["tailrace.template.id"] for one in stored(done)]


@pytest.mark.parametrize("parser", ["plain", "syslog", "json", "auto"])
def test_every_document_names_its_template_whatever_read_it(parser: str) -> None:
    """A changed parser makes another message, and the same template of the same line."""
    found = ids(
        processed(
            VALUE, placed=placement(parser, dataset="x"), enrichment=WITH_TEMPLATES
        )
    )
    assert len(found) == len(LINES)
    assert all(len(one) == 16 for one in found)
    assert found == ids(
        processed(
            VALUE, placed=placement("plain", dataset="x"), enrichment=WITH_TEMPLATES
        )
    )


def test_s2_a_document_is_the_same_to_the_byte_in_another_chunk() -> None:
    """S2: cut elsewhere when it is sent again, a line gets the body that it had."""
    placed = placement("plain", dataset="x")
    whole = processed(VALUE, placed=placed, enrichment=WITH_TEMPLATES)
    bodies: list[bytes] = []
    offset = number = 0
    for lines in (LINES[:17], LINES[17:]):
        value = b"\n".join(lines) + b"\n"
        half = processed(
            value,
            placed=placed,
            first_offset=offset,
            first_event_number=number,
            enrichment=WITH_TEMPLATES,
        )
        bodies += [piece.body for piece in half.pieces]
        offset += len(value)
        number += len(lines)
    assert b"".join(bodies) == b"".join(piece.body for piece in whole.pieces)


def test_every_document_names_its_template_unless_it_is_switched_off() -> None:
    for settings, is_there in ({}, True), ({"templates": False}, False):
        by = enrichment_of(
            EnrichmentSettings.model_validate(settings), clock=SystemClock()
        )
        (one,) = stored(processed(b"opened 5\n", enrichment=by))
        assert ("tailrace.template.id" in one.document) == is_there
