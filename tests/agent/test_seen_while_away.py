"""A file that is first seen while Kafka is away is known to the next life (K1, P1)."""

from __future__ import annotations

from pathlib import Path

from tests.agent.harness import AgentHarness, FailingSink, ledger_of, unique_lines


def seen_while_away(folder: Path, *, content: bytes) -> AgentHarness:
    """Return an agent that was killed after it saw a new file, and before Kafka was back."""
    sink = FailingSink()
    agent = AgentHarness(folder, sink=sink)
    agent.write("old.log", b"known\n")
    agent.pass_ms()
    sink.is_down = True
    agent.write("old.log", b"and more\n")
    agent.pass_ms()
    agent.write("new.log", content)
    agent.pass_ms()
    agent.crash()
    sink.is_down = False
    return agent


def test_k1_p1_file_that_leaves_its_globs_before_the_next_life_is_read(
    tmp_path: Path,
) -> None:
    before = seen_while_away(tmp_path, content=b"of the new file\n")
    (before.logs / "new.log").rename(before.logs / "new.log-20261126")
    after = AgentHarness(tmp_path, sink=before.sink)
    after.pass_ms(15_000)
    assert b"of the new file" in unique_lines(before.sink)


def test_k1_p1_file_that_is_deleted_before_the_next_life_is_declared_lost(
    tmp_path: Path,
) -> None:
    before = seen_while_away(tmp_path, content=b"of the new file\n")
    (before.logs / "new.log").unlink()
    after = AgentHarness(tmp_path, sink=before.sink)
    after.pass_ms(15_000)
    lost = {r.path: r.lost_bytes for r in ledger_of(before.sink)}
    assert lost[str(before.logs / "new.log")] == {"deleted": 16}


def test_k1_f5_file_that_is_emptied_and_written_anew_while_kafka_is_away_is_counted(
    tmp_path: Path,
) -> None:
    sink = FailingSink()
    agent = AgentHarness(tmp_path, sink=sink)
    agent.write("old.log", b"known\n")
    agent.pass_ms()
    sink.is_down = True
    agent.write("old.log", b"and more\n")
    agent.pass_ms()
    path = agent.write("new.log", b"of the first life\n")
    agent.pass_ms()
    path.write_bytes(b"of another life, and longer than before\n")
    agent.pass_ms()
    sink.is_down = False
    agent.pass_ms(20_000)
    assert b"of another life, and longer than before" in unique_lines(sink)
    lives = {r.generation: r for r in ledger_of(sink)}
    assert [r.lost_bytes for r in lives.values() if r.lost_bytes] == [{"truncated": 18}]


def test_k1_file_that_is_seen_while_kafka_is_away_is_told_of_before_its_chunks(
    tmp_path: Path,
) -> None:
    before = seen_while_away(tmp_path, content=b"of the new file\n")
    after = AgentHarness(tmp_path, sink=before.sink)
    after.pass_ms(5_000)
    topics = [
        r.topic.rpartition(".")[2]
        for r in before.sink.stored
        if b"new.log" in (r.value or b"") or b"of the new" in (r.value or b"")
    ]
    assert topics.index("ledger") < topics.index("raw")
    assert unique_lines(before.sink) == [b"and more", b"known", b"of the new file"]


def test_k1_half_a_line_waits_and_is_asked_for_again(tmp_path: Path) -> None:
    sink = FailingSink()
    agent = AgentHarness(tmp_path, sink=sink, flush_after_ms=600_000)
    agent.pass_ms()
    sink.is_down = True
    agent.write("new.log", b"half")
    agent.pass_ms()
    assert not agent.checkpoint.load().records
    agent.write("new.log", b" and half\n")
    agent.pass_ms()
    assert [r.path for r in agent.checkpoint.load().records] == [
        str(agent.logs / "new.log")
    ]
