"""A copy made by rotation is not sent again, and what only it holds is read from it."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pytest

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


def copytruncate(path: Path) -> Path:
    copy = path.with_name(path.name + ".1")
    shutil.copyfile(path, copy)
    path.write_bytes(b"")
    return copy


def test_f3_copy_of_what_was_read_is_not_sent_again(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, glob="*")
    path = agent.write("a.log", lines(0, 500))
    agent.pass_ms()
    copytruncate(path)
    agent.write("a.log", lines(500, 510))
    agent.pass_ms(30_000)
    assert [e.stored for e in events_of(agent.sink)] == lines(0, 510).splitlines()
    assert agent.said("copy_recognised")


@pytest.mark.parametrize("name", ["a.1.log", "a-20261126.log", "a.2026-11-26.log"])
@pytest.mark.parametrize("is_read", [True, False])
def test_f3_f4_copy_that_keeps_its_extension_is_recognised(
    tmp_path: Path, name: str, *, is_read: bool
) -> None:
    """As by logrotate's `extension .log` under the glob `*.log`."""
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", lines(0, 500))
    agent.pass_ms(3_000)
    if not is_read:
        agent.write("a.log", lines(500, 510))
    shutil.copyfile(path, path.with_name(name))
    path.write_bytes(b"")
    agent.write("a.log", lines(600, 610))
    agent.pass_ms(30_000)

    rest = b"" if is_read else lines(500, 510)
    expected = sorted((lines(0, 500) + rest + lines(600, 610)).splitlines())
    assert sorted(event.stored for event in events_of(agent.sink)) == expected
    assert all(not sum(r.lost_bytes.values()) for r in ledger_of(agent.sink))


@pytest.mark.parametrize("first", ["a.log", "a.1.log"])
def test_f8_numbered_logs_of_several_writers_are_sent_whole(
    tmp_path: Path, first: str
) -> None:
    agent = AgentHarness(tmp_path)
    for number, name in enumerate((first, "a.2.log", "a.3.log")):
        agent.write(name, b"== the same banner ==\n" + lines(100 * number, 400))
        agent.pass_ms(15_000)

    assert len(events_of(agent.sink)) == 3 + 400 + 300 + 200


def test_f3_copy_of_a_file_that_grew_fast_and_was_read_on_is_not_sent_again(
    tmp_path: Path,
) -> None:
    """All within two seconds, in which places are remembered only where there is need."""
    agent = AgentHarness(tmp_path, glob="*", sweep_ms=4_000)
    path = agent.write("a.log", lines(0, 20))
    agent.pass_ms(400, step_ms=50)
    agent.write("a.log", lines(20, 500))
    agent.pass_ms(300, step_ms=50)
    agent.write("a.log", lines(500, 505))
    shutil.copyfile(path, f"{path}.1")
    agent.write("a.log", lines(505, 510))
    agent.pass_ms(500, step_ms=50)
    path.write_bytes(b"")
    agent.pass_ms(30_000)

    assert [e.stored for e in events_of(agent.sink)] == lines(0, 510).splitlines()
    assert agent.said("copy_recognised")


def test_f4_what_was_not_read_before_the_truncation_is_read_from_the_copy(
    tmp_path: Path,
) -> None:
    sink = RecordingSink()
    agent = AgentHarness(tmp_path, glob="*", sink=sink)
    path = agent.write("a.log", lines(0, 500))
    agent.pass_ms()
    agent.write("a.log", lines(500, 600))
    copytruncate(path)
    agent.write("a.log", lines(600, 610))
    agent.pass_ms(30_000)
    assert sorted(e.stored for e in events_of(sink)) == sorted(
        lines(0, 610).splitlines()
    )
    assert all(not sum(r.lost_bytes.values()) for r in ledger_of(sink))


