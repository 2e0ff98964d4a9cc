"""A copy that no glob means is read where a truncation left the rest in it alone."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from pathlib import Path

import pytest

from tailrace_agent import outside, whereabouts
from tailrace_agent.archives import AnyFile
from tailrace_agent.config import SourceSettings
from tailrace_agent.opening import Opener
from tests.agent.harness import (
    AgentHarness,
    FailingSink,
    RecordingSink,
    SteppedClock,
    events_of,
    ledger_of,
    unique_lines,
)
from tests.agent.test_restart import forget

HEAD = b"a line that every service begins with\n" * 40


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(first, last))


def copytruncate(path: Path, *, turn: int = 1) -> Path:
    """Rotate as logrotate does by default: the oldest copy moves on first."""
    copy = path.with_name(path.name + ".1")
    for number in range(turn - 1, 0, -1):
        path.with_name(f"{path.name}.{number}").rename(
            path.with_name(f"{path.name}.{number + 1}")
        )
    shutil.copyfile(path, copy)
    os.truncate(path, 0)
    return copy


def end(agent: AgentHarness, *, is_killed: bool) -> None:
    if is_killed:
        agent.crash()
    else:
        agent.stop()
    await_tick(agent.state)


def stored(sink: RecordingSink) -> list[bytes]:
    return sorted(event.stored for event in events_of(sink))


def losses_unknown(sink: RecordingSink) -> list[str]:
    """Return the names of the files of which the ledger says that nobody saw all."""
    newest = {record.generation: record for record in ledger_of(sink)}
    return [Path(r.path).name for r in newest.values() if r.unwatched_since_ms]


def lost_bytes(sink: RecordingSink) -> int:
    newest = {record.generation: record for record in ledger_of(sink)}
    return sum(sum(record.lost_bytes.values()) for record in newest.values())


class TimeOfDay(SteppedClock):
    """Time goes by as a test says; the time of day is that of the files, or ahead of it."""

    ahead_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


def agent_on(
    folder: Path,
    *,
    sink: RecordingSink | None = None,
    glob: str = "*.log",
    chunk_bytes: int = 512 * 1_024,
) -> AgentHarness:
    clock = TimeOfDay()
    return AgentHarness(
        folder, sink=sink, glob=glob, clock=clock, chunk_bytes=chunk_bytes
    )


def await_tick(folder: Path) -> None:
    """Return once a file that is written now is later than all that was before."""
    path, since_ms = folder / "tick", time.time_ns() // 1_000_000
    while not path.exists() or path.stat().st_mtime_ns // 1_000_000 <= since_ms:
        path.unlink(missing_ok=True)
        path.touch()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names that agents open, as they come."""
    names: list[str] = []
    opening = Opener.open

    def noted(
        opener: Opener, path: str, *, suffix: str | None, source: SourceSettings
    ) -> AnyFile:
        names.append(Path(path).name)
        return opening(opener, path, suffix=suffix, source=source)

    monkeypatch.setattr(Opener, "open", noted)
    return names


def first_life(tmp_path: Path, *, content: bytes, glob: str = "*.log") -> AgentHarness:
    """Return an agent that has shipped `cpt.log`."""
    agent = agent_on(tmp_path, glob=glob)
    agent.write("cpt.log", content)
    agent.pass_ms(8_000)
    return agent


@pytest.mark.parametrize("is_killed", [True, False])
@pytest.mark.parametrize("later", [b"", lines(151, 152), lines(151, 2_000)])
def test_f4_copy_that_no_glob_means_is_read_though_the_agent_was_down(
    tmp_path: Path, *, is_killed: bool, later: bytes
) -> None:
    first = first_life(tmp_path, content=lines(0, 100))
    sink = first.sink
    end(first, is_killed=is_killed)
    path = first.write("cpt.log", lines(100, 151))
    copytruncate(path)
    first.write("cpt.log", later)
    agent = agent_on(tmp_path, sink=sink)
    agent.pass_ms(60_000)
    assert stored(sink) == sorted((lines(0, 151) + later).splitlines())
    assert lost_bytes(sink) == 0
    assert losses_unknown(sink) == []
    assert len({e.generation for e in events_of(sink)}) == 1 + bool(later)
    # It was read to its end and let go: what comes to it is none of its original.
    assert [t.path for t in agent.table.files.values()] == [str(path)]
    end(agent, is_killed=is_killed)
    wider = agent_on(tmp_path, glob="*", sink=sink)
    wider.pass_ms(60_000)
    assert len(events_of(sink)) == len((lines(0, 151) + later).splitlines())


