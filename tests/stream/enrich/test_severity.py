"""A level is one word whoever wrote it, and has syslog's number."""

from __future__ import annotations

import pytest

from tailrace_stream.chunk import process_chunk
from tailrace_stream.enrich.severity import NUMBERS
from tailrace_stream.window_groups import KNOWN_LEVELS
from tests.stream.builders import NAMESPACE, origin, placement
from tests.stream.enrich.builders import enriched, only


@pytest.mark.parametrize(
    ("written", "word", "number"),
    [
        ("WARNING", "warn", 4),
        ("warn", "warn", 4),
        ("ERR", "error", 3),
        ("SEVERE", "error", 3),
        ("crit", "critical", 2),
        ("Fatal", "fatal", 2),
        ("emerg", "emergency", 0),
        ("ALERT", "alert", 1),
        ("Information", "info", 6),
        ("fine", "debug", 7),
        ("FINEST", "trace", 7),
        ("W", "warn", 4),
        ("spicy", "spicy", None),
    ],
)
def test_level_is_one_word_and_has_its_number(
    written: str, word: str, number: int | None
) -> None:
    line = f'{{"message":"x","level":"{written}"}}'
    document = enriched(line, by=only(severity=True), parser="json")[0]
    assert document["log.level"] == word
    assert document.get("event.severity") == number


def test_line_without_a_level_gets_none() -> None:
    lines = ['{"message":"x"}', '{"message":"x","level":"WARNING"}']
    made = enriched(*lines, by=only(severity=True), parser="json")
    assert "log.level" not in made[0]
    assert "event.severity" not in made[0]
    assert made[1]["log.level"] == "warn"


def test_number_that_a_line_brings_is_kept() -> None:
    line = "CEF:0|Security|manager|1.0|100|stopped|10|src=10.0.0.1 msg=worm stopped"
    plain, made = (
        enriched(line, by=by, parser="auto")[0] for by in (only(), only(severity=True))
    )
    assert made.get("event.severity") == plain.get("event.severity")


def test_windows_count_by_the_word_of_the_vocabulary() -> None:
    value = b'{"message":"x","level":"WARNING"}\n{"message":"x","level":"warn"}\n'
    made = origin(value, placed=placement("json", dataset="x"))
    chunk = process_chunk(
        value, origin=made, namespace=NAMESPACE, enrichment=only(severity=True)
    )
    assert chunk.levels.to_list() == ["warn", "warn"]


def test_windows_know_every_word_of_the_vocabulary() -> None:
    assert NUMBERS.keys() <= KNOWN_LEVELS
