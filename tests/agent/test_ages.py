"""What is older than all that is known of a life is no copy of it, however it begins."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.agent.harness import AgentHarness, RecordingSink, ledger_of
from tests.agent.test_outside import (
    TimeOfDay,
    agent_on,
    await_tick,
    copytruncate,
    lines,
    losses_unknown,
    stored,
)

BANNER = b"=== started ===\n" + b"as every life of this log is\n" * 3
FIRST_LINE = b"=== started ===\n"
OF_BEFORE = BANNER + lines(1_000, 1_010)
MINUTE_MS = 60_000


def set_ahead(agent: AgentHarness, ahead_ms: int) -> AgentHarness:
    """Let an agent believe that it is later than the files of now tell."""
    assert isinstance(agent.clock, TimeOfDay)
    agent.clock.ahead_ms = ahead_ms
    return agent


def rewritten(agent: AgentHarness) -> RecordingSink:
    """End an agent, write its file anew twice, and leave nothing of that; return its sink."""
    agent.crash()
    await_tick(agent.state)
    os.truncate(agent.write("cpt.log", lines(0, 20)), 0)
    agent.write("cpt.log", lines(500, 510))
    return agent.sink


def newest_losses(sink: RecordingSink) -> list[dict[str, int]]:
    """Return by reason what each file has lost, where there is a reason."""
    newest = {record.generation: record for record in ledger_of(sink)}
    return [record.lost_bytes for record in newest.values() if record.lost_bytes]


@pytest.mark.parametrize("was_met_empty", [False, True])
def test_f8_copy_of_before_is_not_the_rest_of_a_life_that_begins_like_it(
    tmp_path: Path, *, was_met_empty: bool
) -> None:
    """An application begins each life with the same lines, and only those were read."""
    first = agent_on(tmp_path)
    if (
        was_met_empty
    ):  # So nothing tells when this life began, but that it was short then.
        first.write("cpt.log", b"")
        first.pass_ms()
    first.write("cpt.log.1", OF_BEFORE)
    set_ahead(first, MINUTE_MS).write("cpt.log", BANNER)
    first.pass_ms(8_000)
    sink = rewritten(first)
    set_ahead(agent_on(tmp_path, sink=sink), MINUTE_MS).pass_ms(60_000)
    assert stored(sink) == sorted((BANNER + lines(500, 510)).splitlines())
    assert losses_unknown(sink) == ["cpt.log"]


def test_f8_f20_archive_of_before_is_not_the_rest_of_a_life_though_it_is_made_later(
    tmp_path: Path,
) -> None:
    """`delaycompress`: it bears the time of what it was made of."""
    first = agent_on(tmp_path)
    first.write("cpt.log", BANNER)
    first.pass_ms(8_000)
    sink = rewritten(first)
    archive = first.write("cpt.log.2.gz", gzip.compress(OF_BEFORE))
    os.utime(archive, (1, 1))
    agent_on(tmp_path, sink=sink).pass_ms(60_000)
    assert stored(sink) == sorted((BANNER + lines(500, 510)).splitlines())
    assert losses_unknown(sink) == ["cpt.log"]


def test_f8_copy_of_before_is_not_the_rest_of_a_life_that_a_running_agent_saw_end(
    tmp_path: Path,
) -> None:
    agent = agent_on(tmp_path)
    agent.write("cpt.log.1", OF_BEFORE)
    path = set_ahead(agent, MINUTE_MS).write("cpt.log", BANNER)
    agent.pass_ms(8_000)
    os.truncate(path, 0)
    agent.pass_ms(1_000)
    agent.write("cpt.log", lines(500, 510))
    agent.pass_ms(60_000)
    assert stored(agent.sink) == sorted((BANNER + lines(500, 510)).splitlines())
    assert newest_losses(agent.sink) == [{"truncated": 0}]


def test_f8_copy_made_before_the_file_of_a_life_is_not_its_rest_though_more_was_seen(
    tmp_path: Path,
) -> None:
    """How much was seen of a life does not tell how old a shorter file is; its birth does."""
    first = agent_on(tmp_path)
    first.write("cpt.log.1", FIRST_LINE + lines(1_000, 1_003))
    await_tick(first.state)
    path = first.write("cpt.log", FIRST_LINE)
    first.pass_ms(8_000)
    first.crash()
    first.write("cpt.log", lines(0, 10))
    second = agent_on(tmp_path, sink=first.sink)
    second.pass_ms(1)
    os.truncate(path, 0)
    second.pass_ms(60_000)
    assert stored(first.sink) == [FIRST_LINE.rstrip()]
    assert newest_losses(first.sink) == [{"truncated": len(lines(0, 10))}]


def test_f34_f4_copy_over_an_older_file_is_read_though_the_clock_was_set_back(
    tmp_path: Path,
) -> None:
    """A log that is older than the step has a birth that no time of a copy comes up to."""
    first = set_ahead(agent_on(tmp_path), -MINUTE_MS)
    first.write("cpt.log.1", b"another file\n")
    await_tick(first.state)
    path = first.write("cpt.log", FIRST_LINE)
    first.pass_ms(8_000)
    first.crash()
    first.write("cpt.log", lines(0, 10))
    second = set_ahead(agent_on(tmp_path, sink=first.sink), -MINUTE_MS)
    second.pass_ms(1)
    set_back_s = time.time() - MINUTE_MS // 1_000
    os.utime(copytruncate(path), (set_back_s, set_back_s))
    second.pass_ms(60_000)
    assert stored(first.sink) == sorted((FIRST_LINE + lines(0, 10)).splitlines())
    assert newest_losses(first.sink) in ([], [{"truncated": 0}])


def test_f4_longer_copies_of_before_do_not_hide_the_copy_of_a_life(
    tmp_path: Path,
) -> None:
    """A search has a few looks, and follows the longest plain copy at each of them."""
    agent = agent_on(tmp_path)
    for number in range(2, 8):
        first = number * 1_000
        agent.write(f"cpt.log.{number}", BANNER + lines(first, first + 10 * number))
    set_ahead(agent, MINUTE_MS).write("cpt.log", BANNER)
    agent.pass_ms(8_000)
    copy = copytruncate(agent.write("cpt.log", lines(0, 3)))
    later_s = time.time() + 2 * MINUTE_MS // 1_000
    os.utime(copy, (later_s, later_s))
    agent.pass_ms(120_000)
    assert stored(agent.sink) == sorted((BANNER + lines(0, 3)).splitlines())


def test_f4_older_copy_holds_what_was_seen_of_a_life_and_not_sent(
    tmp_path: Path,
) -> None:
    """It was made before the agent saw the life, which has not grown since."""
    sink = RecordingSink()
    first = agent_on(tmp_path, sink=sink)
    path = first.write("cpt.log", BANNER)
    shutil.copyfile(path, path.with_name("cpt.log.1"))
    sink.holding_topic = "t.raw"
    set_ahead(first, MINUTE_MS).pass_ms(8_000)
    first.crash()
    sink.renew()
    sink.holding_topic = ""
    os.truncate(path, 0)
    set_ahead(agent_on(tmp_path, sink=sink), MINUTE_MS).pass_ms(60_000)
    assert stored(sink) == sorted(BANNER.splitlines())


def test_f4_copy_made_between_the_last_look_and_the_last_word_is_read(
    tmp_path: Path,
) -> None:
    """The word may come a sweep later than the look that it tells of."""
    first = agent_on(tmp_path)
    first.write("cpt.log", BANNER)
    first.pass_ms(8_000)
    later_ms = first.settings.sweep_ms - 100
    set_ahead(first, later_ms).write("cpt.log", lines(0, 10))
    first.pass_ms(8_000)
    first.crash()
    copytruncate(first.write("cpt.log", lines(10, 20)))
    second = set_ahead(agent_on(tmp_path, sink=first.sink), later_ms)
    second.pass_ms(60_000)
    assert stored(first.sink) == sorted((BANNER + lines(0, 20)).splitlines())
    assert losses_unknown(first.sink) == []


def test_f34_f4_copy_of_first_lines_is_read_though_the_clock_was_set_back(
    tmp_path: Path,
) -> None:
    """Its times tell nothing then, and first lines little: what it is stays in doubt."""
    first = set_ahead(agent_on(tmp_path), 60 * MINUTE_MS)
    first.write("cpt.log", BANNER)
    first.pass_ms(8_000)
    first.crash()
    copytruncate(first.write("cpt.log", lines(0, 20)))
    agent_on(tmp_path, sink=first.sink).pass_ms(60_000)
    assert stored(first.sink) == sorted((BANNER + lines(0, 20)).splitlines())
    assert newest_losses(first.sink) == [{"truncated": 0, "doubtful": len(BANNER)}]
    assert losses_unknown(first.sink) == ["cpt.log.1"]
