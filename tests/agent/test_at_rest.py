"""What a file costs that has stopped growing, where more are followed than may be open."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace_agent import opening
from tailrace_agent.open_file import OpenFile, open_file
from tailrace_agent.rules import Rules
from tests.agent.harness import AgentHarness, unique_lines

FILES = 40


class CountedOpenings:
    """Opens as the agent does, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def open_file(self, path: str, *, rules: Rules) -> OpenFile:
        self.count += 1
        return open_file(path, rules=rules)


def test_f22_files_that_close_one_another_are_not_opened_again_to_see_that_nothing_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = CountedOpenings()
    monkeypatch.setattr(opening, "open_file", opened.open_file)
    agent = AgentHarness(tmp_path, descriptors_max=8)
    for number in range(FILES):
        agent.write(f"{number:02}.log", b"of file %02d\n" % number)
    agent.pass_ms(1_000)
    assert len(unique_lines(agent.sink)) == FILES
    opened.count = 0
    agent.pass_ms(20_000)
    assert opened.count <= FILES


def test_line_that_comes_to_a_closed_file_at_rest_is_sent_after_one_sweep(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, descriptors_max=8)
    for number in range(FILES):
        agent.write(f"{number:02}.log", b"of file %02d\n" % number)
    for round_ in range(12):
        agent.pass_ms(700)
        for number in range(FILES):
            agent.write(f"{number:02}.log", b"more %02d %d\n" % (number, round_))
    agent.pass_ms(2_000)
    assert len(unique_lines(agent.sink)) == 13 * FILES
