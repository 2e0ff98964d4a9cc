"""Z6: a leader that was frozen in the middle of an act, and goes on, does nothing more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
import structlog

from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.floors import Floors
from tailrace.ledger import FloorLedger, RetentionLedger
from tailrace.settings import Connections
from tailrace_indexer.acked_writer import GuardedWriter, Writing
from tailrace_indexer.event_indices import EventIndices
from tailrace_indexer.expiry import FLOOR_READ_MS, Expiry
from tailrace_indexer.fence import Epoch, Fence, LeadLost, Register
from tailrace_indexer.lead_work import FencedMaker
from tailrace_indexer.outcomes import STORED, Verdict
from tailrace_indexer.retention import IndexFacts
from tests.indexer.doubles import ManualClock
from tests.indexer.test_expiry import NEW, OLD, World, two_days
from tests.support.fakes.lead_register import (
    FreezingRegister,
    MemoryRegister,
    SteadyEras,
)
from tests.support.saying import Said, saying

QUOTA_BYTES = 150
"""The older of two indices does not fit."""
OLDER, YOUNGER = 7, 12
LOOKS = 4


def _claimed(register: Register, transaction: int, *, era: int = 1) -> Fence:
    fence = Fence(register, eras=SteadyEras(era), transaction=transaction)
    fence.claim()
    return fence


def test_z6_who_was_elected_earlier_claims_nothing() -> None:
    """It was frozen between its election and its claim."""
    register = MemoryRegister()
    _claimed(register, YOUNGER)

    with pytest.raises(LeadLost):
        _claimed(register, OLDER)

    assert register.held == Epoch(1, YOUNGER)


def test_z6_a_claim_whose_answer_was_lost_is_made_once_more() -> None:
    register = MemoryRegister()
    fence = _claimed(register, OLDER)

    fence.claim()
    fence.require()

    assert register.held == Epoch(1, OLDER)


def test_z6_a_zookeeper_that_began_anew_gives_a_lead_that_may_act() -> None:
    """Its transactions count from nothing again, and are less than the last leader's."""
    register = MemoryRegister()
    before = _claimed(register, 2**40)

    now = _claimed(register, 3, era=2)

    now.require()
    with pytest.raises(LeadLost):
        before.require()


def test_z6_who_never_claimed_may_nothing() -> None:
    fence = Fence(MemoryRegister(), eras=SteadyEras(), transaction=OLDER)

    with pytest.raises(LeadLost):
        fence.require()
    with pytest.raises(LeadLost):
        fence.delete_index(OLD)


@dataclass(slots=True)
class Acting:
    """One leader's hands on the servers, as `LeadWork` wires them: each act asks first."""

    world: World
    fence: Fence
    acts: list[str] = field(default_factory=list[str])

    def facts(self) -> list[IndexFacts]:
        return self.world.facts()

    def letter_facts(self) -> list[IndexFacts]:
        return self.world.letter_facts()

    def free_bytes(self) -> int:
        return self.world.free_bytes()

    def server_now_ms(self) -> int:
        return self.world.server_now_ms()

    def counted(self, index: str) -> list[RetentionLedger]:
        return self.world.counted(index)

    def read(self) -> Floors:
        return self.world.read()

    def are_held(self, generations: Collection[str]) -> set[str]:
        return self.world.are_held(generations)

    def block(self, index: str) -> None:
        self._act("block")
        self.world.block(index)

    def is_blocked(self, index: str) -> bool:
        return self.world.is_blocked(index)

    def delete(self, index: str) -> None:
        self.fence.delete_index(index)
        self.acts.append("delete")

    def raise_to(self, floor: FloorLedger) -> bool:
        self._act("raise")
        return self.world.raise_to(floor)

    def write(self, records: Sequence[RetentionLedger]) -> bool:
        self._act("write")
        return self.world.write(records)

    def forget(self, keys: Collection[bytes]) -> bool:
        self._act("forget")
        return self.world.forget(keys)

    def bury(self, keys: Mapping[bytes, str]) -> bool:
        self._act("bury")
        return self.world.bury(keys)

    def work(self) -> None:
        """Look until all is done that is due."""
        expiry = Expiry(
            indices=self,
            floors=self,
            ledger=self,
            progress=self.world,
            read_ledger=lambda: self.world.ledger,
            clock=self.world.clock,
            log=structlog.get_logger(),
            namespace="t",
        )
        for _ in range(LOOKS):
            expiry.keep(QUOTA_BYTES)
            self.world.clock.sleep_ms(FLOOR_READ_MS)

    def _act(self, name: str) -> None:
        self.fence.require()
        self.acts.append(name)


ALL = ["raise", "block", "write", "delete"]


