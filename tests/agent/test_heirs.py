"""A generation outlives its file: what a copy or an archive holds of it keeps its ids."""

from __future__ import annotations

import gzip
import random
import shutil
from pathlib import Path

import pytest
import zstandard

from tailrace_agent.records import Outgoing
from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    events_of,
    ledger_of,
    lost_in,
    unique_lines,
)


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(first, last))


def copytruncate(path: Path, name: str = "a.log.1") -> Path:
    copy = path.with_name(name)
    shutil.copyfile(path, copy)
    path.write_bytes(b"")
    return copy


def compress(path: Path, *, name: str | None = None) -> Path:
    """Do as rotation does: the archive is complete before the file is deleted."""
    archive = path.with_name(name or f"{path.name}.gz")
    content = path.read_bytes()
    if archive.suffix == ".zst":
        archive.write_bytes(zstandard.ZstdCompressor().compress(content))
    else:
        archive.write_bytes(gzip.compress(content))
    path.unlink()
    return archive


def killed_before_checkpoint(tmp_path: Path, sink: RecordingSink) -> Path:
    """Ship 100 lines safely, 50 more without a checkpoint, and die; 10 are unread."""
    agent = AgentHarness(tmp_path, glob="*", sink=sink, checkpoint_ms=10_000)
    path = agent.write("a.log", lines(0, 100))
    agent.pass_ms(15_000)
    agent.write("a.log", lines(100, 150))
    agent.pass_ms(500)
    assert len(events_of(sink)) == 150
    agent.crash()
    with path.open("ab") as writer:
        writer.write(lines(150, 160))
    return path


def by_its_checkpoint(tmp_path: Path, sink: RecordingSink) -> AgentHarness:
    """Begin a life that the ledger does not answer: it would know of the 50, too."""
    return AgentHarness(tmp_path, glob="*", sink=sink, ledger=RecordingSink())


def assert_once(sink: RecordingSink, *, last: int) -> None:
    """Each line is there, and as one document however often it was sent."""
    assert sorted(unique_lines(sink)) == sorted(lines(0, last).splitlines())


def test_f4_kill_before_the_checkpoint_and_copytruncate_while_down(
    tmp_path: Path,
) -> None:
    sink = RecordingSink()
    path = killed_before_checkpoint(tmp_path, sink)
    copytruncate(path)
    path.write_bytes(lines(160, 165))
    second = by_its_checkpoint(tmp_path, sink)
    second.pass_ms(40_000)
    assert_once(sink, last=165)
    assert lost_in(sink) == 0
    # The copy goes on under its original's name: 50 lines came twice, with their ids.
    assert len(events_of(sink)) == 165 + 50
    assert second.said("copy_recognised")


def test_f20_kill_before_the_checkpoint_and_compression_while_down(
    tmp_path: Path,
) -> None:
    sink = RecordingSink()
    path = killed_before_checkpoint(tmp_path, sink)
    compress(path, name="a.log.1.gz")
    second = by_its_checkpoint(tmp_path, sink)
    second.pass_ms(40_000)
    assert_once(sink, last=160)
    assert lost_in(sink) == 0
    assert len(events_of(sink)) == 160 + 50


def test_f4_copy_is_read_on_after_another_kill(tmp_path: Path) -> None:
    """That the copy holds the generation is on the disk, and so is how far."""
    sink = RecordingSink()
    path = killed_before_checkpoint(tmp_path, sink)
    copy = copytruncate(path)
    second = by_its_checkpoint(tmp_path, sink)
    second.pass_ms(40_000)
    second.crash()
    with copy.open("ab") as writer:
        writer.write(lines(160, 170))
    third = AgentHarness(tmp_path, glob="*", sink=sink)
    third.pass_ms(10_000)
    assert_once(sink, last=170)
    assert len(events_of(sink)) == 170 + 50
    assert len({e.generation for e in events_of(sink)}) == 1


