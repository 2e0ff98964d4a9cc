"""What a life does of which checkpoint and ledger know nothing: it says so, to the end."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    SteppedClock,
    events_of,
    ledger_of,
)
from tests.agent.test_restart import TEN, forget, shipped


def test_p5_kill_before_all_files_have_a_record_forgets_no_declaration(
    tmp_path: Path,
) -> None:
    """Of what the rebuilt life found and had not begun yet, the next one says the same."""
    first = AgentHarness(tmp_path)
    first.write("a.log", TEN)
    first.write("b.log", b"half a line, which waits")
    first.pass_ms(1_500)
    first.crash()
    forget(first)
    sink = RecordingSink()
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms(1_500)
    assert {r.path.rpartition("/")[2] for r in ledger_of(sink)} == {"a.log"}
    second.crash()
    second.write("b.log", b" for its end\n")
    third = AgentHarness(tmp_path, sink=sink, clock=SteppedClock())
    third.write("new.log", b"new\n")
    third.pass_ms()
    assert not third.restored.is_rebuilt
    declared = {r.path.rpartition("/")[2]: r.identity_rebuilt for r in ledger_of(sink)}
    assert declared == {"a.log": True, "b.log": True, "new.log": False}


def test_p5_life_after_a_rebuilt_one_has_a_name_that_no_forgotten_life_had(
    tmp_path: Path,
) -> None:
    """Else an equal line in an equal place of both would be one document."""
    first = AgentHarness(tmp_path)
    # Truncated so soon that the file seems to be in its first life all the time.
    at = datetime.now(tz=UTC).isoformat().encode()
    path = first.write("a.log", at + b" life 0\n")
    first.pass_ms(8_000)
    for number in (1, 2):
        path.write_bytes(at + b" life %d, which begins as no other does\n" % number)
        first.pass_ms(8_000)
    first.crash()
    forget(first)
    sink = RecordingSink()
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms()
    path.write_bytes(at + b" life 3\n")
    second.pass_ms(8_000)
    forgotten = {e.generation for e in events_of(first.sink)}
    before, newest = (e.generation for e in events_of(sink))
    assert len(forgotten) == 3
    assert before in forgotten, "the witness: its lives count from the same number"
    assert newest not in forgotten


def test_p5_first_word_of_a_new_life_is_newer_than_a_late_one_of_a_forgotten(
    tmp_path: Path,
) -> None:
    """The checkpoint is gone, and the ledger's record was on its way at the start."""
    first = shipped(tmp_path)
    late = ledger_of(first.sink)[-1]
    forget(first)
    sink = RecordingSink()
    second = AgentHarness(tmp_path, sink=sink, clock=first.clock)
    second.pass_ms(1_500)
    assert min(record.revision for record in ledger_of(sink)) > late.revision


def test_p5_kill_before_any_file_has_a_record_forgets_no_declaration(
    tmp_path: Path,
) -> None:
    """An empty checkpoint that is whole would be believed, and nobody asked."""
    first = shipped(tmp_path)
    forget(first)
    sink = RecordingSink()
    AgentHarness(tmp_path, sink=sink).crash()
    third = AgentHarness(tmp_path, sink=sink)
    third.pass_ms()
    assert third.restored.is_rebuilt
    assert [r.identity_rebuilt for r in ledger_of(sink)][:1] == [True]
    third.crash()
    fourth = AgentHarness(tmp_path, sink=sink)
    assert not fourth.restored.is_rebuilt
    fourth.crash()
    assert AgentHarness(tmp_path, sink=sink).restored.came_from == "checkpoint"


def test_p5_archive_that_is_made_of_a_forgotten_file_is_declared(
    tmp_path: Path,
) -> None:
    """It is younger than the loss, and what stands in it is not; the file was never met."""
    first = AgentHarness(tmp_path, glob="*")
    path = first.write("a.log.1", TEN)
    first.pass_ms()
    first.crash()
    forget(first)
    written_s = time.time() - 1_000
    path.unlink()
    sink = RecordingSink()
    clock = SteppedClock(wall_ms=round(written_s * 1_000) + 500_000)
    second = AgentHarness(tmp_path, glob="*", sink=sink, clock=clock)
    second.pass_ms(1_500)
    archive = second.write("a.log.1.gz", gzip.compress(TEN))
    os.utime(archive, (written_s, written_s))
    second.pass_ms(30_000)
    assert len(events_of(sink)) == 10
    assert {r.identity_rebuilt for r in ledger_of(sink)} == {True}


