"""What an agent tells of a file it did not look at is no word of what the file holds."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tailrace_agent.looks import Looks
from tailrace_agent.table import FileTable
from tests.agent.harness import AgentHarness, RecordingSink, ledger_of
from tests.agent.test_ages import BANNER, MINUTE_MS, newest_losses, set_ahead
from tests.agent.test_outside import (
    TimeOfDay,
    agent_on,
    copytruncate,
    lines,
    losses_unknown,
    stored,
)

FROZEN_MS = 38_000
SHORT_MS = 2_500


def unwatched_since_ms(sink: RecordingSink) -> list[int]:
    """Return since when nobody had looked at each file that went unseen."""
    newest = {record.generation: record for record in ledger_of(sink)}
    return [r.unwatched_since_ms for r in newest.values() if r.unwatched_since_ms]


def unreadable(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def blind_life(
    tmp_path: Path, sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let an agent run a minute later that can read nothing, and be stopped."""
    agent = set_ahead(agent_on(tmp_path, sink=sink), MINUTE_MS)
    with monkeypatch.context() as patched:
        patched.setattr(FileTable, "open", unreadable)
        agent.pass_ms(12_000)
        agent.stop()


def killed(tmp_path: Path) -> AgentHarness:
    """Return an agent that was killed when it had sent the first lines of a log."""
    agent = agent_on(tmp_path)
    agent.write("cpt.log", BANNER)
    agent.pass_ms(8_000)
    agent.crash()
    return agent


@pytest.mark.parametrize("stood_ms", [FROZEN_MS, SHORT_MS])
def test_f4_p9_copy_made_while_the_process_stood_still_is_read_though_it_stopped_then(
    tmp_path: Path, *, stood_ms: int
) -> None:
    """A container is frozen, thawed and stopped: its last word comes without a look."""
    first = agent_on(tmp_path)
    first.write("cpt.log", BANNER)
    first.pass_ms(8_000)
    first.sink.holding_topic = "t.raw"
    first.write("cpt.log", lines(0, 3))
    first.pass_ms()
    copytruncate(first.write("cpt.log", lines(3, 20)))
    told_ms = ledger_of(first.sink)[-1].updated_at_ms
    first.clock.sleep_ms(stood_ms)
    first.sink.holding_topic = ""
    first.sink.release()
    set_ahead(first, stood_ms).stop()
    assert ledger_of(first.sink)[-1].updated_at_ms > told_ms + stood_ms, "there is news"
    second = set_ahead(agent_on(tmp_path, sink=first.sink), stood_ms)
    second.pass_ms(60_000)
    assert stored(first.sink) == sorted((BANNER + lines(0, 20)).splitlines())
    assert newest_losses(first.sink) in ([], [{"truncated": 0}])
    assert losses_unknown(first.sink) == []


def test_f4_p1_copy_made_before_a_life_that_could_not_look_is_read_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = killed(tmp_path)
    copytruncate(first.write("cpt.log", lines(0, 20)))
    blind_life(tmp_path, first.sink, monkeypatch)
    third = set_ahead(agent_on(tmp_path, sink=first.sink), 2 * MINUTE_MS)
    third.pass_ms(60_000)
    assert stored(first.sink) == sorted((BANNER + lines(0, 20)).splitlines())
    assert losses_unknown(first.sink) == []


@pytest.mark.parametrize("is_deleted", [False, True])
def test_f4_f5_p1_loss_that_nobody_saw_is_told_since_the_last_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_deleted: bool
) -> None:
    """And not since the word of a life that could not look."""
    first = killed(tmp_path)
    looked_ms = first.clock.now_ms()
    path = first.write("cpt.log", lines(0, 20))
    blind_life(tmp_path, first.sink, monkeypatch)
    if is_deleted:
        path.unlink()
    else:
        os.truncate(path, 0)
    third = set_ahead(agent_on(tmp_path, sink=first.sink), 2 * MINUTE_MS)
    third.pass_ms(60_000)
    (since_ms,) = unwatched_since_ms(first.sink)
    assert 0 < since_ms <= looked_ms


