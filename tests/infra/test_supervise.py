"""What dies is started again, ever later, and the wait is forgiven in the end."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tailrace.errors import CommandFailed
from tailrace.supervise import Backoff, Member, MemberState


@dataclass(slots=True)
class MortalLife:
    """Lives until told to die."""

    name: str = "agent"
    kind: str = "role"
    log_path: str = "agent.log"
    pid: int | None = 7
    is_living: bool = False
    code: int | None = None
    starts_at_ms: list[int] = field(default_factory=list[int])
    now_ms: int = 0

    def start(self) -> None:
        self.is_living = True
        self.starts_at_ms.append(self.now_ms)

    def die(self, code: int) -> None:
        self.is_living, self.code = False, code

    def is_alive(self) -> bool:
        return self.is_living

    def exit_code(self) -> int | None:
        return self.code


class UnstartableLife(MortalLife):
    """Cannot be started at all."""

    def start(self) -> None:
        raise CommandFailed("no memory", remedy="buy some")


def tend_until(
    member: Member, life: MortalLife, *, until_ms: int, dies: bool = False
) -> None:
    while life.now_ms < until_ms:
        life.now_ms += 100
        if dies and life.is_living:
            life.die(-9)
        member.tend(now_ms=life.now_ms, monotonic_ms=life.now_ms)


def test_waits_double_from_one_second_to_thirty() -> None:
    waits = [Backoff().wait_ms(deaths) for deaths in (1, 2, 3, 4, 5, 6, 60)]

    assert waits == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]


def test_a_dead_member_is_started_again_after_its_wait() -> None:
    life = MortalLife()
    member = Member(life, backoff=Backoff())
    member.start(now_ms=0, monotonic_ms=0)
    life.die(-9)

    tend_until(member, life, until_ms=1_000)
    assert member.state is MemberState.BACKING_OFF
    tend_until(member, life, until_ms=1_200)

    assert member.state is MemberState.RUNNING
    assert life.starts_at_ms == [0, 1_100]
    record = member.record()
    assert (record.restarts, record.last_exit, record.pid) == (1, -9, 7)


def test_a_member_that_dies_at_once_is_started_ever_later_and_for_ever() -> None:
    life = MortalLife()
    member = Member(life, backoff=Backoff())
    member.start(now_ms=0, monotonic_ms=0)

    tend_until(member, life, until_ms=600_000, dies=True)

    gaps = [
        later - earlier
        for earlier, later in zip(
            life.starts_at_ms, life.starts_at_ms[1:], strict=False
        )
    ]
    assert gaps == sorted(gaps)
    assert gaps[0] < 1_500
    assert 30_000 <= gaps[-1] < 31_000
    assert life.starts_at_ms[-1] > 560_000


def test_a_long_life_forgives_earlier_deaths() -> None:
    life = MortalLife()
    member = Member(life, backoff=Backoff())
    member.start(now_ms=0, monotonic_ms=0)
    tend_until(member, life, until_ms=60_000, dies=True)
    tend_until(member, life, until_ms=160_000)
    starts_before = len(life.starts_at_ms)

    life.die(1)
    died_at_ms = life.now_ms
    tend_until(member, life, until_ms=died_at_ms + 1_500)

    assert len(life.starts_at_ms) == starts_before + 1


def test_a_member_that_cannot_be_started_is_tried_again_and_says_why() -> None:
    life = UnstartableLife()
    member = Member(life, backoff=Backoff())

    member.start(now_ms=0, monotonic_ms=0)
    tend_until(member, life, until_ms=10_000)

    assert member.state is MemberState.BACKING_OFF
    assert member.restarts == 3
    assert member.record().last_error == "no memory"


@pytest.mark.parametrize("wait_ms", [0, 120_000])
def test_a_stopped_member_stays_stopped(wait_ms: int) -> None:
    life = MortalLife()
    member = Member(life, backoff=Backoff())
    member.start(now_ms=0, monotonic_ms=0)
    member.stopped(now_ms=1, monotonic_ms=1)
    life.die(0)

    tend_until(member, life, until_ms=wait_ms)

    assert member.state is MemberState.STOPPED
    assert len(life.starts_at_ms) == 1
