"""What a consumer of a group brings: laws that the memory's Kafka and the real one obey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tailrace.kafka_consumer import Gap, Partition
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tests.laws.brokers import (
    Broker,
    MemoryBroker,
    Reader,
    RealBroker,
    expected,
    filled,
    poll_until,
)


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def broker(request: pytest.FixtureRequest, namespace: str) -> Iterator[Broker]:
    topic = f"{namespace}.laws"
    if request.param == "memory":
        yield MemoryBroker([Partition(topic, 0), Partition(topic, 1)])
        return
    stack: Endpoints = request.getfixturevalue("stack")
    connections = Connections(
        kafka_bootstrap=stack.kafka_bootstrap, namespace=namespace
    )
    with ExitStack() as closing:
        yield RealBroker(connections, topic=topic, closing=closing)


@pytest.mark.timeout(60)
def test_each_partition_comes_in_order_from_its_beginning(broker: Broker) -> None:
    filled(broker)
    reader = Reader(broker.join())
    poll_until(lambda: len(reader.records) == 12, reader)

    for partition in broker.partitions:
        assert reader.values(partition) == expected(partition, range(6))
    assert reader.owned == set(broker.partitions)


@pytest.mark.timeout(60)
def test_what_was_read_and_not_committed_comes_again_after_a_rebalance(
    broker: Broker,
) -> None:
    """Even to the member that had it: it may have lost what it held in memory."""
    filled(broker)
    first = Reader(broker.join())
    poll_until(lambda: len(first.records) == 12, first)
    zero, one = broker.partitions
    assert first.member.commit({zero: 2, one: 4})

    second = Reader(broker.join())
    poll_until(lambda: len(first.owned) == 1 and len(second.owned) == 1, first, second)
    poll_until(lambda: len(first.records + second.records) == 6, first, second)
    together = first.records + second.records
    assert sorted(r.value for r in together if r.value) == [
        *expected(zero, range(2, 6)),
        *expected(one, range(4, 6)),
    ]

    broker.leave(second.member)
    poll_until(lambda: len(first.owned) == 2, first)
    poll_until(lambda: len(first.records) == 6, first)
    assert first.values(zero) == expected(zero, range(2, 6))
    assert first.values(one) == expected(one, range(4, 6))


@pytest.mark.timeout(60)
def test_k9_a_commit_for_a_partition_that_is_lost_skips_nothing(broker: Broker) -> None:
    """Kafka may take it from a member; what counts is that no owner loses records."""
    filled(broker)
    first = Reader(broker.join())
    poll_until(lambda: len(first.records) == 12, first)
    second = Reader(broker.join())
    poll_until(lambda: len(first.owned) == 1 and len(second.owned) == 1, first, second)
    (lost,) = second.owned
    poll_until(lambda: len(second.records) == 6, first, second)

    first.member.commit({lost: 3})

    poll_until(lambda: True, first, second)
    assert second.values(lost) == expected(lost, range(6))


@pytest.mark.timeout(60)
def test_k9_p9_a_member_that_was_given_up_commits_nothing_and_finds_out(
    broker: Broker,
) -> None:
    """A zombie: it slept, its partitions moved, and it wakes with work to commit."""
    filled(broker)
    zombie = Reader(broker.join())
    poll_until(lambda: len(zombie.records) == 12, zombie)
    zero, one = broker.partitions
    assert zombie.member.commit({zero: 1})
    broker.expel(zombie.member)
    other = Reader(broker.join())
    poll_until(lambda: len(other.records) == 11, other)
    assert other.member.commit({zero: 2})

    assert not zombie.member.commit({zero: 6, one: 6})

    assert broker.committed() == {zero: 2}
    poll_until(lambda: zombie.lost >= {zero, one}, other, zombie)
    poll_until(lambda: len(zombie.owned | other.owned) == 2, other, zombie)
    poll_until(lambda: len(zombie.records + other.records) == 10, other, zombie)
    together = [r.value for r in zombie.records + other.records if r.value]
    assert sorted(together) == expected(zero, range(2, 6)) + expected(one, range(6))


@pytest.mark.timeout(60)
def test_k8_a_paused_partition_brings_nothing_and_loses_nothing(broker: Broker) -> None:
    reader = Reader(broker.join())
    poll_until(lambda: len(reader.owned) == 2, reader)
    zero, one = broker.partitions
    reader.member.pause([zero])
    filled(broker)

    def is_read_while_paused() -> bool:
        # A second rebalance may come of itself, and a partition that is gained by it is
        # not paused.
        reader.member.pause([zero])
        return len(reader.values(one)) == 6

    poll_until(is_read_while_paused, reader)

    assert reader.values(zero) == []
    reader.member.resume([zero])
    poll_until(lambda: len(reader.values(zero)) == 6, reader)

    assert reader.values(zero) == expected(zero, range(6))


@pytest.mark.timeout(60)
def test_k8_a_partition_paused_amid_its_records_goes_on_where_it_stood(
    broker: Broker,
) -> None:
    filled(broker)
    reader = Reader(broker.join())
    poll_until(lambda: bool(reader.records), reader)
    (begun,) = {record.partition for record in reader.records}
    assert len(reader.values(begun)) < 6, "all came at once: nothing is left to pause"
    (other,) = set(broker.partitions) - {begun}
    reader.member.pause([begun])
    poll_until(lambda: len(reader.values(other)) == 6, reader)
    reader.member.resume([begun])
    poll_until(lambda: len(reader.values(begun)) == 6, reader)

    assert reader.values(begun) == expected(begun, range(6))


@pytest.mark.timeout(60)
def test_k10_what_retention_deleted_is_told_and_reading_goes_on(broker: Broker) -> None:
    filled(broker)
    first = Reader(broker.join())
    poll_until(lambda: len(first.records) == 12, first)
    zero, _ = broker.partitions
    assert first.member.commit({zero: 1})
    broker.leave(first.member)
    broker.delete_before(zero, 4)

    second = Reader(broker.join())
    poll_until(lambda: len(second.values(zero)) == 2, second)

    assert second.values(zero) == expected(zero, range(4, 6))
    assert second.gaps == [Gap(zero, 1, 4)]