def test_f4_copy_that_was_renamed_beyond_its_family_is_read_on_after_another_kill(
    tmp_path: Path,
) -> None:
    """Its name tells of no original any more: which file it is was written down."""
    sink = RecordingSink()
    copy = copytruncate(killed_before_checkpoint(tmp_path, sink))
    second = by_its_checkpoint(tmp_path, sink)
    second.pass_ms(40_000)
    second.crash()
    copy = copy.rename(copy.with_name("kept.txt"))
    with copy.open("ab") as writer:
        writer.write(lines(160, 170))
    third = AgentHarness(tmp_path, glob="*", sink=sink)
    third.pass_ms(40_000)
    assert_once(sink, last=170)
    assert len(events_of(sink)) == 170 + 50
    assert len({e.generation for e in events_of(sink)}) == 1


def test_f20_copy_that_is_compressed_later_is_recognised_again(tmp_path: Path) -> None:
    sink = RecordingSink()
    path = killed_before_checkpoint(tmp_path, sink)
    copy = copytruncate(path)
    path.write_bytes(lines(160, 161))
    second = by_its_checkpoint(tmp_path, sink)
    second.pass_ms(40_000)
    compress(copy)
    second.pass_ms(40_000)
    second.crash()
    third = AgentHarness(tmp_path, glob="*", sink=sink)
    third.pass_ms(40_000)
    assert_once(sink, last=161)
    assert len(events_of(sink)) == 161 + 50


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_f20_compressed_rotation_is_not_sent_again(tmp_path: Path, suffix: str) -> None:
    agent = AgentHarness(tmp_path, glob="*")
    path = agent.write("a.log", lines(0, 500))
    agent.pass_ms()
    rotated = path.rename(path.with_name("a.log.1"))
    agent.write("a.log", lines(500, 510))
    agent.pass_ms()
    compress(rotated, name=f"a.log.1.{suffix}")
    agent.pass_ms(60_000)
    assert [e.stored for e in events_of(agent.sink)] == lines(0, 510).splitlines()
    assert agent.said("copy_recognised")
    assert lost_in(agent.sink) == 0


@pytest.mark.parametrize("is_down", [False, True])
def test_f20_no_two_words_of_a_generation_have_one_revision(
    tmp_path: Path, *, is_down: bool
) -> None:
    """Kafka may take the older once more behind the newer, and it would stand as that."""
    sink = RecordingSink()
    agent = AgentHarness(tmp_path, glob="*", sink=sink)
    path = agent.write("a.log", lines(0, 500))
    agent.pass_ms()
    rotated = path.rename(path.with_name("a.log.1"))
    agent.pass_ms()
    if is_down:
        agent.crash()
    compress(rotated)
    if is_down:
        agent = AgentHarness(tmp_path, glob="*", sink=sink)
    agent.pass_ms(60_000)
    words = ledger_of(sink)
    assert any(word.held_by for word in words)
    assert any(word.is_closed and word.held_by is None for word in words)
    assert len({(w.generation, w.revision) for w in words}) == len(words)


@pytest.mark.parametrize("days", [8, 40, 390])
@pytest.mark.parametrize("is_down", [False, True])
@pytest.mark.parametrize("glob", ["a.log*", "*g*"])
def test_f20_archives_of_weekly_rotation_are_known_at_any_later_start(
    tmp_path: Path, days: int, is_down: bool, glob: str
) -> None:
    """Nothing of them is written in all that time, and they stand in the glob."""
    agent = AgentHarness(tmp_path, glob=glob)
    path = agent.write("a.log", lines(0, 20))
    agent.pass_ms()
    rotated = path.rename(path.with_name("a.log.1"))
    agent.write("a.log", lines(20, 25))
    agent.pass_ms()
    if not is_down:
        compress(rotated, name="a.log.1.gz")
        agent.pass_ms(60_000)
        assert agent.said("copy_recognised")
    agent.stop()
    agent.clock.wall_ms += days * 86_400_000
    if is_down:
        compress(rotated, name="a.log.1.gz")
    again = AgentHarness(tmp_path, glob=glob, sink=agent.sink, clock=agent.clock)
    again.pass_ms(60_000)
    again.stop()
    again.clock.wall_ms += days * 86_400_000
    third = AgentHarness(tmp_path, glob=glob, sink=agent.sink, clock=agent.clock)
    third.pass_ms(60_000)
    assert [e.stored for e in events_of(agent.sink)] == lines(0, 25).splitlines()
    assert lost_in(agent.sink) == 0