def test_f3_copy_made_while_the_agent_was_down_is_recognised(tmp_path: Path) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, glob="*", sink=sink)
    path = first.write("a.log", lines(0, 500))
    first.pass_ms()
    first.stop()
    first.write("a.log", lines(500, 600))
    copytruncate(path)
    second = AgentHarness(tmp_path, glob="*", sink=sink)
    second.write("a.log", lines(600, 610))
    second.pass_ms(30_000)
    assert len(events_of(sink)) == 610
    assert len(unique_lines(sink)) == 610


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("is_late", [False, True])
def test_f3_copy_that_bears_a_name_its_original_had_before_is_recognised(
    tmp_path: Path, *, is_killed: bool, is_late: bool
) -> None:
    """What the original was called when it was copied, only its record can tell."""
    sink = RecordingSink()
    agent = AgentHarness(tmp_path, glob="*", sink=sink)
    path = agent.write("a.log", lines(0, 20))
    agent.pass_ms()
    copy = tmp_path / "copy"
    shutil.copyfile(path, copy)
    renamed = path.rename(path.with_name("a.log.2"))
    agent.pass_ms(10_000)
    assert {Path(r.path).name for r in ledger_of(sink)} == {"a.log", "a.log.2"}
    renamed.write_bytes(lines(20, 22))
    if is_late:
        agent.pass_ms(5_000)  # Nothing holds the first life any more.
    copy.rename(path.with_name("a.log.1"))
    agent.write("a.log", lines(22, 25))
    if is_killed:
        agent.crash()
        agent = AgentHarness(tmp_path, glob="*", sink=sink, clock=agent.clock)
    agent.pass_ms(30_000)
    stored = [e.stored for e in events_of(sink)]
    assert sorted(stored) == sorted(lines(0, 25).splitlines())


def test_copy_that_stands_beside_its_original_is_not_sent_again(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, glob="*")
    path = agent.write("a.log", lines(0, 500))
    agent.pass_ms()
    shutil.copyfile(path, path.with_name("a.log.backup"))
    agent.pass_ms(30_000)
    assert len(events_of(agent.sink)) == 500


@pytest.mark.parametrize("is_truncated", [True, False])
@pytest.mark.parametrize("is_killed", [True, False])
def test_f3_copy_that_is_met_while_it_is_made_is_not_sent_again(
    tmp_path: Path, is_truncated: bool, is_killed: bool
) -> None:
    """It ends anywhere, within a line, and looks like a whole copy of a shorter file."""
    sink = RecordingSink()
    agent = AgentHarness(tmp_path, glob="*", sink=sink)
    path = agent.write("a.log", lines(0, 500))
    agent.pass_ms()
    content = path.read_bytes()
    for start in range(0, len(content), 2_222):
        agent.write("a.log.1", content[start : start + 2_222])
        agent.pass_ms(3_000)
        if is_killed and start == 4_444:
            agent.crash()
            agent = AgentHarness(tmp_path, glob="*", sink=sink)
    if is_truncated:
        path.write_bytes(b"")
    agent.write("a.log", lines(500, 510))
    agent.pass_ms(30_000)
    assert len(unique_lines(sink)) == 510
    assert len(events_of(sink)) == 510
    agent.write("a.log.1", b"a line of the copy's own\n")
    agent.pass_ms(30_000)
    # Beside an original that does not hold it, it is of a file of its own, as far as can
    # be known: one that had begun with the same lines.
    assert len(events_of(sink)) == (511 if is_truncated else 510 + 501)


def test_f8_file_that_only_begins_alike_is_sent_whole(tmp_path: Path) -> None:
    """As tables do, whose first line is the same for ever."""
    head = b"time,host,value\n" * 100
    agent = AgentHarness(tmp_path, glob="*")
    agent.write("a.csv", head + lines(0, 100))
    agent.pass_ms()
    agent.write("a.csv.2", head + lines(100, 300))
    agent.write("a.csv.3", head + lines(100, 101))
    agent.pass_ms(30_000)
    assert len(events_of(agent.sink)) == 200 + 300 + 101


def test_f8_equal_files_of_other_names_are_two(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, glob="*")
    agent.write("a.log", lines(0, 500))
    agent.pass_ms()
    agent.write("b.log", lines(0, 500))
    agent.write("a.log2", lines(0, 500))
    agent.pass_ms(30_000)
    assert len(events_of(agent.sink)) == 1_500


def test_copy_is_recognised_though_the_agent_died_before_it_was_sure(
    tmp_path: Path,
) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, glob="a.log", sink=sink)
    path = first.write("a.log", lines(0, 500))
    first.pass_ms()
    copytruncate(path)
    first.pass_ms()  # The truncation is seen, and the copy not yet.
    first.crash()
    second = AgentHarness(tmp_path, glob="*", sink=sink)
    second.write("a.log", lines(500, 510))
    second.pass_ms(30_000)
    assert len(events_of(sink)) == 510


