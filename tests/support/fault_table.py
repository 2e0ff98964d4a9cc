"""Which test and which mutation hold each case of the list of faults: `docs/faults.md`.

Run as `python -m tests.support.fault_table` (or `make faults`), which writes the table.
It stands on three things: `tests/faults.toml` says how things stand with each case,
`tests/mutations.toml` what was broken by hand and which test that turned red, and the
tests themselves bear the numbers of their cases: in their names (`test_f7_k11_...`), or
before a colon at the very beginning of their docstrings or their file's (`S1, K5: ...`).
A number elsewhere in a sentence says nothing, and a test that never runs holds nothing.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

ROOT = Path(__file__).resolve().parent.parent.parent
TABLE = Path("docs", "faults.md")
CASES_FILE = Path("tests", "faults.toml")
MUTATIONS_FILE = Path("tests", "mutations.toml")
CASE_COUNTS = {"F": 35, "P": 11, "K": 15, "S": 11, "E": 13, "Z": 8, "X": 20}
"""How many cases each part of the list has."""
GROUPS = {
    "F": "File identity and rotation",
    "P": "Process and host",
    "K": "Kafka",
    "S": "Stream processing",
    "E": "Elasticsearch",
    "Z": "ZooKeeper",
    "X": "Security",
}
_IN_NAME = re.compile(r"test_((?:[fpksezx]\d+_)+)")
_CASE = r"[FPKSEZX]\d{1,2}"
_IN_TEXT = re.compile(rf"((?:{_CASE}, )*{_CASE}): ")

Status = Literal["holds", "partly", "later", "absent"]
HELD: tuple[Status, ...] = ("holds", "partly")
"""What of these is there has a test and a recorded mutation."""


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One case, in our own words."""

    id: str
    title: str
    status: Status
    lacks: str = ""
    """What of it is not there, or why it cannot arise."""
    brought_by: str = ""


class Mutation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was broken by hand once, and the tests that turned red by it."""

    cases: tuple[str, ...]
    file: str
    broken: str
    tests: tuple[str, ...]
    """As pytest names them, without parameters."""
    date: str


class _Cases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    case: tuple[Case, ...]


class _Mutations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mutation: tuple[Mutation, ...]


@dataclass(frozen=True, slots=True)
class NamedTest:
    """One test, and the cases that it says it holds."""

    node: str
    name_cases: tuple[str, ...]
    """From its name."""
    text_cases: tuple[str, ...]
    """From the beginning of its docstring and of its file's."""
    is_skipped: bool = False
    """Whether it never runs, or may fail, whatever there is."""

    @property
    def cases(self) -> tuple[str, ...]:
        """Return each case once."""
        return tuple(dict.fromkeys((*self.name_cases, *self.text_cases)))


def known_ids() -> list[str]:
    """Return the ids of all cases, in the order of the list."""
    return [
        f"{group}{number}"
        for group, count in CASE_COUNTS.items()
        for number in range(1, count + 1)
    ]


def read_cases(root: Path = ROOT) -> tuple[Case, ...]:
    """Return how things stand with each case.

    Raises:
        msgspec.ValidationError: the file holds something else.
    """
    return msgspec.convert(_toml(root / CASES_FILE), _Cases).case


def read_mutations(root: Path = ROOT) -> tuple[Mutation, ...]:
    """Return what was broken by hand.

    Raises:
        msgspec.ValidationError: the file holds something else.
    """
    return msgspec.convert(_toml(root / MUTATIONS_FILE), _Mutations).mutation


def read_tests(root: Path = ROOT) -> list[NamedTest]:
    """Return every test of the repository, whether it names a case or not."""
    return [
        test
        for path in sorted((root / "tests").rglob("test_*.py"))
        for test in named_tests_in(
            path.read_text("utf-8"), name=path.relative_to(root).as_posix()
        )
    ]


def named_tests_in(source: str, *, name: str) -> Iterator[NamedTest]:
    """Yield the tests of one file."""
    tree = ast.parse(source)
    of_file = _text_cases(tree)
    is_file_skipped = any(map(_skips, tree.body))
    for node in tree.body:
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if not is_function or not node.name.startswith("test_"):
            continue
        found = _IN_NAME.match(node.name)
        in_name = found.group(1).upper().split("_")[:-1] if found else []
        in_text = _text_cases(node)
        yield NamedTest(
            f"{name}::{node.name}",
            tuple(in_name),
            (*in_text, *of_file),
            is_skipped=is_file_skipped
            or any(map(_is_skip, node.decorator_list))
            or any(map(_skips, node.body)),
        )