def test_f20_start_at_end_leaves_an_archive_out_at_any_later_start(
    tmp_path: Path,
) -> None:
    source: dict[str, object] = {"start_at": "end"}
    (tmp_path / "logs").mkdir()
    whole = tmp_path / "logs" / "a.log.1"
    whole.write_bytes(lines(0, 20))
    compress(whole, name="a.log.1.gz")
    agent = AgentHarness(tmp_path, glob="a.log*", source=source)
    agent.pass_ms()
    agent.write("a.log", lines(20, 22))
    agent.pass_ms()
    for _ in range(2):
        agent.stop()
        agent.clock.wall_ms += 40 * 86_400_000
        agent = AgentHarness(
            tmp_path, glob="a.log*", sink=agent.sink, clock=agent.clock, source=source
        )
        agent.pass_ms(60_000)
    assert [e.stored for e in events_of(agent.sink)] == lines(20, 22).splitlines()


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_f20_unknown_archive_is_read_once_as_its_own(
    tmp_path: Path, suffix: str
) -> None:
    agent = AgentHarness(tmp_path, glob="*", chunk_bytes=4_096)
    source = agent.write("other", lines(0, 2_000))
    archive = compress(source, name=f"b.log.1.{suffix}")
    agent.pass_ms(20_000)
    events = events_of(agent.sink)
    assert [e.stored for e in events] == lines(0, 2_000).splitlines()
    offsets = [event.offset for event in events]
    assert offsets[-1] == len(lines(0, 1_999))
    assert not any(tracked.file for tracked in agent.table.files.values())
    agent.crash()
    again = AgentHarness(tmp_path, glob="*", sink=agent.sink)
    archive.touch()
    again.pass_ms(20_000)
    assert len(events_of(agent.sink)) == 2_000


class FillingSink(RecordingSink):
    """Acknowledges so many records, and holds what comes after them."""

    def __init__(self, stored_max: int) -> None:
        super().__init__()
        self.stored_max = stored_max

    def send(self, record: Outgoing, *, ticket: int) -> None:
        self.is_holding = len(self.stored) >= self.stored_max
        super().send(record, ticket=ticket)


def test_f20_archive_is_resumed_inside_after_a_kill(tmp_path: Path) -> None:
    sink = FillingSink(200)
    first = AgentHarness(
        tmp_path, glob="*", sink=sink, chunk_bytes=4_096, in_flight_bytes_max=2 << 20
    )
    content = b"".join(b"line %d %s\n" % (n, b"x" * 400) for n in range(6_000))
    compress(first.write("x", content), name="b.log.1.gz")
    first.pass_ms(3_000)
    sink.held.clear()  # Never sent.
    first.crash()
    safe = len(events_of(sink))
    assert 0 < safe < 6_000
    sink.stored_max = 1 << 30
    second = AgentHarness(tmp_path, glob="*", sink=sink)
    second.pass_ms(10_000)
    assert sorted(unique_lines(sink)) == sorted(content.splitlines())
    assert len(events_of(sink)) < 6_000 + safe