def forget_the_folder(agent: AgentHarness) -> None:
    """Take the mark that there was a life, too: nothing on the host tells of it."""
    agent.crash()
    shutil.rmtree(agent.state)


def test_p5_folder_and_ledger_both_gone_declares_each_file_with_its_bytes(
    tmp_path: Path,
) -> None:
    """Under the new names of a rotation, too; what is born later is declared by nobody."""
    first = AgentHarness(tmp_path, glob="*.log*")
    path = first.write("app.log", TEN)
    first.write("rotated.log.2.gz", gzip.compress(TEN))
    first.pass_ms(8_000)
    forget_the_folder(first)
    path.rename(path.with_name("app.log.1"))
    first.write("app.log", b"after the rotation\n")
    sink = RecordingSink()
    second = AgentHarness(tmp_path, glob="*.log*", sink=sink)
    second.pass_ms(8_000)
    second.write("new.log", b"new\n")
    second.pass_ms(8_000)
    assert not second.restored.is_rebuilt
    assert second.restored.knows_nothing
    declared = {r.path.rpartition("/")[2]: r.repeatable_bytes for r in ledger_of(sink)}
    assert declared == {
        "app.log": len(b"after the rotation\n"),
        "app.log.1": len(TEN),
        "rotated.log.2.gz": len(gzip.compress(TEN)),
        "new.log": 0,
    }


def test_p5_what_a_first_life_did_not_begin_is_declared_by_the_next(
    tmp_path: Path,
) -> None:
    first = AgentHarness(tmp_path)
    first.write("a.log", TEN)
    first.pass_ms(8_000)
    first.write("b.log", b"half a line, which waits")
    forget_the_folder(first)
    sink = RecordingSink()
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms(1_500)
    second.crash()
    assert {r.path.rpartition("/")[2] for r in ledger_of(sink)} == {"a.log"}
    second.write("b.log", b" for its end\n")
    third = AgentHarness(tmp_path, sink=sink, clock=SteppedClock())
    third.write("new.log", b"new\n")
    third.pass_ms()
    assert not third.restored.knows_nothing
    declared = {r.path.rpartition("/")[2]: r.repeatable_bytes for r in ledger_of(sink)}
    whole = len(b"half a line, which waits for its end\n")
    assert declared == {"a.log": len(TEN), "b.log": whole, "new.log": 0}


def test_p5_line_like_one_of_a_forgotten_life_in_its_place_is_not_taken_for_it(
    tmp_path: Path,
) -> None:
    """A banner: had the file the name that it had then, the index would take one of both."""
    first = AgentHarness(tmp_path)
    path = first.write("a.log", b"the banner\nof the first life\n")
    first.pass_ms(8_000)
    forget_the_folder(first)
    path.write_bytes(b"the banner\nof the second life\n")
    sink = RecordingSink()
    AgentHarness(tmp_path, sink=sink).pass_ms(8_000)
    names = [{e.generation for e in events_of(one)} for one in (first.sink, sink)]
    assert len(events_of(sink)) == 2
    assert not names[0] & names[1]


@pytest.mark.parametrize("late_s", [0, 50, 70, -10])
def test_p5_file_whose_first_line_is_of_its_birth_has_the_name_that_it_had(
    tmp_path: Path, late_s: int
) -> None:
    """It was never truncated, so what is stored is stored once; else nobody can tell."""
    first = AgentHarness(tmp_path)
    written = (datetime.now(tz=UTC) + timedelta(seconds=late_s)).isoformat()
    first.write("a.log", written.encode() + b" started\n" + TEN)
    first.pass_ms(8_000)
    forget_the_folder(first)
    sink = RecordingSink()
    AgentHarness(tmp_path, sink=sink).pass_ms(8_000)
    old = {(e.generation, e.offset) for e in events_of(first.sink)}
    new = {(e.generation, e.offset) for e in events_of(sink)}
    assert len(new) == 11
    assert new == old if late_s in (0, 50) else not new & old
