"""From which revision a new life counts on: no two lives tell two things under one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tailrace.wire import AgentLedger
from tailrace_agent.checkpoint import Condition, Loaded
from tailrace_agent.restore import REVISION_GAP, restore
from tailrace_agent.set_back import LedgerWords
from tests.agent.harness import AgentHarness, RecordingSink, ledger_of


def lived(tmp_path: Path) -> AgentHarness:
    """Return an agent that has shipped a file and told the ledger, then crashed."""
    life = AgentHarness(tmp_path)
    life.write("a.log", b"one\ntwo\n")
    life.pass_ms(8_000)
    life.crash()
    return life


def tell_first_words(life: AgentHarness) -> None:
    """Let a new life tell of its one file what it restored, and how it stands now."""
    (record,) = life.restored.records
    life.delivery.adopt(record, is_restored=True)
    life.delivery.declare(record.generation)
    life.delivery.report(record.generation)


def test_p1_lives_that_die_at_once_tell_no_two_things_under_one_revision(
    tmp_path: Path,
) -> None:
    """A producer may send the older word behind the newer, and a ledger keep either."""
    sink = lived(tmp_path).sink
    told: list[dict[int, AgentLedger]] = []
    for _ in range(2):
        before = len(ledger_of(sink))
        agent = AgentHarness(tmp_path, sink=sink)
        tell_first_words(agent)
        told.append({word.revision: word for word in ledger_of(sink)[before:]})
        agent.clock.sleep_ms(100)
        agent.crash()
    first, second = told
    assert max(first) > min(first)  # Told again as it was, and then as it is now.
    assert not any(second[n] != first[n] for n in first.keys() & second.keys())


def test_p5_life_that_restores_the_ledger_outdoes_words_that_are_on_their_way_yet(
    tmp_path: Path,
) -> None:
    """A broker takes what stands in its socket also when the ledger has been read."""
    life = lived(tmp_path)
    clock, heard = life.clock, life.sink
    told: list[list[int]] = []
    for _ in range(2):
        clock.sleep_ms(50)
        on_their_way = RecordingSink()
        life = AgentHarness(tmp_path, sink=on_their_way, ledger=heard, clock=clock)
        tell_first_words(life)
        told.append([word.revision for word in ledger_of(on_their_way)])
        life.crash()
        for path in life.state.glob("checkpoint*"):
            path.unlink()
    before, after = told
    assert len(before) > 1
    assert min(after) > max(before)


def test_p5_life_counts_on_by_the_time_and_never_beyond_the_clock(
    tmp_path: Path,
) -> None:
    """Else late words of it, once all is forgotten, would outdo what tells of that."""
    life = lived(tmp_path)
    clock = life.clock
    for _ in range(60):
        clock.sleep_ms(1_000)
        life = AgentHarness(tmp_path, sink=life.sink, clock=clock)
        life.crash()
    (record,) = life.restored.records
    assert record.revision <= clock.now_ms()


def test_p5_words_of_an_agent_that_may_live_are_not_outdone_for_long(
    tmp_path: Path,
) -> None:
    """A new folder on its host knows them, too: its own next words are to count again."""
    life = lived(tmp_path)
    own = ledger_of(life.sink)[-1]
    others = msgspec.structs.replace(own, generation="2" * 32, agent_id="another")
    restored = restore(
        Loaded(Condition.INTACT, (own, others), frozenset({"test"})),
        had_life=True,
        now_ms=own.updated_at_ms + 3_600_000,
        read_ledger=dict,
        words=LedgerWords(own.agent_id, lambda _: {}, lambda _: False),
    )
    revisions = {record.agent_id: record.revision for record in restored.records}
    assert revisions["another"] == others.revision + REVISION_GAP
    assert revisions[own.agent_id] > own.revision + 1_000 * REVISION_GAP
