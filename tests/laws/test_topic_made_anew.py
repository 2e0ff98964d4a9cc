"""K12: who reads on while its topic is made anew reads the new one from its beginning.

On real brokers, and with more in the new topic than was read of the old one: nothing but the
topic's id then tells the two apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import kafka
import pytest

from tailrace import kafka_consumer
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_consumer import Gap, Partition
from tailrace.kafka_options import kafka_options
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tests.laws.brokers import Reader, RealBroker, poll_until
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
METADATA_MS = 300
OLD, NEW = 3, 8


class AnewBroker(RealBroker):
    """A topic that can be deleted and made anew under its name."""

    def begin_anew(self) -> None:
        """Delete the topic, make it anew, and write more than there was."""
        untyped: Any = kafka
        topic = self.partitions[0].topic
        admin = untyped.KafkaAdminClient(
            **kafka_options(self._connections, client_id="anew")
        )
        try:
            admin.delete_topics([topic])
        finally:
            admin.close()
        with KafkaAdmin(self._connections) as made:
            eventually(lambda: topic not in made.partition_counts())
        RealBroker.__init__(self, self._connections, topic=topic, closing=self._closing)
        for number in range(NEW):
            self.write(self.partitions[0], b"new %d" % number)


@pytest.fixture
def broker(
    stack: Endpoints, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AnewBroker]:
    monkeypatch.setattr(kafka_consumer, "METADATA_MS_MAX", METADATA_MS)
    connections = Connections(
        kafka_bootstrap=stack.kafka_bootstrap, namespace=namespace
    )
    with ExitStack() as closing:
        made = AnewBroker(connections, topic=f"{namespace}.anew", closing=closing)
        for number in range(OLD):
            made.write(made.partitions[0], b"old %d" % number)
        yield made


def new_values() -> list[bytes]:
    return [b"new %d" % number for number in range(NEW)]


def test_k12_who_reads_on_begins_anew_and_passes_over_nothing(
    broker: AnewBroker,
) -> None:
    reader = Reader(broker.join())
    zero, _ = broker.partitions
    poll_until(lambda: len(reader.values(zero)) == OLD, reader)
    assert reader.member.commit({zero: OLD})

    broker.begin_anew()
    poll_until(lambda: reader.values(zero)[-NEW:] == new_values(), reader)

    gap = reader.gaps[0]
    assert (gap.partition, gap.resumed_at) == (zero, 0)
    # It may have read on in the new topic before it saw that it is one.
    assert OLD <= gap.missed_from <= NEW
    assert reader.member.commit({zero: NEW})
    # And nothing twice by whoever reads on after it.
    broker.leave(reader.member)
    later = Reader(broker.join())
    broker.write(zero, b"later")
    poll_until(lambda: bool(later.values(zero)), later)
    assert later.values(zero) == [b"later"]
    assert later.gaps == []


def test_k12_a_commit_that_was_made_in_the_topic_before_is_none(
    broker: AnewBroker,
) -> None:
    """As of a reader that commits once more before it has noticed."""
    reader = Reader(broker.join())
    zero, _ = broker.partitions
    poll_until(lambda: len(reader.values(zero)) == OLD, reader)
    broker.begin_anew()
    assert reader.member.commit({zero: OLD})
    assert broker.committed()[zero] == OLD
    broker.leave(reader.member)

    later = Reader(broker.join())
    poll_until(lambda: len(later.values(zero)) >= NEW, later)

    assert later.values(zero) == new_values()
    assert later.gaps == [Gap(Partition(*zero), OLD, 0)]