def test_f20_two_archives_of_equal_heads_are_both_sent(tmp_path: Path) -> None:
    head = b"time,host,value\n" * 100
    agent = AgentHarness(tmp_path, glob="*")
    agent.write("a.csv", head + lines(0, 100))
    agent.pass_ms()
    compress(agent.write("x", head + lines(100, 300)), name="a.csv.2.gz")
    agent.pass_ms(40_000)
    assert len(events_of(agent.sink)) == 200 + 300


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_f20_truncated_archive_gives_what_can_be_read_and_says_so(
    tmp_path: Path, kept: float
) -> None:
    agent = AgentHarness(tmp_path, glob="*")
    words = random.Random(1)
    content = b"".join(b"%016x\n" % words.getrandbits(64) for _ in range(4_000))
    archive = compress(agent.write("x", content), name="b.log.gz")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * kept)])
    agent.pass_ms(40_000)
    got = [e.stored for e in events_of(agent.sink)]
    assert 0.8 * kept * 4_000 < len(got) < 4_000
    assert got[:-1] == content.splitlines()[: len(got) - 1]
    assert lost_in(agent.sink) > 0
    assert agent.said("archive_damaged")
    count = len(got)
    agent.crash()
    again = AgentHarness(tmp_path, glob="*", sink=agent.sink)
    again.pass_ms(40_000)
    assert len(events_of(agent.sink)) == count


def test_f20_corrupt_archive_is_declared_and_holds_nothing_up(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, glob="*")
    (agent.logs / "b.log.gz").write_bytes(b"\x1f\x8b\x08\x00" + b"\xff" * 5_000)
    agent.write("a.log", lines(0, 3))
    agent.pass_ms(40_000)
    assert_once(agent.sink, last=3)


def test_f20_archive_being_written_is_waited_for(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, glob="*")
    path = agent.write("a.log", lines(0, 500))
    agent.pass_ms()
    rotated = path.rename(path.with_name("a.log.1"))
    whole = gzip.compress(rotated.read_bytes())
    archive = rotated.with_name("a.log.1.gz")
    with archive.open("ab", buffering=0) as writer:
        for start in range(0, len(whole), 200):
            writer.write(whole[start : start + 200])
            agent.pass_ms(2_000)
    rotated.unlink()
    agent.pass_ms(40_000)
    assert len(events_of(agent.sink)) == 500
    assert lost_in(agent.sink) == 0


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_x9_decompression_bomb_is_refused_by_name(tmp_path: Path, suffix: str) -> None:
    agent = AgentHarness(tmp_path, glob="*", archive_ratio_max=50)
    piece = (b"all of the same, " * 1_000 + b"\n") * 64
    archive = agent.logs / f"bomb.log.{suffix}"
    if suffix == "gz":
        archive.write_bytes(b"".join(gzip.compress(piece) for _ in range(24)))
    else:
        packer = zstandard.ZstdCompressor()
        archive.write_bytes(b"".join(packer.compress(piece) for _ in range(24)))
    agent.write("a.log", lines(0, 3))
    agent.pass_ms(20_000)
    (said,) = agent.said("archive_refused")
    assert "in a byte of archive" in str(said["why"])
    assert lost_in(agent.sink) > 0
    shipped_bytes = sum(len(e.stored) + 1 for e in events_of(agent.sink))
    assert 14 << 20 <= shipped_bytes < 20 << 20


@pytest.mark.parametrize("before", [b"", b"one\n"])
def test_f17_f20_archive_with_a_hole_at_its_head_is_read(
    tmp_path: Path, *, before: bytes
) -> None:
    """Its writer did not append, and its log was emptied before it was compressed."""
    agent = AgentHarness(tmp_path, glob="*")
    content = before + b"\0" * 40_000_000 + lines(0, 500)
    compress(agent.write("x", content), name="b.log.gz")
    agent.pass_ms(20_000)
    assert len(events_of(agent.sink)) == 500 + len(before.splitlines())
    assert lost_in(agent.sink) == 0
    assert not agent.said("archive_refused")