def test_f4_copy_is_read_on_by_the_next_life_that_was_killed_amid_it(
    tmp_path: Path,
) -> None:
    first = first_life(tmp_path, content=lines(0, 100))
    sink = first.sink
    first.crash()
    copytruncate(first.write("cpt.log", lines(100, 30_000)))
    sink.holding_topic = "t.raw"
    second = agent_on(tmp_path, sink=sink, chunk_bytes=64 * 1_024)
    second.pass_ms(5_000)
    assert sink.held
    sink.release(count=1)
    second.pass_ms(1_000)
    second.crash()
    sink.held.clear()
    sink.holding_topic = ""
    agent_on(tmp_path, sink=sink).pass_ms(60_000)
    assert unique_lines(sink) == sorted(lines(0, 30_000).splitlines())
    assert lost_bytes(sink) == 0


def test_f4_search_goes_on_in_the_next_life(tmp_path: Path) -> None:
    """The truncation is in the checkpoint, and its copy was not met yet."""
    first = first_life(tmp_path, content=lines(0, 100))
    sink = first.sink
    first.crash()
    path = first.write("cpt.log", lines(100, 151))
    copy = copytruncate(path)
    hidden = copy.rename(tmp_path / "hidden")
    first.write("cpt.log", lines(151, 160))
    second = agent_on(tmp_path, sink=sink)
    second.pass_ms(10_000)
    second.crash()
    assert losses_unknown(sink) == ["cpt.log"]
    hidden.rename(copy)
    agent_on(tmp_path, sink=sink).pass_ms(60_000)
    assert stored(sink) == sorted(lines(0, 160).splitlines())
    assert losses_unknown(sink) == []


def test_f4_search_goes_on_though_no_look_had_seen_what_is_lost(tmp_path: Path) -> None:
    """The agent saw the truncation and was killed before it looked for the copy."""
    first = first_life(tmp_path, content=lines(0, 100))
    copy = copytruncate(first.write("cpt.log", lines(100, 151)))
    hidden = copy.rename(tmp_path / "hidden")
    first.write("cpt.log", lines(151, 160))
    first.pass_ms(3_000)
    assert lost_bytes(first.sink) == 0
    first.crash()
    hidden.rename(copy)
    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)
    assert stored(first.sink) == sorted(lines(0, 160).splitlines())


def test_f4_search_goes_on_though_the_file_has_left_the_globs(tmp_path: Path) -> None:
    first = first_life(tmp_path, content=lines(0, 100))
    path = first.write("cpt.log", lines(100, 151))
    copy = copytruncate(path)
    hidden = copy.rename(tmp_path / "hidden")
    first.pass_ms(3_000)
    first.crash()
    path.rename(path.with_name("cpt.log.2"))
    hidden.rename(copy)
    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)
    assert stored(first.sink) == sorted(lines(0, 151).splitlines())


def test_f4_copy_that_comes_a_little_later_is_found(tmp_path: Path) -> None:
    first = first_life(tmp_path, content=lines(0, 100))
    first.crash()
    copy = copytruncate(first.write("cpt.log", lines(100, 151)))
    hidden = copy.rename(tmp_path / "hidden")
    agent = agent_on(tmp_path, sink=first.sink)
    agent.pass_ms(5_000)
    hidden.rename(copy)
    agent.pass_ms(60_000)
    assert stored(first.sink) == sorted(lines(0, 151).splitlines())


