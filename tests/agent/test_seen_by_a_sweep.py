"""What a sweep saw of a file does not wait for a look that was put off before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tailrace_agent.loop import AgentLoop
from tests.agent.harness import AgentHarness, events_of, lost_in

FIRST = b"a line of life 1\n" * 300
SECOND = b"a line of life 2\n" * 100
THIRD = b"a line of life 3\n" * 150
SWEEP_MS = 1_000
STEP_MS = 100


def reads_nothing(_loop: AgentLoop) -> None:
    """Stand in for turns that others have first."""


def counts_of_lives(agent: AgentHarness) -> list[int]:
    stored = [event.stored for event in events_of(agent.sink)]
    return [sum(one.endswith(b"life %d" % n) for one in stored) for n in (1, 2, 3)]


@pytest.mark.parametrize("quiet_ms", range(2_000, 6_000, 300))
def test_f5_life_that_sweeps_saw_is_read_however_long_its_file_was_quiet(
    tmp_path: Path, quiet_ms: int
) -> None:
    """A file that has stopped growing is looked at later and later, until a sweep sees it."""
    agent = AgentHarness(tmp_path, sweep_ms=SWEEP_MS)
    path = agent.write("app.log", FIRST)
    agent.pass_ms(quiet_ms)
    os.truncate(path, 0)
    agent.write("app.log", SECOND)
    agent.pass_ms(2 * SWEEP_MS)
    os.truncate(path, 0)
    agent.write("app.log", THIRD)
    agent.pass_ms(30_000)
    assert counts_of_lives(agent) == [300, 100, 150]
    assert lost_in(agent.sink) == 0


@pytest.mark.parametrize("is_seen_empty", [True, False])
def test_f5_life_that_a_sweep_saw_and_that_had_no_turn_is_lost_in_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_seen_empty: bool
) -> None:
    agent = AgentHarness(tmp_path, sweep_ms=SWEEP_MS)
    path = agent.write("app.log", FIRST)
    agent.pass_ms(1_500)
    os.truncate(path, 0)
    agent.write("app.log", SECOND)
    with monkeypatch.context() as patched:
        # As amid thousands of files that come first.
        patched.setattr(AgentLoop, "_read", reads_nothing)
        agent.pass_ms(2 * SWEEP_MS)
        os.truncate(path, 0)
        if is_seen_empty:
            agent.pass_ms(2 * SWEEP_MS)
        # Longer than the one before: nothing that a sweep sees has shrunk else.
        agent.write("app.log", THIRD)
        agent.pass_ms(2 * SWEEP_MS)
    agent.pass_ms(30_000)
    assert counts_of_lives(agent) == [300, 0, 150]
    assert lost_in(agent.sink) == len(SECOND)


@pytest.mark.parametrize("quiet_ms", range(1_000, 6_000, 500))
def test_line_that_is_appended_waits_for_a_sweep_and_no_longer(
    tmp_path: Path, quiet_ms: int
) -> None:
    agent = AgentHarness(tmp_path, sweep_ms=SWEEP_MS)
    agent.write("app.log", FIRST)
    agent.pass_ms(quiet_ms)
    agent.write("app.log", b"one more\n")
    agent.pass_ms(SWEEP_MS + 4 * STEP_MS, step_ms=STEP_MS)
    assert len(events_of(agent.sink)) == 301