def test_f17_f20_archive_of_nothing_but_nuls_costs_no_other_file_its_turn(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, glob="*")
    compress(agent.write("x", b"\0" * 4_000_000), name="b.log.gz")
    agent.write("a.log", lines(0, 3))
    agent.pass_ms(20_000)
    assert len(events_of(agent.sink)) == 3


@pytest.mark.parametrize("size_bytes", [1, 5_000])
def test_f20_archive_of_which_nothing_can_be_read_is_declared_by_name(
    tmp_path: Path, size_bytes: int
) -> None:
    agent = AgentHarness(tmp_path, glob="*")
    broken = gzip.compress(b"")[:9] + b"\xff" * size_bytes
    agent.write("b.log.gz", broken)
    agent.pass_ms(40_000)
    (said,) = agent.said("archive_damaged")
    assert str(said["path"]).endswith("b.log.gz")
    assert lost_in(agent.sink) > 0


def test_x9_content_has_an_absolute_cap_too(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, glob="*", archive_bytes_max=1 << 20)
    words = random.Random(1)
    content = b"".join(b"%0400x\n" % words.getrandbits(1_600) for _ in range(4_000))
    compress(agent.write("x", content), name="b.log.gz")
    agent.pass_ms(20_000)
    assert agent.said("archive_refused")
    assert len(events_of(agent.sink)) < 4_000


def test_f3_copy_that_is_shorter_than_what_was_read_is_recognised(
    tmp_path: Path,
) -> None:
    """The original grew, and was read, between its copy and its truncation."""
    agent = AgentHarness(tmp_path, glob="*.log")
    path = agent.write("a.log", lines(0, 500))
    agent.pass_ms()
    content = path.read_bytes()
    agent.write("a.log", lines(500, 510))
    agent.pass_ms(1_000)
    agent.crash()
    path.with_name("a.log.1").write_bytes(content)
    path.write_bytes(lines(510, 512))
    second = AgentHarness(tmp_path, glob="*", sink=agent.sink)
    second.pass_ms(40_000)
    assert [e.stored for e in events_of(agent.sink)] == lines(0, 512).splitlines()


def test_f4_copy_over_the_same_name_is_recognised_each_time(tmp_path: Path) -> None:
    """As `cp a.log a.log.1; : > a.log` does, without a rename."""
    agent = AgentHarness(tmp_path, glob="*")
    for turn in range(4):
        path = agent.write("a.log", lines(turn * 100, turn * 100 + 100))
        agent.pass_ms(5_000)
        path.with_name("a.log.1").write_bytes(path.read_bytes())
        path.write_bytes(b"")
        agent.pass_ms(5_000)
    agent.pass_ms(40_000)
    assert_once(agent.sink, last=400)
    assert len(events_of(agent.sink)) == 400


def test_truncated_before_its_first_chunk_was_safe_is_another_life(
    tmp_path: Path,
) -> None:
    """What was sent may bear the old name, so the new content must not."""
    sink = RecordingSink()
    agent = AgentHarness(tmp_path, sink=sink, checkpoint_ms=10_000)
    path = agent.write("a.log", b"banner one\nsame\n")
    agent.delivery.commit()
    agent.pass_ms(200)
    agent.delivery.commit()
    for _ in range(5):
        if ledger_of(sink):
            break
        agent.pass_ms(100)
    sink.is_holding = True
    agent.pass_ms(300)
    agent.delivery.commit()
    agent.crash()
    sink.is_holding = False
    path.write_bytes(b"banner two\nsame\n")
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms(10_000)
    stored = [(e.generation, e.stored) for e in events_of(sink)]
    assert [line for _, line in stored if b"two" in line] == [b"banner two"]
    ledger_before = {r.generation for r in ledger_of(sink)}
    assert len(ledger_before) == 2


