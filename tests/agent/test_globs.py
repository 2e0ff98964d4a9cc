"""Which paths a glob means, and which folders are listed for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import LogCapture

from tailrace_agent.config import SourceSettings
from tailrace_agent.discovery import Discovery
from tailrace_agent.globs import (
    Entry,
    base_of,
    excluder,
    expand,
    glob_problem,
    matches,
    taken_by,
)
from tailrace_agent.hints import watched_bases
from tailrace_agent.listings import FRESH_NS
from tailrace_agent.rehearsal import list_once
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


SIGNS = "aZz09/*?[]!^-.\\\0\n&|~# \ud800\udc80é"
texts = st.text(SIGNS, max_size=16) | st.text(max_size=8)


@given(glob=texts, name=texts)
@example(glob="a\0/b", name="b")
@example(glob="[z-a]", name="b")
@example(glob="/", name="")
def test_z7_whatever_passes_the_check_is_matched_and_listed(
    glob: str, name: str
) -> None:
    """A glob that comes through every door must not end the agent behind it."""
    path = f"/{glob}"
    if glob_problem(path) is None:
        matches(path, f"/{name}")
        excluder((path,))(f"/{name}")
        taken_by(f"/{name}", globs=(path,), exclude=(path,))
        entries = (Entry(name or "x", False, False), Entry("a", True, False))
        shown = {"/": entries, "/a": entries}
        assert all(
            found.startswith("/")
            for found in expand(path, listing=lambda folder: shown.get(folder, ()))
        )
        # The folders of this machine, as the agent lists them.
        source = SourceSettings(name="n", paths=(f"/nothing-here{path}",))
        list_once([source], clock=SteppedClock())
    if glob_problem(glob) is None:
        excluder((glob,))(f"/{name}")


@given(
    glob=st.text("ab-]![/^&|~\\", max_size=6), name=st.text("ab-]![^&|~\\", min_size=1)
)
def test_a_class_means_the_characters_in_it(glob: str, name: str) -> None:
    """Every member is itself, whatever it means to a regular expression."""
    members = "]" * ("]" in glob) + re.sub(r"[]/-]|^!+", "", glob)
    members = members.lstrip("!")
    if members:
        wanted = len(name) == 1 and name in members
        assert matches(f"/[{members}]", f"/{name}") == wanted
        assert matches(f"/[!{members}]", f"/{name}") == (
            len(name) == 1 and name not in members
        )


def test_a_range_may_begin_or_end_at_any_sign_and_never_means_a_slash() -> None:
    assert matches("/x[+-9]y", "/x.y")
    assert not matches("/x[+-9]y", "/x/y")
    assert matches("/[a-]", "/-")
    assert matches("/[-a]", "/-")
    assert not matches("/[a-c]", "/-")


def test_folders_are_followed_however_deep_and_stars_tried_once() -> None:
    """Who may make folders in a watched tree must not end the agent by them."""
    deep = 3_000
    folder = (Entry("a", True, False), Entry("b.log", False, False))
    found = expand(
        "/**/**/*.log",
        listing=lambda path: folder if path.count("/a") < deep else folder[1:],
    )
    assert len(set(found)) == deep + 1
    assert not matches(f"/{'*' * 60}b", f"/{'a' * 60}")
    assert not matches(f"{'/**' * 30}/b", f"{'/a' * 60}")


def test_z7_what_a_sweep_would_raise_is_raised_before_a_life_begins() -> None:
    """As of sources that came past the check of their globs."""
    for unchecked in ("/tmp\0/x.log", "/[z-a]"):
        source = SourceSettings.model_construct(
            name="n", paths=(unchecked,), exclude=()
        )
        with pytest.raises(Exception, match=r"null byte|ends before it begins"):
            list_once([source], clock=SteppedClock())


def test_sources_are_listed_once_as_they_are_swept(tmp_path: Path) -> None:
    for name in ("a.log", "b.log", "c.txt"):
        (tmp_path / name).touch()
    source = SourceSettings(name="n", paths=(f"{tmp_path}/*",), exclude=("b.*",))
    assert list_once([source], clock=SteppedClock()) == 2
