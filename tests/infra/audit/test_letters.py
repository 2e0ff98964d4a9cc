"""A dead letter fits its digest, whatever marks a retry has set, and no altered one does."""

from __future__ import annotations

import msgspec
import orjson
import pytest

from tailrace.audit.letters import altered_letters
from tailrace.audit.sources import StoredLetter
from tailrace.audit.verdict import NAMED_MAX, ProblemKind
from tailrace_indexer.dead_letters import dead_lines, last_resort_lines
from tailrace_indexer.outcomes import judge_item
from tailrace_indexer.pieces import Piece, Place
from tests.infra.audit.builders import facts_at_rest, held, report_of
from tests.infra.dead.builders import DOCS, bulk_lines, dead

LETTER = dead(bulk_lines("user 7 came \x1b[31m\u2028 \xe9"))
_, SOURCE, _ = dead_lines(LETTER, namespace="tailrace").split(b"\n")
DELIVERED = {"dead.delivered_at": 1_764_000_000_000, "dead.fix": "move:user.id"}


def stored(source: bytes, name: str = "d1") -> StoredLetter:
    return StoredLetter(
        index="tailrace-dead-2026.11.24",
        document_id=name,
        source=msgspec.Raw(source),
    )


def test_a_letter_fits_its_digest_as_it_was_stored_and_once_it_was_retried() -> None:
    said = orjson.loads(SOURCE)
    # Elasticsearch writes a source anew where a part of it is updated.
    marked = orjson.dumps({**said, **DELIVERED}, option=orjson.OPT_INDENT_2)

    assert altered_letters([stored(SOURCE), stored(marked)]) == ()


def test_a_refused_letters_last_form_has_a_digest_too() -> None:
    piece = Piece(Place(DOCS, 1, 3), dead_lines(LETTER, namespace="t"), 1)
    verdict = judge_item(400, None)
    _, source, _ = last_resort_lines(piece, verdict, now_ms=7).split(b"\n")

    assert altered_letters([stored(source)]) == ()


@pytest.mark.parametrize("name", sorted(orjson.loads(SOURCE)))
def test_a_letter_of_which_any_field_was_altered_or_taken_does_not(name: str) -> None:
    said = orjson.loads(SOURCE)
    altered = {**said, name: "nothing"}
    without = {key: value for key, value in said.items() if key != name}

    for wrong in (altered, without):
        (problem,) = altered_letters([stored(orjson.dumps(wrong))])
        assert problem.kind is ProblemKind.ALTERED
        assert problem.documents == ("tailrace-dead-2026.11.24/d1",)


def test_more_altered_letters_than_are_named_are_counted() -> None:
    many = [stored(b"{}", name=str(n)) for n in range(NAMED_MAX + 3)]

    problems = altered_letters(many)

    assert len(problems) == NAMED_MAX + 1
    assert problems[-1].count == 3


def test_only_a_deep_audit_sees_an_altered_letter() -> None:
    index = held(*range(25))
    index.letter_sources["d1"] = SOURCE.replace(b'"event.sequence":', b'"other":')

    assert report_of(index, facts_at_rest(25)).is_sound
    report = report_of(index, facts_at_rest(25), is_deep=True)

    assert not report.is_sound
    assert [each.kind for each in report.problems] == [ProblemKind.ALTERED]