@dataclass(slots=True)
class Frozen:
    """Two leaders: the older is frozen at one question, while the younger does it all."""

    older: Acting
    younger: list[Acting]
    world: World
    acts_before: list[str]


def _frozen(freezes_at: int, *, is_answered: bool) -> Frozen:
    world = two_days()
    register = MemoryRegister(delete=world.delete)
    younger: list[Acting] = []
    before: list[str] = []

    def meanwhile() -> None:
        before.extend(older.acts)
        younger.append(Acting(world, _claimed(register, YOUNGER)))
        younger[0].work()

    freezing = FreezingRegister(
        register, meanwhile, freezes_at=freezes_at, is_answered=is_answered
    )
    fence = Fence(freezing, eras=SteadyEras(), transaction=OLDER)
    older = Acting(world, fence)
    fence.claim()
    return Frozen(older, younger, world, before)


def test_all_acts_of_a_leader_that_nothing_disturbs() -> None:
    """Of as many questions as acts, and one before them, the next tests freeze each."""
    frozen = _frozen(len(ALL) + 1, is_answered=False)

    frozen.older.work()

    assert frozen.older.acts == ALL
    assert not frozen.younger


@pytest.mark.parametrize("act", range(len(ALL)))
def test_z6_a_leader_that_was_frozen_before_it_asked_does_nothing_more(
    act: int,
) -> None:
    frozen = _frozen(act + 1, is_answered=False)

    with pytest.raises(LeadLost):
        frozen.older.work()

    assert frozen.older.acts == frozen.acts_before == ALL[:act]
    _is_all_done_once(frozen)


@pytest.mark.parametrize("act", range(len(ALL) - 1))
def test_z6_one_that_was_frozen_after_the_answer_does_one_thing_that_changes_nothing(
    act: int,
) -> None:
    """A deletion is no such thing: it is one with its question."""
    frozen = _frozen(act + 1, is_answered=True)

    # Where the younger one has left nothing to do, the older one need not ask again.
    with contextlib.suppress(LeadLost):
        frozen.older.work()

    assert frozen.older.acts == ALL[: act + 1]
    _is_all_done_once(frozen)


def _is_all_done_once(frozen: Frozen) -> None:
    world, younger = frozen.world, frozen.younger[0]
    assert set(world.held) == {NEW}
    assert {floor.floor_ms for floor in world.raised} == {world.raised[0].floor_ms}
    told = {(each.index, each.document_count) for each in world.written}
    assert told == {(OLD, 3)}
    # What the older one had done is not done again but where that is harmless.
    assert younger.acts[-1] == "delete"


@dataclass(slots=True)
class LostLead:
    """Another leads."""

    def require(self) -> None:
        raise LeadLost("another leads")

    def delete_index(self, index: str) -> None:
        raise LeadLost(f"another leads, and {index} is left to it")


CHANGES: Mapping[str, Callable[[EventIndices], object]] = {
    "block": lambda indices: indices.block(OLD),
    "delete": lambda indices: indices.delete(OLD),
    "forget": lambda indices: indices.forget([b"key"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_z6_nothing_that_changes_an_index_is_asked_for_without_the_lead(
    change: str,
) -> None:
    with saying(lambda _method, _path: Said(200, {})) as server:
        connections = Connections().model_copy(update={"elasticsearch_url": server.url})
        with Elastic(connections) as elastic:
            indices = EventIndices(
                elastic, namespace="t", clock=ManualClock(), guard=LostLead()
            )
            with pytest.raises(LeadLost):
                CHANGES[change](indices)
        assert server.asked == []


@dataclass(slots=True)
class Recording:
    """Takes records, and makes indices."""

    taken: list[object] = field(default_factory=list[object])

    def write(self, writings: Sequence[Writing]) -> list[int] | None:
        self.taken.extend(writings)
        return []

    def make(self, index: str) -> Verdict:
        self.taken.append(index)
        return STORED


def test_z6_nothing_is_written_or_made_without_the_lead() -> None:
    recording = Recording()
    writer = GuardedWriter(recording, require=LostLead().require)
    maker = FencedMaker(recording, guard=LostLead())

    with pytest.raises(LeadLost):
        writer.write([Writing("t.floors", b"", b"")])
    with pytest.raises(LeadLost):
        maker.make(OLD)

    assert recording.taken == []


def test_z6_a_lead_that_nobody_can_tell_of_does_nothing() -> None:
    """It may be lost; it is asked again."""

    class Away(MemoryRegister):
        def read(self) -> Epoch | None:
            raise ServiceUnavailable("Elasticsearch", address="", reason="is away")

    register = Away()
    fence = Fence(register, eras=SteadyEras(), transaction=OLDER)

    with pytest.raises(ServiceUnavailable):
        fence.claim()
    assert fence.epoch is None
