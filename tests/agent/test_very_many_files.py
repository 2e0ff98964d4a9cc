"""What is done for each file at each sweep and report is next to nothing (F35).

Times depend on the machine; what is counted here are calls and turns.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace_agent.discovery import Found
from tailrace_agent.families import Families
from tailrace_agent.followed import Key
from tailrace_agent.looks import Looks
from tailrace_agent.sweeps import unlike_before
from tailrace_agent.table import FileTable
from tailrace_agent.tracked import Stage, TrackedFile
from tailrace_agent.turns import LIVELY_MS, Turns
from tests.agent.harness import AgentHarness, events_of, ledger_of

FILES = 50
REST_MS = 30_000
"""After this the last report of each file is told, and nothing is due any more."""


def rested(folder: Path) -> AgentHarness:
    """Return an agent with files that it has read and told of to their ends."""
    agent = AgentHarness(folder)
    for number in range(FILES):
        agent.write(f"{number:03}.log", b"line of %d\n" % number)
    agent.pass_ms(REST_MS)
    return agent


class Counted:
    """Which files a method was asked for, beside what it does."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def count(self, patch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        """Count what a method is asked for; its first argument has a path."""
        method = getattr(owner, name)

        def counted(
            this: object, first: Found | TrackedFile, *rest: object, **named: object
        ) -> object:
            self.paths.append(first.path)
            return method(this, first, *rest, **named)

        patch.setattr(owner, name, counted)


def test_f35_sweep_makes_nothing_of_files_that_are_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = rested(tmp_path)
    counted = Counted()
    counted.count(monkeypatch, FileTable, "look_at")
    agent.pass_ms(5_000)
    assert counted.paths == []
    grown = agent.write("007.log", b"one more\n")
    agent.pass_ms(1_500)
    assert set(counted.paths) == {str(grown)}
    assert "one more" in {e.stored.decode() for e in events_of(agent.sink)}


def test_f35_each_way_in_which_a_file_may_have_changed_is_seen(tmp_path: Path) -> None:
    agent = rested(tmp_path)
    found = agent.discovery.sweep()
    files = agent.table.files

    def unlike() -> set[str]:
        seen: set[Key] = set()
        names = {o.path for o in unlike_before(found, followed=files, seen=seen)}
        assert len(seen) == FILES - len(names)
        return names

    assert unlike() == set()
    sized, touched, renamed, leaving = list(files.values())[:4]
    sized.seen = (sized.seen[0] + 1, sized.seen[1])
    touched.seen = (touched.seen[0], touched.seen[1] + 1)
    renamed.path += ".1"
    leaving.stage = Stage.LEAVING
    changed = {sized.path, touched.path, leaving.path, renamed.path.removesuffix(".1")}
    assert unlike() == changed
    del files[sized.key], files[touched.key]
    assert unlike() == changed


def test_f35_file_without_news_is_not_asked_what_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = rested(tmp_path)
    counted = Counted()
    counted.count(monkeypatch, Looks, "report")
    told = len(ledger_of(agent.sink))
    agent.pass_ms(REST_MS)
    assert counted.paths == []
    assert len(ledger_of(agent.sink)) == told
    grown = agent.write("007.log", b"one more\n")
    agent.pass_ms(REST_MS)
    assert set(counted.paths) == {str(grown)}
    (record,) = {
        r.generation: r for r in ledger_of(agent.sink) if r.path == str(grown)
    }.values()
    assert record.next_event_number == 2


def test_f35_rename_alone_is_news_for_the_ledger(tmp_path: Path) -> None:
    agent = rested(tmp_path)
    old = agent.logs / "007.log"
    new = agent.logs / "seven.log"
    old.rename(new)
    agent.pass_ms(REST_MS)
    assert ledger_of(agent.sink)[-1].path == str(new)


def test_f35_file_that_stopped_growing_is_looked_at_less_and_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of very many files that each got a line, dozens of looks would be a minute's work."""
    agent = rested(tmp_path)
    counted = Counted()
    counted.count(monkeypatch, Turns, "take")
    agent.write("007.log", b"one more\n")
    agent.pass_ms(2 * LIVELY_MS, step_ms=10)
    linger_ms = agent.settings.linger_ms_max
    assert 4 <= len(counted.paths) <= 16 < LIVELY_MS // linger_ms


def test_f35_file_that_grows_all_the_time_is_looked_at_each_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = rested(tmp_path)
    counted = Counted()
    counted.count(monkeypatch, Turns, "take")
    for _ in range(40):
        agent.write("007.log", b"one more\n")
        agent.pass_ms(100, step_ms=10)
    assert len(counted.paths) >= 4_000 // (2 * agent.settings.linger_ms_max)


def test_f35_files_that_are_numbered_are_not_compared_with_each_other() -> None:
    families = Families[int]()
    for number in range(FILES):
        families.put(number, number, path=f"/l/app-{number:03}.log")
    families.put("original", -1, path="/l/app.log")

    assert list(families.above("/l/app-007.log")) == [-1]
    families.put("original", -1, path="/l/app-2026.log")
    assert list(families.above("/l/app-007.log")) == []
    families.put("original", -1, path="/l/app.log")
    families.discard("original")
    assert list(families.above("/l/app-007.log")) == []