def test_f4_p1_later_look_is_the_last_one_though_a_life_before_could_not_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written since is all that may be lost, and older files are no copies."""
    first = killed(tmp_path)
    first.write("cpt.log.1", BANNER + lines(1_000, 1_010))
    blind_life(tmp_path, first.sink, monkeypatch)
    third = set_ahead(agent_on(tmp_path, sink=first.sink), 2 * MINUTE_MS)
    third.pass_ms(20_000)
    looked_ms = third.clock.now_ms()
    third.stop()
    os.truncate(third.logs / "cpt.log", 0)
    fourth = set_ahead(agent_on(tmp_path, sink=first.sink), 3 * MINUTE_MS)
    fourth.pass_ms(60_000)
    assert stored(first.sink) == sorted(BANNER.splitlines())
    (since_ms,) = unwatched_since_ms(first.sink)
    assert since_ms >= looked_ms - MINUTE_MS // 2


@pytest.mark.parametrize("is_copied", [False, True])
def test_f2_f4_p1_file_that_is_read_to_its_end_and_closed_was_looked_at(
    tmp_path: Path, *, is_copied: bool
) -> None:
    """Its last word is the first since that look."""
    first = killed(tmp_path)
    path = first.write("cpt.log", lines(0, 20))
    if is_copied:
        copytruncate(path)
    else:
        path.rename(path.with_name("kept"))
    second = AgentHarness(
        tmp_path,
        sink=first.sink,
        clock=TimeOfDay(),
        ledger_ms=600_000,
        heartbeat_ms=600_000,
    )
    # The first heartbeat has all told of: that is over before the file is met.
    second.heartbeats.note_sweep(second.clock.now_ms())
    second.pass_ms(30_000)
    assert stored(first.sink) == sorted((BANNER + lines(0, 20)).splitlines())
    last = [word for word in ledger_of(first.sink) if word.next_event_number == 24][-1]
    assert (last.is_closed, last.unlooked_since_ms) == (True, 0)


def test_f4_p1_copy_of_a_file_that_was_taken_for_gone_and_came_back_is_read(
    tmp_path: Path,
) -> None:
    """That it was gone was the last word, and no look at it."""
    first = killed(tmp_path)
    path = first.logs / "cpt.log"
    path.rename(tmp_path / "elsewhere")
    second = set_ahead(agent_on(tmp_path, sink=first.sink), MINUTE_MS)
    second.pass_ms(12_000)
    second.stop()
    assert losses_unknown(first.sink) == ["cpt.log"]
    (tmp_path / "elsewhere").rename(path)
    copytruncate(first.write("cpt.log", lines(0, 20)))
    third = set_ahead(agent_on(tmp_path, sink=first.sink), 2 * MINUTE_MS)
    third.pass_ms(60_000)
    assert stored(first.sink) == sorted((BANNER + lines(0, 20)).splitlines())


def test_f4_k1_p1_word_before_the_first_chunk_is_no_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka must know of a file before its lines come, and is told before they are read."""
    first = agent_on(tmp_path)
    sink = first.sink
    sink.holding_topic = "t.ledger"
    first.write("cpt.log", BANNER)
    first.pass_ms()
    first.crash()
    copytruncate(first.write("cpt.log", lines(0, 20)))
    sink.renew()
    second = set_ahead(agent_on(tmp_path, sink=sink), MINUTE_MS)
    with monkeypatch.context() as patched:
        patched.setattr(Looks, "look", unreadable)
        second.pass_ms()
        second.crash()
    assert sink.held, "it was told of"
    sink.renew()
    sink.holding_topic = ""
    third = set_ahead(agent_on(tmp_path, sink=sink), 2 * MINUTE_MS)
    third.pass_ms(60_000)
    assert stored(sink) == sorted((BANNER + lines(0, 20)).splitlines())
