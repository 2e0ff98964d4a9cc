"""What a life does of which checkpoint and ledger know nothing: it says so, to the end."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

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
    path = first.write("a.log", b"life 0\n")
    first.pass_ms(8_000)
    for number in (1, 2):
        path.write_bytes(b"life %d, which begins as no other does\n" % number)
        first.pass_ms(8_000)
    first.crash()
    forget(first)
    sink = RecordingSink()
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms()
    path.write_bytes(b"life 3\n")
    second.pass_ms(8_000)
    forgotten = {e.generation for e in events_of(first.sink)}
    (newest,) = [e.generation for e in events_of(sink) if e.stored == b"life 3"]
    assert len(forgotten) == 3
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
