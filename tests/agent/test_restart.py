"""What a new life of the agent knows: from the checkpoint, the ledger, or nothing."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tailrace.errors import DataDirInUse
from tailrace.wire import Cut
from tailrace_agent.checkpoint import (
    FILE_NAME,
    PREVIOUS_NAME,
    Checkpoint,
    Condition,
    Loaded,
)
from tailrace_agent.fsck import inspect
from tailrace_agent.protocols import CheckpointUnwritable
from tailrace_agent.restore import restore
from tailrace_agent.set_back import LedgerWords
from tailrace_agent.state_folder import take_folder
from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    SteppedClock,
    events_of,
    ledger_of,
    unique_lines,
)

TEN = b"".join(b"line %d\n" % n for n in range(10))


def shipped(tmp_path: Path) -> AgentHarness:
    """Return an agent that has shipped ten lines and told the ledger, then crashed."""
    agent = AgentHarness(tmp_path)
    agent.write("a.log", TEN)
    agent.pass_ms(8_000)
    agent.crash()
    return agent


def forget(agent: AgentHarness, *, is_copy_kept: bool = False) -> None:
    for path in agent.state.iterdir():
        if not (is_copy_kept and path.name == PREVIOUS_NAME):
            path.unlink()


def test_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    first = shipped(tmp_path)
    second = AgentHarness(tmp_path, sink=first.sink)
    second.write("a.log", b"more\n")
    second.pass_ms()
    assert len(events_of(first.sink)) == 11
    assert second.restored.came_from == "checkpoint"


def test_p1_what_was_not_acknowledged_is_sent_again_as_the_same_events(
    tmp_path: Path,
) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    first.write("a.log", TEN)
    first.pass_ms()
    sink.is_holding = True
    first.write("a.log", b"a\nb\n")
    first.pass_ms()
    sink.release()  # Stored, and the agent dies before it hears of it.
    first.crash()
    sink.is_holding = False
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms()
    assert len(events_of(sink)) == 14
    assert len(unique_lines(sink)) == 12


def test_p1_the_ledger_hears_of_a_file_that_was_closed_just_before_a_kill(
    tmp_path: Path,
) -> None:
    """The checkpoint is written without waiting for the ledger's acknowledgement."""
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    path = first.write("a.log", TEN)
    first.pass_ms()
    path.rename(path.with_name("out-of-every-glob"))
    sink.is_holding = True
    first.pass_ms(60_000)
    assert first.said("file_closed")
    first.crash()
    assert not ledger_of(sink)[-1].is_closed
    sink.held.clear()
    sink.is_holding = False
    AgentHarness(tmp_path, sink=sink).pass_ms()
    newest = max(ledger_of(sink), key=lambda record: record.revision)
    assert newest.next_event_number == 10
    assert newest.is_closed


def test_deleted_checkpoint_is_restored_from_the_ledger(tmp_path: Path) -> None:
    first = shipped(tmp_path)
    forget(first)
    second = AgentHarness(tmp_path, sink=first.sink)
    second.write("a.log", b"more\n")
    second.pass_ms()
    assert second.restored.came_from == "ledger"
    assert not second.restored.is_rebuilt
    assert len(events_of(first.sink)) == 11
    assert not any(r.identity_rebuilt for r in ledger_of(first.sink))


