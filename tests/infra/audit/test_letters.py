"""A dead letter fits its digest, whatever marks a retry has set, and stands there once."""

from __future__ import annotations

import msgspec
import orjson
import pytest

from tailrace.audit.letters import wrong_letters
from tailrace.audit.shown import problem_text
from tailrace.audit.sources import StoredLetter
from tailrace.audit.verdict import NAMED_MAX, AuditReport, ProblemKind, report_json
from tailrace_indexer.dead_letters import dead_lines, last_resort_lines
from tailrace_indexer.outcomes import judge_item
from tailrace_indexer.pieces import Piece, Place
from tests.infra.audit.builders import facts_at_rest, held, report_of
from tests.infra.dead.builders import DOCS, bulk_lines, dead

LETTER = dead(bulk_lines("user 7 came \x1b[31m\u2028 \xe9"))
_, SOURCE, _ = dead_lines(LETTER, namespace="tailrace").split(b"\n")
DELIVERED = {"dead.delivered_at": 1_764_000_000_000, "dead.fix": "move:user.id"}


def stored(source: bytes, name: str = LETTER.dead_id) -> StoredLetter:
    return StoredLetter(
        index="tailrace-dead-2026.11.24",
        document_id=name,
        source=msgspec.Raw(source),
    )


def test_a_letter_fits_its_digest_as_it_was_stored_and_once_it_was_retried() -> None:
    said = orjson.loads(SOURCE)
    # Elasticsearch writes a source anew where a part of it is updated.
    marked = orjson.dumps({**said, **DELIVERED}, option=orjson.OPT_INDENT_2)

    assert wrong_letters([stored(SOURCE), stored(marked)]) == ()


def test_a_refused_letters_last_form_has_a_digest_too() -> None:
    piece = Piece(Place(DOCS, 1, 3), dead_lines(LETTER, namespace="t"), 1)
    verdict = judge_item(400, None)
    _, source, _ = last_resort_lines(piece, verdict, now_ms=7).split(b"\n")

    assert wrong_letters([stored(source, "refused-1")]) == ()


@pytest.mark.parametrize("name", sorted(orjson.loads(SOURCE)))
def test_a_letter_of_which_any_field_was_altered_or_taken_does_not(name: str) -> None:
    said = orjson.loads(SOURCE)
    altered = {**said, name: "nothing"}
    without = {key: value for key, value in said.items() if key != name}

    for wrong in (altered, without):
        problem, *_ = wrong_letters([stored(orjson.dumps(wrong))])
        assert problem.kind is ProblemKind.ALTERED
        assert problem.documents == (f"tailrace-dead-2026.11.24/{LETTER.dead_id}",)


def test_an_altered_letter_is_named_with_host_file_and_offset_by_its_own_word() -> None:
    wrong = orjson.dumps({**orjson.loads(SOURCE), "dead.detail": "nothing"})

    (problem,) = wrong_letters([stored(wrong)])

    said = (problem.host_name, problem.path, problem.offset, problem.event_number)
    assert said == (
        LETTER.host_name,
        LETTER.path,
        LETTER.first_offset,
        LETTER.first_event_number,
    )
    assert LETTER.path
    text = problem_text(problem)
    assert f"event {LETTER.first_event_number} at offset {LETTER.first_offset}" in text
    assert f"of {LETTER.host_name}:{LETTER.path}" in text
    assert "its own word" in text
    shown = report_json(AuditReport(verdicts=(), problems=(problem,)))["problems"][0]
    assert shown["path"] == LETTER.path
    assert shown["host"] == LETTER.host_name
    assert shown["offset"] == LETTER.first_offset


def test_an_altered_letter_that_names_no_place_is_given_none() -> None:
    wrong = orjson.dumps({"dead.id": "d1", "log.offset": -1, "event.sequence": True})

    (problem,) = wrong_letters([stored(wrong, "d1")])

    assert (problem.offset, problem.event_number, problem.path) == (None, None, "")
    assert "own word" not in problem.text


def test_a_letter_under_another_id_than_its_own_is_a_double_and_both_are_named() -> (
    None
):
    (problem,) = wrong_letters([stored(SOURCE), stored(SOURCE, "copy")])

    assert problem.kind is ProblemKind.DOUBLED
    assert problem.documents == ("tailrace-dead-2026.11.24/copy",)
    assert LETTER.dead_id in problem.text
    assert (problem.path, problem.offset) == (LETTER.path, LETTER.first_offset)


def test_the_same_letter_of_two_days_is_no_double() -> None:
    other = StoredLetter(
        index="tailrace-dead-2026.11.25",
        document_id=LETTER.dead_id,
        source=msgspec.Raw(SOURCE),
    )

    assert wrong_letters([stored(SOURCE), other]) == ()


@pytest.mark.parametrize("is_deep", [False, True])
def test_an_audit_is_red_for_a_doubled_letter(is_deep: bool) -> None:
    """By sums: its window holds one event too many, and is looked at."""
    index = held(*(n for n in range(25) if n != 7))
    index.dead += [(7, 1), (7, 1)]
    index.letter_ids = [("d7", "d7"), ("copy", "d7")]
    named = orjson.dumps({**orjson.loads(SOURCE), "dead.id": "d7"})
    index.letter_sources = {"d7": named, "copy": named}

    report = report_of(index, facts_at_rest(25), is_deep=is_deep)

    found = [*report.problems, *(p for v in report.verdicts for p in v.problems)]
    doubled = [each for each in found if each.kind is ProblemKind.DOUBLED]
    assert not report.is_sound
    assert [each.documents for each in doubled] == [("tailrace-dead-2026.11.24/copy",)]
    assert "'d7'" in doubled[0].text


def test_more_altered_letters_than_are_named_are_counted() -> None:
    many = [stored(b"{}", name=str(n)) for n in range(NAMED_MAX + 3)]

    problems = wrong_letters(many)

    assert len(problems) == NAMED_MAX + 1
    assert problems[-1].count == 3


def test_only_a_deep_audit_sees_an_altered_letter() -> None:
    index = held(*range(25))
    index.letter_sources[LETTER.dead_id] = SOURCE.replace(
        b'"event.sequence":', b'"other":'
    )

    assert report_of(index, facts_at_rest(25)).is_sound
    report = report_of(index, facts_at_rest(25), is_deep=True)

    assert not report.is_sound
    assert [each.kind for each in report.problems] == [ProblemKind.ALTERED]
