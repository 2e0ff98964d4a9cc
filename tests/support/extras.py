"""A Python that has only what the package brings by itself, or with some of its extras."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
RUN = """
import sys
from importlib.machinery import PathFinder

class OnlyInstalled(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in {barred!r}:
            return None
        return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = OnlyInstalled
for name in [*sys.modules]:
    if name.partition(".")[0] in {barred!r}:
        del sys.modules[name]
sys.argv = {arguments!r}
from tailrace.cli import main
main()
"""


def run_with_only(
    *extras: str, arguments: Iterable[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command where no other distribution than those of `extras` is found."""
    installed = distributions_of(*extras)
    barred = {
        module
        for module, names in packages_distributions().items()
        if not installed & {_plain(name) for name in names}
        and not module.startswith("tailrace")
    }
    code = RUN.format(barred=barred, arguments=["tailrace", *arguments])
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        input="",
        env={**environment},
    )


def distributions_of(*extras: str, is_deep: bool = True) -> set[str]:
    """Return what `pip` brings with the package and `extras`, and all that it stands on.

    Without `is_deep` only what the project itself names.
    """
    project: Any = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    named: list[str] = list(project["dependencies"])
    for extra in extras:
        named += project["optional-dependencies"][extra]
    found: set[str] = set()
    while named:
        name = _plain(named.pop())
        if name in found:
            continue
        found.add(name)
        if not is_deep:
            continue
        try:
            named += [one for one in requires(name) or () if "extra ==" not in one]
        except PackageNotFoundError:
            continue  # For another platform, or another Python.
    return found


def _plain(requirement: str) -> str:
    name = re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()
