"""Events of several lines in files that live: growth, rotation, truncation, restarts."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pytest

from tailrace.holes import HoleRequest
from tailrace.wire import AgentLedger, MultilineRule
from tailrace_agent.held import HeldEvents
from tailrace_agent.placement import placement_of
from tests.agent.harness import (
    AgentHarness,
    Event,
    RecordingSink,
    events_of,
    ledger_of,
)

JAVA: dict[str, object] = {"multiline": "java"}
TRACE = b"ERROR a\njava.lang.Error: x\n\tat a.b(c)\n"


def stored(sink: RecordingSink) -> list[bytes]:
    """Return each event once a place, in file order."""
    return [event.stored for event in places(sink)]


def places(sink: RecordingSink) -> list[Event]:
    found = {(e.generation, e.offset, e.stored): e for e in events_of(sink)}
    return sorted(found.values(), key=lambda e: (e.path, e.generation, e.offset))


def test_a_trace_is_one_event_with_the_number_of_one(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, source=JAVA)
    agent.write("a.log", b"one\n" + TRACE + b"two\n")
    agent.pass_ms()
    found = events_of(agent.sink)
    assert [e.stored for e in found] == [b"one", TRACE[:-1], b"two"]
    assert [e.number for e in found] == [0, 1, 2]
    assert [e.offset for e in found] == [0, 4, 4 + len(TRACE)]


def test_an_event_waits_for_its_lines_but_not_for_ever(tmp_path: Path) -> None:
    source: dict[str, object] = {"multiline": {"rule": "java", "flush_after_ms": 1_000}}
    agent = AgentHarness(tmp_path, source=source)
    agent.write("a.log", b"ERROR a\n")
    agent.pass_ms(800)
    assert stored(agent.sink) == []
    agent.write("a.log", b"\tat a.b(c)\n")
    agent.pass_ms(800)
    assert stored(agent.sink) == []
    agent.pass_ms(1_000)
    assert stored(agent.sink) == [b"ERROR a\n\tat a.b(c)"]


def test_f28_a_cut_through_an_event_is_on_the_disk_before_it_is_sent(
    tmp_path: Path,
) -> None:
    """What comes later stands alone, and so it does when all is read again."""
    agent = AgentHarness(tmp_path, source=JAVA)
    agent.write("a.log", b"one\n")
    agent.pass_ms(1_000)
    agent.sink.holding_topic = "t.raw"
    agent.write("a.log", b"ERROR a\n")
    agent.pass_ms(3_500)
    assert len(agent.sink.held) == 2  # The first is the line before it.
    agent.write("a.log", b"\tat a.b(c)\nnext\n")
    agent.pass_ms(500)
    agent.crash()
    again = AgentHarness(tmp_path, source=JAVA, clock=agent.clock)
    again.sink.stored[:0] = agent.sink.stored
    again.pass_ms(6_000)
    assert stored(again.sink) == [b"one", b"ERROR a", b"\tat a.b(c)", b"next"]


def test_p1_a_restart_in_the_middle_of_an_event_reads_it_from_its_start(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, source=JAVA)
    agent.write("a.log", b"one\nERROR a\n\tat a.b(c)\n")
    agent.pass_ms(1_000)
    assert stored(agent.sink) == [b"one"]
    agent.stop()
    again = AgentHarness(tmp_path, source=JAVA, clock=agent.clock, sink=agent.sink)
    again.pass_ms(500)
    again.write("a.log", b"\tat d.e(f)\ntwo\n")
    again.pass_ms(4_000)
    assert stored(agent.sink) == [
        b"one",
        b"ERROR a\n\tat a.b(c)\n\tat d.e(f)",
        b"two",
    ]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_changed_rule_serves_new_generations_only(
    tmp_path: Path, *, is_restarted: bool
) -> None:
    """Ids depend on where events begin, so a generation keeps its rule."""
    agent = AgentHarness(tmp_path, source=JAVA)
    agent.write("a.log", TRACE)
    agent.pass_ms()
    if is_restarted:
        agent.stop()
        agent = AgentHarness(tmp_path, clock=agent.clock, sink=agent.sink)
    agent.write("a.log", TRACE)
    agent.write("b.log", TRACE if is_restarted else b"x\n")
    agent.pass_ms(8_000)
    by_path: dict[str, list[bytes]] = {}
    for event in places(agent.sink):
        by_path.setdefault(event.path[-5:], []).append(event.stored)
    assert by_path["a.log"] == [TRACE[:-1], TRACE[:-1]]
    if is_restarted:
        assert by_path["b.log"] == TRACE.splitlines()
    rules = {r.path[-5:]: r.placement.multiline for r in ledger_of(agent.sink)}
    assert rules["a.log"] == MultilineRule(
        rule="java", max_lines=500, max_bytes=262_144
    )


@pytest.mark.parametrize("replaced", [b"", b"E", b"other\n"])
@pytest.mark.parametrize("first", [b"", b"one\n"])
def test_f4_f5_a_truncation_does_not_lose_an_event_that_was_waited_for(
    tmp_path: Path, first: bytes, replaced: bytes
) -> None:
    """Its lines were whole, and were there for a scan: that they waited is our doing."""
    agent = AgentHarness(tmp_path, source=JAVA)
    path = agent.write("a.log", first + b"ERROR a\n\tat a.b(c)\n")
    agent.pass_ms(1_000)
    assert b"ERROR a\n\tat a.b(c)" not in stored(agent.sink)
    path.write_bytes(replaced)
    agent.pass_ms(1_000)
    assert b"ERROR a\n\tat a.b(c)" in stored(agent.sink)
    agent.write("a.log", b"next\n")
    agent.pass_ms(8_000)
    assert b"ERROR a\n\tat a.b(c)" in stored(agent.sink)
    assert len(stored(agent.sink)) == (1 if first else 0) + 1 + len(
        (replaced + b"next\n").splitlines()
    )
    assert sum(agent_lost(agent)) == 0


def agent_lost(agent: AgentHarness) -> list[int]:
    newest: dict[str, AgentLedger] = {r.generation: r for r in ledger_of(agent.sink)}
    return [lost for r in newest.values() for lost in r.lost_bytes.values()]


def test_f19_a_deletion_does_not_lose_an_event_whose_file_was_closed(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, source=JAVA)
    path = agent.write("a.log", b"one\nERROR a\n\tat a.b(c)\n")
    agent.pass_ms(1_000)
    for tracked in agent.table.files.values():
        tracked.close()
    path.unlink()
    agent.pass_ms(4_000)
    assert stored(agent.sink) == [b"one", b"ERROR a\n\tat a.b(c)"]
    assert sum(agent_lost(agent)) == 0
    assert not agent.table.files


def test_f1_a_rotation_by_rename_ends_the_event_when_its_grace_is_over(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(
        tmp_path,
        source={"multiline": {"rule": "java", "flush_after_ms": 60_000}},
        flush_after_ms=60_000,
        rotated_grace_ms=3_000,
    )
    path = agent.write("a.log", b"one\nERROR a\n")
    agent.pass_ms(1_000)
    moved = path.rename(tmp_path / "logs" / "a.log.1")
    agent.write("a.log", b"new\nnewer\n")
    agent.pass_ms(1_000)
    with moved.open("ab") as file:
        file.write(b"\tat a.b(c)\n")
    agent.pass_ms(6_000)
    assert sorted(stored(agent.sink)) == [b"ERROR a\n\tat a.b(c)", b"new", b"one"]


def test_f3_copytruncate_in_the_middle_of_an_event_stores_it_once(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, glob="*", source=JAVA)
    path = agent.write("a.log", b"one\nERROR a\n\tat a.b(c)\n")
    agent.pass_ms(1_000)
    shutil.copy(path, tmp_path / "logs" / "a.log.1")
    agent.pass_ms(300)
    os.truncate(path, 0)
    agent.pass_ms(2_000)
    agent.write("a.log", b"two\n")
    agent.pass_ms(20_000)
    assert sorted(stored(agent.sink)) == [b"ERROR a\n\tat a.b(c)", b"one", b"two"]
    assert sum(agent_lost(agent)) == 0


def test_f20_an_archive_ends_with_its_last_event(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, glob="*", source=JAVA)
    with gzip.open(agent.logs / "a.log.1.gz", "wb") as file:
        file.write(b"one\n" + TRACE)
    agent.pass_ms(15_000)
    assert stored(agent.sink) == [b"one", TRACE[:-1]]


def test_f32_a_trace_in_utf_16_is_one_event(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, source=JAVA)
    text = "ERROR ä\n\tat a.b(c)\nnext\n"
    agent.write("a.log", text.encode("utf-16"))
    agent.pass_ms(8_000)
    assert stored(agent.sink) == ["ERROR ä\n\tat a.b(c)".encode(), b"next"]


def test_f16_a_file_cut_off_within_an_event_loses_none_of_what_was_read(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, source=JAVA)
    path = agent.write("a.log", b"one\nERROR a\n\tat a.b(c)\n")
    agent.pass_ms(1_000)
    os.truncate(path, len(b"one\nERROR a\n\t"))
    agent.pass_ms(1_000)
    assert b"ERROR a\n\tat a.b(c)" in stored(agent.sink)


def test_a_hole_in_a_file_with_a_rule_is_filled_with_the_same_events(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, source=JAVA)
    agent.write("a.log", b"one\n" + TRACE + b"two\nthree\n")
    agent.pass_ms(8_000)
    sent = events_of(agent.sink)
    asked = HoleRequest(
        generation=sent[0].generation,
        path=sent[0].path,
        first_offset=sent[1].offset,
        next_offset=sent[3].offset,
        first_event_number=1,
        event_count=2,
    )
    agent.requests.asked.append(asked)
    agent.pass_ms(2_000)
    assert agent.requests.done == [asked]
    assert events_of(agent.sink)[len(sent) :] == sent[1:3]


def test_a_hole_where_a_limit_ended_events_is_refused(tmp_path: Path) -> None:
    """Where time had ended one before, the same count would be of other events."""
    source: dict[str, object] = {"multiline": {"rule": "java", "max_lines": 2}}
    agent = AgentHarness(tmp_path, source=source)
    agent.write("a.log", b"one\n a\n b\n c\ntwo\n")
    agent.pass_ms(8_000)
    sent = events_of(agent.sink)
    asked = HoleRequest(
        generation=sent[0].generation,
        path=sent[0].path,
        first_offset=0,
        next_offset=sent[2].offset,
        first_event_number=0,
        event_count=2,
    )
    agent.requests.asked.append(asked)
    agent.pass_ms(2_000)
    assert events_of(agent.sink) == sent
    (told,) = agent.said("hole_not_filled")
    assert "that a limit ends" in str(told["why"])


def test_lines_that_trickle_in_are_joined_whatever_the_looks_see(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, source=JAVA)
    for piece in (b"ERR", b"OR a\n\ta", b"t a.b(c)\n", b"\tat d.e(f)\n", b"next\n"):
        agent.write("a.log", piece)
        agent.pass_ms(500)
    agent.pass_ms(4_000)
    assert stored(agent.sink) == [b"ERROR a\n\tat a.b(c)\n\tat d.e(f)", b"next"]


def test_what_is_held_is_bounded_and_beyond_it_events_are_sent_as_they_stand(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, source=JAVA)
    agent.loop._turns._held = HeldEvents(bytes_max=20)  # pyright: ignore[reportPrivateUsage]
    for number in range(4):
        agent.write(f"{number}.log", b"ERROR %d\n\tat a\n" % number)
    agent.pass_ms(1_000)
    held = [t.held.value for t in agent.table.files.values() if t.held is not None]
    assert sum(map(len, held)) <= 20
    assert len(stored(agent.sink)) == 3
    agent.pass_ms(4_000)
    assert len(stored(agent.sink)) == 4


def test_the_rule_of_auto_is_the_one_that_the_first_lines_want(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, source={"multiline": "auto"})
    agent.write("time.log", b"2026-11-24 10:00:00 a\nb\n2026-11-24 10:00:01 c\n")
    agent.write("trace.log", b"a\n" + TRACE)
    agent.write("json.log", b'{"a": 1}\n{"a": 2}\n')
    agent.pass_ms(8_000)
    names = {
        r.path.rpartition("/")[2]: r.placement.multiline and r.placement.multiline.rule
        for r in ledger_of(agent.sink)
    }
    assert names == {"time.log": "time", "trace.log": "java", "json.log": None}
    assert len(stored(agent.sink)) == 2 + 2 + 2


def test_a_placement_without_a_rule_is_what_it_was_before_there_were_any(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path)
    (source,) = agent.settings.sources
    placement = placement_of(
        b"a\n b\n",
        path="a.log",
        source=source,
        host_time_zone="UTC",
        first_seen_at_ms=0,
    )
    assert placement.multiline is None
