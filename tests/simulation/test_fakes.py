"""How the fakes go wrong when they are told to: what no law can ask of a healthy server."""

from __future__ import annotations

import asyncio

import pytest

from tailrace.kafka_consumer import Partition
from tailrace.kafka_producer import FailureKind, SendFailure
from tests.simulation.event_loop import SimulatedLoop
from tests.simulation.world import World
from tests.support.fakes.kafka import MemoryKafka
from tests.support.fakes.producer import Fate, MemoryProducer

ZERO, ONE = Partition("t", 0), Partition("t", 1)


def values(kafka: MemoryKafka, partition: Partition = ZERO) -> list[bytes | None]:
    return [kept.record.value for kept in kafka.read(partition, offset=0)]


def sent(producer: MemoryProducer, value: bytes) -> list[SendFailure | None]:
    told: list[SendFailure | None] = []
    producer.send("t", value=value, key=b"k", partition=0, on_done=told.append)
    return told


@pytest.mark.parametrize(
    ("fate", "stored", "kind"),
    [
        (Fate.TAKEN, [b"v"], None),
        (Fate.ACK_LOST, [b"v"], FailureKind.PRODUCER),
        (Fate.REFUSED, [], FailureKind.PRODUCER),
    ],
)
def test_k15_a_record_whose_answer_is_lost_is_stored_all_the_same(
    fate: Fate, stored: list[bytes], kind: FailureKind | None
) -> None:
    kafka = MemoryKafka([ZERO])
    (failure,) = sent(MemoryProducer(kafka, fate_of=lambda _topic: fate), b"v")
    assert (failure and failure.kind) == kind
    assert values(kafka) == stored


def test_k4_a_producer_that_was_closed_says_nothing_and_may_still_store() -> None:
    kafka = MemoryKafka([ZERO])
    producer = MemoryProducer(kafka, on_sent=lambda _producer: None)
    told = sent(producer, b"late")
    producer.close(wait_ms_max=0)
    producer.arrive()
    assert not told
    assert values(kafka) == [b"late"]


def test_k9_a_member_that_was_given_up_commits_nothing_and_finds_out() -> None:
    """P9: a zombie, stopped and woken after its partitions moved."""
    kafka = MemoryKafka([ZERO, ONE])
    kafka.write(ZERO, b"a")
    zombie, other = kafka.join(), kafka.join()
    zombie.poll(wait_ms_max=0)
    other.poll(wait_ms_max=0)
    zombie.poll(wait_ms_max=0)
    assert zombie.owned == {ZERO}
    kafka.group.expel(zombie)
    other.poll(wait_ms_max=0)
    assert other.owned == {ZERO, ONE}

    assert not zombie.commit({ZERO: 1})
    assert not kafka.commits
    assert kafka.group.refused_commits == 1
    assert zombie.poll(wait_ms_max=0).lost == {ZERO}


def test_a_commit_is_refused_once_the_member_has_joined_the_next_generation() -> None:
    kafka = MemoryKafka([ZERO, ONE])
    first, second = kafka.join(), kafka.join()
    for member in (first, second, first):
        member.poll(wait_ms_max=0)
    kafka.join()
    assert first.must_rejoin
    assert first.commit({ZERO: 3}), "while it has not given up, its commit counts"
    first.rejoin()
    assert second.must_rejoin
    assert not first.commit({ZERO: 5}), "until the last one has joined, nobody's does"
    assert kafka.commits == {ZERO: 3}


def test_compaction_keeps_the_newest_of_each_key_in_its_place() -> None:
    kafka = MemoryKafka([ZERO])
    for key, value in [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"c", None)]:
        kafka.write(ZERO, value, key=key)
    assert kafka.compact(ZERO) == 1
    assert [kept.offset for kept in kafka.read(ZERO, offset=0)] == [1, 2, 3]
    assert [kept.offset for kept in kafka.read(ZERO, offset=2)] == [2, 3]
    assert kafka.write(ZERO, b"4") == 4
    member = kafka.join()
    assert [record.offset for record in member.poll(wait_ms_max=0).records] == [1, 2, 3]


def test_the_loop_runs_timers_in_their_order_and_threads_in_their_time() -> None:
    world, told = World(1), list[str]()
    loop = SimulatedLoop(now_ms=lambda: world.now_ms, thread_wait_ms=lambda: 20)

    async def tell(name: str, *, after_s: float) -> None:
        await asyncio.sleep(after_s)
        told.append(name)

    async def work() -> None:
        told.append(await asyncio.to_thread(lambda: "thread"))

    for name, after_s in (("late", 0.05), ("soon", 0.01)):
        loop.create_task(tell(name, after_s=after_s))
    loop.create_task(work())
    for at_ms in range(0, 60, 5):
        world.advance_to(at_ms)
        loop.run_due()
    assert told == ["soon", "thread", "late"]


def test_a_loop_that_was_killed_runs_nothing_more_and_does_not_complain() -> None:
    told: list[str] = []
    loop = SimulatedLoop(now_ms=lambda: 0, thread_wait_ms=lambda: 0)

    async def tell() -> None:
        await asyncio.sleep(0)
        told.append("never")

    loop.create_task(tell())
    loop.kill()
    loop.run_due()
    assert not told
    assert not loop.errors
