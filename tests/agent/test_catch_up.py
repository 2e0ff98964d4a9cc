"""What waited is sent at the rate that is set, and what comes meanwhile is not held up (K1)."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tailrace_agent.catch_up import BEHIND_MS, Pace
from tests.agent.harness import (
    AgentHarness,
    FailingSink,
    events_of,
    ledger_of,
    unique_lines,
)

KIBIBYTE = 1_024
CHUNK_BYTES = 16 * KIBIBYTE
RATE = 64 * KIBIBYTE
LINE = b"x" * 99 + b"\n"
WAITED_BYTES = 6 * RATE


def paced(folder: Path, *, sink: FailingSink | None = None) -> AgentHarness:
    """Return an agent that catches up at `RATE`."""
    return AgentHarness(
        folder, sink=sink, catch_up_bytes_per_s=RATE, chunk_bytes=CHUNK_BYTES
    )


def sent_bytes(agent: AgentHarness) -> int:
    return sum(len(r.value) for r in agent.sink.stored if r.topic.endswith(".raw"))


def after_outage(folder: Path, *, files: int) -> AgentHarness:
    """Return an agent whose Kafka is back, after as many files have got their lines."""
    sink = FailingSink()
    agent = paced(folder, sink=sink)
    agent.pass_ms(1_000)
    sink.is_down = True
    for number in range(files):
        agent.write(f"{number}.log", LINE * (WAITED_BYTES // files // len(LINE)))
    agent.pass_ms(2 * BEHIND_MS, step_ms=500)
    sink.is_down = False
    return agent


def passed_until(agent: AgentHarness, size_bytes: int) -> int:
    """Let time pass until so much was sent; return how much did."""
    begun_ms = agent.clock.at_ms
    while sent_bytes(agent) < size_bytes:
        agent.pass_ms(100, step_ms=20)
        assert agent.clock.at_ms - begun_ms < 600_000
    return agent.clock.at_ms - begun_ms


def test_k1_what_waited_in_one_file_is_sent_at_the_rate(tmp_path: Path) -> None:
    agent = after_outage(tmp_path, files=1)
    size_bytes = (agent.logs / "0.log").stat().st_size
    took_ms = passed_until(agent, size_bytes)
    assert size_bytes / RATE * 1_000 * 0.9 < took_ms + CHUNK_BYTES / RATE * 1_000
    assert took_ms < size_bytes / RATE * 1_000 * 1.3 + 12_000
    assert len(unique_lines(agent.sink)) == size_bytes // len(LINE)


def test_k1_many_files_share_the_rate_also_where_each_has_less_than_a_chunk(
    tmp_path: Path,
) -> None:
    files = 2 * WAITED_BYTES // CHUNK_BYTES
    agent = after_outage(tmp_path, files=files)
    whole_bytes = sum(path.stat().st_size for path in agent.logs.iterdir())
    took_ms = passed_until(agent, whole_bytes)
    assert took_ms > 0.8 * whole_bytes / RATE * 1_000
    assert took_ms < 1.3 * whole_bytes / RATE * 1_000 + 12_000


def test_k1_line_that_comes_while_others_catch_up_is_sent_at_once(
    tmp_path: Path,
) -> None:
    agent = after_outage(tmp_path, files=2)
    passed_until(agent, CHUNK_BYTES)
    agent.write("new.log", b"of now\n")
    agent.pass_ms(2_500)
    assert b"of now" in {e.stored for e in events_of(agent.sink)}
    assert sent_bytes(agent) < WAITED_BYTES * 0.8


def test_k1_file_that_has_caught_up_is_held_back_no_more(tmp_path: Path) -> None:
    agent = after_outage(tmp_path, files=1)
    passed_until(agent, (agent.logs / "0.log").stat().st_size)
    (tracked,) = agent.table.files.values()
    agent.pass_ms(1_000)
    assert not tracked.is_behind
    agent.write("0.log", b"of now\n")
    agent.pass_ms(1_500)
    assert events_of(agent.sink)[-1].stored == b"of now"


def test_k1_what_waited_for_the_agent_is_sent_at_the_rate_too(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for name in ("a.log", "b.log"):
        (tmp_path / "logs" / name).write_bytes(LINE * (CHUNK_BYTES // len(LINE) - 1))
    agent = paced(tmp_path)
    passed_until(agent, 1)
    paths = {e.path for e in events_of(agent.sink)}
    assert len(paths) == 1
    agent.pass_ms(3_000)
    assert len({e.path for e in events_of(agent.sink)}) == 2


def test_k1_as_fast_as_kafka_takes_it_unless_a_rate_is_set(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, chunk_bytes=CHUNK_BYTES)
    agent.write("a.log", LINE * (WAITED_BYTES // len(LINE)))
    agent.pass_ms(1_000)
    assert sent_bytes(agent) == WAITED_BYTES // len(LINE) * len(LINE)


def test_k1_f5_what_is_truncated_while_it_waits_for_its_slot_is_counted(
    tmp_path: Path,
) -> None:
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / "0.log"
    path.write_bytes(LINE * 20_000)
    # A chunk takes eight seconds at this rate.
    agent = AgentHarness(tmp_path, catch_up_bytes_per_s=RATE)
    passed_until(agent, 1)
    agent.write("0.log", LINE * 50)
    agent.pass_ms(2_500)
    seen_bytes = path.stat().st_size
    # Past its old size, so that its size alone does not tell.
    path.write_bytes(b"anew\n" * 450_000)
    agent.pass_ms(60_000, step_ms=500)
    lives = {r.generation: r for r in ledger_of(agent.sink)}
    (old,) = (record for record in lives.values() if record.lost_bytes)
    assert 0 < old.next_offset < seen_bytes // 2
    assert old.next_offset + old.lost_bytes["truncated"] == seen_bytes
    assert events_of(agent.sink)[-1].stored == b"anew"


def test_k1_deleted_file_is_read_to_its_end_at_the_rate(tmp_path: Path) -> None:
    agent = after_outage(tmp_path, files=1)
    path = agent.logs / "0.log"
    passed_until(agent, CHUNK_BYTES)
    size_bytes = path.stat().st_size
    path.unlink()
    passed_until(agent, size_bytes)
    agent.pass_ms(30_000)
    assert agent.table.files == {}
    assert not any(r.lost_bytes for r in ledger_of(agent.sink))


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 5_000)), min_size=1),
    st.integers(10**3, 10**7),
)
def test_k1_no_more_than_the_rate_is_handed_out(
    wants: list[tuple[int, int]], bytes_per_s: int
) -> None:
    pace, now_ms = Pace(bytes_per_s), 0
    slots: list[tuple[int, int]] = []
    for size_bytes, wait_ms in wants:
        now_ms += wait_ms
        slots.append((pace.reserve(size_bytes, now_ms=now_ms), size_bytes))
        assert slots[-1][0] >= now_ms
    for index, (first_ms, _size) in enumerate(slots):
        before = sum(size for _at, size in slots[index:-1])
        took_ms = slots[-1][0] - first_ms
        assert before <= bytes_per_s * (took_ms + 1) / 1_000


def test_k1_what_was_reserved_and_not_sent_is_given_back() -> None:
    chance = random.Random(1)
    pace = Pace(1_000)
    sent_bytes_all = 0
    for _ in range(50):
        pace.reserve(800, now_ms=0)
        size_bytes = chance.randint(0, 2_000)
        pace.correct(reserved_bytes=800, sent_bytes=size_bytes)
        sent_bytes_all += size_bytes
    assert pace.free_at_ms == sent_bytes_all