def test_file_that_only_begins_alike_is_no_copy_when_the_other_is_emptied(
    tmp_path: Path,
) -> None:
    head = b"time,host,value\n" * 100
    agent = AgentHarness(tmp_path, glob="*")
    path = agent.write("a.csv", head + lines(0, 100))
    agent.pass_ms()
    agent.write("a.csv.2", head + lines(100, 300))
    path.write_bytes(b"")
    agent.write("a.csv", b"new\n")
    agent.pass_ms(30_000)
    assert len(events_of(agent.sink)) == 200 + 300 + 1


def test_f3_recognised_copy_is_still_known_after_a_restart(tmp_path: Path) -> None:
    """Nothing of it was sent, so only the checkpoint can tell where it begins."""
    sink = RecordingSink()
    first = AgentHarness(tmp_path, glob="*", sink=sink)
    path = first.write("a.log", lines(0, 500))
    first.pass_ms()
    copytruncate(path)
    first.write("a.log", lines(500, 510))
    first.pass_ms(30_000)
    first.stop()
    second = AgentHarness(tmp_path, glob="*", sink=sink)
    second.pass_ms(30_000)
    assert len(events_of(sink)) == 510


def test_f3_copy_is_recognised_by_a_life_that_ended_before_a_kill(
    tmp_path: Path,
) -> None:
    """The truncation was settled, and its life retired, before the copy was ever met."""
    sink = RecordingSink()
    first = AgentHarness(tmp_path, glob="a.log", sink=sink)
    path = first.write("a.log", lines(0, 500))
    first.pass_ms()
    copytruncate(path)
    first.write("a.log", lines(500, 510))
    first.pass_ms(30_000)
    first.crash()
    AgentHarness(tmp_path, glob="a.log", sink=sink).crash()
    second = AgentHarness(tmp_path, glob="*", sink=sink)
    second.pass_ms(30_000)
    assert len(events_of(sink)) == 510


def test_f3_each_of_many_copies_is_recognised_between_kills(tmp_path: Path) -> None:
    sink = RecordingSink()
    written = 0
    for number in range(1, 6):
        agent = AgentHarness(tmp_path, glob="*", sink=sink)
        path = agent.write("a.log", lines(written, written + 100))
        agent.pass_ms(30_000)
        shutil.copyfile(path, path.with_name(f"a.log.{number}"))
        path.write_bytes(b"")
        agent.write("a.log", lines(written + 100, written + 103))
        agent.pass_ms(2_000)
        agent.crash()
        written += 103
    last = AgentHarness(tmp_path, glob="*", sink=sink)
    last.pass_ms(30_000)
    assert sorted(unique_lines(sink)) == sorted(lines(0, written).splitlines())


def test_f3_copy_of_which_nothing_is_acknowledged_is_shorter_than_the_head(
    tmp_path: Path,
) -> None:
    """What was on its way came through after all: it must not come by another name."""
    sink = RecordingSink()
    first = AgentHarness(tmp_path, glob="*", sink=sink)
    path = first.write("a.log", lines(0, 3))
    sink.holding_topic = "t.raw"
    first.pass_ms()
    copy = path.with_name("a.log.1")
    kept = Path(shutil.copyfile(path, copy)).rename(tmp_path.parent / "away")
    first.write("a.log", lines(3, 6))
    first.pass_ms(8_000)
    first.crash()
    sink.release()
    sink.holding_topic = ""
    kept.rename(copy)
    os.truncate(path, 0)

    second = AgentHarness(tmp_path, glob="*", sink=sink)
    second.pass_ms(30_000)

    assert second.said("copy_recognised")
    assert sorted(unique_lines(sink)) == sorted(lines(0, 6).splitlines())


