"""Which paths a glob means, and which folders are listed for it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from structlog.testing import LogCapture

from tailrace_agent.config import SourceSettings
from tailrace_agent.discovery import Discovery
from tailrace_agent.globs import Entry, base_of, excluder, expand, glob_problem, matches
from tailrace_agent.hints import watched_bases
from tailrace_agent.listings import FRESH_NS
from tests.agent.harness import SteppedClock

FILES = ("a.log", "b.txt", "x/c.log", "x/y/d.log", "x/y/[e].log", ".hidden.log")


def discovery_of(
    tmp_path: Path, *globs: str, exclude: tuple[str, ...] = ()
) -> Discovery:
    source = SourceSettings(
        name="n", paths=tuple(f"{tmp_path}/{g}" for g in globs), exclude=exclude
    )
    log = structlog.wrap_logger(None, processors=[LogCapture()])
    return Discovery([source], clock=SteppedClock(), log=log)


def names(discovery: Discovery, tmp_path: Path) -> set[str]:
    return {found.path.removeprefix(f"{tmp_path}/") for found in discovery.sweep()}


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*.log", {"a.log", ".hidden.log"}),
        ("**/*.log", {"a.log", ".hidden.log", "x/c.log", "x/y/d.log", "x/y/[e].log"}),
        ("x/**", {"x/c.log", "x/y/d.log", "x/y/[e].log"}),
        ("x/?.log", {"x/c.log"}),
        ("*/*/[a-d].log", {"x/y/d.log"}),
        ("x/y/[!d]*.log", {"x/y/[e].log"}),
        ("a.log", {"a.log"}),
        ("x/y/[[]e].log", {"x/y/[e].log"}),
        ("nothing/*.log", set[str]()),
    ],
)
def test_glob_means_these(tmp_path: Path, glob: str, expected: set[str]) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert names(discovery_of(tmp_path, glob), tmp_path) == expected


def test_folders_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.log").touch()
    (tmp_path / "x" / "again").symlink_to(tmp_path)
    assert names(discovery_of(tmp_path, "**/*.log"), tmp_path) == {"x/a.log"}


def test_file_that_comes_is_found_though_its_folder_was_listed(tmp_path: Path) -> None:
    """The folder's mtime may not move twice within one tick of the file system."""
    clock = SteppedClock()
    source = SourceSettings(name="n", paths=(f"{tmp_path}/*.log",))
    log = structlog.wrap_logger(None, processors=[LogCapture()])
    discovery = Discovery([source], clock=clock, log=log)
    for number in range(50):
        (tmp_path / f"{number}.log").touch()
        assert len(discovery.sweep()) == number + 1
    clock.sleep_ms(2 * FRESH_NS // 1_000_000)
    assert len(discovery.sweep()) == 50
    (tmp_path / "late.log").touch()
    assert len(discovery.sweep()) == 51


def test_exclusion_is_of_names_and_of_whole_paths() -> None:
    is_excluded = excluder(("/own/**", "*.tmp", "/v/*.log", "/w/**/z.log"))
    excluded = ("/own/b/c", "/x/y.tmp", "/v/a.log", "/w/z.log", "/w/q/r/z.log")
    assert all(is_excluded(path) for path in excluded)
    assert not any(is_excluded(p) for p in ("/owner", "/v/b/a.log", "/x/y.log"))


def test_base_of_a_glob_is_what_stands_before_its_first_wildcard() -> None:
    assert base_of("/var/log/**/*.log") == ("/var/log", True)
    assert base_of("/var/log/syslog") == ("/var/log", False)
    assert base_of("/*") == ("/", False)
    assert base_of("/a/b*/c.log") == ("/a", True)


def test_folders_are_watched_once_and_never_the_whole_machine() -> None:
    bases = watched_bases(
        ["/var/log/**/*.log", "/var/log/nginx/*.log", "/srv/a.log", "/**/*.log"]
    )
    assert bases == {"/var/log": True, "/srv": False}


@pytest.mark.parametrize(
    "glob", ["/x/[a-Z]*.log", "/x/[z-a]", "/[a--z]/b", "/x/[9-0]", "/", "//", "/a\0/x"]
)
def test_what_no_sweep_could_use_is_refused_at_each_door(glob: str) -> None:
    """In a group's configuration it would end each of its agents, again at each start."""
    problem = glob_problem(glob)
    assert problem is not None
    assert repr(glob) in problem
    for place in ({"paths": (glob,)}, {"paths": ("/a",), "exclude": (glob,)}):
        with pytest.raises(
            ValidationError, match=r"before it begins|names no file|NUL"
        ):
            SourceSettings.model_validate({"name": "a", **place})


@settings(max_examples=500)
@given(st.lists(st.text("ab[]!-^\\*?.~&|Zz09", min_size=1, max_size=8), max_size=4))
def test_what_is_let_in_can_be_listed_and_matched(parts: list[str]) -> None:
    glob = "/".join(["", *parts])
    if glob_problem(glob) is not None:
        return
    entries = (Entry("ab", is_folder=True, is_link=False), Entry("z", False, False))
    found = expand(glob, listing=lambda folder: entries if len(folder) < 9 else ())
    for path in itertools.islice(found, 100):
        assert matches(glob, path)
    excluder((glob, glob.rpartition("/")[2] or "*"))("/ab/z")