def test_k1_f4_copy_made_while_kafka_was_down_is_read(tmp_path: Path) -> None:
    sink = FailingSink()
    agent = agent_on(tmp_path, sink=sink)
    path = agent.write("cpt.log", lines(0, 100))
    agent.pass_ms()
    sink.is_down = True
    agent.write("cpt.log", lines(100, 120))
    agent.pass_ms()
    agent.write("cpt.log", lines(120, 151))
    agent.pass_ms()
    copytruncate(path)
    agent.write("cpt.log", lines(151, 152))
    agent.pass_ms(20_000)
    sink.is_down = False
    agent.pass_ms(60_000)
    assert stored(sink) == sorted(lines(0, 152).splitlines())
    assert lost_bytes(sink) == 0


def test_f4_lines_written_right_before_the_truncation_are_read_from_the_copy(
    tmp_path: Path,
) -> None:
    """No look saw them, so that nothing is missed by the figures."""
    agent = first_life(tmp_path, content=lines(0, 100))
    copytruncate(agent.write("cpt.log", lines(100, 151)))
    agent.pass_ms(30_000)
    assert stored(agent.sink) == sorted(lines(0, 151).splitlines())


@pytest.mark.parametrize("is_killed", [True, False])
def test_f4_two_rotations_while_the_agent_was_down_lose_nothing(
    tmp_path: Path, *, is_killed: bool
) -> None:
    first = first_life(tmp_path, content=lines(0, 100))
    sink = first.sink
    end(first, is_killed=is_killed)
    path = first.write("cpt.log", lines(100, 151))
    copytruncate(path)
    first.write("cpt.log", lines(151, 170))
    copytruncate(path, turn=2)
    first.write("cpt.log", lines(170, 171))
    first.write("cpt.log.lock", b"a note of the application's own\n")
    late = first.write("cpt.log.7.gz", gzip.compress(lines(5_000, 5_100)))
    os.utime(late, (1, 1))  # As compression leaves it: its content is old.
    agent = agent_on(tmp_path, sink=sink)
    agent.pass_ms(60_000)
    assert stored(sink) == sorted(lines(0, 171).splitlines())
    assert len({e.generation for e in events_of(sink)}) == 3
    assert losses_unknown(sink) == []
    agent.crash()
    late.unlink()
    agent_on(tmp_path, glob="*.log*", sink=sink).pass_ms(60_000)
    assert len(events_of(sink)) == 172


def test_p5_f4_copy_taken_for_a_later_life_is_declared_where_all_was_forgotten(
    tmp_path: Path,
) -> None:
    """It may be of a life that was sent before, and seem later as a clock was set back."""
    forgotten = first_life(tmp_path, content=lines(0, 50))
    forgotten.crash()
    forget(forgotten)
    second = agent_on(tmp_path)
    second.write("cpt.log", lines(50, 100))
    second.pass_ms(8_000)
    sink = second.sink
    second.crash()
    path = second.write("cpt.log", lines(100, 151))
    copytruncate(path)
    second.write("cpt.log", lines(151, 170))
    copytruncate(path, turn=2)
    second.write("cpt.log", lines(170, 171))
    agent_on(tmp_path, sink=sink).pass_ms(60_000)
    (later,) = {e.generation for e in events_of(sink) if e.stored == b"line 160"}
    assert {w.identity_rebuilt for w in ledger_of(sink) if w.generation == later} == {
        True
    }


def test_f4_copies_that_were_there_before_are_left_alone(tmp_path: Path) -> None:
    first = agent_on(tmp_path)
    first.write("cpt.log.2", lines(1_000, 2_000))
    first.write("cpt.log.3", lines(0, 100) + lines(2_000, 2_100))
    await_tick(first.state)
    first.write("cpt.log", lines(0, 100))
    first.pass_ms(8_000)
    end(first, is_killed=True)
    copytruncate(first.write("cpt.log", lines(100, 151)))
    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)
    assert stored(first.sink) == sorted(lines(0, 151).splitlines())