def test_f8_later_copy_that_is_shorter_is_of_another_life(tmp_path: Path) -> None:
    """Between two truncations that nobody saw a file began as it had before."""
    sink = RecordingSink()
    first = AgentHarness(tmp_path, glob="*", sink=sink)
    path = first.write("a.log", b"the same\n" + lines(0, 3))
    first.pass_ms(30_000)
    first.crash()
    first.write("a.log", lines(3, 6))
    longer = copytruncate(path)
    made_ns = longer.stat().st_mtime_ns - 1_000_000_000
    os.utime(longer, ns=(made_ns, made_ns))  # The other is made a second later.
    first.write("a.log", b"the same\n")
    shutil.copyfile(path, path.with_name("a.log.2"))
    path.write_bytes(b"")

    second = AgentHarness(tmp_path, glob="*", sink=sink)
    second.pass_ms(30_000)

    stored = sorted(event.stored for event in events_of(sink))
    assert stored == sorted([b"the same", b"the same", *lines(0, 6).splitlines()])


def test_file_begun_at_its_end_is_not_read_from_its_head_after_a_restart(
    tmp_path: Path,
) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink, source={"start_at": "end"})
    first.write("a.log", lines(0, 500))
    first.pass_ms(10_000)
    first.stop()
    second = AgentHarness(tmp_path, sink=sink, source={"start_at": "end"})
    second.write("a.log", lines(500, 501))
    second.pass_ms(10_000)
    assert [e.stored for e in events_of(sink)] == [b"line 500"]


@pytest.mark.parametrize("is_down", [True, False])
@pytest.mark.parametrize("is_met_first", [True, False])
def test_f3_copy_shorter_than_the_head_that_its_original_grew_to_is_recognised(
    tmp_path: Path, *, is_down: bool, is_met_first: bool
) -> None:
    """The application writes on between the copy and the truncation of a small log."""
    agent = AgentHarness(tmp_path, glob="*")
    path = agent.write("a.log", lines(0, 3))
    if is_met_first:
        agent.pass_ms(300)
    copy = path.with_name("a.log.1")
    shutil.copyfile(path, copy)
    kept = copy.rename(tmp_path / "away")
    agent.write("a.log", lines(3, 6))
    agent.pass_ms(8_000)
    kept.rename(copy)
    os.truncate(path, 0)
    if is_down:
        agent.crash()
        agent = AgentHarness(tmp_path, glob="*", sink=agent.sink, clock=agent.clock)
    agent.pass_ms(30_000)
    agent.write("a.log", lines(6, 9))
    agent.pass_ms(8_000)
    stored = sorted(event.stored for event in events_of(agent.sink))
    assert stored == sorted(lines(0, 9).splitlines())


def test_f8_file_shorter_than_a_head_that_ends_elsewhere_is_sent_whole(
    tmp_path: Path,
) -> None:
    """It begins like the other, and holds a line that is not there."""
    agent = AgentHarness(tmp_path, glob="*")
    path = agent.write("a.log", lines(0, 6))
    agent.pass_ms(8_000)
    os.truncate(path, 0)
    agent.write("a.log.1", lines(0, 2) + b"mine\n")
    agent.pass_ms(30_000)
    assert [e.stored for e in events_of(agent.sink)].count(b"mine") == 1


def test_f3_copy_over_a_file_that_left_the_globs_is_recognised(tmp_path: Path) -> None:
    """It was the log itself, was renamed, and is read on by its descriptor for a while."""
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", lines(0, 3))
    agent.pass_ms(8_000)
    os.truncate(path, 0)
    agent.pass_ms(500)
    copy = path.rename(path.with_name("a.log.1"))
    agent.write("a.log", lines(3, 9))
    agent.pass_ms(2_000)
    shutil.copyfile(path, copy)
    agent.pass_ms(20_000)
    stored = sorted(event.stored for event in events_of(agent.sink))
    assert stored == sorted(lines(0, 9).splitlines())


def test_f3_copy_over_a_file_that_left_the_globs_is_known_though_it_is_deleted_soon(
    tmp_path: Path,
) -> None:
    """Its name is noted when it is seen to be written anew, and is gone when it is asked
    what it is."""
    agent = AgentHarness(tmp_path, linger_ms_max=1_000)
    path = agent.write("a.log", lines(0, 3))
    agent.pass_ms(8_000)
    copy = path.rename(path.with_name("a.log.1"))
    agent.pass_ms(1_000)
    agent.write("a.log", lines(3, 9))
    shutil.copyfile(path, copy)
    agent.write("a.log", lines(9, 11))
    while not agent.said("file_truncated"):
        agent.pass_ms(100)
    copy.unlink()
    agent.pass_ms(30_000)
    stored = sorted(event.stored for event in events_of(agent.sink))
    assert stored == sorted(lines(0, 11).splitlines())