def test_truncation_count_comes_back_from_the_ledger(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", TEN)
    agent.pass_ms()
    path.write_bytes(b"second life\n")
    agent.pass_ms(8_000)
    agent.crash()
    forget(agent)
    second = AgentHarness(tmp_path, sink=agent.sink)
    second.write("a.log", b"more\n")
    second.pass_ms()
    assert len(events_of(agent.sink)) == 12
    assert len({e.generation for e in events_of(agent.sink)}) == 2


def test_p5_checkpoint_and_ledger_both_gone_is_declared(tmp_path: Path) -> None:
    first = shipped(tmp_path)
    forget(first)
    sink = RecordingSink()
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms()
    second.write("new.log", b"new\n")
    second.pass_ms()
    assert second.restored.is_rebuilt
    assert len(events_of(sink)) == 11
    declared = {
        r.path.rpartition("/")[2]: (r.identity_rebuilt, r.repeatable_bytes)
        for r in ledger_of(sink)
    }
    assert declared == {"a.log": (True, len(TEN)), "new.log": (False, 0)}


@pytest.mark.parametrize("is_ledger_kept", [True, False])
def test_p5_a_lost_checkpoint_is_no_reason_to_begin_at_the_end(
    tmp_path: Path, *, is_ledger_kept: bool
) -> None:
    """Though the source does so once: what came meanwhile would be lost in silence."""
    source: dict[str, object] = {"start_at": "end"}
    first = AgentHarness(tmp_path, source=source)
    first.write("a.log", b"old\n")
    first.pass_ms()
    first.write("a.log", TEN)
    first.pass_ms(8_000)
    first.crash()
    forget(first)
    first.write("a.log", b"meanwhile\n")
    first.write("b.log", b"began meanwhile\n")
    sink = first.sink if is_ledger_kept else RecordingSink()
    AgentHarness(tmp_path, source=source, sink=sink).pass_ms()
    assert {b"meanwhile", b"began meanwhile"} <= set(unique_lines(sink))


def test_first_start_of_all_declares_nothing(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", TEN)
    agent.pass_ms()
    assert not agent.restored.is_rebuilt
    assert not any(r.identity_rebuilt for r in ledger_of(agent.sink))


@pytest.mark.parametrize(
    "garbage", [b"", b"\0" * 8_192, b"not a database at all" * 500], ids=len
)
def test_p5_damaged_checkpoint_is_set_aside_and_the_ledger_asked(
    tmp_path: Path, garbage: bytes
) -> None:
    first = shipped(tmp_path)
    for path in first.state.iterdir():
        path.write_bytes(garbage)
    second = AgentHarness(tmp_path, sink=first.sink)
    second.write("a.log", b"more\n")
    second.pass_ms()
    assert second.condition is Condition.DAMAGED
    assert len(events_of(first.sink)) == 11
    assert [p for p in second.state.iterdir() if ".damaged-" in p.name]


def test_p5_record_that_was_altered_on_the_disk_is_not_believed(tmp_path: Path) -> None:
    first = shipped(tmp_path)
    database = sqlite3.connect(first.state / FILE_NAME)
    database.execute("UPDATE generations SET record = replace(record, '80', '79')")
    database.commit()
    database.close()
    second = AgentHarness(tmp_path, sink=first.sink)
    assert second.condition is Condition.DAMAGED


def test_p5_previous_copy_answers_where_the_ledger_cannot(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", TEN)
    agent.pass_ms()
    agent.stop()
    (agent.state / FILE_NAME).write_bytes(b"torn")
    second = AgentHarness(tmp_path, sink=RecordingSink())
    second.write("a.log", b"more\n")
    second.pass_ms()
    assert second.restored.came_from == "previous copy"
    assert unique_lines(second.sink) == [b"more"]


def test_start_that_did_not_come_to_its_end_leaves_no_trusted_checkpoint(
    tmp_path: Path,
) -> None:
    first = shipped(tmp_path)
    forget(first)
    half = Checkpoint(first.state, clock=first.clock)
    half.load()
    half.save(())
    half.remove(["something"])
    half.close()
    second = AgentHarness(tmp_path, sink=first.sink)
    second.pass_ms()
    assert second.condition is Condition.MISSING
    assert len(events_of(first.sink)) == 10


def test_p4_full_disk_leaves_the_old_checkpoint_whole(tmp_path: Path) -> None:
    first = shipped(tmp_path)
    checkpoint = Checkpoint(first.state, clock=SteppedClock())
    (before,) = checkpoint.load().records
    checkpoint.note_sources(["test"])
    database = checkpoint._database  # pyright: ignore[reportPrivateUsage]
    assert database is not None
    database.execute("PRAGMA max_page_count = 1")
    records = [
        msgspec.structs.replace(before, generation=f"{n:032x}") for n in range(500)
    ]
    with pytest.raises(CheckpointUnwritable):
        checkpoint.save(records)
    assert Checkpoint(first.state, clock=SteppedClock()).load().records == (before,)
    database.execute("PRAGMA max_page_count = 100000")
    checkpoint.save(records)
    checkpoint.close()
    assert len(Checkpoint(first.state, clock=SteppedClock()).load().records) == 501


def fill_disk(agent: AgentHarness, *, is_full: bool = True) -> None:
    """Let the agent's checkpoint take no row, or take rows again."""
    database = agent.checkpoint._database  # pyright: ignore[reportPrivateUsage]
    assert database is not None
    database.execute(f"PRAGMA query_only = {int(is_full)}")


def rotate_by_copy(agent: AgentHarness) -> None:
    """Do what `copytruncate` does: one copy, and the same file from its start."""
    path = agent.logs / "b.log"
    (agent.logs / "b.log.1").write_bytes(path.read_bytes())
    path.write_bytes(b"after the rotation\n")


def test_p4_p11_what_a_disk_that_takes_no_writes_kept_out_is_asked_of_the_ledger(
    tmp_path: Path,
) -> None:
    first = AgentHarness(tmp_path, glob="*.log*")
    first.write("a.log", TEN)
    first.pass_ms()
    fill_disk(first)
    first.write("b.log", b"one\ntwo\n")
    first.pass_ms()
    assert len(events_of(first.sink)) == 12, "a full disk keeps no line back"
    first.crash()
    rotate_by_copy(first)
    second = AgentHarness(tmp_path, glob="*.log*", sink=first.sink)
    second.pass_ms()
    assert second.condition is Condition.BEHIND
    assert len(unique_lines(first.sink)) == 13, "the copy is known, and not sent again"
    second.crash()
    third = AgentHarness(tmp_path, glob="*.log*", sink=first.sink)
    assert third.condition is Condition.INTACT, "what was restored is in it now"


def test_p4_room_again_makes_the_checkpoint_complete_again(tmp_path: Path) -> None:
    first = AgentHarness(tmp_path)
    first.write("a.log", TEN)
    first.pass_ms()
    fill_disk(first)
    first.write("b.log", TEN)
    first.pass_ms()
    (current, _previous) = inspect(first.state)
    assert current.condition is Condition.BEHIND
    fill_disk(first, is_full=False)
    first.pass_ms()
    first.crash()
    second = AgentHarness(tmp_path, sink=first.sink)
    assert second.condition is Condition.INTACT
    assert {r.path.rpartition("/")[2] for r in second.restored.records} == {
        "a.log",
        "b.log",
    }


def test_p4_full_disk_at_the_start_leaves_the_checkpoint_behind(
    tmp_path: Path,
) -> None:
    first = AgentHarness(tmp_path)
    first.write("a.log", TEN)
    first.pass_ms()
    fill_disk(first)
    first.write("b.log", TEN)
    first.pass_ms()
    first.crash()
    # What the ledger told of is not saved in this life, so its own commit ends no gap.
    second = Checkpoint(first.state, clock=first.clock)
    (known,) = second.load().records
    second.save([known])
    second.close_gap()
    second.close()
    third = AgentHarness(tmp_path, sink=first.sink)
    assert third.condition is Condition.BEHIND
    third.pass_ms()
    assert len(events_of(first.sink)) == 20


def test_p4_of_checkpoint_and_ledger_the_newer_word_is_taken(tmp_path: Path) -> None:
    first = shipped(tmp_path)
    checkpoint = Checkpoint(first.state, clock=first.clock)
    (word,) = checkpoint.load().records
    cut = Cut(
        offset=word.next_offset, next_offset=word.next_offset + 3, reason="flushed"
    )
    with_cut = msgspec.structs.replace(word, cuts=(cut,))
    farther = msgspec.structs.replace(
        word, revision=word.revision + 1, next_offset=word.next_offset + 9
    )
    loaded = Loaded(Condition.BEHIND, (with_cut,), frozenset({"test"}))
    for told, newer in ((word, with_cut), (farther, farther)):
        restored = restore(
            loaded,
            had_life=True,
            now_ms=first.clock.now_ms(),
            read_ledger=lambda told=told: {told.generation: told},
            words=LedgerWords(word.agent_id, lambda _: {}, lambda _: False),
        )
        (taken,) = restored.records
        assert (taken.next_offset, taken.cuts) == (newer.next_offset, newer.cuts)


def test_checkpoint_is_closed_to_others(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        first = AgentHarness(tmp_path)
        first.write("a.log", b"one\n")
        first.pass_ms(8_000)
    finally:
        os.umask(before)
    kept = sorted(path.name for path in first.state.glob("checkpoint*"))
    assert "checkpoint.sqlite-wal" in kept, "the database makes files beside its own"
    for name in kept:
        assert stat.S_IMODE((first.state / name).stat().st_mode) == 0o600, name


HOLDER = """
import sys, threading
from pathlib import Path
from tailrace_agent.state_folder import take_folder

print(take_folder(Path(sys.argv[1])).agent_id, flush=True)
threading.Event().wait()
"""


def test_p7_folder_of_an_agent_that_was_killed_is_free(tmp_path: Path) -> None:
    """The kernel lets go of the lock; that its file still names a pid means nothing."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "agent")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        agent_id = holder.stdout.readline().strip()
        with pytest.raises(DataDirInUse, match=f"the agent with pid {holder.pid}"):
            take_folder(tmp_path / "agent")
        holder.kill()
    folder = take_folder(tmp_path / "agent")
    assert folder.agent_id == agent_id
    folder.release()


def test_p7_second_agent_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    folder = take_folder(tmp_path / "agent")
    with pytest.raises(DataDirInUse, match="the agent with pid"):
        take_folder(tmp_path / "agent")
    folder.release()
    again = take_folder(tmp_path / "agent")
    assert again.agent_id == folder.agent_id
    assert not again.had_life
    again.mark_life()
    again.release()
    third = take_folder(tmp_path / "agent")
    assert third.had_life
    third.release()
