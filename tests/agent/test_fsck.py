"""What is whole of a damaged checkpoint is found and saved, and is never farther than true."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from tailrace.wire import AgentLedger, encode
from tailrace_agent.checkpoint import FILE_NAME, Checkpoint, Condition
from tailrace_agent.fsck import inspect, repair
from tests.agent.harness import SteppedClock
from tests.infra.audit.builders import agent_word

CLOCK = SteppedClock()


def record(name: str, *, offset: int) -> AgentLedger:
    return replace(
        agent_word(number=3), generation=name, next_offset=offset, revision=offset
    )


def written(folder: Path, *records: AgentLedger, is_copied: bool = False) -> Path:
    checkpoint = Checkpoint(folder, clock=CLOCK)
    checkpoint.save(records)
    checkpoint.note_sources(["n"])
    if is_copied:
        checkpoint.keep_copy()
    checkpoint.close()
    return folder / FILE_NAME


def spoil(path: Path, generation: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(
            "UPDATE generations SET record = ? WHERE generation = ?",
            (encode(record(generation, offset=9_999)), generation),
        )


def test_a_whole_checkpoint_is_shown_and_left_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, record("a", offset=1), record("b", offset=2))
    before = path.read_bytes()
    current, previous = inspect(tmp_path)
    assert current.condition is Condition.INTACT
    assert {one.generation: one.next_offset for one in current.records} == {
        "a": 1,
        "b": 2,
    }
    assert previous.condition is Condition.MISSING
    assert not repair(tmp_path, clock=CLOCK).is_set_aside
    assert path.read_bytes() == before


def test_p5_whole_records_of_both_files_are_saved_and_an_altered_one_is_not(
    tmp_path: Path,
) -> None:
    written(tmp_path, record("a", offset=1), record("b", offset=2), is_copied=True)
    path = written(tmp_path, record("a", offset=10), record("c", offset=30))
    spoil(path, "b")
    current, _previous = inspect(tmp_path)
    assert current.condition is Condition.DAMAGED
    assert current.damaged_count == 1
    assert repair(tmp_path, clock=CLOCK).is_set_aside
    loaded = Checkpoint(tmp_path, clock=CLOCK).load()
    assert loaded.condition is Condition.MISSING, "so the next start asks the ledger"
    assert {one.generation: one.next_offset for one in loaded.records} == {
        "a": 10,
        "b": 2,
        "c": 30,
    }
    assert list(tmp_path.glob(f"{FILE_NAME}.damaged-*"))


def test_p5_what_lies_before_and_behind_a_damaged_page_is_saved(tmp_path: Path) -> None:
    records = [record(f"g{number:04}", offset=number) for number in range(1, 400)]
    path = written(tmp_path, *records)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4_096 * 4_096
    content[middle : middle + 4_096] = b"\xff" * 4_096
    path.write_bytes(content)
    current, _previous = inspect(tmp_path)
    assert current.condition is Condition.DAMAGED
    found = {one.generation: one.next_offset for one in current.records}
    assert len(found) > len(records) // 2
    assert all(offset == int(name[1:]) for name, offset in found.items())
    assert "g0001" in found
    assert "g0399" in found
    saved = repair(tmp_path, clock=CLOCK).saved
    assert {one.generation for one in saved} == set(found)


def test_p5_a_file_that_is_no_checkpoint_at_all_saves_nothing_and_ends_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"\0" * 10_000)
    current, _previous = inspect(tmp_path)
    assert current.condition is Condition.DAMAGED
    assert repair(tmp_path, clock=CLOCK).saved == ()
    assert not (tmp_path / FILE_NAME).exists()
