"""The rules of the house, held by a test and not by a page: boundaries, lengths, names."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROLES = {
    "tailrace_agent": "agent",
    "tailrace_stream": "stream",
    "tailrace_indexer": "indexer",
    "tailrace_dashboard": "dashboard",
}
SHOP = "tailrace_shop"
FOLDERS = ("agent", "stream", "indexer", "dashboard", "infra")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
# Streamlit's script is a list of widgets, and __init__ holds only a docstring.
LENGTH_EXEMPT = frozenset({"__init__.py", "__main__.py", "app.py"})
# Split so that this file does not name what it bans.
BANNED_TEXT = {
    "unsafe" + "_allow_html": "draw log text with st.text, st.code or a dataframe",
    "Magic" + "Mock": "write a double that is named for what it does",
    "time.sleep" + "(": "wait on a condition (tests), or on the Clock that came in",
    "pickle" + ".load": "use msgspec; a pickle runs code",
    "yaml" + ".load(": "use TOML",
    "data_stream" + '"': "an id is unique only within a backing index",
}
SLEEPERS = frozenset({"infra/tailrace/clock.py"})


def sources(*folders: str) -> list[Path]:
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "__pycache__" not in path.parts
    )


PRODUCT = sources(*FOLDERS)
TESTS = sources("tests")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_no_role_imports_another(path: Path) -> None:
    """Roles import `tailrace`; `tailrace` imports a role only lazily, in a command.

    The shop of the demonstration is as a role here: what it shows, it shows in its logs.
    """
    package = path.relative_to(ROOT).parts[1]
    apart = {*ROLES, SHOP}
    for module in imported_modules(path):
        top = module.split(".")[0]
        if package in apart and top in apart:
            assert top == package, f"{relative(path)} imports {module}"
        is_command = "commands" in path.parts or "bench" in path.parts
        if package == "tailrace" and top in apart and not is_command:
            pytest.fail(f"{relative(path)} imports the role {module}")


@pytest.mark.parametrize("path", [*PRODUCT, *TESTS], ids=relative)
def test_no_module_is_imported_by_its_folder(path: Path) -> None:
    """`import agent.…` would load a second copy of the same module."""
    for module in imported_modules(path):
        assert module.split(".")[0] not in FOLDERS, f"{relative(path)}: {module}"


def test_a_role_is_imported_by_tailrace_only_inside_a_function() -> None:
    for path in sources("infra/tailrace"):
        tree = ast.parse(path.read_text("utf-8"))
        for node in tree.body:
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert not {name.split(".")[0] for name in names} & {*ROLES, SHOP}, (
                f"{relative(path)} imports a role when it is itself imported"
            )


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_a_file_answers_one_question(path: Path) -> None:
    """Its docstring is that question's answer, and it is short enough to be read."""
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{relative(path)} has no docstring"
    if path.name not in LENGTH_EXEMPT:
        assert len(text.splitlines()) <= FILE_LINES_MAX, relative(path)


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_a_function_can_be_seen_whole(path: Path) -> None:
    for function in functions(path):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= FUNCTION_LINES_MAX, (
            f"{relative(path)}:{function.lineno} {function.name} has {length} lines"
        )


@pytest.mark.parametrize("path", [*PRODUCT, *TESTS], ids=relative)
def test_x15_what_is_banned_is_absent(path: Path) -> None:
    if path == Path(__file__) or relative(path) in SLEEPERS:
        return
    text = path.read_text("utf-8")
    for banned, instead in BANNED_TEXT.items():
        assert banned not in text, f"{relative(path)} has {banned!r}: {instead}"


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_x15_no_text_is_run_as_code(path: Path) -> None:
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"eval", "exec", "compile", "__import__"}, relative(path)


@pytest.mark.parametrize("path", TESTS, ids=relative)
def test_a_test_uses_real_things_or_named_doubles(path: Path) -> None:
    """`unittest.mock` answers whatever it is asked, so its tests cannot fail."""
    modules = set(imported_modules(path))
    assert not any(module.startswith("unittest") for module in modules), relative(path)


def test_output_goes_through_the_command_line_alone() -> None:
    for path in PRODUCT:
        if "commands" in path.parts or path.name in {"cli.py", "__main__.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_print = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "print"
            )
            assert not is_print, f"{relative(path)} prints: use the role's logger"


def tracked_text() -> Iterator[tuple[str, str]]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    # A source archive has no git; what is there is then what was packed.
    names = listed or [relative(path) for path in [*PRODUCT, *TESTS]]
    for name in names:
        path = ROOT / name
        if path.suffix not in {".png", ".gz", ".zst"} and path.is_file():
            yield name, path.read_text("utf-8", "replace")


def test_nothing_names_a_registry_host_or_this_machine() -> None:
    hosts = re.compile(
        r"\b(pypi|pythonhosted|npmjs|crates|maven|golang|debian)\.(org|io|com)\b"
    )
    paths = re.compile(r"(?<![\w.])/(work|farm|root)/")
    for name, text in tracked_text():
        assert not hosts.search(text), f"{name} names a package registry's host"
        if name != "tests/test_house.py":
            assert not paths.search(text), f"{name} names a folder of one machine"


def test_the_readme_names_only_commands_that_exist() -> None:
    from typer.main import get_command

    from tailrace.cli import app

    readme = (ROOT / "README.md").read_text("utf-8")
    command = get_command(app)
    known = set(getattr(command, "commands", {}))
    named = set(re.findall(r"`?tailrace ([a-z]+)\b(?= |`|$)", readme, re.MULTILINE))
    commands_named = {name for name in named if f"`tailrace {name}" in readme}
    assert commands_named
    assert commands_named <= known, commands_named - known
    targets = set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    made = set(re.findall(r"`make ([a-z]+)`", readme))
    assert made
    assert made <= targets, made - targets


def test_every_topic_and_promise_in_the_documents_is_the_codes() -> None:
    """The promise stands in the README word for word."""
    promise = (
        "a complete line in a file the agent could open, which existed for at least one"
        " scan after it was written, is indexed exactly once. If a file is truncated or"
        " deleted before it could be read, the loss is detected and counted in bytes."
    )
    readme = " ".join((ROOT / "README.md").read_text("utf-8").replace(">", "").split())
    assert promise in readme.replace("*", "")