def test_f1_f3_copy_over_a_file_that_was_renamed_since_the_last_sweep_is_recognised(
    tmp_path: Path,
) -> None:
    """Its own look comes first, when nobody has seen the log that it is a copy of."""
    agent = AgentHarness(tmp_path, glob="*", sweep_ms=5_000)
    path = agent.write("a.log", lines(0, 30))
    agent.pass_ms(5_300)
    copy = path.rename(path.with_name("a.log.1"))
    agent.write("a.log", lines(30, 36))
    shutil.copyfile(path, copy)
    agent.pass_ms(30_000)
    stored = sorted(event.stored for event in events_of(agent.sink))
    assert stored == sorted(lines(0, 36).splitlines())


@pytest.mark.parametrize("first_content", [lines(50, 60), lines(4, 10)])
def test_f3_content_that_came_after_the_look_for_an_original_is_looked_at_anew(
    tmp_path: Path, *, first_content: bytes
) -> None:
    """A file was found to be none's copy, and is written over before it is begun."""
    agent = AgentHarness(tmp_path, glob="*", linger_ms_max=1_000)
    path = agent.write("a.log", lines(0, 6))
    agent.pass_ms(8_000)
    copy = agent.write("a.log.1", first_content)
    agent.pass_ms(300)
    assert len(events_of(agent.sink)) == 6, "the other one waits for more"
    shutil.copyfile(path, copy)
    agent.pass_ms(20_000)
    stored = sorted(event.stored for event in events_of(agent.sink))
    assert stored == sorted(lines(0, 6).splitlines())


def test_f8_file_that_shares_a_few_first_lines_with_a_longer_life_is_sent_whole(
    tmp_path: Path,
) -> None:
    """The place behind them is remembered, and lies within what many files begin with."""
    agent = AgentHarness(tmp_path, glob="*")
    path = agent.write("a.log", lines(0, 2))
    agent.pass_ms(8_000)
    agent.write("a.log", lines(2, 400))
    agent.pass_ms(8_000)
    os.truncate(path, 0)
    agent.pass_ms(2_000)
    agent.write("a.log.1", lines(0, 2) + b"another\n")
    agent.pass_ms(30_000)
    assert [e.stored for e in events_of(agent.sink)].count(b"another") == 1


def test_f3_copy_of_a_life_that_began_while_the_agent_was_down_is_not_sent_again(
    tmp_path: Path,
) -> None:
    """Both are met at once, and its original is found to be written anew a turn later."""
    agent = AgentHarness(tmp_path, glob="*")
    path = agent.write("a.log", lines(0, 3))
    agent.pass_ms()
    agent.crash()
    path.write_bytes(lines(500, 700))
    shutil.copyfile(path, path.with_name("a.log.1"))
    agent = AgentHarness(tmp_path, glob="*", sink=agent.sink, clock=agent.clock)
    agent.pass_ms(30_000)
    stored = [event.stored for event in events_of(agent.sink)]
    assert sorted(stored) == sorted(
        lines(0, 3).splitlines() + lines(500, 700).splitlines()
    )


@pytest.mark.parametrize("is_killed", [True, False])
@pytest.mark.parametrize("is_compressed", [True, False])
def test_f3_copy_seen_to_be_one_is_so_when_its_original_was_read_on_and_emptied(
    tmp_path: Path, *, is_killed: bool, is_compressed: bool
) -> None:
    """No place of the original is remembered between its beginning and the copy's end."""

    def life(before: AgentHarness | None = None) -> AgentHarness:
        return AgentHarness(
            tmp_path,
            glob="*",
            sink=before and before.sink,
            clock=before and before.clock,
            sweep_ms=200,
            linger_ms_max=1_000,
            checkpoint_ms=1,
        )

    agent = life()
    path = agent.write("a.log", lines(0, 1))
    agent.pass_ms(1_500)
    agent.write("a.log", lines(1, 200))
    copy = path.with_name("a.log.1")
    shutil.copyfile(path, copy)
    agent.pass_ms(500)
    agent.write("a.log", lines(200, 300))
    while len(events_of(agent.sink)) < 300:
        assert len(events_of(agent.sink)) == 1, "it is read on in one piece"
        agent.pass_ms(100)
    path.write_bytes(b"")
    if is_compressed:
        copy.with_name("a.log.1.gz").write_bytes(gzip.compress(copy.read_bytes()))
        copy.unlink()
    agent.pass_ms(100)
    if is_killed:
        agent.crash()
        agent = life(agent)
    agent.pass_ms(30_000)
    stored = [event.stored for event in events_of(agent.sink)]
    assert sorted(stored) == sorted(lines(0, 300).splitlines())


