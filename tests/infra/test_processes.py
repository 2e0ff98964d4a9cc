"""Which processes there are: none is a copy of one that has clients already."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.test_house import PRODUCT, imported_modules, relative

# It copies itself before it becomes a server, and imports no client.
LAUNCHER = "infra/tailrace_embedded/launcher.py"
FORKS = frozenset({"fork", "forkpty"})


@pytest.mark.parametrize(
    "path", [p for p in PRODUCT if relative(p) != LAUNCHER], ids=relative
)
def test_p8_no_process_is_forked_from_one_that_has_clients(path: Path) -> None:
    """Threads and sockets of a client do not survive a fork: roles are new processes."""
    modules = {module.partition(".")[0] for module in imported_modules(path)}
    assert "multiprocessing" not in modules
    tree = ast.parse(path.read_text("utf-8"))
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not called & FORKS


def test_p8_the_launcher_that_forks_imports_no_client() -> None:
    (launcher,) = [path for path in PRODUCT if relative(path) == LAUNCHER]
    modules = {module.partition(".")[0] for module in imported_modules(launcher)}
    assert not modules & {"kafka", "aiokafka", "faust", "kazoo", "elasticsearch"}
