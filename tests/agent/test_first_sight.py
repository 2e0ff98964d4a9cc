"""A file that is written over before it has a name: what it held is read or declared."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tailrace_agent.archives import AnyFile
from tailrace_agent.tracked import Stage, TrackedFile
from tailrace_agent.turns import Turns
from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    events_of,
    ledger_of,
    lost_in,
    unique_lines,
)

OLD = b"".join(b"2026-11-26T17:14:00Z INFO first %03d\n" % n for n in range(100))


def new_lines(count: int) -> bytes:
    return b"".join(
        b"2026-11-26T17:14:00Z INFO second %03d\n" % n for n in range(count)
    )


def lost_bytes(sink: RecordingSink) -> dict[str, int]:
    """Return what was declared as lost, by reason, of all generations."""
    newest = {record.generation: record for record in ledger_of(sink)}
    lost: dict[str, int] = {}
    for record in newest.values():
        for reason, size_bytes in record.lost_bytes.items():
            lost[reason] = lost.get(reason, 0) + size_bytes
    return {reason: size_bytes for reason, size_bytes in lost.items() if size_bytes}


def unread_bytes(sink: RecordingSink) -> int:
    newest = {record.generation: record for record in ledger_of(sink)}
    return sum(
        max(r.seen_size_bytes - r.next_offset - r.blank_bytes, 0)
        for r in newest.values()
        if not r.is_closed
    )


def found(agent: AgentHarness) -> Path:
    """Return a file that a sweep has just found."""
    agent.pass_ms(2_000)
    agent.clock.sleep_ms(agent.settings.sweep_ms)
    path = agent.write("a.log", OLD)
    agent.loop.step()
    assert agent.said("file_found")
    return path


@pytest.mark.parametrize("count", [0, 5, 60, 98, 200])
@pytest.mark.parametrize("steps", range(8))
def test_f4_f5_new_file_written_over_before_it_has_a_name_is_declared_lost(
    tmp_path: Path, count: int, steps: int
) -> None:
    """Smaller, as large or larger than before; at each step of its introduction."""
    agent = AgentHarness(tmp_path, linger_ms_max=200)
    path = found(agent)
    for _ in range(steps):
        agent.loop.step()
        agent.clock.sleep_ms(50)
    path.write_bytes(new_lines(count))
    agent.pass_ms(8_000)

    sent = unique_lines(agent.sink)
    assert sent[-count:] == new_lines(count).splitlines() if count else True
    lost = lost_bytes(agent.sink)
    if OLD.splitlines()[0] in sent:
        assert sent[:100] == OLD.splitlines()
        assert not lost
    else:
        assert lost == {"truncated": len(OLD)}
    assert unread_bytes(agent.sink) == 0


def copied(path: Path) -> None:
    shutil.copy(path, f"{path}-001")
    os.truncate(path, 0)


def copied_and_written_on(path: Path) -> None:
    copied(path)
    with path.open("ab") as file:
        file.write(new_lines(200))


@pytest.mark.parametrize("rotate", [copied, copied_and_written_on])
def test_f3_f4_copy_of_a_file_that_had_no_name_yet_is_read(
    tmp_path: Path, rotate: Callable[[Path], None]
) -> None:
    agent = AgentHarness(tmp_path, linger_ms_max=200)
    path = found(agent)
    assert not ledger_of(agent.sink)
    rotate(path)
    agent.pass_ms(20_000)

    new = path.read_bytes().splitlines()
    assert sorted(unique_lines(agent.sink)) == sorted([*OLD.splitlines(), *new])
    assert not lost_bytes(agent.sink)


def test_file_that_only_grew_before_it_had_a_name_has_lost_nothing(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, linger_ms_max=2_000)
    for n in range(20):
        agent.write("a.log", b"line %02d\n" % n)
        agent.pass_ms(100)
    agent.pass_ms(8_000)

    assert len(unique_lines(agent.sink)) == 20
    assert len({record.generation for record in ledger_of(agent.sink)}) == 1
    assert not lost_bytes(agent.sink)


def test_f4_file_that_grew_and_was_written_over_before_it_had_a_name_is_declared_lost(
    tmp_path: Path,
) -> None:
    """What it began with at the last look counts, and how much there was of it then."""
    agent = AgentHarness(tmp_path, linger_ms_max=2_000)
    agent.pass_ms(2_000)
    path = agent.write("a.log", b"banner\n")
    agent.loop.step()
    agent.pass_ms(1_000, step_ms=200)
    agent.write("a.log", OLD)
    agent.loop.step()
    assert not ledger_of(agent.sink)
    path.write_bytes(b"banner\n" + new_lines(200))
    agent.pass_ms(8_000)

    assert set(unique_lines(agent.sink)) == set(path.read_bytes().splitlines())
    assert lost_bytes(agent.sink) == {"truncated": len(b"banner\n" + OLD)}


def test_f18_file_of_nuls_that_is_written_from_its_head_has_lost_nothing(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, linger_ms_max=200)
    path = agent.write("a.log", b"\0" * 4_096 + b"\n")
    agent.loop.step()
    with path.open("r+b") as file:
        file.write(OLD[:2_000])
    agent.pass_ms(8_000)

    assert not lost_bytes(agent.sink)
    assert OLD.splitlines()[0] in unique_lines(agent.sink)


def test_f4_f17_file_with_a_hole_that_is_emptied_once_it_has_a_name_is_declared_lost(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, linger_ms_max=200)
    content = b"\0" * 4_096 + OLD
    path = agent.write("a.log", content)
    while not ledger_of(agent.sink):
        agent.loop.step()
        agent.clock.sleep_ms(20)
    path.write_bytes(new_lines(300))
    assert path.stat().st_size > len(content)
    agent.pass_ms(8_000)

    assert lost_bytes(agent.sink) == {"truncated": len(content)}
    assert unread_bytes(agent.sink) == 0


def test_f18_what_comes_behind_nuls_is_unread_at_once(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, flush_after_ms=500, ledger_ms=100, sweep_ms=8_000)
    agent.write("a.log", b"one\n" + b"\0" * 600)
    agent.pass_ms(2_000)
    assert ledger_of(agent.sink)[-1].blank_bytes == 600
    before = len(ledger_of(agent.sink))
    agent.write("a.log", b"two\n")
    agent.pass_ms(1_000, step_ms=20)

    assert {r.blank_bytes for r in ledger_of(agent.sink)[before:]} == {0}


def test_f18_room_that_a_writer_took_beforehand_is_filled_and_read_once(
    tmp_path: Path,
) -> None:
    """As by one that maps its file: its size stays, and NULs become lines."""
    agent = AgentHarness(tmp_path, ledger_ms=100)
    lines = [b"line %03d of a file that is mapped\n" % n for n in range(80)]
    path = agent.write("a.log", b"\0" * 4_096)
    with path.open("r+b") as file:
        for number, line in enumerate(lines):
            file.write(line[:10])
            file.flush()
            os.utime(path, ns=(number, number))
            agent.pass_ms(2_000)
            assert number == 0 or unread_bytes(agent.sink) > 0
            file.write(line[10:])
            file.flush()
            os.utime(path)
            agent.pass_ms(8_000)
            assert unread_bytes(agent.sink) == 0

    assert [line + b"\n" for line in unique_lines(agent.sink)] == lines
    assert len({record.generation for record in ledger_of(agent.sink)}) == 1
    assert ledger_of(agent.sink)[-1].head_size_bytes == 1_024


def test_f5_file_begun_at_its_end_and_written_over_is_read_from_its_head(
    tmp_path: Path,
) -> None:
    (tmp_path / "logs").mkdir(exist_ok=True)
    path = tmp_path / "logs" / "a.log"
    path.write_bytes(OLD)
    agent = AgentHarness(tmp_path, linger_ms_max=200, source={"start_at": "end"})
    agent.loop.step()
    path.write_bytes(new_lines(200))
    agent.pass_ms(8_000)

    assert unique_lines(agent.sink) == new_lines(200).splitlines()


@pytest.mark.parametrize("size_bytes", [511, 65_535, 65_536, 300_000])
def test_f17_f18_file_that_begins_with_nuls_on_the_disk_is_read(
    tmp_path: Path, size_bytes: int
) -> None:
    agent = AgentHarness(tmp_path)
    lines = [b'{"a": 1}', b'{"a": 2}']
    agent.write("a.log", b"\0" * size_bytes + b"\n".join([*lines, b""]))
    agent.pass_ms(8_000)

    assert [line.lstrip(b"\0") for line in unique_lines(agent.sink)] == lines
    # They speak for the whole file, and not what stands before them.
    assert ledger_of(agent.sink)[-1].placement.parser == "json"


@pytest.mark.parametrize(
    "tail", [b"\0" * 100, b"\0" * 70_000], ids=["a few", "more than a sample"]
)
def test_f18_nuls_behind_the_last_line_wait_and_are_not_unread(
    tmp_path: Path, tail: bytes
) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"one\n" + tail)
    agent.pass_ms(20_000)
    assert unread_bytes(agent.sink) == 0
    assert ledger_of(agent.sink)[-1].blank_bytes == len(tail)

    agent.write("a.log", b"two\n")
    agent.pass_ms(20_000)

    lines = {line.lstrip(b"\0") for line in unique_lines(agent.sink)}
    assert lines == {b"one", b"two"}
    assert ledger_of(agent.sink)[-1].blank_bytes == 0
    assert ledger_of(agent.sink)[-1].next_offset == path.stat().st_size


def test_f32_half_a_unit_at_the_end_waits_and_is_not_unread(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", "one\n".encode("utf-16") + b"t")
    agent.pass_ms(20_000)
    assert unread_bytes(agent.sink) == 0
    agent.write("a.log", b"\0" + "wo\n".encode("utf-16-le"))
    agent.pass_ms(20_000)

    assert unique_lines(agent.sink) == [b"one", b"two"]
    assert ledger_of(agent.sink)[-1].blank_bytes == 0


def test_f16_what_was_cut_off_and_declared_is_not_unread(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, ledger_ms=100)
    path = agent.write("a.log", OLD)
    agent.pass_ms(8_000)
    agent.write("a.log", b"half a line")
    agent.pass_ms(1_500)
    os.truncate(path, len(OLD))
    agent.pass_ms(8_000)
    assert lost_bytes(agent.sink) == {"shrunk": len(b"half a line")}
    assert unread_bytes(agent.sink) == 0

    agent.write("a.log", b"half")
    agent.pass_ms(2_000)
    assert unread_bytes(agent.sink) == len(b"half")
    agent.write("a.log", b" and half\n")
    agent.pass_ms(8_000)
    assert unread_bytes(agent.sink) == 0


def test_f5_f16_what_was_cut_off_is_not_lost_once_more_when_the_file_is_emptied(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", OLD)
    agent.pass_ms(8_000)
    agent.write("a.log", b"half a line")
    agent.pass_ms(1_500)
    os.truncate(path, len(OLD))
    agent.pass_ms(8_000)
    os.truncate(path, 0)
    agent.pass_ms(8_000)

    assert lost_bytes(agent.sink) == {"shrunk": len(b"half a line")}


def test_f18_line_that_comes_into_mapped_memory_is_read(tmp_path: Path) -> None:
    """It changes neither the size nor, while the page is dirty, the time of its file."""
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"one\n" + b"\0" * 4_096)
    agent.pass_ms(20_000)
    seen = path.stat()
    with path.open("r+b") as file:
        file.seek(4)
        file.write(b"two\n")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    agent.pass_ms(8_000)

    assert unique_lines(agent.sink) == [b"one", b"two"]


def test_f5_p1_file_rewritten_under_the_same_banner_while_nobody_looked_is_read_once(
    tmp_path: Path,
) -> None:
    """All that is known to be safe is the banner, and more of the old head was seen."""
    banner = b"== started ==\n"
    agent = AgentHarness(tmp_path, linger_ms_max=200)
    path = agent.write("a.log", banner)
    agent.pass_ms(3_000)
    agent.sink.holding_topic = "t.raw"
    agent.write("a.log", OLD[:800])
    agent.pass_ms(3_000)
    assert agent.sink.held
    agent.crash()
    agent.sink.renew()
    agent.sink.holding_topic = ""
    path.write_bytes(banner + new_lines(60))
    again = AgentHarness(tmp_path, sink=agent.sink)
    again.pass_ms(8_000)

    sent = [event.stored for event in events_of(agent.sink)]
    new = new_lines(60).splitlines()
    assert sent == [banner.strip(), banner.strip(), *new]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_f16_file_cut_within_its_head_goes_on_as_the_same_life(
    tmp_path: Path, *, is_restarted: bool
) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"one\nhalf a line")
    agent.pass_ms(3_000)
    if is_restarted:
        agent.stop()
    os.truncate(path, len(b"one\n"))
    if is_restarted:
        agent = AgentHarness(tmp_path, sink=agent.sink)
    agent.pass_ms(8_000)
    agent.write("a.log", b"two, and more than there was\n")
    agent.pass_ms(8_000)

    assert unique_lines(agent.sink) == [b"one", b"two, and more than there was"]


@pytest.mark.parametrize("restarts", ["never", "between", "while it is written"])
def test_f18_room_that_is_given_back_is_no_loss(tmp_path: Path, restarts: str) -> None:
    """As by a writer that preallocates, and trims when it closes."""
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", OLD + b"\0" * 60_000)
    agent.pass_ms(20_000)
    os.truncate(path, len(OLD))
    agent.pass_ms(8_000)
    if restarts == "between":
        agent.stop()
        agent = AgentHarness(tmp_path, sink=agent.sink)
        agent.pass_ms(8_000)
    assert unique_lines(agent.sink) == OLD.splitlines()
    assert unread_bytes(agent.sink) == 0
    assert not lost_bytes(agent.sink)

    if restarts == "while it is written":
        agent.stop()
    path.write_bytes(new_lines(2))
    if restarts == "while it is written":
        agent = AgentHarness(tmp_path, sink=agent.sink)
    agent.pass_ms(8_000)

    assert not lost_bytes(agent.sink)
    assert unread_bytes(agent.sink) == 0


@pytest.mark.parametrize("count", [0, 5, 98, 200])
def test_f4_f5_new_file_written_over_before_its_first_turn_is_declared_lost(
    tmp_path: Path, count: int
) -> None:
    """A sweep has opened it, and many others stand before it."""
    agent = AgentHarness(tmp_path, linger_ms_max=200)
    path = agent.write("a.log", OLD)
    agent.table.take_in(agent.discovery.sweep())
    assert agent.said("file_found")
    path.write_bytes(new_lines(count))
    agent.pass_ms(8_000)

    assert unique_lines(agent.sink) == new_lines(count).splitlines()
    assert lost_bytes(agent.sink) == {"truncated": len(OLD)}


def test_f1_line_that_comes_as_a_renamed_file_is_let_go_of_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = AgentHarness(tmp_path, rotated_grace_ms=1_000)
    path = agent.write("a.log", b"one\n")
    agent.pass_ms()
    aside = path.rename(tmp_path / "aside")
    take, written = Turns.take, list[int]()

    def watched(turns: Turns, tracked: TrackedFile, file: AnyFile) -> int | None:
        next_ms = take(turns, tracked, file)
        if next_ms is None and tracked.stage is Stage.LEAVING and not written:
            with aside.open("ab") as log:
                written.append(log.write(b"two\n"))
        return next_ms

    monkeypatch.setattr(Turns, "take", watched)
    agent.pass_ms(20_000)

    assert written
    assert unique_lines(agent.sink) == [b"one", b"two"]
    assert not agent.table.files


def test_f3_f4_what_a_copy_holds_of_one_life_is_not_taken_for_the_next_ones(
    tmp_path: Path,
) -> None:
    """That is emptied before it has a name, while it is not clear yet what the copy is."""
    agent = AgentHarness(tmp_path, glob="*", sweep_ms=200, linger_ms_max=500)
    path = agent.write("a.log", b"".join(b"line %d\n" % n for n in range(10)))
    agent.pass_ms(8_000)
    shutil.copyfile(path, path.with_name("a.log.1"))
    agent.pass_ms(500)
    path.write_bytes(b"short\n")
    agent.pass_ms(300)
    path.write_bytes(b"other\n")
    agent.pass_ms(30_000)
    assert [event.stored for event in events_of(agent.sink)][10:] == [b"other"]
    assert lost_in(agent.sink) == len(b"short\n")
