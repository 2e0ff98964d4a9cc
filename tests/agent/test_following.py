"""Files that grow, move, shrink and go: each line once, each loss counted."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from tailrace_agent import opening
from tailrace_agent.heads import HEAD_BYTES
from tailrace_agent.open_file import OpenFile, open_file
from tailrace_agent.records import Outgoing
from tailrace_agent.rules import Rules
from tests.agent.harness import (
    AgentHarness,
    FailingSink,
    RecordingSink,
    events_of,
    ledger_of,
    unique_lines,
)


def lines(first: int, last: int, *, text: str = "line") -> bytes:
    return b"".join(f"{text} {n}\n".encode() for n in range(first, last))


def expected(first: int, last: int, *, text: str = "line") -> list[bytes]:
    return sorted(f"{text} {n}".encode() for n in range(first, last))


def test_what_is_appended_is_shipped_once_and_in_order(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    for start in range(0, 100, 10):
        agent.write("a.log", lines(start, start + 10))
        agent.pass_ms(500)
    events = events_of(agent.sink)
    assert [e.stored for e in events] == lines(0, 100).splitlines()
    assert [e.number for e in events] == list(range(100))


def test_a_generation_is_in_the_ledger_before_its_first_chunk(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.sink.is_holding = True
    agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    assert [record.topic for _, record in agent.sink.held] == ["t.ledger"]
    agent.sink.release()
    agent.sink.is_holding = False
    agent.pass_ms()
    assert unique_lines(agent.sink) == expected(0, 10)


def test_f5_a_file_that_was_rewritten_with_the_same_end_is_read_from_its_head(
    tmp_path: Path,
) -> None:
    """Before the position stands in both what padding writes: the tail is the same."""
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"first ".ljust(5_000, b"x") + b"\n")
    agent.pass_ms()
    rewritten = b"other ".ljust(5_000, b"x") + b"\nmore\n"
    path.write_bytes(rewritten)
    agent.pass_ms()
    assert [e.stored[:6] for e in events_of(agent.sink)] == [
        b"first ",
        b"other ",
        b"more",
    ]


def test_f1_renamed_file_is_read_to_its_end_and_the_new_one_from_its_head(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    rotated = path.with_suffix(".log.1")
    with path.open("ab") as writer:
        path.rename(rotated)
        agent.write("a.log", lines(20, 30))
        agent.pass_ms()
        # The writer has not yet noticed.
        writer.write(lines(10, 20))
        writer.flush()
        agent.pass_ms()
    agent.pass_ms(20_000)
    assert unique_lines(agent.sink) == expected(0, 30)
    assert len(events_of(agent.sink)) == 30
    assert len({e.generation for e in events_of(agent.sink)}) == 2
    assert not [t for t in agent.table.files.values() if t.path == str(rotated)]


def test_f1_line_that_was_half_written_at_a_rename_is_one_event(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"first\nhalf")
    agent.pass_ms(1_000)
    with path.open("ab") as writer:
        path.rename(path.with_suffix(".log.1"))
        agent.pass_ms(2_000)
        writer.write(b" and half\n")
    agent.pass_ms(20_000)
    assert unique_lines(agent.sink) == [b"first", b"half and half"]


def test_k1_lines_wait_in_their_files_while_kafka_is_down(tmp_path: Path) -> None:
    sink = FailingSink()
    agent = AgentHarness(tmp_path, sink=sink)
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    sink.is_down = True
    agent.write("a.log", lines(10, 20))
    agent.pass_ms(130_000, step_ms=1_000)
    path.rename(path.with_suffix(".log.1"))
    agent.write("a.log", lines(20, 30))
    agent.pass_ms(30_000, step_ms=1_000)
    assert len(agent.said("kafka_unavailable")) == 3  # Once a minute.
    sink.is_down = False
    agent.pass_ms(60_000, step_ms=1_000)
    assert unique_lines(sink) == expected(0, 30)
    assert len(events_of(sink)) == 30
    assert agent.said("kafka_back")


def test_f1_renamed_file_that_still_matches_keeps_its_identity(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, glob="*.log*")
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    path.rename(path.with_name("a.log.1"))
    agent.write("a.log", lines(10, 20))
    agent.pass_ms(20_000)
    assert len(events_of(agent.sink)) == 20
    assert unique_lines(agent.sink) == expected(0, 20)


def test_f2_file_renamed_while_the_agent_was_down_is_found_in_its_folder(
    tmp_path: Path,
) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    path = first.write("a.log", lines(0, 10))
    first.pass_ms()
    first.stop()
    first.write("a.log", lines(10, 20))
    path.rename(path.with_name("a.log.1"))
    second = AgentHarness(tmp_path, sink=sink)
    second.write("a.log", lines(20, 30))
    second.pass_ms(20_000)
    assert len(events_of(sink)) == 30
    assert unique_lines(sink) == expected(0, 30)
    assert second.said("renamed_file_found")


def test_f2_file_found_under_its_new_name_is_read_on_after_one_more_crash(
    tmp_path: Path,
) -> None:
    """The checkpoint has the new name by then, which no glob means."""
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    path = first.write("a.log", lines(0, 10))
    first.pass_ms()
    first.crash()
    first.write("a.log", lines(10, 20))
    renamed = path.rename(path.with_name("a.log.1"))
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms()
    assert ledger_of(sink)[-1].path == str(renamed)
    second.crash()
    with renamed.open("ab") as writer:
        writer.write(lines(20, 30))
    third = AgentHarness(tmp_path, sink=sink)
    third.pass_ms(20_000)
    assert unique_lines(sink) == expected(0, 30)
    assert third.said("renamed_file_found")


@pytest.mark.parametrize("is_told", [False, True])
def test_f2_p1_file_renamed_before_anything_of_it_was_sent_is_found(
    tmp_path: Path, *, is_told: bool
) -> None:
    """The agent died when it had seen it, and Kafka had no line of it yet."""
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    first.write("a.log", lines(0, 10))
    first.pass_ms()
    sink.holding_topic = "t.raw" if is_told else "t.ledger"
    path = first.write("b.log", lines(10, 20))
    while not sink.held:
        first.pass_ms(10)
    first.crash()
    sink.held.clear()
    sink.holding_topic = ""
    path.rename(path.with_name("b.log.1"))
    first.write("b.log", lines(20, 30))
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms(20_000)
    assert unique_lines(sink) == expected(0, 30)
    assert second.said("renamed_file_found")


def test_f2_p1_file_deleted_before_anything_of_it_was_sent_is_declared_lost(
    tmp_path: Path,
) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    sink.holding_topic = "t.ledger"
    path = first.write("b.log", lines(10, 20))
    while not sink.held:
        first.pass_ms(10)
    first.crash()
    sink.held.clear()
    sink.holding_topic = ""
    size_bytes = path.stat().st_size
    path.unlink()
    AgentHarness(tmp_path, sink=sink).pass_ms(20_000)
    (record,) = {r.generation: r for r in ledger_of(sink)}.values()
    assert record.lost_bytes == {"deleted": size_bytes}


def test_f2_file_that_the_globs_leave_out_now_is_left_alone(tmp_path: Path) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink, glob="*.log*")
    first.write("a.log.1", lines(0, 10))
    first.pass_ms()
    first.crash()
    first.write("a.log.1", lines(10, 20))
    second = AgentHarness(tmp_path, sink=sink, glob="*.log")
    second.pass_ms(20_000)
    assert unique_lines(sink) == expected(0, 10)


def test_f19_deleted_file_is_read_to_its_end_and_its_descriptor_given_back(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    with path.open("ab") as writer:
        path.unlink()
        agent.pass_ms()
        writer.write(lines(10, 20))
    agent.pass_ms(20_000)
    assert unique_lines(agent.sink) == expected(0, 20)
    assert not agent.table.files
    assert ledger_of(agent.sink)[-1].is_closed
    # Only a copy or an archive of it can be met again.
    agent.crash()
    assert not AgentHarness(tmp_path, sink=agent.sink).table.known.records()


@pytest.mark.parametrize("is_renamed", [False, True])
def test_f1_f19_a_file_without_its_name_is_read_on_as_long_as_its_grace_lasts(
    tmp_path: Path, *, is_renamed: bool
) -> None:
    """A writer may not have noticed for seconds; a look at what grew just now is over."""
    agent = AgentHarness(tmp_path, rotated_grace_ms=10_000)
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    with path.open("ab") as writer:
        if is_renamed:
            path.rename(path.with_suffix(".log.1"))
        else:
            path.unlink()
        agent.pass_ms(8_000)
        writer.write(lines(10, 20))
        writer.flush()
        agent.pass_ms(8_000)
        writer.write(lines(20, 30))
    agent.pass_ms(20_000)
    assert unique_lines(agent.sink) == expected(0, 30)
    assert not agent.table.files


def test_f19_deleted_file_is_read_before_other_settings_have_their_turn(
    tmp_path: Path,
) -> None:
    """What has no name any more no later life would find."""
    sink = RecordingSink()
    agent = AgentHarness(
        tmp_path,
        sink=sink,
        chunk_bytes=64 * 1_024,
        event_bytes_max=64 * 1_024,
        in_flight_bytes_max=1_024 * 1_024,
    )
    path = agent.write("a.log", lines(0, 200_000))
    sink.is_holding = True
    agent.pass_ms(500)
    path.unlink()
    looks = 0

    def is_replaced() -> bool:
        nonlocal looks
        looks += 1
        agent.clock.sleep_ms(100)
        if looks == 3:
            sink.is_holding = False
            sink.release()
        assert looks < 100
        return True

    agent.loop.run(threading.Event(), is_replaced=is_replaced)
    assert looks > 3
    assert len(unique_lines(sink)) == 200_000


class StoppingSink(RecordingSink):
    """Stores, and asks its agent to stop when the first chunk comes."""

    def __init__(self) -> None:
        super().__init__()
        self.stop = threading.Event()

    def send(self, record: Outgoing, *, ticket: int) -> None:
        super().send(record, ticket=ticket)
        if record.topic.endswith(".raw"):
            self.stop.set()


def test_p2_stop_is_heeded_amid_a_round_of_many_files(tmp_path: Path) -> None:
    """A round of very many takes longer than it may take to stop; the rest is not lost."""
    sink = StoppingSink()
    agent = AgentHarness(tmp_path, sink=sink)
    for number in range(50):
        agent.write(f"{number}.log", lines(number, number + 1))
    agent.loop.run(sink.stop, note_turn=lambda: agent.clock.sleep_ms(200))
    assert sum(record.topic.endswith(".raw") for record in sink.stored) == 1
    agent.crash()
    AgentHarness(tmp_path, sink=sink).pass_ms()
    assert unique_lines(sink) == sorted(lines(0, 50).splitlines())


def test_f16_truncated_file_begins_a_new_generation_at_its_head(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    path.write_bytes(lines(10, 13))
    agent.pass_ms()
    events = events_of(agent.sink)
    assert [e.stored for e in events] == lines(0, 13).splitlines()
    assert len({e.generation for e in events}) == 2
    (said,) = agent.said("file_truncated")
    assert said["lost_bytes"] == 0


def test_f5_file_truncated_and_regrown_past_its_offset_is_noticed(
    tmp_path: Path,
) -> None:
    """Its size never shrank between two looks: only the content tells."""
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    path.write_bytes(lines(100, 150))
    agent.pass_ms()
    stored = [e.stored for e in events_of(agent.sink)]
    assert stored == [*lines(0, 10).splitlines(), *lines(100, 150).splitlines()]


@pytest.mark.parametrize("is_longer", [False, True], ids=["shorter", "longer"])
def test_f5_f16_file_rewritten_under_the_same_head_is_noticed(
    tmp_path: Path, *, is_longer: bool
) -> None:
    """Under a banner, say: only what stands before the position tells."""
    banner = lines(0, 200)
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", banner + lines(200, 300))
    agent.pass_ms()
    assert len(banner) > HEAD_BYTES
    again = banner + lines(1_000, 1_500 if is_longer else 1_005)
    path.write_bytes(again)
    agent.pass_ms()
    events = events_of(agent.sink)
    assert [e.stored for e in events] == (lines(0, 300) + again).splitlines()
    assert len({e.generation for e in events}) == 2


def test_f5_file_rewritten_to_the_same_size_is_noticed(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"old 1\nold 2\n")
    agent.pass_ms()
    path.write_bytes(b"new 1\nnew 2\n")
    os.utime(path, ns=(1, 1))
    agent.pass_ms()
    assert unique_lines(agent.sink) == [b"new 1", b"new 2", b"old 1", b"old 2"]


def test_f4_bytes_truncated_before_they_were_read_are_counted(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, chunk_bytes=4_096, event_bytes_max=4_096)
    agent.delivery.outbox.broken = None
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    read_bytes = path.stat().st_size
    agent.sink.is_holding = True
    agent.delivery.outbox.in_flight_bytes = (
        agent.settings.in_flight_bytes_max
    )  # no room
    agent.write("a.log", lines(10, 100))
    seen_bytes = path.stat().st_size
    agent.pass_ms()
    path.write_bytes(b"")
    agent.pass_ms()
    agent.delivery.outbox.in_flight_bytes = 0
    agent.sink.is_holding = False
    agent.sink.release()
    agent.write("a.log", b"after\n")
    agent.pass_ms()
    (said,) = agent.said("file_truncated")
    assert said["lost_bytes"] == seen_bytes - read_bytes
    # Of the file as a whole, although its next life lost nothing.
    assert agent.delivery.lost_bytes == seen_bytes - read_bytes
    closed = [r for r in ledger_of(agent.sink) if r.is_closed]
    assert closed[-1].lost_bytes == {"truncated": seen_bytes - read_bytes}
    assert b"after" in unique_lines(agent.sink)


def test_file_deleted_unread_while_the_agent_was_down_is_declared_lost(
    tmp_path: Path,
) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink, chunk_bytes=4_096, event_bytes_max=4_096)
    path = first.write("a.log", lines(0, 10))
    first.pass_ms()
    shipped_bytes = path.stat().st_size
    sink.is_holding = True
    first.write("a.log", lines(10, 100))
    first.pass_ms(6_000)
    size_bytes = path.stat().st_size
    for tracked in first.table.files.values():
        first.delivery.amend(tracked.generation, seen_size_bytes=size_bytes)
    first.delivery.commit()
    first.crash()
    path.unlink()
    sink.renew()
    sink.is_holding = False
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms()
    assert ledger_of(sink)[-1].lost_bytes == {"deleted": size_bytes - shipped_bytes}
    assert second.said("file_deleted_unread")


def test_f10_f11_hard_and_symbolic_links_are_sent_once(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", lines(0, 10))
    os.link(path, path.with_name("b.log"))
    path.with_name("c.log").symlink_to(path)
    agent.pass_ms()
    agent.write("b.log", lines(10, 20))
    agent.pass_ms()
    assert [e.stored for e in events_of(agent.sink)] == lines(0, 20).splitlines()
    assert not agent.said("file_renamed")


def test_f12_retargeted_symlink_drains_the_old_file_and_begins_the_new(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path)
    (tmp_path / "real1").write_bytes(lines(0, 10))
    (tmp_path / "real2").write_bytes(lines(20, 30))
    link = agent.logs / "c.log"
    link.symlink_to(tmp_path / "real1")
    agent.pass_ms()
    with (tmp_path / "real1").open("ab") as old:
        old.write(lines(10, 20))
    link.unlink()
    link.symlink_to(tmp_path / "real2")
    agent.pass_ms()
    assert unique_lines(agent.sink) == expected(0, 30)


def test_f8_equal_files_are_two(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", lines(0, 10))
    agent.write("b.log", lines(0, 10))
    agent.pass_ms()
    assert len(events_of(agent.sink)) == 20
    assert len({e.generation for e in events_of(agent.sink)}) == 2


def test_f7_inode_used_again_is_another_file(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, descriptors_max=8)
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms(10_000)
    for tracked in agent.table.files.values():
        tracked.close()  # As the limit on descriptors does; the inode is free then.
    path.unlink()
    path.write_bytes(lines(10, 25))
    agent.pass_ms(20_000)
    assert unique_lines(agent.sink) == expected(0, 25)


def test_f26_x3_fifo_in_the_glob_holds_nothing_up(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    os.mkfifo(agent.logs / "pipe.log")
    (agent.logs / "folder.log").mkdir()
    agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    assert unique_lines(agent.sink) == expected(0, 10)
    assert len(agent.said("not_a_regular_file")) == 1


def test_f22_f35_descriptors_stay_within_their_limit(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, descriptors_max=8)
    for number in range(30):
        agent.write(f"{number}.log", lines(0, 3))
    agent.pass_ms()
    for number in range(30):
        agent.write(f"{number}.log", lines(3, 6))
    agent.pass_ms()
    assert len(events_of(agent.sink)) == 180
    agent.pass_ms(10_000)
    assert sum(t.file is not None for t in agent.table.files.values()) <= 8
    # A descriptor that is closed under a reader would be another file's soon.
    assert not agent.said("file_unreadable")
    assert not agent.table.due


def test_f28_last_line_without_newline_is_flushed_once(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", b"one\ntwo")
    agent.pass_ms(3_000)
    assert unique_lines(agent.sink) == [b"one"]
    agent.pass_ms(10_000)
    agent.write("a.log", b"\nthree\n")
    agent.pass_ms()
    assert [e.stored for e in events_of(agent.sink)] == [b"one", b"two", b"three"]
    assert [e.number for e in events_of(agent.sink)] == [0, 1, 2]


def test_f28_flushed_line_is_the_same_event_after_a_crash(tmp_path: Path) -> None:
    """The cut is on the disk before the chunk: a re-read makes the same boundary."""
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    first.write("a.log", b"one\ntwo")
    first.pass_ms(3_000)
    sink.is_holding = True
    first.pass_ms(5_000)
    sink.release()
    first.crash()  # Stored by Kafka, and not acknowledged to this agent.
    sink.is_holding = False
    first.write("a.log", b" and more\nthree\n")
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms()
    assert unique_lines(sink) == [b" and more", b"one", b"three", b"two"]


def test_f28_flushed_line_is_the_same_event_when_its_checkpoint_is_lost_too(
    tmp_path: Path,
) -> None:
    """The ledger has the cut before the chunk is sent, or no chunk is sent."""
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    first.write("a.log", b"one\ntwo")
    first.pass_ms(3_000)
    sink.holding_topic = "t.ledger"
    first.pass_ms(5_000)
    assert unique_lines(sink) == [b"one"]
    first.crash()
    shutil.rmtree(first.state)
    sink.held.clear()
    sink.holding_topic = ""
    first.write("a.log", b" and more\nthree")
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms(8_000)
    assert unique_lines(sink) == [b"one", b"three", b"two and more"]
    second.crash()
    shutil.rmtree(second.state)
    second.write("a.log", b" and four\n")
    third = AgentHarness(tmp_path, sink=sink)
    third.pass_ms()
    assert unique_lines(sink) == [b" and four", b"one", b"three", b"two and more"]


@pytest.mark.parametrize("is_killed", [False, True])
def test_k1_f5_what_is_lost_while_kafka_is_down_is_counted(
    tmp_path: Path, *, is_killed: bool
) -> None:
    """There is no room to read; what stands there is looked at all the same."""
    sink = FailingSink()
    agent = AgentHarness(tmp_path, sink=sink)
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    sink.is_down = True
    agent.write("a.log", lines(10, 20))
    agent.pass_ms()
    agent.write("a.log", lines(20, 30))
    agent.pass_ms(10_000)
    assert agent.delivery.broken, "the witness: nothing can be sent"
    (name,) = {r.generation for r in ledger_of(sink)}
    if is_killed:
        agent.crash()
    path.write_bytes(b"of the next life, and longer than all before: %0999d\n" % 1)
    if is_killed:
        agent = AgentHarness(tmp_path, sink=sink, clock=agent.clock)
    sink.is_down = False
    agent.pass_ms(20_000)
    first = [r for r in ledger_of(sink) if r.generation == name][-1]
    # What was read before is in memory, and lost only with the process.
    lost = lines(10 if is_killed else 20, 30)
    assert first.lost_bytes == {"truncated": len(lost)}


def test_f28_line_that_grows_while_its_cut_is_told_ends_at_the_cut(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", b"one\ntwo")
    agent.pass_ms(3_000)
    agent.sink.holding_topic = "t.ledger"
    agent.pass_ms(5_000)
    assert unique_lines(agent.sink) == [b"one"], "the witness: the cut is on its way"
    agent.write("a.log", b" and more\n")
    agent.pass_ms(1_000)
    agent.sink.holding_topic = ""
    agent.sink.release()
    agent.pass_ms()
    assert [e.stored for e in events_of(agent.sink)] == [b"one", b"two", b" and more"]


def test_source_that_begins_at_the_end_ships_only_what_comes(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, source={"start_at": "end"})
    agent.write("a.log", b"old 1\nold 2\nhalf")
    agent.pass_ms()
    agent.write("a.log", b" and half\nnew\n")
    agent.write("b.log", b"came later\n")
    agent.pass_ms()
    assert unique_lines(agent.sink) == [b"came later", b"half and half", b"new"]


def test_old_file_is_left_alone_until_it_is_written(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, source={"ignore_older_ms": 60_000})
    path = agent.write("a.log", lines(0, 5))
    os.utime(path, (1, 1))
    agent.pass_ms()
    assert not events_of(agent.sink)
    agent.write("a.log", lines(5, 6))
    agent.pass_ms()
    assert unique_lines(agent.sink) == expected(0, 6)


def test_f20_excluded_files_and_foreign_archives_are_left_out(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, glob="*", source={"exclude": ("debug*",)})
    agent.write("debug.log", b"no\n")
    agent.write("a.log.1.bz2", b"no\n")
    agent.write("logs.tar.gz", b"no\n")
    agent.write("a.log", b"yes\n")
    agent.pass_ms()
    assert unique_lines(agent.sink) == [b"yes"]


def test_glob_that_matches_nothing_is_told_once(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.pass_ms(5_000)
    (said,) = agent.said("glob_matched_nothing")
    assert said["glob"] == f"{agent.logs}/*.log"
    assert agent.told[-1] == ({}, (f"{agent.logs}/*.log",))
    agent.write("a.log", b"here\n")
    agent.pass_ms()
    assert agent.told[-1] == ({}, ())
    assert unique_lines(agent.sink) == [b"here"]


class Lock:
    """Refuses to open files as a mode of 0 does for all but root, until it is lifted."""

    def __init__(self) -> None:
        self.is_shut = True

    def open(self, path: str, *, rules: Rules) -> OpenFile:
        """Open the file as the agent does, or refuse it as the kernel would."""
        if self.is_shut:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return open_file(path, rules=rules)


def test_f25_unreadable_file_is_read_from_its_head_when_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = Lock()
    monkeypatch.setattr(opening, "open_file", lock.open)
    agent = AgentHarness(tmp_path)
    agent.write("a.log", lines(0, 5))
    agent.pass_ms(10_000)
    assert [said["why"] for said in agent.said("file_unreadable")] == [
        "Permission denied"
    ]
    assert agent.told[-1] == ({f"{agent.logs}/a.log": "Permission denied"}, ())
    lock.is_shut = False
    agent.pass_ms(120_000, step_ms=1_000)
    assert unique_lines(agent.sink) == expected(0, 5)
    assert agent.told[-1] == ({}, ())


def test_unreadable_file_that_came_later_and_went_is_told_of_only_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although nothing is read meanwhile, which is what a status waits for else."""
    agent = AgentHarness(tmp_path)
    agent.write("a.log", lines(0, 5))
    agent.pass_ms(10_000)
    monkeypatch.setattr(opening, "open_file", Lock().open)
    path = agent.write("b.log", lines(0, 5))
    agent.pass_ms(10_000)
    assert agent.told[-1] == ({str(path): "Permission denied"}, ())
    path.unlink()
    agent.pass_ms(10_000)
    assert agent.told[-1] == ({}, ())


