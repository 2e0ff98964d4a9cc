"""What a planted name costs the agent: that name alone, told of and tried again."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from tests.agent.harness import AgentHarness, events_of
from tests.agent.planted import MALLORY, Host

AGENT_FOLDER = Path(__file__).parents[2] / "agent" / "tailrace_agent"

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may give files to others"
)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@needs_root
def test_x2_refused_file_is_told_once_and_counted_and_read_when_it_may_be(
    host: Host,
) -> None:
    host.folder("logs")
    other = host.file("other/lines", b"line\n")
    link = host.link("logs/a.log", other, owner=MALLORY)
    agent = AgentHarness(host.root)
    agent.write("b.log", b"beside\n")
    agent.pass_ms(120_000, step_ms=1_000)
    assert [e.stored for e in events_of(agent.sink)] == [b"beside"]
    (said,) = agent.said("file_unreadable")
    assert said["path"] == str(link)
    assert f"user {MALLORY}" in str(said["why"])
    assert "`owners` of the source" in str(said["remedy"])
    assert agent.table.unreadable.refused_count == 1
    ((told_path, told_why),) = agent.told[-1][0].items()
    assert told_path == str(link)
    assert "`owners` of the source" in told_why
    os.chown(link, 0, -1, follow_symlinks=False)
    agent.pass_ms(120_000, step_ms=1_000)
    assert [e.stored for e in events_of(agent.sink)] == [b"beside", b"line"]
    assert agent.table.unreadable.refused_count == 0
    assert agent.told[-1][0] == {}


@needs_root
def test_x2_followed_file_whose_name_becomes_a_planted_link_is_read_and_no_other(
    host: Host,
) -> None:
    secret = host.file("etc/shadow")
    host.folder("logs", owner=MALLORY)
    agent = AgentHarness(host.root)
    log = agent.write("a.log", b"one\n")
    agent.pass_ms()
    log.unlink()
    host.link("logs/a.log", secret, owner=MALLORY)
    agent.pass_ms(60_000)
    assert [e.stored for e in events_of(agent.sink)] == [b"one"]
    assert agent.table.unreadable.refused_count == 1


@needs_root
def test_x2_f11_link_and_its_target_are_sent_once_where_the_link_is_refused(
    host: Host,
) -> None:
    host.folder("logs")
    agent = AgentHarness(host.root)
    agent.write("b.log", b"line\n")
    host.link("logs/a.log", "b.log", owner=MALLORY)
    agent.pass_ms(60_000, step_ms=1_000)
    assert [e.stored for e in events_of(agent.sink)] == [b"line"]


def test_x2_no_module_but_the_door_opens_files() -> None:
    """The others open what is the agent's own, or list a folder."""
    openers: set[str] = set()
    for path in AGENT_FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                *("os.open", "open", "io.open", "os.fdopen"),
            ):
                openers.add(path.name)
    assert openers == {"door.py", "state_folder.py", "whereabouts.py"}


@needs_root
def test_x1_file_outside_the_allowed_folders_is_refused_whatever_leads_there(
    host: Host,
) -> None:
    host.folder("logs/inner")
    outside = host.file("etc/a.log")
    inside = host.file("logs/inner/b.log", b"inside\n")
    host.link("logs/inner/c.log", outside)
    host.link("logs/d.log", inside)
    host.file("logs/inner-not/e.log")
    folders = (str(host.root / "logs/inner"), str(host.root / "nowhere"))
    agent = AgentHarness(host.root, glob="**/*.log", allowed_folders=folders)
    agent.pass_ms(60_000, step_ms=1_000)
    assert [e.stored for e in events_of(agent.sink)] == [b"inside"]
    said = {str(s["path"]): str(s["why"]) for s in agent.said("file_unreadable")}
    assert sorted(said) == [
        str(host.root / "logs/inner-not/e.log"),
        str(host.root / "logs/inner/c.log"),
    ]
    assert f"it is {outside}" in said[str(host.root / "logs/inner/c.log")]
    assert agent.table.unreadable.refused_count == 2


def test_x1_allowed_folder_that_is_a_link_means_the_folder_behind_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "alias").symlink_to(tmp_path / "logs")
    agent = AgentHarness(tmp_path, allowed_folders=(str(tmp_path / "alias"),))
    agent.write("a.log", b"line\n")
    agent.pass_ms()
    assert [e.stored for e in events_of(agent.sink)] == [b"line"]