def test_f4_copy_of_another_service_is_not_taken(tmp_path: Path) -> None:
    """It begins alike, and goes on otherwise."""
    first = first_life(tmp_path, content=HEAD + lines(0, 100))
    sink = first.sink
    first.crash()
    path = first.write("cpt.log", lines(100, 151))
    os.truncate(path, 0)
    first.write("cpt.log.1", HEAD + lines(500, 700))
    first.write("other.1", HEAD + lines(0, 151))
    agent = agent_on(tmp_path, sink=sink)
    agent.pass_ms(60_000)
    assert stored(sink) == sorted((HEAD + lines(0, 100)).splitlines())
    assert losses_unknown(sink) == ["cpt.log"]


def test_f4_longest_of_several_copies_is_read_once(tmp_path: Path) -> None:
    first = first_life(tmp_path, content=lines(0, 100))
    sink = first.sink
    first.crash()
    path = first.write("cpt.log", lines(100, 120))
    shutil.copyfile(path, path.with_name("cpt.log.backup"))
    copytruncate(first.write("cpt.log", lines(120, 151)))
    os.utime(path.with_name("cpt.log.1"), (1, 1))
    agent_on(tmp_path, sink=sink).pass_ms(60_000)
    assert stored(sink) == sorted(lines(0, 151).splitlines())


@pytest.mark.parametrize("is_zipped_late", [True, False])
def test_f4_f20_compressed_copy_that_no_glob_means_is_read(
    tmp_path: Path, *, is_zipped_late: bool
) -> None:
    first = first_life(tmp_path, content=HEAD + lines(0, 100))
    first.crash()
    first.write("cpt.log.2.gz", gzip.compress(HEAD + lines(500, 600)))
    copy = copytruncate(first.write("cpt.log", lines(100, 151)))
    zipped = gzip.compress(copy.read_bytes())
    copy.unlink()
    if not is_zipped_late:
        first.write("cpt.log.1.gz", zipped)
    agent = agent_on(tmp_path, sink=first.sink)
    agent.pass_ms(4_000)
    if is_zipped_late:
        first.write("cpt.log.1.gz", zipped)
    agent.pass_ms(60_000)
    assert stored(first.sink) == sorted((HEAD + lines(0, 151)).splitlines())
    assert losses_unknown(first.sink) == []


def test_f4_archives_that_begin_alike_are_looked_at_in_turn(tmp_path: Path) -> None:
    """Few at a time, as only the end of each tells that it is none of this life."""
    first = agent_on(tmp_path)
    for number in range(1, 6):
        content = HEAD + lines(number * 1_000, number * 1_000 + 200)
        first.write(f"cpt.log.{number}.gz", gzip.compress(content))
    await_tick(first.state)
    first.write("cpt.log", HEAD + lines(0, 100))
    first.pass_ms(8_000)
    end(first, is_killed=True)
    copy = copytruncate(first.write("cpt.log", lines(100, 151)))
    first.write("cpt.log.9.gz", gzip.compress(copy.read_bytes()))
    copy.unlink()
    os.utime(first.logs / "cpt.log.9.gz", (1, 1))
    agent_on(tmp_path, sink=first.sink).pass_ms(120_000)
    assert stored(first.sink) == sorted((HEAD + lines(0, 151)).splitlines())


def test_f4_what_is_no_regular_file_is_not_opened(
    tmp_path: Path, opened: list[str]
) -> None:
    first = first_life(tmp_path, content=lines(0, 100))
    first.crash()
    path = first.write("cpt.log", lines(100, 151))
    os.mkfifo(path.with_name("cpt.log.fifo"))
    path.with_name("cpt.log.d").mkdir()
    path.with_name("cpt.log.link").symlink_to(path)
    copytruncate(path)
    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)
    assert stored(first.sink) == sorted(lines(0, 151).splitlines())
    assert set(opened) == {"cpt.log", "cpt.log.1"}


@pytest.mark.parametrize("is_killed", [True, False])
def test_f4_truncation_without_a_copy_while_the_agent_was_down_is_told(
    tmp_path: Path, *, is_killed: bool
) -> None:
    """Nobody saw what was lost, so nobody can count it; that much is said."""
    first = first_life(tmp_path, content=lines(0, 100))
    end(first, is_killed=is_killed)
    os.truncate(first.write("cpt.log", lines(100, 151)), 0)
    first.write("cpt.log", lines(151, 152))
    agent = agent_on(tmp_path, sink=first.sink)
    agent.pass_ms(60_000)
    assert losses_unknown(first.sink) == ["cpt.log"]
    assert lost_bytes(first.sink) == 0
    (told,) = agent.said("file_truncated")
    assert told["is_loss_unknown"]
    agent.stop()
    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)
    assert losses_unknown(first.sink) == ["cpt.log"]


