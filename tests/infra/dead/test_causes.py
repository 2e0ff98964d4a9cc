"""Which field is at fault is read from Elasticsearch's own sentences, and grouped by."""

from __future__ import annotations

import pytest

from tailrace.dead.causes import Cause, cause_of
from tailrace.dead.fixes import Fix, FixKind
from tailrace.dead.groups import GROUPS_MAX, Groups, key_of
from tailrace.dead.letters import Letter, read_document
from tailrace.dead.selection import selection_of
from tailrace.dead.shapes import shape_of
from tailrace.dead.shown import group_lines, groups_json
from tailrace.errors import CommandFailed
from tests.infra.dead.builders import (
    DIED_AT_MS,
    WANTS_LONG,
    bulk_lines,
    dead,
    indexed,
    letters,
)

WANTS_OBJECT = (
    "object mapping for [host] tried to parse field [host] as object, but found a"
    " concrete value"
)
IMMENSE = (
    'Document contains at least one immense term in field="a.b" (whose UTF8 encoding is'
    " longer than the max length 32766)"
)
STRICT = "mapping set to strict, dynamic introduction of [b] within [{}] is not allowed"
TOO_DEEP = "The provided [flattened] field [attributes] exceeds the maximum depth limit of [20]."
SENTENCES = [
    (WANTS_LONG.format(field="user.id"), "user.id", "long"),
    (WANTS_OBJECT, "host", "object"),
    (IMMENSE, "a.b", "keyword"),
    (STRICT.format("a"), "a.b", "nothing"),
    (STRICT.format("_doc"), "b", "nothing"),
    (TOO_DEEP, "attributes", "flattened"),
    ("Limit of total fields [1000] has been exceeded", "", ""),
    ("failed to parse field [] of type [long]", "", ""),
]


@pytest.mark.parametrize(("detail", "field", "wanted"), SENTENCES)
def test_e5_the_field_at_fault_is_read_from_the_servers_sentence(
    detail: str, field: str, wanted: str
) -> None:
    letter = indexed(dead(bulk_lines("x"), detail=detail))

    assert cause_of(letter) == Cause(letter.reason, field, wanted)


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        (
            "user 17 came from 10.0.0.1 at 2026-11-26T10:00:00Z",
            "user * came from * at *",
        ),
        ("id 550e8400-e29b-41d4-a716-446655440000 done", "id * done"),
        ('said "a b" and then   1.5', "said * and then *"),
        ("it's decade\x1b[31m", "it's decade\x1b[*m"),
        ("", ""),
    ],
)
def test_the_shape_of_a_line_is_what_does_not_differ(line: str, shape: str) -> None:
    assert shape_of(line) == shape


def grouped(found: list[Letter]) -> Groups:
    groups = Groups()
    for letter in found:
        groups.take(letter)
    return groups


def test_e5_letters_of_one_cause_field_and_template_are_one_group() -> None:
    same = letters(["user 1 came", "user 2 came"], fields={"user.id": "u-1"})
    other = indexed(dead(bulk_lines("bye 3", fields={"user.id": "u-1"})))
    elsewhere = indexed(
        dead(bulk_lines("user 4 came"), detail=WANTS_LONG.format(field="pid"))
    )

    found = grouped([*same, other, elsewhere]).all()

    assert [group.letter_count for group in found] == [2, 1, 1]
    assert found[0].key.template == "user * came"
    assert found[0].event_count == 2
    assert found[0].fix == Fix(FixKind.MOVE, "user.id")
    assert len({group.key.name for group in found}) == 3


def test_e5_a_group_is_proposed_what_fits_all_of_it() -> None:
    """Where one value of a field cannot be coerced, all are moved to where all fit."""
    numbers = [
        indexed(
            dead(bulk_lines(f"user {n} came", offset=n, fields={"user.id": str(n)}))
        )
        for n in range(3)
    ]
    word = indexed(dead(bulk_lines("user 9 came", fields={"user.id": "u-9"})))

    (coerced,) = grouped(numbers).all()
    (moved,) = grouped([*numbers, word]).all()

    assert coerced.fix == Fix(FixKind.COERCE, "user.id", "long")
    assert moved.fix == Fix(FixKind.MOVE, "user.id")


def test_e5_a_letter_that_died_on_two_days_counts_once() -> None:
    original = bulk_lines("x", fields={"user.id": "u"})
    first = indexed(dead(original))
    again = indexed(dead(original, died_at_ms=DIED_AT_MS + 86_400_000))

    (group,) = grouped([first, again]).all()

    assert group.letter_count == 1
    assert group.first_died_at_ms == DIED_AT_MS


def test_groups_beyond_the_limit_are_counted_and_not_kept() -> None:
    groups = grouped(
        [
            indexed(dead(bulk_lines("x", offset=n), detail=f"[f{n}] no such sentence"))
            for n in range(2)
        ]
        + [
            indexed(
                dead(bulk_lines("x", offset=n), detail=WANTS_LONG.format(field=f"f{n}"))
            )
            for n in range(2, GROUPS_MAX + 9)
        ]
    )

    assert len(groups.all()) == GROUPS_MAX
    assert groups.left_out_count == GROUPS_MAX + 7 - GROUPS_MAX + 1


def test_x5_hostile_letters_are_shown_escaped() -> None:
    hostile = "evil \x1b]0;owned\x07 \u202eline"
    letter = indexed(
        dead(
            bulk_lines(hostile, fields={"user.id": "u"}),
            detail=WANTS_LONG.format(field="a\x1b[2Jb"),
        )
    )
    groups = grouped([letter])

    shown = "\n".join(group_lines(groups)) + groups_json(groups, unread_count=0)

    assert "\\x1b]" in shown
    assert all(one.isprintable() or one == "\n" for one in shown)


def test_e5_a_list_tells_the_commands_that_lead_on() -> None:
    mendable = indexed(
        dead(
            bulk_lines("one", fields={"user.id": "u"}),
            detail=WANTS_LONG.format(field="user.id"),
        )
    )
    other = indexed(dead(bulk_lines("two"), detail="no such sentence"))
    for letter, words in (
        (
            mendable,
            "tailrace dead show {0}, then tailrace dead retry {0} --fix proposed",
        ),
        (
            other,
            "tailrace dead show {0}; once the cause is gone: tailrace dead retry {0}",
        ),
    ):
        groups = grouped([letter])
        (group,) = groups.all()
        (*_, last) = group_lines(groups)
        assert last.strip() == "next: " + words.format(group.key.name)


def test_letters_are_selected_by_group_by_id_or_all() -> None:
    some = letters(["user 1 came", "bye"], fields={"user.id": "u"})
    names = [key_of(one, read_document(one.original)).name for one in some]

    by_group = selection_of([names[0]])
    by_id = selection_of([some[1].dead_id])

    assert list(by_group.of(some)) == [some[0]]
    assert by_group.asked_ids == ()
    assert list(by_id.of(some)) == [some[1]]
    assert by_id.asked_ids == [some[1].dead_id]
    assert list(selection_of([]).of(some)) == some
    assert list(selection_of([names[0], some[1].dead_id]).of(some)) == some
    with pytest.raises(CommandFailed):
        selection_of(["*"])
