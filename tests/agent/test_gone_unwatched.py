"""What a file held that was renamed, compressed, deleted or emptied while no agent looked."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pytest

from tests.agent.harness import (
    AgentHarness,
    FailingSink,
    RecordingSink,
    events_of,
    ledger_of,
    unique_lines,
)
from tests.agent.test_outside import (
    agent_on,
    copytruncate,
    end,
    first_life,
    lines,
    losses_unknown,
    lost_bytes,
    stored,
)
from tests.agent.test_restart import fill_disk


def compressed(path: Path) -> Path:
    """Compress a file as `gzip` does: the archive bears its time, and it is deleted."""
    status, archive = path.stat(), path.with_name(f"{path.name}.gz")
    archive.write_bytes(gzip.compress(path.read_bytes()))
    os.utime(archive, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.unlink()
    return archive


@pytest.mark.parametrize("is_killed", [True, False])
@pytest.mark.parametrize("rotations", [1, 2])
def test_f2_f20_file_renamed_and_compressed_while_the_agent_was_down_is_read(
    tmp_path: Path, *, is_killed: bool, rotations: int
) -> None:
    """The globs mean `*.log`; what was written last stands in `cpt.log.1.gz` alone."""
    first = first_life(tmp_path, content=lines(0, 100))
    end(first, is_killed=is_killed)
    for turn in range(rotations):
        path = first.write("cpt.log", lines(100 + 50 * turn, 150 + 50 * turn))
        for number in range(turn, 0, -1):
            archive = path.with_name(f"cpt.log.{number}.gz")
            archive.rename(path.with_name(f"cpt.log.{number + 1}.gz"))
        compressed(path.rename(path.with_name("cpt.log.1")))
    first.write("cpt.log", lines(900, 910))
    agent = agent_on(tmp_path, sink=first.sink)
    agent.pass_ms(60_000)
    expected = lines(0, 100 + 50 * rotations) + lines(900, 910)
    assert stored(first.sink) == sorted(expected.splitlines())
    assert lost_bytes(first.sink) == 0
    assert losses_unknown(first.sink) == []
    assert len(agent.table.files) == 1, "the archives are let go"


def test_f2_f20_search_for_a_compressed_file_goes_on_in_the_next_life(
    tmp_path: Path,
) -> None:
    first = first_life(tmp_path, content=lines(0, 100))
    end(first, is_killed=True)
    path = first.write("cpt.log", lines(100, 150))
    archive = compressed(path.rename(path.with_name("cpt.log.1")))
    kept = archive.rename(tmp_path / "away")
    second = agent_on(tmp_path, sink=first.sink)
    second.pass_ms(200)
    end(second, is_killed=True)
    kept.rename(archive)
    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)
    assert stored(first.sink) == sorted(lines(0, 150).splitlines())
    assert losses_unknown(first.sink) == []


def test_f20_p1_archive_read_to_its_end_and_not_acknowledged_is_read_by_the_next_life(
    tmp_path: Path,
) -> None:
    """Its end is known before the last chunk is safe; the agent is killed in between."""
    first = first_life(tmp_path, content=lines(0, 100))
    end(first, is_killed=True)
    path = first.write("cpt.log", lines(100, 150))
    compressed(path.rename(path.with_name("cpt.log.1")))
    second = agent_on(tmp_path, sink=first.sink)
    first.sink.holding_topic = "t.raw"
    second.pass_ms(30_000)
    assert first.sink.held
    newest = {record.generation: record for record in ledger_of(first.sink)}
    assert [record.is_closed for record in newest.values()] == [True]
    end(second, is_killed=True)
    first.sink.renew()
    first.sink.holding_topic = ""

    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)

    assert stored(first.sink) == sorted(lines(0, 150).splitlines())
    assert lost_bytes(first.sink) == 0


def test_f2_file_deleted_while_the_agent_was_down_is_a_loss_that_nobody_counted(
    tmp_path: Path,
) -> None:
    first = first_life(tmp_path, content=lines(0, 100))
    end(first, is_killed=False)
    first.write("cpt.log", lines(100, 150)).unlink()
    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)
    assert losses_unknown(first.sink) == ["cpt.log"]
    assert lost_bytes(first.sink) == 0


def test_f4_f20_copy_that_is_compressed_before_it_was_read_is_read_in_its_archive(
    tmp_path: Path,
) -> None:
    """The agent was killed when it had found the copy, and down when that went."""
    first = first_life(tmp_path, content=lines(0, 100))
    end(first, is_killed=True)
    path = first.write("cpt.log", lines(100, 150))
    copy = copytruncate(path)
    sink = FailingSink()
    sink.stored = first.sink.stored
    second = agent_on(tmp_path, sink=sink)
    sink.is_holding = True
    second.pass_ms(3_000)
    assert second.said("copy_recognised")
    end(second, is_killed=True)
    compressed(copy)
    third = RecordingSink()
    third.stored = first.sink.stored
    agent_on(tmp_path, sink=third).pass_ms(60_000)
    assert unique_lines(third) == sorted(lines(0, 150).splitlines())
    assert lost_bytes(third) == 0
    assert losses_unknown(third) == []


def killed_with_lines_on_their_way(tmp_path: Path) -> AgentHarness:
    """Return an agent that had read what a truncation took, and was killed before its ack."""
    first = first_life(tmp_path, content=lines(0, 100), glob="*")
    copy = first.logs / "cpt.log.1"
    shutil.copyfile(first.logs / "cpt.log", copy)
    first.sink.is_holding = True
    path = first.write("cpt.log", lines(100, 150))
    first.pass_ms(3_000)
    os.truncate(path, 0)
    first.pass_ms(3_000)
    assert first.said("file_truncated")[0]["lost_bytes"] == 0, "all of it was read"
    first.sink.is_holding = False
    first.sink.renew()
    end(first, is_killed=True)
    return first


@pytest.mark.parametrize("has_copy", [True, False])
def test_f4_p1_lines_on_their_way_that_a_truncation_took_are_lost_with_the_agent(
    tmp_path: Path, *, has_copy: bool
) -> None:
    first = killed_with_lines_on_their_way(tmp_path)
    if not has_copy:
        (first.logs / "cpt.log.1").unlink()
    second = agent_on(tmp_path, sink=first.sink, glob="*")
    second.pass_ms(60_000)
    assert len(unique_lines(first.sink)) == 100
    assert lost_bytes(first.sink) == len(lines(100, 150))


def test_f4_loss_that_a_copy_left_is_not_declared_once_more_when_the_copy_goes(
    tmp_path: Path,
) -> None:
    first = killed_with_lines_on_their_way(tmp_path)
    second = agent_on(tmp_path, sink=first.sink, glob="*")
    second.pass_ms(300)
    end(second, is_killed=True)
    (first.logs / "cpt.log.1").unlink()
    agent_on(tmp_path, sink=first.sink, glob="*").pass_ms(60_000)
    assert lost_bytes(first.sink) == len(lines(100, 150))


def test_p4_f20_archive_of_a_file_that_a_full_disk_keeps_in_memory_is_recognised(
    tmp_path: Path,
) -> None:
    first = first_life(tmp_path, content=lines(0, 100), glob="*")
    end(first, is_killed=True)
    compressed(first.logs / "cpt.log")
    second = agent_on(tmp_path, sink=first.sink, glob="*")
    fill_disk(second)
    second.pass_ms(60_000)
    assert second.delivery.unwritable, "the witness: the disk is full"
    assert stored(first.sink) == sorted(lines(0, 100).splitlines())


def test_f20_archive_that_was_read_and_is_deleted_is_no_loss(tmp_path: Path) -> None:
    """Each rotation deletes the oldest, also while the agent is down."""
    first = agent_on(tmp_path, glob="*")
    archive = compressed(first.write("cpt.log.1", lines(0, 100)))
    first.pass_ms(20_000)
    assert len(events_of(first.sink)) == 100
    end(first, is_killed=False)
    archive.unlink()
    agent_on(tmp_path, sink=first.sink, glob="*").pass_ms(60_000)
    assert losses_unknown(first.sink) == []


@pytest.mark.parametrize("is_killed", [True, False])
def test_f4_f17_hole_tells_how_much_a_truncation_took_that_no_agent_saw(
    tmp_path: Path, *, is_killed: bool
) -> None:
    """A writer that does not append goes on where it was, and so tells where that is."""
    first = agent_on(tmp_path)
    path = first.logs / "cpt.log"
    with path.open("wb") as writer:
        writer.write(lines(0, 100))
        writer.flush()
        first.pass_ms(8_000)
        end(first, is_killed=is_killed)
        writer.write(lines(100, 151))
        writer.flush()
        os.truncate(path, 0)
        writer.write(lines(151, 160))
    agent = agent_on(tmp_path, sink=first.sink)
    agent.pass_ms(60_000)
    read = lines(0, 100) + lines(151, 160)
    assert unique_lines(first.sink) == sorted(read.splitlines())
    assert lost_bytes(first.sink) == len(lines(100, 151))
    assert losses_unknown(first.sink) == []
    (told,) = agent.said("truncated_size_known")
    assert told["size_bytes"] == len(lines(0, 151))


def test_f4_f17_hole_smaller_than_what_was_seen_tells_nothing(tmp_path: Path) -> None:
    """Whoever left it was not the writer of what stood there."""
    first = first_life(tmp_path, content=lines(0, 100))
    end(first, is_killed=False)
    (first.logs / "cpt.log").write_bytes(b"\0" * 20 + lines(0, 3))
    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)
    assert lost_bytes(first.sink) == 0
    assert losses_unknown(first.sink) == ["cpt.log"]
