"""What the faults of copies go by: who leads, and what agents take for acknowledged."""

from __future__ import annotations

from pathlib import Path

from tailrace.chaos.checks import promises_result
from tailrace.chaos.faults_copies import grown, moved_leaders
from tailrace.chaos.safe import acknowledged_offsets
from tailrace.kafka_admin import PartitionCopies
from tailrace_agent.checkpoint import FILE_NAME
from tests.agent.harness import AgentHarness, RecordingSink, events_of

LINES = b"".join(b"line %d\n" % n for n in range(10))


def copies(leader: int, epoch: int) -> PartitionCopies:
    return PartitionCopies(
        leader=leader, leader_epoch=epoch, in_sync=frozenset({1, 2, 3})
    )


def test_k2_a_leader_has_moved_where_another_was_elected_since() -> None:
    before = {0: copies(1, 5), 1: copies(2, 5), 2: copies(1, 5), 3: copies(1, 5)}
    after = {0: copies(2, 6), 1: copies(3, 6), 2: copies(-1, 5), 3: copies(1, 7)}
    assert moved_leaders(before, after, left=1) == 1
    assert moved_leaders(before, before, left=1) == 0
    # An answer of before the election is none, whoever it names.
    assert moved_leaders({0: copies(1, 5)}, {0: copies(2, 5)}, left=1) == 0


def test_k3_what_brokers_have_not_acknowledged_is_safe_in_no_checkpoint(
    tmp_path: Path,
) -> None:
    """What chaos looks at while brokers refuse, on an agent that they do not answer."""
    sink = RecordingSink()
    agent = AgentHarness(tmp_path, sink=sink)
    agent.write("a.log", LINES)
    agent.pass_ms(8_000)
    before = acknowledged_offsets(agent.state / FILE_NAME)
    assert list(before.values()) == [len(LINES)]
    sink.is_holding = True
    agent.write("a.log", LINES)
    agent.pass_ms(8_000)
    assert sink.held
    assert grown(before, acknowledged_offsets(agent.state / FILE_NAME)) == []
    sink.is_holding = False
    sink.release()
    agent.pass_ms(8_000)
    after = acknowledged_offsets(agent.state / FILE_NAME)
    (name,) = before
    assert grown(before, after) == [(name, len(LINES), 2 * len(LINES))]
    assert len(events_of(sink)) == 20


def test_what_is_met_first_or_no_more_has_not_grown() -> None:
    assert grown({"gone": 7, "less": 7}, {"new": 9, "less": 5}) == []


def test_a_broken_promise_fails_the_run_whatever_the_lines_say() -> None:
    assert promises_result([]).is_passed
    failed = promises_result(["an agent did not wait"])
    assert not failed.is_passed
    assert failed.problems == ("an agent did not wait",)
