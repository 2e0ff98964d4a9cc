"""From which revision a new life counts on: no two lives tell two things under one."""

from __future__ import annotations

from pathlib import Path

from tailrace.wire import AgentLedger
from tests.agent.harness import AgentHarness, ledger_of


def test_p1_lives_that_die_at_once_tell_no_two_things_under_one_revision(
    tmp_path: Path,
) -> None:
    """A producer may send the older word behind the newer, and a ledger keep either."""
    first_of_all = AgentHarness(tmp_path)
    first_of_all.write("a.log", b"one\ntwo\n")
    first_of_all.pass_ms(8_000)
    first_of_all.crash()
    sink = first_of_all.sink
    told: list[dict[int, AgentLedger]] = []
    for _ in range(2):
        before = len(ledger_of(sink))
        agent = AgentHarness(tmp_path, sink=sink)
        (record,) = agent.restored.records
        agent.delivery.adopt(record, is_restored=True)
        agent.delivery.declare(record.generation)
        agent.delivery.report(record.generation)
        told.append({word.revision: word for word in ledger_of(sink)[before:]})
        agent.clock.sleep_ms(100)
        agent.crash()
    first, second = told
    assert max(first) > min(first)  # Told again as it was, and then as it is now.
    assert not any(second[n] != first[n] for n in first.keys() & second.keys())