def test_f4_truncation_that_a_running_agent_sees_is_no_unknown_loss(
    tmp_path: Path,
) -> None:
    first = first_life(tmp_path, content=lines(0, 100))
    first.stop()
    agent = agent_on(tmp_path, sink=first.sink)
    agent.pass_ms()
    os.truncate(agent.logs / "cpt.log", 0)
    agent.write("cpt.log", b"second life\n")
    agent.pass_ms(60_000)
    (told,) = agent.said("file_truncated")
    assert not told["is_loss_unknown"]
    assert losses_unknown(first.sink) == []


def test_f3_copy_of_what_was_read_tells_that_nothing_is_lost(tmp_path: Path) -> None:
    """As each night, where the log was quiet while the agent was down."""
    first = first_life(tmp_path, content=lines(0, 100))
    end(first, is_killed=False)
    copytruncate(first.logs / "cpt.log")
    agent = agent_on(tmp_path, sink=first.sink)
    agent.pass_ms(60_000)
    assert losses_unknown(first.sink) == []
    assert len(events_of(first.sink)) == 100


def test_f4_backup_made_before_the_last_look_does_not_tell_that_nothing_is_lost(
    tmp_path: Path,
) -> None:
    first = agent_on(tmp_path)
    path = first.write("cpt.log", lines(0, 100))
    shutil.copyfile(path, path.with_name("cpt.log.backup"))
    await_tick(first.state)
    first.pass_ms(8_000)
    end(first, is_killed=False)
    os.truncate(first.write("cpt.log", lines(100, 151)), 0)
    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)
    assert losses_unknown(first.sink) == ["cpt.log"]


@pytest.mark.parametrize("is_killed", [True, False])
def test_f4_copy_that_the_glob_means_is_read_once_as_ever(
    tmp_path: Path, *, is_killed: bool
) -> None:
    first = first_life(tmp_path, content=lines(0, 100), glob="*")
    sink = first.sink
    end(first, is_killed=is_killed)
    copytruncate(first.write("cpt.log", lines(100, 151)))
    first.write("cpt.log", lines(151, 152))
    agent = agent_on(tmp_path, glob="*", sink=sink)
    agent.pass_ms(60_000)
    assert stored(sink) == sorted(lines(0, 152).splitlines())
    assert losses_unknown(sink) == []
    assert not agent.said("copy_outside_looked_at")
    assert {Path(t.path).name for t in agent.table.files.values()} == {
        "cpt.log",
        "cpt.log.1",
    }


BANNER = b"=== started ===\n"


def test_f8_file_that_begins_as_a_lost_life_did_is_read_under_one_name(
    tmp_path: Path,
) -> None:
    """All that is known of that life is the line with which each life begins."""
    first = first_life(tmp_path, content=BANNER)
    sink = first.sink
    first.crash()
    await_tick(first.state)
    path = first.write("cpt.log", lines(0, 20))
    os.truncate(path, 0)
    agent = agent_on(tmp_path, sink=sink)
    agent.pass_ms(1_000)
    path.rename(path.with_name("cpt.log.1"))
    agent.write("cpt.log", BANNER + lines(100, 103))
    agent.pass_ms(1_000)
    path.rename(path.with_name("cpt.log.2"))
    agent.write("cpt.log", BANNER)
    agent.pass_ms(120_000)
    assert stored(sink) == sorted(
        [*[BANNER.strip()] * 3, *lines(100, 103).splitlines()]
    )