def test_f20_archive_that_was_there_before_its_source_is_left_out(
    tmp_path: Path,
) -> None:
    """`start_at = "end"` is of archives, too, and is so after a restart."""
    source: dict[str, object] = {"start_at": "end"}
    agent = AgentHarness(tmp_path, glob="*", source=source)
    compress(agent.write("x", lines(0, 50)), name="b.log.1.gz")
    agent.write("b.log", lines(50, 60))
    agent.pass_ms(20_000)
    agent.write("b.log", lines(60, 61))
    agent.pass_ms()
    agent.stop()
    again = AgentHarness(tmp_path, glob="*", source=source, sink=agent.sink)
    again.pass_ms(20_000)
    (again.logs / "b.log.1.gz").unlink()
    again.pass_ms(20_000)
    assert [e.stored for e in events_of(agent.sink)] == [b"line 60"]
    assert lost_in(agent.sink) == 0


def test_f20_generation_is_in_the_checkpoint_before_its_first_chunk(
    tmp_path: Path,
) -> None:
    """Killed right after its first lines were sent: the archive is all that is met."""
    sink = RecordingSink()
    agent = AgentHarness(tmp_path, glob="*", sink=sink, checkpoint_ms=10_000)
    agent.write("b.log", lines(0, 1))
    agent.pass_ms(1_000)
    path = agent.write("a.log", lines(1, 20))
    while len(events_of(sink)) < 20:
        agent.pass_ms(100)
    agent.crash()
    compress(path, name="a.log.1.gz")
    second = AgentHarness(tmp_path, glob="*", sink=sink)
    second.pass_ms(40_000)
    assert_once(sink, last=20)


def test_f20_copy_and_its_archive_that_are_met_at_once_are_one(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, glob="*")
    content = lines(0, 50)
    (agent.logs / "a.log.1").write_bytes(content)
    (agent.logs / "a.log.1.gz").write_bytes(gzip.compress(content))
    agent.pass_ms(1_000)
    (agent.logs / "a.log.1").unlink()
    agent.pass_ms(40_000)
    assert_once(agent.sink, last=50)


def test_f29_line_split_over_a_rotation_is_kept_as_two_events(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, glob="*")
    path = agent.write("a.log", b"one\nthe first ha")
    agent.pass_ms()
    path.rename(path.with_name("a.log.1"))
    agent.write("a.log", b"lf, and the other\n")
    agent.pass_ms(40_000)
    stored = sorted(e.stored for e in events_of(agent.sink))
    assert stored == [b"lf, and the other", b"one", b"the first ha"]


def test_f30_utf_8_that_is_split_at_a_read_is_whole(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, chunk_bytes=4_096)
    text = "ä€\U0001f600".encode() * 400
    for index in range(0, len(text), 7):
        agent.write("a.log", text[index : index + 7])
        agent.loop.step()
    agent.write("a.log", b"\n")
    agent.pass_ms()
    assert [e.stored for e in events_of(agent.sink)] == [text]


def test_f4_copy_from_before_the_head_was_whole_is_read_as_the_life_that_was_not_sent(
    tmp_path: Path,
) -> None:
    """What came between the copy and the truncation is lost, and counted once."""
    agent = AgentHarness(tmp_path, glob="*", sweep_ms=100)
    agent.sink.is_holding = True  # It is known, and nothing of it may go.
    path = agent.write("a.log", b"in the copy\n")
    copy = tmp_path / "copy"
    shutil.copyfile(path, copy)
    agent.write("a.log", b"in no copy\n")
    agent.pass_ms(1_000)
    assert agent.said("generation_started")
    path.write_bytes(b"")
    copy.rename(path.with_name("a.log.1"))
    agent.pass_ms(1_000)
    agent.sink.is_holding = False
    agent.sink.release()
    agent.pass_ms(40_000)
    assert [event.stored for event in events_of(agent.sink)] == [b"in the copy"]
    lives = {r.generation: r.lost_bytes for r in ledger_of(agent.sink)}
    assert list(lives.values()) == [{"truncated": 11}], (
        "it is of the life that it is of"
    )
