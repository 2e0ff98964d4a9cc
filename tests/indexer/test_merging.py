"""E9: a closed day is merged once, alone, and never while it is written to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import structlog

from tailrace.floors import Floors
from tailrace.identity import DAY_MS
from tailrace.ledger import FloorLedger
from tailrace_indexer.merging import CLOSED_MS, QUIET_MS, MergeFacts, Merging
from tests.indexer.doubles import ManualClock
from tests.indexer.test_expiry import NOV_23_MS

OLDER, OLD, TODAY = (f"t-app-2026.11.{day}" for day in (22, 23, 25))
NONE = Floors()


@dataclass(slots=True)
class SlowMerges:
    """Indices whose merges last until they are told to end; every act is noted."""

    clock: ManualClock
    held: dict[str, MergeFacts]
    acts: list[str] = field(default_factory=list[str])
    under_way: str = ""

    def merge_facts(self) -> list[MergeFacts]:
        return list(self.held.values())

    def is_merging(self) -> bool:
        return bool(self.under_way)

    def merge(self, index: str) -> None:
        self.acts.append(f"merge {index}")
        self.under_way = index

    def mark(self, index: str) -> None:
        self.acts.append(f"mark {index}")
        self.held[index] = replace(self.held[index], is_marked=True)

    def server_now_ms(self) -> int:
        return self.clock.at_ms

    def end(self) -> None:
        self.held[self.under_way] = replace(self.held[self.under_way], segments=1)
        self.under_way = ""

    def write(self, index: str) -> None:
        facts = self.held[index]
        self.held[index] = replace(
            facts,
            written_count=facts.written_count + 1,
            segments=facts.segments + 1,
        )


def merges(*names: str) -> SlowMerges:
    clock = ManualClock(NOV_23_MS + 2 * DAY_MS + CLOSED_MS)
    held = {
        name: MergeFacts(
            name=name, shards=1, segments=9, written_count=5, is_marked=False
        )
        for name in names
    }
    return SlowMerges(clock, held)


def merging(indices: SlowMerges) -> Merging:
    return Merging(
        indices=indices,
        clock=indices.clock,
        log=structlog.get_logger(),
        namespace="t",
    )


def look(one: Merging, *, has_room: bool = True, floors: Floors = NONE) -> None:
    one.keep(floors, has_room=has_room)


def test_e9_an_index_is_merged_once_it_was_quiet_and_then_marked() -> None:
    indices = merges(OLD, TODAY)
    one = merging(indices)
    look(one)
    indices.clock.sleep_ms(QUIET_MS - 1)
    look(one)
    assert indices.acts == []

    indices.clock.sleep_ms(1)
    look(one)
    look(one)
    assert indices.acts == [f"merge {OLD}"]
    indices.end()
    look(one)

    assert indices.acts == [f"merge {OLD}", f"mark {OLD}"]


def test_e9_a_day_that_is_not_over_is_left_alone_however_quiet_it_is() -> None:
    indices = merges(OLD)
    indices.clock.at_ms = NOV_23_MS + DAY_MS + CLOSED_MS - 2 * QUIET_MS - 1
    one = merging(indices)
    look(one)
    indices.clock.sleep_ms(2 * QUIET_MS)
    look(one)
    assert indices.acts == []

    indices.clock.sleep_ms(1)
    look(one)
    assert indices.acts == [f"merge {OLD}"]


def test_e9_one_that_is_still_written_to_is_not_merged() -> None:
    indices = merges(OLD)
    one = merging(indices)
    for _ in range(20):
        look(one)
        indices.clock.sleep_ms(QUIET_MS - 1)
        indices.write(OLD)

    assert indices.acts == []


def test_e9_a_marked_one_is_never_merged_again() -> None:
    """Not by the next leader, and not for a line that came late."""
    indices = merges(OLD)
    indices.held[OLD] = replace(indices.held[OLD], is_marked=True)
    one = merging(indices)
    for _ in range(3):
        look(one)
        indices.clock.sleep_ms(QUIET_MS)
        look(one)
        indices.write(OLD)

    assert indices.acts == []


def test_e9_one_merge_at_a_time_the_oldest_day_first() -> None:
    indices = merges(OLD, OLDER)
    one = merging(indices)
    look(one)
    indices.clock.sleep_ms(QUIET_MS)

    for _ in range(3):
        look(one)
    assert indices.acts == [f"merge {OLDER}"]
    indices.end()
    for _ in range(3):
        look(one)

    assert indices.acts == [f"merge {OLDER}", f"mark {OLDER}", f"merge {OLD}"]


def test_e9_the_next_leader_finds_what_the_last_one_merged_and_merges_it_not() -> None:
    indices = merges(OLD)
    first = merging(indices)
    look(first)
    indices.clock.sleep_ms(QUIET_MS)
    look(first)
    second = merging(indices)
    look(second)
    # While the first one's merge lasts, however long it has watched.
    indices.clock.sleep_ms(QUIET_MS)
    look(second)
    assert indices.acts == [f"merge {OLD}"]
    indices.end()

    look(second)

    assert indices.acts == [f"merge {OLD}", f"mark {OLD}"]


def test_e4_nothing_is_merged_while_a_disk_fills() -> None:
    """A merge takes as much room again, for a while."""
    indices = merges(OLD)
    one = merging(indices)
    look(one)
    indices.clock.sleep_ms(QUIET_MS)

    look(one, has_room=False)
    assert indices.acts == []
    look(one)
    assert indices.acts == [f"merge {OLD}"]


def test_e9_what_is_about_to_go_is_not_merged() -> None:
    indices = merges(OLD)
    floor = FloorLedger(
        dataset="app", period="day", floor_ms=NOV_23_MS + DAY_MS, updated_at_ms=1
    )
    one = merging(indices)
    look(one, floors=Floors([floor]))
    indices.clock.sleep_ms(QUIET_MS)
    look(one, floors=Floors([floor]))

    assert indices.acts == []
