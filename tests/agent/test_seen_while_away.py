"""A file that is first seen while Kafka is away is known to the next life (K1, P1)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from tailrace_agent.checkpoint import Condition, Loaded
from tailrace_agent.restore import restore
from tailrace_agent.set_back import LedgerWords
from tests.agent.harness import (
    AgentHarness,
    FailingSink,
    events_of,
    ledger_of,
    lost_in,
    unique_lines,
)
from tests.support.waiting import eventually


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %04d\n" % n for n in range(first, last))


def without_kafka(folder: Path, sink: FailingSink) -> AgentHarness:
    """Return an agent that knows one file, and whose Kafka is away since."""
    agent = AgentHarness(folder, sink=sink)
    agent.write("old.log", b"known\n")
    agent.pass_ms()
    sink.is_down = True
    agent.write("old.log", b"and more\n")
    agent.pass_ms()
    return agent


def seen_while_away(folder: Path, *, content: bytes) -> AgentHarness:
    """Return an agent that was killed after it saw a new file, and before Kafka was back."""
    sink = FailingSink()
    agent = without_kafka(folder, sink)
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
    agent = without_kafka(tmp_path, sink)
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


def away(folder: Path, content: bytes) -> AgentHarness:
    """Return an agent that sent a log, and that Kafka is away for since."""
    agent = AgentHarness(folder, glob="*", sink=FailingSink())
    agent.write("a.log", content)
    agent.pass_ms()
    leave(agent)
    return agent


def leave(agent: AgentHarness) -> None:
    """Let Kafka be away from the next chunk on."""
    assert isinstance(agent.sink, FailingSink)
    agent.sink.is_down = True
    agent.write("other.log", b"that nothing can be sent\n")
    agent.pass_ms()


def come_back(agent: AgentHarness) -> None:
    """Let Kafka be there again, and the agent send all."""
    assert isinstance(agent.sink, FailingSink)
    agent.sink.is_down = False
    agent.pass_ms(40_000)


def test_k1_f3_copy_of_what_nobody_has_read_while_kafka_is_away_is_sent_once(
    tmp_path: Path,
) -> None:
    agent = away(tmp_path, b"known\n")
    path = agent.logs / "a.log"
    path.write_bytes(b"of another life\nand longer than the first one\n")
    shutil.copyfile(path, path.with_name("a.log.1"))
    agent.pass_ms(30_000)
    come_back(agent)
    lines = [event.stored for event in events_of(agent.sink)]
    assert lines.count(b"of another life") == 1
    assert lines.count(b"and longer than the first one") == 1


def test_k1_f8_file_that_begins_as_one_that_was_only_seen_is_no_copy_of_it(
    tmp_path: Path,
) -> None:
    """Of what was only seen all is known that was seen of it, and not its first look."""
    agent = AgentHarness(tmp_path, glob="*", sink=FailingSink())
    leave(agent)
    path = agent.write("a.log", b"a banner\nand a line\n")
    agent.pass_ms()
    agent.write("a.log", b"of the first life\n")
    agent.pass_ms()
    path.write_bytes(b"")
    agent.write("a.log.1", b"a banner\nand a line\nof another file\nthat is longer\n")
    come_back(agent)
    lives = {r.generation: r for r in ledger_of(agent.sink)}
    (first,) = [r for r in lives.values() if r.path == str(path)]
    assert first.lost_bytes == {"truncated": 38}
    assert unique_lines(agent.sink).count(b"of another file") == 1


def test_k1_f8_older_file_is_not_the_rest_of_a_life_of_which_a_banner_was_seen(
    tmp_path: Path,
) -> None:
    (tmp_path / "logs").mkdir()
    older, probe = tmp_path / "logs" / "a.log.1", tmp_path / "probe"
    older.write_bytes(b"a banner\nand a line\n")

    def is_later() -> bool:
        probe.write_bytes(b"now")
        return probe.stat().st_mtime_ns > older.stat().st_mtime_ns

    eventually(is_later)  # So that the files' times tell which is the older one.
    agent = AgentHarness(tmp_path, glob="*.log", sink=FailingSink())
    leave(agent)
    path = agent.write("a.log", b"a banner\n")
    agent.pass_ms()
    path.write_bytes(b"")
    agent.pass_ms()
    agent.crash()
    agent = AgentHarness(tmp_path, glob="*", sink=agent.sink, clock=agent.clock)
    come_back(agent)
    lives = {r.generation: r for r in ledger_of(agent.sink)}
    (first,) = [r for r in lives.values() if r.path == str(path)]
    assert first.lost_bytes == {"truncated": 9}
    assert b"and a line" in unique_lines(agent.sink)


@pytest.mark.parametrize("copies", ["both", "the first", "none"])
def test_k1_f4_each_life_that_ends_while_kafka_is_away_is_counted_by_itself(
    tmp_path: Path, copies: str
) -> None:
    """Copied and truncated twice: what a copy holds is no loss, and what none does is."""
    sink = FailingSink()
    agent = AgentHarness(tmp_path, glob="*", sink=sink)
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms(8_000)
    sink.is_down = True
    agent.write("a.log", lines(10, 50))
    agent.pass_ms()
    agent.write("a.log", lines(50, 100))
    agent.pass_ms()
    if copies != "none":
        shutil.copyfile(path, path.with_name("a.log.1"))
    os.truncate(path, 0)
    agent.pass_ms(1_500)
    agent.write("a.log", lines(200, 300))
    agent.pass_ms()
    agent.write("a.log", lines(300, 350))
    agent.pass_ms()
    if copies != "none":
        path.with_name("a.log.1").rename(path.with_name("a.log.2"))
    if copies == "both":
        shutil.copyfile(path, path.with_name("a.log.1"))
    os.truncate(path, 0)
    agent.pass_ms(1_500)
    agent.write("a.log", lines(400, 410))
    agent.pass_ms()
    sink.is_down = False
    agent.pass_ms(60_000)
    there = lines(0, 10) + lines(400, 410)
    # What was read before the first truncation is in memory.
    there += lines(10, 100) if copies != "none" else lines(10, 50)
    there += lines(200, 350) if copies == "both" else b""
    stored = sorted(event.stored for event in events_of(sink))
    assert stored == sorted(there.splitlines())
    written = lines(0, 100) + lines(200, 350) + lines(400, 410)
    assert lost_in(sink) == len(written) - len(there)


def test_k1_f4_life_that_ends_before_kafka_knows_of_it_is_counted_by_itself(
    tmp_path: Path,
) -> None:
    """Kafka stands still: there is room, and nothing may be read of the new life."""
    agent = AgentHarness(tmp_path, glob="*")
    sink = agent.sink
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms(8_000)
    os.truncate(path, 0)
    agent.pass_ms()
    sink.is_holding = True
    for first in (100, 200, 300):
        agent.write("a.log", lines(first, first + 40))
        agent.pass_ms()
        agent.write("a.log", lines(first + 40, first + 100))
        agent.pass_ms()
        for number in (2, 1):
            copy = path.with_name(f"a.log.{number}")
            if copy.exists():
                copy.rename(path.with_name(f"a.log.{number + 1}"))
        shutil.copyfile(path, path.with_name("a.log.1"))
        os.truncate(path, 0)
        agent.pass_ms(5_000)
    sink.is_holding = False
    sink.release()
    agent.pass_ms(60_000)
    stored = sorted(event.stored for event in events_of(sink))
    assert stored == sorted((lines(0, 10) + lines(100, 400)).splitlines())
    assert lost_in(sink) == 0


def losses_by_life(agent: AgentHarness) -> list[dict[str, int]]:
    """Return what each life is said to have lost that came to an end, by reason."""
    newest = {record.generation: record for record in ledger_of(agent.sink)}
    return [record.lost_bytes for record in newest.values() if record.lost_bytes]


def test_k1_f4_life_that_ended_while_no_agent_ran_is_not_the_next_ones_too(
    tmp_path: Path,
) -> None:
    """The next one is seen, and ends, before there is room to read any of it."""
    first = AgentHarness(tmp_path, sink=FailingSink())
    path = first.write("a.log", lines(0, 100))
    first.pass_ms(8_000)
    first.crash()
    os.truncate(path, 0)
    first.write("a.log", lines(500, 510))
    assert isinstance(first.sink, FailingSink)
    first.sink.is_down = True
    agent = AgentHarness(tmp_path, sink=first.sink, clock=first.clock)
    agent.pass_ms(5_000)
    os.truncate(path, 0)
    agent.pass_ms(1_500)
    agent.write("a.log", lines(600, 603))
    agent.pass_ms()
    come_back(agent)
    there = lines(0, 100) + lines(600, 603)
    assert unique_lines(agent.sink) == sorted(there.splitlines())
    losses = [{"truncated": 0}, {"truncated": len(lines(500, 510))}]
    assert losses_by_life(agent) == losses


def test_k1_f5_life_written_over_between_two_looks_is_not_the_next_ones_too(
    tmp_path: Path,
) -> None:
    """It never looked smaller: what is there is longer, and begins otherwise."""
    agent = away(tmp_path, lines(0, 10))
    path = agent.logs / "a.log"
    path.write_bytes(lines(200, 300))
    agent.pass_ms()
    os.truncate(path, 0)
    agent.pass_ms(1_500)
    agent.write("a.log", lines(400, 410))
    agent.pass_ms()
    come_back(agent)
    losses = [{"truncated": 0}, {"truncated": len(lines(200, 300))}]
    assert losses_by_life(agent) == losses
    assert unique_lines(agent.sink) == sorted(
        [*(lines(0, 10) + lines(400, 410)).splitlines(), b"that nothing can be sent"]
    )


@pytest.mark.parametrize("declared", [{"deleted": 365}, {"truncated": 365}])
def test_k1_f3_p1_what_went_with_a_deleted_copy_is_lost_once_though_it_starts_again(
    tmp_path: Path, declared: dict[str, int]
) -> None:
    """The life was emptied, and nothing of it lost while its copy stood there."""
    agent = AgentHarness(tmp_path)
    agent.write("a.log", lines(0, 1))
    agent.pass_ms(8_000)
    known = msgspec.structs.replace(
        ledger_of(agent.sink)[-1],
        next_offset=0,
        seen_size_bytes=365,
        lost_bytes={"truncated": 0, **declared},
        is_orphaned=True,
        is_closed=True,
    )
    restored = restore(
        Loaded(Condition.INTACT, (known,), frozenset({"test"})),
        had_life=True,
        now_ms=known.updated_at_ms + 60_000,
        read_ledger=dict,
        words=LedgerWords(known.agent_id, lambda _: {}, lambda _: False),
    )
    assert [sum(one.lost_bytes.values()) for one in restored.records] == [365]