def _text_cases(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    found = _IN_TEXT.match(ast.get_docstring(node) or "")
    return found.group(1).split(", ") if found else []


def _skips(statement: ast.stmt) -> bool:
    """Tell whether a statement, if it is reached, leaves out all that follows it."""
    if isinstance(statement, ast.Expr):
        return _is_skip(statement.value)
    if isinstance(statement, ast.Assign):
        targets = [ast.unparse(target) for target in statement.targets]
    elif isinstance(statement, ast.AnnAssign):
        targets = [ast.unparse(statement.target)]
    else:
        return False
    value = statement.value
    if "pytestmark" not in targets or value is None:
        return False
    marks = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
    return any(map(_is_skip, marks))


def _is_skip(node: ast.expr) -> bool:
    """Tell whether a mark or a call skips a test, or forgives it, on no condition."""
    is_call = isinstance(node, ast.Call)
    name = ast.unparse(node.func if is_call else node).rpartition("pytest.")[2]
    if name in {"mark.skip", "skip", "xfail"}:
        return True
    conditions: list[ast.expr] = []
    if is_call:
        named = (each.value for each in node.keywords if each.arg == "condition")
        conditions = [*node.args, *named]
    is_always = all(
        isinstance(each, ast.Constant) and bool(each.value) for each in conditions
    )
    if name == "mark.xfail":
        return is_always
    return name == "mark.skipif" and bool(conditions) and is_always


def problems_of(
    cases: Sequence[Case],
    mutations: Sequence[Mutation],
    tests: Sequence[NamedTest],
    *,
    is_file: Callable[[str], bool],
) -> list[str]:
    """Return all in which the list, the tests and the mutations disagree.

    `is_file` says whether a path of the repository is one of a file.
    """
    problems: list[str] = []
    ids = [case.id for case in cases]
    if ids != known_ids():
        problems.append(f"{CASES_FILE} does not list the cases in their order")
    for case in cases:
        is_held = case.status in HELD
        holding = [test for test in tests if case.id in test.cases]
        if is_held and not any(not test.is_skipped for test in holding):
            problems.append(f"{case.id} ({case.status}) is held by no test")
        if is_held and not any(case.id in mutation.cases for mutation in mutations):
            problems.append(f"{case.id} ({case.status}) has no recorded mutation")
        if (case.status != "holds") != bool(case.lacks):
            problems.append(f"{case.id} ({case.status}): `lacks` says what is not held")
        if (case.status in {"partly", "later"}) != bool(case.brought_by):
            problems.append(f"{case.id} ({case.status}): `brought_by` says what will")
    by_node = {test.node: test for test in tests}
    for test in tests:
        unknown = set(test.cases) - set(ids)
        if unknown:
            problems.append(f"{test.node} names unknown cases {sorted(unknown)}")
    for mutation in mutations:
        problems += _problems_of_mutation(mutation, by_node, is_file=is_file)
    return problems


def _problems_of_mutation(
    mutation: Mutation,
    by_node: Mapping[str, NamedTest],
    *,
    is_file: Callable[[str], bool],
) -> Iterator[str]:
    what = f"the mutation {mutation.broken!r}"
    if not is_file(mutation.file):
        yield f"{what} is of {mutation.file}, which does not exist"
    if not mutation.tests:
        yield f"{what} names no test"
    held = {
        case
        for node in mutation.tests
        if node in by_node and not by_node[node].is_skipped
        for case in by_node[node].cases
    }
    for node in mutation.tests:
        if node not in by_node:
            yield f"{what} names {node}, which does not exist"
        elif by_node[node].is_skipped:
            yield f"{what} names {node}, which is skipped"
    for case in mutation.cases:
        if case not in held:
            yield f"{what}: none of its tests says that it holds {case}"
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", mutation.date):
        yield f"{what} has the date {mutation.date!r}"


def table(
    cases: Sequence[Case], mutations: Sequence[Mutation], tests: Sequence[NamedTest]
) -> str:
    """Return the whole document."""
    lines = [
        "# What can go wrong, and what holds it",
        "",
        "Made by `make faults` from the names and docstrings of the tests,",
        f"`{CASES_FILE.as_posix()}` and `{MUTATIONS_FILE.as_posix()}`; `make check`",
        "fails where they disagree. A *mutation* is a guarantee that was broken by hand",
        "once, to see its test turn red.",
        "",
        _summary(cases, mutations),
    ]
    for group, title in GROUPS.items():
        lines += ["", f"## {title}", ""]
        lines += ["| case | what goes wrong | stands | tests | mutations |"]
        lines += ["|---|---|---|---|---|"]
        lines += [_row(case, mutations, tests) for case in cases if case.id[0] == group]
    return "\n".join(lines) + "\n"


def _summary(cases: Sequence[Case], mutations: Sequence[Mutation]) -> str:
    counts = {
        status: sum(case.status == status for case in cases)
        for status in get_args(Status)
    }
    return (
        f"{len(cases)} cases: {counts['holds']} held whole, {counts['partly']} partly,"
        f" {counts['later']} later, {counts['absent']} that this design does not have;"
        f" {len(mutations)} recorded mutations."
    )


def _row(case: Case, mutations: Sequence[Mutation], tests: Sequence[NamedTest]) -> str:
    stands: str = case.status
    if case.lacks:
        stands += f": {case.lacks}"
    if case.brought_by:
        stands += f" ({case.brought_by})"
    holding = [test for test in tests if case.id in test.cases]
    nodes = {test.node for test in holding}
    held = [f"`{_short(test.node)}`" for test in holding if not test.is_skipped]
    broken = [
        f"{m.broken} (`{m.file}`, {m.date}): {_red(m, nodes)}"
        for m in mutations
        if case.id in m.cases
    ]
    cells = [case.id, case.title, stands, "<br>".join(held), "<br>".join(broken)]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _red(mutation: Mutation, holding: Collection[str]) -> str:
    """Return the tests of a case that a mutation turned red."""
    return ", ".join(f"`{_name(t)}`" for t in mutation.tests if t in holding)


def _short(node: str) -> str:
    return node.removeprefix("tests/")


def _name(node: str) -> str:
    return node.rpartition("::")[2]


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def main() -> None:
    """Write the table."""
    made = table(read_cases(), read_mutations(), read_tests())
    (ROOT / TABLE).write_text(made, "utf-8")


if __name__ == "__main__":
    main()
