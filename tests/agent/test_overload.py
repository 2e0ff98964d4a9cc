"""A source with a rate gets no more than that: what is beyond it waits in its files."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from tailrace_agent.catch_up import Pace
from tailrace_agent.config import SourceSettings
from tests.agent.harness import AgentHarness, events_of, lost_in, unique_lines

KIBIBYTE = 1_024
RATE = 16 * KIBIBYTE
CHUNK_BYTES = 8 * KIBIBYTE
LINE = b"%06d " + b"x" * 92 + b"\n"


def limited(folder: Path, *, burst_bytes: int = 0) -> AgentHarness:
    overload = {"bytes_per_s": RATE, "burst_bytes": burst_bytes}
    return AgentHarness(folder, source={"overload": overload}, chunk_bytes=CHUNK_BYTES)


def lines(count: int, *, first: int = 0) -> bytes:
    return b"".join(LINE % n for n in range(first, first + count))


def sent_bytes(agent: AgentHarness) -> int:
    return sum(len(r.value) for r in agent.sink.stored if r.topic.endswith(".raw"))


@pytest.mark.parametrize("files", [1, 8])
def test_a_source_is_sent_at_its_rate_and_all_of_it(tmp_path: Path, files: int) -> None:
    agent = limited(tmp_path)
    for number in range(files):
        agent.write(f"{number}.log", lines(1_600 // files, first=number * 10_000))
    agent.pass_ms(5_000)
    assert 3 * RATE < sent_bytes(agent) <= 5 * RATE + files * CHUNK_BYTES
    assert agent.turns.held_back_bytes["test"] > RATE
    agent.pass_ms(20_000)
    assert sent_bytes(agent) == 1_600 * 100
    assert len(unique_lines(agent.sink)) == len(events_of(agent.sink)) == 1_600


def test_a_burst_goes_at_once_and_no_more_than_what_was_not_used(
    tmp_path: Path,
) -> None:
    agent = limited(tmp_path, burst_bytes=4 * RATE)
    agent.pass_ms(60_000, step_ms=1_000)
    agent.write("a.log", lines(2_000))
    agent.pass_ms(1_000)
    assert 4 * RATE <= sent_bytes(agent) <= 5 * RATE + 2 * CHUNK_BYTES


def test_a_source_below_its_rate_does_not_wait(tmp_path: Path) -> None:
    agent = limited(tmp_path, burst_bytes=RATE)
    for number in range(20):
        agent.write("a.log", lines(10, first=number * 10))
        agent.pass_ms(1_000)
    assert len(events_of(agent.sink)) >= 190
    assert not agent.turns.held_back_bytes


def test_a_file_that_is_deleted_while_it_waits_for_its_rate_is_read_to_its_end(
    tmp_path: Path,
) -> None:
    agent = limited(tmp_path)
    path = agent.write("a.log", lines(1_000))
    agent.pass_ms(2_000)
    assert sent_bytes(agent) < 4 * RATE
    path.unlink()
    agent.pass_ms(30_000)
    assert len(unique_lines(agent.sink)) == 1_000
    assert not lost_in(agent.sink)
    assert not agent.table.files


def test_f5_what_is_truncated_while_it_waits_for_its_rate_is_counted(
    tmp_path: Path,
) -> None:
    agent = limited(tmp_path)
    path = agent.write("a.log", lines(1_000))
    agent.pass_ms(2_000)
    path.write_bytes(b"anew\n")
    agent.pass_ms(30_000)
    lost_bytes = lost_in(agent.sink)
    assert sent_bytes(agent) + lost_bytes == 1_000 * 100 + len(b"anew\n")
    assert lost_bytes > 4 * RATE - CHUNK_BYTES


def test_a_file_that_is_behind_keeps_to_both_rates(tmp_path: Path) -> None:
    agent = AgentHarness(
        tmp_path,
        source={"overload": {"bytes_per_s": RATE, "burst_bytes": 0}},
        chunk_bytes=CHUNK_BYTES,
        catch_up_bytes_per_s=64 * KIBIBYTE,
    )
    agent.write("a.log", lines(1_000))
    agent.pass_ms(3_000)
    assert sent_bytes(agent) <= 3 * RATE + 2 * CHUNK_BYTES


def test_more_than_a_slot_was_reserved_for_counts_against_the_rate(
    tmp_path: Path,
) -> None:
    """Half a line takes a slot of its size, and a whole chunk may go in it."""
    agent = limited(tmp_path)
    names = [f"{number}.log" for number in range(8)]
    for name in names:
        agent.write(name, b"begun\n")
    agent.pass_ms(2_000)
    for name in names:
        agent.write(name, b"x")
    agent.pass_ms(1_000)
    for name in names:
        agent.write(name, b"\n" + lines(80))
    agent.pass_ms(300)
    agent.write("0.log", b"later\n")
    agent.pass_ms(2_000)
    assert b"later" not in unique_lines(agent.sink)
    agent.pass_ms(4_000)
    assert b"later" in unique_lines(agent.sink)


def test_time_that_nobody_took_is_worth_a_burst_and_no_more() -> None:
    pace = Pace(1_000, burst_bytes=3_000)
    assert pace.reserve(1_000, now_ms=100_000) <= 100_000
    assert pace.reserve(2_000, now_ms=100_000) <= 100_000
    assert pace.reserve(500, now_ms=100_000) == 100_000
    assert pace.reserve(500, now_ms=100_000) == 100_500


@pytest.mark.parametrize(
    "overload",
    [{"bytes_per_s": 10}, {"burst_bytes": 1}, {"bytes_per_s": 4096, "policy": "wait"}],
)
def test_what_cannot_be_a_rate_is_refused(overload: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="overload"):
        SourceSettings.model_validate(
            {"name": "a", "paths": ("/a",), "overload": overload}
        )