def test_link_that_leads_round_in_a_circle_holds_nothing_up(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.logs / "a.log"
    path.symlink_to(path)
    agent.pass_ms(5_000)
    path.unlink()
    agent.write("a.log", lines(0, 5))
    agent.pass_ms(5_000)
    assert unique_lines(agent.sink) == expected(0, 5)


def test_f31_f33_bytes_of_every_kind_are_shipped_as_they_are(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    content = bytes(b for b in range(256) if b != 10) + b"\r\n\xff\xfe\x00\n\n"
    agent.write("a.log", b"first\n" + content)
    agent.pass_ms()
    stored = [e.stored for e in events_of(agent.sink)]
    assert stored == [b"first", *content.split(b"\n")[:-1]]


def test_truncated_and_empty_file_is_not_given_its_first_name_after_a_crash(
    tmp_path: Path,
) -> None:
    """Equal content at equal offsets would then pass for a repeat, and be lost."""
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    path = first.write("a.log", lines(0, 10))
    first.pass_ms()
    path.write_bytes(b"")
    first.pass_ms()
    first.crash()
    second = AgentHarness(tmp_path, sink=sink)
    second.write("a.log", lines(0, 10))
    second.pass_ms()
    assert len({e.generation for e in events_of(sink)}) == 2
    assert len({(e.generation, e.offset) for e in events_of(sink)}) == 20


def test_what_a_truncation_took_is_declared_once_over_restarts(tmp_path: Path) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    path = first.write("a.log", b"whole\nhalf a line that is")
    first.pass_ms()
    path.write_bytes(b"")
    first.pass_ms()
    first.crash()
    second = AgentHarness(tmp_path, sink=sink)
    second.write("a.log", b"next life\n")
    second.pass_ms()
    closed = [r for r in ledger_of(sink) if r.is_closed]
    assert closed[-1].lost_bytes == {"truncated": len("half a line that is")}


def test_f16_file_truncated_to_its_middle_loses_only_what_was_cut_off(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"whole\nhalf a line")
    agent.pass_ms()
    os.truncate(path, len("whole\n"))
    agent.pass_ms()
    agent.write("a.log", b"again\n")
    agent.pass_ms(10_000)
    assert unique_lines(agent.sink) == [b"again", b"whole"]
    assert ledger_of(agent.sink)[-1].lost_bytes == {"shrunk": len("half a line")}


def test_file_just_opened_is_not_the_one_closed_for_it(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, descriptors_max=8)
    agent.write("oldest.log", lines(0, 3))
    agent.pass_ms(10_000)
    for number in range(12):
        agent.write(f"{number}.log", lines(0, 3))
    agent.pass_ms(10_000)
    (oldest,) = [t for t in agent.table.files.values() if "oldest" in t.path]
    assert oldest.file is None
    file = agent.table.open(oldest)
    assert file is not None
    assert oldest.file is file
    assert file.status().st_ino == oldest.facts.inode


@pytest.mark.parametrize("is_longer", [False, True], ids=["shorter", "longer"])
def test_f5_f27_file_rewritten_amid_a_too_long_line_is_read_from_its_head(
    tmp_path: Path, *, is_longer: bool
) -> None:
    """Else the line would end somewhere in the next life (simulation, seed 93)."""
    agent = AgentHarness(tmp_path, chunk_bytes=4_096, event_bytes_max=4_096)
    path = agent.write("a.log", lines(0, 3) + b"x" * 9_000)
    agent.pass_ms(600)
    path.write_bytes(lines(10, 2_000 if is_longer else 30))
    agent.pass_ms(8_000)
    agent.write("a.log", lines(2_000, 2_010))
    agent.pass_ms(2_000)
    kept = expected(10, 2_000 if is_longer else 30) + expected(2_000, 2_010)
    assert unique_lines(agent.sink) == sorted(expected(0, 3) + kept)
    assert ledger_of(agent.sink)[0].generation != ledger_of(agent.sink)[-1].generation


def test_what_is_acknowledged_after_a_truncation_is_told_to_the_ledger(
    tmp_path: Path,
) -> None:
    """Also while the file stays empty (simulation, seed 326)."""
    agent = AgentHarness(tmp_path, ledger_ms=500)
    path = agent.write("a.log", lines(0, 5))
    while not ledger_of(agent.sink):
        agent.pass_ms(20, step_ms=20)
    agent.sink.is_holding = True
    agent.pass_ms(300)
    path.write_bytes(b"")
    agent.pass_ms(1_000)
    assert ledger_of(agent.sink)[-1].next_event_number == 0
    agent.sink.is_holding = False
    agent.sink.release()
    agent.pass_ms(2_000)
    newest = max(ledger_of(agent.sink), key=lambda record: record.revision)
    assert newest.next_event_number == 5
    assert newest.lost_bytes == {"truncated": 0}


def test_f2_f16_life_that_began_under_the_new_name_is_read_on_after_one_more_crash(
    tmp_path: Path,
) -> None:
    """The file was emptied and renamed while the agent was down, and has no glob."""
    sink = RecordingSink()
    agent = AgentHarness(tmp_path, sink=sink)
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    agent.crash()
    path.write_bytes(lines(10, 15))
    path.rename(path.with_name("a.log.1"))
    second = AgentHarness(tmp_path, sink=sink, clock=agent.clock)
    second.pass_ms(1_000)
    second.write("a.log.1", lines(15, 20))
    second.crash()
    third = AgentHarness(tmp_path, sink=sink, clock=agent.clock)
    third.pass_ms(30_000)
    assert unique_lines(sink) == expected(0, 20)
