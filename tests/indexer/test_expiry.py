"""An old index goes in an order in which each of its events is accounted for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
import structlog

from tailrace.floors import Floors
from tailrace.identity import DAY_MS
from tailrace.ledger import (
    FloorLedger,
    LedgerRecord,
    RetentionLedger,
    StreamLedger,
    ledger_key,
)
from tailrace_indexer.expiry import BURIAL_MS_MAX, FLOOR_READ_MS, Expiry, Offsets
from tailrace_indexer.farewell import SILENT_MS
from tailrace_indexer.retention import IndexFacts
from tests.agent.test_delivery import record as agent_record
from tests.indexer.doubles import ManualClock

NOV_23_MS = 1_795_392_000_000
"""2026-11-23T00:00:00Z."""
OLD, NEW = "t-generic-2026.11.23", "t-generic-2026.11.24"
DOCS = ("t.docs", 0)


def _facts(name: str, *, day: int, size_bytes: int = 100) -> IndexFacts:
    at_ms = NOV_23_MS + day * DAY_MS
    return IndexFacts(
        name=name,
        size_bytes=size_bytes,
        document_count=3,
        earliest_ms=at_ms,
        latest_ms=at_ms + 1_000,
        written_ms=at_ms + 1_000,
    )


@dataclass(slots=True)
class World:
    """Elasticsearch and Kafka, as far as an expiry sees them; every act is noted."""

    held: dict[str, IndexFacts]
    clock: ManualClock
    acts: list[str] = field(default_factory=list[str])
    raised: list[FloorLedger] = field(default_factory=list[FloorLedger])
    written: list[RetentionLedger] = field(default_factory=list[RetentionLedger])
    end: int = 10
    committed_to: int = 10
    takes_ledger: bool = True
    ledger: dict[bytes, LedgerRecord] = field(default_factory=dict[bytes, LedgerRecord])
    held_generations: set[str] = field(default_factory=set[str])
    buried: dict[bytes, str] = field(default_factory=dict[bytes, str])
    takes_floors: bool = True
    letters: dict[str, IndexFacts] = field(default_factory=dict[str, IndexFacts])
    server_at_ms: int | None = None

    def facts(self) -> list[IndexFacts]:
        return list(self.held.values())

    def letter_facts(self) -> list[IndexFacts]:
        return list(self.letters.values())

    def free_bytes(self) -> int:
        return 10_000

    def server_now_ms(self) -> int:
        return self.clock.at_ms if self.server_at_ms is None else self.server_at_ms

    def counted(self, index: str) -> list[RetentionLedger]:
        self.acts.append(f"counted {index}")
        return [
            RetentionLedger(
                generation="0" * 32,
                index=index,
                revision=3,
                document_count=3,
                windows={"0": (3, 3)},
                updated_at_ms=self.clock.at_ms,
            )
        ]

    def block(self, index: str) -> None:
        self.acts.append(f"blocked {index}")

    def is_blocked(self, index: str) -> bool:
        return f"blocked {index}" in self.acts

    def delete(self, index: str) -> None:
        self.acts.append(f"deleted {index}")
        self.held.pop(index, None)
        self.letters.pop(index, None)

    def read(self) -> Floors:
        return Floors(self.raised)

    def raise_to(self, floor: FloorLedger) -> bool:
        if self.takes_floors:
            self.acts.append("raised")
            self.raised.append(floor)
        return self.takes_floors

    def write(self, records: Sequence[RetentionLedger]) -> bool:
        if self.takes_ledger:
            self.acts.append("written")
            self.written.extend(records)
            self.ledger |= {ledger_key(record): record for record in records}
        return self.takes_ledger

    def are_held(self, generations: Collection[str]) -> set[str]:
        return self.held_generations & set(generations)

    def forget(self, keys: Collection[bytes]) -> bool:
        self.acts.append("forgotten")
        return bool(keys)

    def bury(self, keys: Mapping[bytes, str]) -> bool:
        self.acts.append("buried")
        self.buried.update(keys)
        return True

    def ends(self) -> Offsets:
        return {DOCS: self.end, ("t.docs", 1): 0}

    def committed(self) -> Offsets:
        return {DOCS: self.committed_to}


def two_days() -> World:
    """Return a world with an index of one day and one of the next."""
    indices = (_facts(OLD, day=0), _facts(NEW, day=1))
    return World(
        {index.name: index for index in indices}, ManualClock(NOV_23_MS + 2 * DAY_MS)
    )


@pytest.fixture
def world() -> World:
    return two_days()


def _expiry(world: World) -> Expiry:
    return Expiry(
        indices=world,
        floors=world,
        ledger=world,
        progress=world,
        read_ledger=lambda: world.ledger,
        clock=world.clock,
        log=structlog.get_logger(),
        namespace="t",
    )


def test_floor_first_then_counted_then_written_then_deleted(world: World) -> None:
    expiry = _expiry(world)

    expiry.keep(150)
    world.clock.sleep_ms(FLOOR_READ_MS)
    kept = expiry.keep(150)

    assert world.acts == [
        "raised",
        f"blocked {OLD}",
        f"counted {OLD}",
        "written",
        f"deleted {OLD}",
    ]
    assert kept.deleted == (OLD,)
    assert kept.used_bytes == 100
    assert world.raised[0].floor_ms == NOV_23_MS + DAY_MS


def test_within_the_quota_nothing_happens(world: World) -> None:
    assert _expiry(world).keep(200).deleted == ()
    assert world.acts == []


def test_nothing_is_taken_before_every_worker_has_read_the_floor(world: World) -> None:
    expiry = _expiry(world)
    expiry.keep(150)
    world.clock.sleep_ms(FLOOR_READ_MS - 1)

    expiry.keep(150)

    assert world.acts == ["raised"]


def test_nothing_is_taken_while_a_document_may_be_on_its_way(world: World) -> None:
    expiry = _expiry(world)
    expiry.keep(150)
    world.clock.sleep_ms(FLOOR_READ_MS)
    world.end, world.committed_to = 20, 19

    expiry.keep(150)
    assert world.acts == ["raised"]

    # What comes after the barrier cannot be below the floor, and is not waited for.
    world.end, world.committed_to = 30, 20
    expiry.keep(150)
    assert world.acts[-1] == f"deleted {OLD}"


def test_a_barrier_is_not_taken_from_before_the_floor_was_read(world: World) -> None:
    """What was on its way when the floor was raised counts, however late it was sent."""
    expiry = _expiry(world)
    expiry.keep(150)
    world.end = 50
    world.clock.sleep_ms(FLOOR_READ_MS)

    expiry.keep(150)
    assert world.acts == ["raised"]
    world.committed_to = 50
    expiry.keep(150)
    assert world.acts[-1] == f"deleted {OLD}"


def test_an_index_stays_while_the_ledger_cannot_be_written(world: World) -> None:
    expiry = _expiry(world)
    expiry.keep(150)
    world.clock.sleep_ms(FLOOR_READ_MS)
    world.takes_ledger = False

    expiry.keep(150)
    assert OLD in world.held

    world.takes_ledger = True
    expiry.keep(150)
    assert OLD not in world.held


def test_a_floor_that_is_not_acknowledged_is_raised_again(world: World) -> None:
    expiry = _expiry(world)
    world.takes_floors = False
    expiry.keep(150)
    world.takes_floors = True

    expiry.keep(150)

    assert world.acts == ["raised"]


def test_the_next_leader_goes_on_where_the_last_one_ended(world: World) -> None:
    _expiry(world).keep(150)
    world.clock.sleep_ms(FLOOR_READ_MS)

    expiry = _expiry(world)
    expiry.keep(150)
    # By its own watch: the other leader's clock may have been ahead.
    assert OLD in world.held
    world.clock.sleep_ms(FLOOR_READ_MS)
    expiry.keep(150)

    assert world.acts[-1] == f"deleted {OLD}"


@pytest.mark.parametrize("is_next_leader", [False, True])
def test_e9_an_index_that_takes_nothing_is_not_waited_for_again(
    world: World, *, is_next_leader: bool
) -> None:
    """A document for it is held by the indexers, and with it all that stands behind it."""
    expiry = _expiry(world)
    expiry.keep(150)
    world.clock.sleep_ms(FLOOR_READ_MS)
    world.takes_ledger = False
    expiry.keep(150)
    assert world.acts[-2:] == [f"blocked {OLD}", f"counted {OLD}"]

    world.end, world.takes_ledger = 11, True
    if is_next_leader:
        expiry = _expiry(world)
    else:
        next_floor = msgspec.structs.replace(
            world.raised[0], floor_ms=world.raised[0].floor_ms + 1
        )
        world.raised.append(next_floor)
    expiry.keep(150)

    assert world.acts[-1] == f"deleted {OLD}"


def test_what_is_leaving_is_not_counted_again_against_the_quota(world: World) -> None:
    """Else a second index would go for the room that the first one makes."""
    world.held["t-generic-2026.11.22"] = _facts("t-generic-2026.11.22", day=-1)
    expiry = _expiry(world)

    for _ in range(3):
        expiry.keep(250)

    assert len(world.raised) == 1


def test_all_indices_of_the_dataset_below_the_floor_go(world: World) -> None:
    world.raised.append(
        FloorLedger(
            dataset="generic",
            period="day",
            floor_ms=NOV_23_MS + DAY_MS,
            updated_at_ms=world.clock.at_ms - FLOOR_READ_MS,
        )
    )

    expiry = _expiry(world)
    expiry.keep(1_000)
    world.clock.sleep_ms(FLOOR_READ_MS)
    kept = expiry.keep(1_000)

    assert kept.deleted == (OLD,)


def _lives(world: World, *, is_closed: bool, updated_at_ms: int) -> None:
    """Let the agent have said something of the generation that expires."""
    record = msgspec.structs.replace(
        agent_record(),
        generation="0" * 32,
        is_closed=is_closed,
        updated_at_ms=updated_at_ms,
    )
    world.ledger[ledger_key(record)] = record


def _expire(world: World) -> None:
    expiry = _expiry(world)
    expiry.keep(150)
    world.clock.sleep_ms(FLOOR_READ_MS)
    expiry.keep(150)
    assert OLD not in world.held


def test_a_generation_that_is_over_is_forgotten_by_the_ledger(world: World) -> None:
    _lives(world, is_closed=True, updated_at_ms=world.clock.at_ms - SILENT_MS - 1)

    _expire(world)

    assert set(world.buried) == set(world.ledger)
    assert set(world.buried.values()) == {"0" * 32}
    assert world.acts[-2:] == ["forgotten", "buried"]


@pytest.mark.parametrize(
    ("is_closed", "silent_ms"), [(False, SILENT_MS + 1), (True, SILENT_MS - 60_000)]
)
def test_a_file_that_is_there_or_spoke_of_late_is_not_forgotten(
    world: World, *, is_closed: bool, silent_ms: int
) -> None:
    _lives(world, is_closed=is_closed, updated_at_ms=world.clock.at_ms - silent_ms)

    _expire(world)

    assert world.buried == {}


def test_a_generation_with_documents_elsewhere_is_not_forgotten(world: World) -> None:
    _lives(world, is_closed=True, updated_at_ms=0)
    world.held_generations = {"0" * 32}

    _expire(world)

    assert world.buried == {}


DEAD_ALONE = "1" * 32


def _died(world: World, *, observed_at_ms: int) -> None:
    """Let a generation be known of which every event became a dead letter."""
    record = StreamLedger(
        generation=DEAD_ALONE,
        revision=2,
        agent_id="a",
        host_name="h",
        path="/a.log",
        dataset="generic",
        first_event_number=0,
        next_event_number=2,
        next_offset=20,
        event_count=2,
        document_count=0,
        dead={"document_too_large": 2},
        observed_at_ms=observed_at_ms,
        raw_partition=0,
        raw_next_offset=1,
        updated_at_ms=0,
    )
    world.ledger[ledger_key(record)] = record


def test_a_generation_of_which_nothing_was_ever_stored_is_forgotten_in_its_time(
    world: World,
) -> None:
    _died(world, observed_at_ms=NOV_23_MS)

    _expire(world)

    assert world.buried == {f"stream|{DEAD_ALONE}".encode(): DEAD_ALONE}


def test_what_was_read_after_all_that_expired_is_not_forgotten(world: World) -> None:
    _died(world, observed_at_ms=NOV_23_MS + DAY_MS)

    _expire(world)

    assert world.buried == {}


def test_a_generation_whose_dead_letters_are_kept_is_not_forgotten(
    world: World,
) -> None:
    """They would be of a generation of which no ledger tells."""
    _died(world, observed_at_ms=NOV_23_MS)
    world.held_generations = {DEAD_ALONE}

    _expire(world)

    assert world.buried == {}


def test_a_leader_that_was_stopped_before_a_burial_buries_nothing(world: World) -> None:
    """What it read may not be the last word any more: the file may be back."""
    _lives(world, is_closed=True, updated_at_ms=0)
    expiry = _expiry(world)
    expiry.keep(150)
    world.clock.sleep_ms(FLOOR_READ_MS)

    def read_slowly() -> dict[bytes, LedgerRecord]:
        world.clock.sleep_ms(BURIAL_MS_MAX + 1)
        return world.ledger

    expiry.read_ledger = read_slowly
    expiry.keep(150)

    assert OLD not in world.held
    assert world.buried == {}
