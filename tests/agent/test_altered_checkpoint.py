"""A checkpoint of which the disk altered a byte beside its records is known to be damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tailrace_agent.checkpoint import FILE_NAME, Condition
from tailrace_agent.fsck import inspect, repair
from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    SteppedClock,
    events_of,
    unique_lines,
)


def under_another_name(path: Path) -> None:
    """Alter a digit of the name that a row has, and none of its record."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        (name,) = database.execute("SELECT generation FROM generations").fetchone()
        other = f"{name[:-1]}{'1' if name[-1] == '0' else '0'}"
        database.execute("UPDATE generations SET generation = ?", (other,))


def with_another_column(path: Path) -> None:
    content = path.read_bytes()
    altered = content.replace(b"    generation TEXT", b"    genera4ion TEXT")
    assert altered != content
    path.write_bytes(altered)


def written_by_another_version(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[18] ^= 1
    path.write_bytes(content)


ALTERATIONS = [under_another_name, with_another_column, written_by_another_version]


def stopped_after(folder: Path) -> RecordingSink:
    first = AgentHarness(folder)
    first.write("a.log", b"one\ntwo\n")
    first.pass_ms()
    first.stop()
    return first.sink


@pytest.mark.parametrize("alter", ALTERATIONS)
def test_p5_an_altered_byte_beside_the_records_is_found_at_the_start(
    tmp_path: Path, alter: Callable[[Path], None]
) -> None:
    """SQLite would read on, and take no row; or take one and keep the old one beside it."""
    sink = stopped_after(tmp_path)
    alter(tmp_path / "state" / FILE_NAME)
    second = AgentHarness(tmp_path, sink=sink)
    assert second.condition is Condition.DAMAGED
    # Where the checkpoint took no row, this half would wait for its newline for ever.
    second.write("a.log", b"half")
    second.pass_ms(10_000)
    assert unique_lines(sink) == [b"half", b"one", b"two"]
    second.crash()
    third = AgentHarness(tmp_path, sink=sink)
    assert third.condition is Condition.INTACT
    (record,) = third.restored.records
    assert record.next_offset == len(b"one\ntwo\nhalf")
    third.pass_ms()
    assert len(events_of(sink)) == 3
    third.crash()


@pytest.mark.parametrize("alter", ALTERATIONS)
def test_p5_an_altered_byte_beside_the_records_is_found_and_the_records_saved(
    tmp_path: Path, alter: Callable[[Path], None]
) -> None:
    stopped_after(tmp_path)
    state = tmp_path / "state"
    alter(state / FILE_NAME)
    current, _previous = inspect(state)
    assert current.condition is Condition.DAMAGED
    assert [one.next_offset for one in current.records] == [len(b"one\ntwo\n")]
    repaired = repair(state, clock=SteppedClock())
    assert repaired.is_set_aside
    assert [one.next_offset for one in repaired.saved] == [len(b"one\ntwo\n")]
