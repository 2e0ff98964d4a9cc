"""At a moment of rest every line that had been written stands before the offset told."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tailrace_agent.amendments import REST_AGES_MS
from tests.agent.harness import (
    AgentHarness,
    events_of,
    ledger_of,
    unique_lines,
)

STEPS = 400


@pytest.mark.parametrize("seed", range(6))
def test_every_line_of_before_a_moment_of_rest_stands_before_its_offset(
    tmp_path: Path, seed: int
) -> None:
    """Written, emptied, taken away and brought back, at a busy time and a quiet one."""
    agent = AgentHarness(tmp_path, ledger_ms=300, rotated_grace_ms=60_000)
    chance = random.Random(seed)
    path, aside = agent.write("a.log", b"0 first\n"), tmp_path / "aside"
    life = 0
    sizes = [(agent.clock.now_ms(), path.stat().st_size, life)]
    for _ in range(STEPS):
        what = chance.random()
        if what < 0.25:
            with (path if path.exists() else aside).open("ab") as file:
                file.write(b"%d %b\n" % (life, b"x" * chance.randint(1, 40)))
        elif path.exists() and what < 0.26:
            path.write_bytes(b"")
            life += 1
        elif what < 0.28:
            path.rename(aside) if path.exists() else aside.rename(path)
        there = path if path.exists() else aside
        sizes.append((agent.clock.now_ms(), there.stat().st_size, life))
        agent.loop.step()
        agent.clock.sleep_ms(chance.choice((20, 50, 700)))

    lives = {e.generation: int(e.stored.split()[0]) for e in events_of(agent.sink)}
    told = [(r.generation, rest) for r in ledger_of(agent.sink) for rest in r.rests]
    assert len(told) > 20
    for generation, (at_ms, end_offset) in told:
        _, size_bytes, life = [one for one in sizes if one[0] <= at_ms][-1]
        if life == lives[generation]:
            assert size_bytes <= end_offset, (generation, at_ms)


def test_a_quiet_file_is_known_to_have_been_read_until_just_before_it_grew(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", b"one\n")
    agent.pass_ms(60_000)
    grew_at_ms = agent.clock.now_ms()
    agent.write("a.log", b"two\n")
    agent.pass_ms()

    ((at_ms, end_offset),) = ledger_of(agent.sink)[-1].rests[-1:]

    assert end_offset == len(b"one\n")
    assert 0 < grew_at_ms - at_ms <= agent.settings.sweep_ms


def test_a_file_that_appears_stood_nowhere_at_the_sweep_before(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.pass_ms(60_000)
    appeared_at_ms = agent.clock.now_ms()
    agent.write("a.log", b"one\n")
    agent.pass_ms()

    (rest,) = ledger_of(agent.sink)[-1].rests

    assert rest[1] == 0
    assert 0 < appeared_at_ms - rest[0] <= agent.settings.sweep_ms


def test_what_an_agent_finds_at_its_start_was_never_at_rest(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", b"one\n")
    agent.pass_ms()

    assert {record.rests for record in ledger_of(agent.sink)} == {()}


def test_of_moments_of_rest_the_recent_and_the_distant_are_kept(tmp_path: Path) -> None:
    """Whatever the pipeline's lag is, up to an hour, one is older by a small factor."""
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"first\n")
    agent.pass_ms(12_000)
    rests = ledger_of(agent.sink)[-1].rests
    for _ in range(400):
        agent.write("a.log", b"more\n")
        agent.pass_ms(6_000, step_ms=750)
        rests = ledger_of(agent.sink)[-1].rests
        assert len(rests) <= len(REST_AGES_MS) + 1
        assert rests[-1][1] < path.stat().st_size

    ages_ms = [rests[-1][0] - at_ms for at_ms, _ in rests[:-1]]
    for lag_ms in (6_000, 30_000, 120_000, 600_000):
        assert any(lag_ms <= age_ms <= 16 * lag_ms for age_ms in ages_ms), lag_ms


def test_half_a_line_of_a_quiet_file_is_told_with_the_moment_before_it(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, ledger_ms=500, flush_after_ms=30_000)
    agent.write("a.log", b"one\n")
    agent.pass_ms(60_000)
    grew_at_ms = agent.clock.now_ms()
    agent.write("a.log", b"half")
    agent.pass_ms(3_000)

    last = ledger_of(agent.sink)[-1]
    assert last.seen_size_bytes == len(b"one\nhalf")
    assert last.rests[-1][1] == len(b"one\n")
    assert 0 < grew_at_ms - last.rests[-1][0] <= agent.settings.sweep_ms


def test_the_first_word_of_a_new_file_says_when_it_was_not_there(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path)
    agent.pass_ms(12_000)
    agent.write("a.log", b"one\n")
    agent.pass_ms()

    assert [end for _, end in ledger_of(agent.sink)[0].rests] == [0]


def test_a_file_that_bears_no_name_is_in_no_sweep(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, rotated_grace_ms=60_000)
    path, aside = agent.write("a.log", b"one\n"), tmp_path / "aside"
    agent.pass_ms(12_000)
    path.rename(aside)
    agent.pass_ms(12_000)
    written_at_ms = agent.clock.now_ms()
    with aside.open("ab") as file:
        file.write(b"two\n")
    agent.pass_ms()
    aside.rename(path)
    agent.pass_ms()

    assert unique_lines(agent.sink) == [b"one", b"two"]
    rests = ledger_of(agent.sink)[-1].rests
    assert [rest for rest in rests if rest[0] > written_at_ms and rest[1] < 8] == []


def test_the_rest_before_all_that_waits_for_one_chunk_is_told(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, linger_ms_max=4_000)
    agent.write("a.log", b"one\n")
    agent.pass_ms(20_000)
    grew_at_ms = agent.clock.now_ms()
    for _ in range(3):
        agent.write("a.log", b"more\n")
        agent.pass_ms(1_200)
    agent.pass_ms(20_000)

    assert len(unique_lines(agent.sink)) == 4
    ((at_ms, end_offset), *_) = ledger_of(agent.sink)[-1].rests
    assert end_offset == len(b"one\n")
    assert at_ms < grew_at_ms