@pytest.mark.parametrize("is_down", [True, False])
def test_f3_copy_with_a_date_is_recognised_though_its_original_was_renamed_since(
    tmp_path: Path, *, is_down: bool
) -> None:
    """The copy bears the name that its original had: `a-DATE.log` of what is `a.log.1`."""
    sink = RecordingSink()
    agent = AgentHarness(tmp_path, glob="*", sink=sink)
    path = agent.write("a.log", lines(0, 500))
    agent.pass_ms(15_000)
    if is_down:
        agent.stop()
    agent.write("a.log", lines(500, 510))
    shutil.copyfile(path, path.with_name("a-20261126.log"))
    path.write_bytes(b"")
    agent.write("a.log", lines(510, 514))
    path.rename(path.with_name("a.log.1"))
    agent.write("a.log", lines(514, 517))
    if is_down:
        agent = AgentHarness(tmp_path, glob="*", sink=sink)
    agent.pass_ms(60_000)
    assert unique_lines(sink) == sorted(lines(0, 517).splitlines())


def test_f3_f4_copy_of_a_life_that_was_emptied_before_it_had_a_name_is_read_once(
    tmp_path: Path,
) -> None:
    """It is met when its original was seen, and seen empty, and not had a turn since."""
    agent = AgentHarness(tmp_path, glob="*", sweep_ms=200, linger_ms_max=200)
    path = agent.write("a.log", b"before\n")
    agent.pass_ms(8_000)
    path.write_bytes(lines(0, 5))
    copy = path.with_name("a.log.1")
    shutil.copyfile(path, copy)
    agent.write("a.log", lines(5, 9))
    agent.pass_ms(300)
    os.truncate(path, 0)
    agent.pass_ms(20_000)
    copy.with_name("a.log.1.gz").write_bytes(gzip.compress(copy.read_bytes()))
    copy.unlink()
    agent.pass_ms(20_000)
    stored = sorted(event.stored for event in events_of(agent.sink))
    assert stored == sorted([b"before", *lines(0, 5).splitlines()])
    assert lost_in(agent.sink) == len(lines(5, 9))


@pytest.mark.parametrize("left_by", ["a rename", "a rename out of the globs"])
def test_f1_f3_copy_of_a_new_log_made_over_an_older_copy_between_two_sweeps_is_read_once(
    tmp_path: Path, left_by: str
) -> None:
    """The older copy is looked at before a sweep has met the file that it is a copy of."""
    agent = AgentHarness(
        tmp_path, glob="a*", sweep_ms=2_000, linger_ms_max=100, flush_after_ms=100
    )
    path = agent.write("a.log", lines(0, 5))
    copy = agent.write("a.log.1", lines(100, 105))
    agent.pass_ms(4_100)
    agent.write("a.log.1", lines(105, 106))
    new_name = "a.log-20261124" if left_by == "a rename" else "b.log"
    path.rename(path.with_name(new_name))
    if left_by == "a rename out of the globs":
        agent.pass_ms(2_000)
        agent.write("a.log.1", lines(106, 107))
    agent.write("a.log", lines(200, 201))
    shutil.copyfile(path, copy)
    agent.pass_ms(1_000)
    agent.write("a.log", lines(201, 203))
    agent.pass_ms(30_000)
    stored = [event.stored for event in events_of(agent.sink)]
    assert stored.count(b"line 200") == 1
    assert set(lines(200, 203).splitlines()) <= set(stored)
