"""The table of faults is what the tests say, and every case in reach is held."""

from __future__ import annotations

import pytest

from tests.support.fault_table import (
    ROOT,
    TABLE,
    Case,
    Mutation,
    NamedTest,
    known_ids,
    named_tests_in,
    problems_of,
    read_cases,
    read_mutations,
    read_tests,
    table,
)


def test_list_tests_and_mutations_agree() -> None:
    assert problems_of(read_cases(), read_mutations(), read_tests()) == []


def test_the_committed_table_is_what_is_made() -> None:
    made = table(read_cases(), read_mutations(), read_tests())
    committed = (ROOT / TABLE).read_text("utf-8")
    assert committed == made, "`make faults` makes it anew"


def test_a_test_names_its_cases_in_its_name_or_in_words() -> None:
    source = '''"""Of all here: E8."""
def test_f7_k11_x() -> None: ...
def test_plain() -> None:
    """Case S2, and kill point A1."""
def helper() -> None: ...
'''
    found = list(named_tests_in(source, name="tests/test_x.py"))
    assert found == [
        NamedTest("tests/test_x.py::test_f7_k11_x", ("F7", "K11"), ("E8",)),
        NamedTest("tests/test_x.py::test_plain", (), ("S2", "E8")),
    ]


CASES = [Case(name, "t", "later", "not yet", "issue 9") for name in known_ids()]
HELD = Case("F1", "t", "holds")
TEST = NamedTest("tests/t.py::test_f1_a", ("F1",), ())
MUTATION = Mutation(("F1",), "a.py", "it is broken", (TEST.node,), "2026-11-24")


def test_what_is_held_tested_and_broken_once_is_no_problem() -> None:
    assert problems_of([HELD, *CASES[1:]], [MUTATION], [TEST]) == []


@pytest.mark.parametrize(
    ("case", "mutations", "tests", "said"),
    [
        (HELD, [], [TEST], "F1 (holds) has no recorded mutation"),
        (HELD, [MUTATION], [], "F1 (holds) is held by no test"),
        (HELD, [MUTATION], [], "which does not exist"),
        (Case("F2", "t", "holds"), [], [], "does not list the cases"),
        (Case("F1", "t", "later"), [], [], "`brought_by` says what will"),
        (Case("F1", "t", "absent"), [], [], "`lacks` says what is not held"),
        (HELD, [], [NamedTest("t::test_f99_a", ("F99",), ())], "unknown cases"),
        (
            HELD,
            [MUTATION],
            [NamedTest(TEST.node, (), ()), TEST][:1],
            "none of its tests says that it holds F1",
        ),
    ],
)
def test_whatever_does_not_agree_is_said(
    case: Case, mutations: list[Mutation], tests: list[NamedTest], said: str
) -> None:
    problems = problems_of([case, *CASES[1:]], mutations, tests)
    assert any(said in problem for problem in problems), problems