def test_f34_f4_copy_is_read_though_the_clock_was_set_back(tmp_path: Path) -> None:
    """By what it holds: its times are before those at which the original was read."""
    first = agent_on(tmp_path)
    assert isinstance(first.clock, TimeOfDay)
    first.clock.ahead_ms = 3_600_000
    first.write("cpt.log", HEAD + lines(0, 100))
    first.pass_ms(8_000)
    first.crash()
    copytruncate(first.write("cpt.log", lines(100, 151)))
    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)
    assert stored(first.sink) == sorted((HEAD + lines(0, 151)).splitlines())


@pytest.mark.parametrize("is_killed", [True, False])
def test_f4_copy_written_over_the_last_one_is_read_as_that_was(
    tmp_path: Path, *, is_killed: bool
) -> None:
    """`cp app.log app.log.1 && : > app.log`: the same file, and another content."""
    first = first_life(tmp_path, content=HEAD + lines(0, 100))
    sink = first.sink
    for turn in range(1, 4):
        end(first, is_killed=is_killed)
        path = first.write("cpt.log", lines(turn * 100, turn * 100 + 50))
        shutil.copyfile(path, path.with_name("cpt.log.1"))
        os.truncate(path, 0)
        first = agent_on(tmp_path, sink=sink)
        first.pass_ms(60_000)
        first.write("cpt.log", HEAD + lines(turn * 100 + 50, (turn + 1) * 100))
        first.pass_ms(60_000)
    assert stored(sink) == sorted((HEAD * 4 + lines(0, 400)).splitlines())
    assert lost_bytes(sink) == 0


def test_f4_copy_of_a_file_that_was_renamed_before_it_is_found(tmp_path: Path) -> None:
    first = first_life(tmp_path, content=lines(0, 100))
    first.crash()
    path = first.write("cpt.log", lines(100, 151))
    copytruncate(path.rename(path.with_name("new.log")))
    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)
    assert stored(first.sink) == sorted(lines(0, 151).splitlines())


def test_f4_search_of_a_folder_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    monkeypatch.setattr(outside, "COPIES_MAX", 5)
    first = first_life(tmp_path, content=lines(0, 100))
    first.crash()
    path = first.write("cpt.log", lines(100, 151))
    for number in range(100):
        first.write(f"cpt.log.{number}", lines(1_000, 2_000))
    os.truncate(path, 0)
    agent = agent_on(tmp_path, sink=first.sink)
    agent.pass_ms(120_000)
    assert len([name for name in opened if name != "cpt.log"]) == 4 * 5


def test_f4_search_of_a_very_large_folder_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    monkeypatch.setattr(whereabouts, "ENTRIES_MAX", 0)
    first = first_life(tmp_path, content=lines(0, 100))
    first.crash()
    copytruncate(first.write("cpt.log", lines(100, 151)))
    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)
    assert set(opened) == {"cpt.log"}
    assert losses_unknown(first.sink) == ["cpt.log"]


def test_f16_file_met_outside_has_no_name_of_a_life_that_it_had_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was emptied, and renamed; a clock that was set back makes it look new."""
    agent = agent_on(tmp_path)
    path = agent.write("a.log", lines(0, 100))
    agent.pass_ms()
    agent.write("a.log", lines(100, 110))
    shutil.copyfile(path, path.with_name("a.log.1"))
    path.write_bytes(b"")
    agent.pass_ms()
    emptied = path.rename(path.with_name("a.log.2"))
    agent.write("a.log", lines(200, 210))
    agent.pass_ms(1_000)
    agent.crash()
    emptied.write_bytes(lines(110, 120))

    def is_later(*_files: object) -> bool:
        return True

    monkeypatch.setattr(outside.Outside, "_is_later", is_later)
    second = agent_on(tmp_path, sink=agent.sink)
    second.pass_ms()
    second.write("a.log", lines(210, 220))
    shutil.copyfile(path, path.with_name("a.log.4"))
    path.write_bytes(b"")
    second.pass_ms(60_000)
    written = lines(0, 120) + lines(200, 220)
    assert unique_lines(agent.sink) == sorted(written.splitlines())
    places = {(e.generation, e.offset): e.stored for e in events_of(agent.sink)}
    assert len(places) == 140
    # Nor was the life that its copy holds, and is read there, ended once more.
    assert [said["path"] for said in second.said("file_truncated")] == [str(path)]
