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
    cases, mutations, tests = read_cases(), read_mutations(), read_tests()
    found = problems_of(
        cases, mutations, tests, is_file=lambda path: (ROOT / path).is_file()
    )
    assert found == []


def test_the_committed_table_is_what_is_made() -> None:
    made = table(read_cases(), read_mutations(), read_tests())
    committed = (ROOT / TABLE).read_text("utf-8")
    assert committed == made, "`make faults` makes it anew"


def test_a_test_names_its_cases_in_its_name_or_in_words() -> None:
    source = '''"""E8: of all here."""
def test_f7_k11_x() -> None: ...
def test_plain() -> None:
    """S2, K5: and kill point A1."""
def helper() -> None: ...
'''
    found = list(named_tests_in(source, name="tests/test_x.py"))
    assert found == [
        NamedTest("tests/test_x.py::test_f7_k11_x", ("F7", "K11"), ("E8",)),
        NamedTest("tests/test_x.py::test_plain", (), ("S2", "K5", "E8")),
    ]


@pytest.mark.parametrize(
    "words",
    [
        "Has nothing to do with K12 or E9.",
        "Not at all as K12: that is another thing.",
        "K12 and E9 are others.",
        "K12, or so, and E9: neither.",
    ],
)
def test_a_case_that_a_sentence_speaks_of_is_not_held_by_that(words: str) -> None:
    source = f'"""{words}"""\ndef test_plain() -> None:\n    """{words}"""\n'
    (found,) = named_tests_in(source, name="tests/test_x.py")
    assert found.cases == ()


@pytest.mark.parametrize(
    ("source", "is_skipped"),
    [
        ("@pytest.mark.skip\n{}", True),
        ("@pytest.mark.skip(reason='later')\n{}", True),
        ("@mark.skip\n{}", True),
        ("@pytest.mark.skipif(True, reason='later')\n{}", True),
        ("@pytest.mark.skipif(condition=1, reason='later')\n{}", True),
        ("@pytest.mark.xfail\n{}", True),
        ("@pytest.mark.xfail(reason='later')\n{}", True),
        ("pytestmark = pytest.mark.skip\n{}", True),
        ("pytestmark = [pytest.mark.slow, pytest.mark.skip()]\n{}", True),
        ("pytest.skip('later', allow_module_level=True)\n{}", True),
        ("{}\n    pytest.skip('later')", True),
        ("{}\n    pytest.xfail('later')", True),
        ("@pytest.mark.skipif(sys.platform != 'linux', reason='proc')\n{}", False),
        ("@pytest.mark.xfail(sys.platform != 'linux', reason='proc')\n{}", False),
        ("@pytest.mark.timeout(60)\n{}", False),
        ("{}\n    if there():\n        pytest.skip('no servers')", False),
        ("{}", False),
    ],
)
def test_a_test_that_never_runs_is_known(source: str, is_skipped: bool) -> None:
    test = "def test_f1_a() -> None:\n    work()"
    (found,) = named_tests_in(source.format(test), name="tests/t.py")
    assert found.is_skipped is is_skipped


IS_A_FILE = "a.py".__eq__
CASES = [Case(name, "t", "later", "not yet", "issue 9") for name in known_ids()]
HELD = Case("F1", "t", "holds")
TEST = NamedTest("tests/t.py::test_f1_a", ("F1",), ())
SKIPPED = NamedTest(TEST.node, ("F1",), (), is_skipped=True)
MUTATION = Mutation(("F1",), "a.py", "it is broken", (TEST.node,), "2026-11-24")


def test_what_is_held_tested_and_broken_once_is_no_problem() -> None:
    found = problems_of([HELD, *CASES[1:]], [MUTATION], [TEST], is_file=IS_A_FILE)
    assert found == []


def test_a_mutation_of_a_file_that_is_not_there_is_said() -> None:
    found = problems_of(
        [HELD, *CASES[1:]], [MUTATION], [TEST], is_file=lambda path: path != "a.py"
    )
    assert found == [
        "the mutation 'it is broken' is of a.py, which does not exist",
    ]


@pytest.mark.parametrize(
    ("case", "mutations", "tests", "said"),
    [
        (HELD, [], [TEST], "F1 (holds) has no recorded mutation"),
        (HELD, [MUTATION], [], "F1 (holds) is held by no test"),
        (HELD, [MUTATION], [], "which does not exist"),
        (HELD, [MUTATION], [SKIPPED], "F1 (holds) is held by no test"),
        (HELD, [MUTATION], [SKIPPED], "which is skipped"),
        (HELD, [MUTATION], [SKIPPED], "none of its tests says that it holds F1"),
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
    problems = problems_of([case, *CASES[1:]], mutations, tests, is_file=IS_A_FILE)
    assert any(said in problem for problem in problems), problems
