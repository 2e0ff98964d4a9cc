"""A late writer never makes the ledger, a state or a floor say less than was said before."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
import structlog

from tailrace.floors import Floors
from tailrace.kafka_consumer import Partition
from tailrace.ledger import FloorLedger, decode_ledger, ledger_key
from tailrace.ledger_topic import newest_of
from tailrace.revisions import UNREADABLE, buried_in, revision_of
from tailrace.topics import (
    COMPACTION_LAG_MS,
    FLOORS,
    LEDGER,
    RAW,
    STATE,
    TOMBSTONE_MS,
)
from tailrace.wire import encode
from tailrace_indexer.mending import LOOK_MS, Mender, Place
from tailrace_stream.state_store import keep_newest
from tailrace_stream.windows import GenerationState
from tests.agent.test_delivery import record as agent_record
from tests.indexer.doubles import ManualClock
from tests.indexer.test_ledger import told_record
from tests.support.fakes.audited import ledger_entries
from tests.support.fakes.compacted import MemoryCompactedTopics
from tests.support.fakes.kafka import MemoryKafka

LEDGER_0, STATE_0, FLOORS_0 = (
    Partition("t.ledger", 0),
    Partition("t.state", 0),
    Partition("t.floors", 0),
)


class RefusingTopics(MemoryCompactedTopics):
    """Takes nothing while it is told so; every reading of a partition is noted."""

    def __init__(self, kafka: MemoryKafka) -> None:
        super().__init__(kafka, kafka.partitions)
        self.is_writable = True
        self.readings: list[Place] = []

    def records(
        self, place: Place, *, end: int
    ) -> Iterator[tuple[int, bytes | None, bytes | None]]:
        self.readings.append(place)
        yield from super().records(place, end=end)

    def write(self, place: Place, records: Sequence[tuple[bytes, bytes]]) -> bool:
        return self.is_writable and super().write(place, records)


@pytest.fixture
def kafka() -> MemoryKafka:
    return MemoryKafka([LEDGER_0, STATE_0, FLOORS_0])


@pytest.fixture
def topics(kafka: MemoryKafka) -> RefusingTopics:
    return RefusingTopics(kafka)


def mender_of(topics: RefusingTopics, clock: ManualClock | None = None) -> Mender:
    return Mender(
        topics=topics, clock=clock or ManualClock(), log=structlog.get_logger()
    )


def _tell(kafka: MemoryKafka, *numbers: int) -> None:
    for number in numbers:
        record = told_record(number)
        kafka.write(LEDGER_0, encode(record), key=ledger_key(record))


def _count(kafka: MemoryKafka, *revisions: int) -> None:
    for revision in revisions:
        state = GenerationState(generation="g", revision=revision)
        kafka.write(STATE_0, encode(state), key=b"g")


def _raise(kafka: MemoryKafka, *floors_ms: int) -> None:
    for floor_ms in floors_ms:
        floor = _floor(floor_ms)
        kafka.write(FLOORS_0, encode(floor), key=ledger_key(floor))


def _floor(floor_ms: int) -> FloorLedger:
    return FloorLedger(
        dataset="generic", period="day", floor_ms=floor_ms, updated_at_ms=1
    )


def _pairs(
    kafka: MemoryKafka, place: Partition
) -> list[tuple[bytes | None, bytes | None]]:
    kept = kafka.read(place, offset=0)
    return [(each.record.key, each.record.value) for each in kept]


def test_k9_an_older_word_behind_a_newer_one_does_not_outlive_it(
    kafka: MemoryKafka, topics: RefusingTopics
) -> None:
    """An indexer that was stopped tells its old figure behind its successor's."""
    _tell(kafka, 700, 1_000, 700)

    assert mender_of(topics).keep() == 1
    kafka.compact(LEDGER_0)

    newest = newest_of(ledger_entries(kafka, [LEDGER_0]))
    (record,) = newest.records.values()
    assert record.revision == 1_000


def test_k9_an_older_state_behind_a_newer_one_does_not_outlive_it(
    kafka: MemoryKafka, topics: RefusingTopics
) -> None:
    _count(kafka, 5, 10, 7)

    mender_of(topics).keep()
    kafka.compact(STATE_0)

    states: dict[str, bytes] = {}
    for _key, value in _pairs(kafka, STATE_0):
        keep_newest(states, generation="g", value=value)
    assert revision_of(states["g"]) == 10


def test_a_floor_of_a_leader_that_came_too_late_lowers_nothing(
    kafka: MemoryKafka, topics: RefusingTopics
) -> None:
    """A worker that starts later would make deleted indices again."""
    _raise(kafka, 1_000, 2_000, 1_000)

    mender_of(topics).keep()
    kafka.compact(FLOORS_0)

    values = [value for _key, value in _pairs(kafka, FLOORS_0) if value is not None]
    records = [decode_ledger(value) for value in values]
    floors = Floors([record for record in records if isinstance(record, FloorLedger)])
    assert floors.records["generic", "day"].floor_ms == 2_000


def test_a_record_that_cannot_be_read_does_not_outlive_one_that_can(
    kafka: MemoryKafka, topics: RefusingTopics
) -> None:
    _count(kafka, 5)
    kafka.write(STATE_0, b"\xff poison", key=b"g")

    mender_of(topics).keep()
    kafka.compact(STATE_0)

    assert [revision_of(value or b"") for _, value in _pairs(kafka, STATE_0)] == [5]


def test_what_is_in_order_is_not_written_again(
    kafka: MemoryKafka, topics: RefusingTopics
) -> None:
    _tell(kafka, 700, 700, 1_000)
    _count(kafka, 5, 10)

    assert mender_of(topics).keep() == 0


def test_a_tombstone_ends_what_was_greater_before_it(
    kafka: MemoryKafka, topics: RefusingTopics
) -> None:
    """A generation that was buried and comes back begins anew, and is not outdone."""
    _count(kafka, 10)
    kafka.write(STATE_0, None, key=b"g")
    _count(kafka, 3)

    assert mender_of(topics).keep() == 0


def test_a_partition_that_did_not_grow_is_not_read_again(
    kafka: MemoryKafka, topics: RefusingTopics
) -> None:
    clock = ManualClock()
    mender = mender_of(topics, clock)
    _tell(kafka, 1)
    mender.keep()
    topics.readings.clear()

    clock.sleep_ms(LOOK_MS - 1)
    _tell(kafka, 2)
    mender.keep()
    assert topics.readings == []

    clock.sleep_ms(1)
    mender.keep()
    assert topics.readings == [("t.ledger", 0)]


def test_what_could_not_be_written_is_found_by_the_next_look(
    kafka: MemoryKafka, topics: RefusingTopics
) -> None:
    clock = ManualClock()
    mender = mender_of(topics, clock)
    _count(kafka, 10, 7)
    topics.is_writable = False
    assert mender.keep() == 0

    topics.is_writable = True
    clock.sleep_ms(LOOK_MS)

    assert mender.keep() == 1


def test_a_mender_that_is_itself_too_late_is_mended_by_the_next_look(
    kafka: MemoryKafka, topics: RefusingTopics
) -> None:
    _count(kafka, 10, 7)
    stale = {"g": kafka.read(STATE_0, offset=0)[0].record.value or b""}
    _count(kafka, 12)
    topics.write(("t.state", 0), [(b"g", stale["g"])])

    mender_of(topics).keep()
    kafka.compact(STATE_0)

    assert [revision_of(value or b"") for _, value in _pairs(kafka, STATE_0)] == [12]


@pytest.mark.parametrize("seed", range(200))
def test_whoever_writes_late_nothing_falls_once_all_are_quiet(seed: int) -> None:
    """Owners, late writers, looks and compaction in any order that the lag allows."""
    chance = random.Random(seed)
    kafka = MemoryKafka([STATE_0])
    topics = RefusingTopics(kafka)
    clock = ManualClock()
    mender = mender_of(topics, clock)
    keys = [b"a", b"b", b"c"]
    greatest = dict.fromkeys(keys, 0)

    def write(key: bytes, revision: int) -> None:
        state = GenerationState(generation=key.decode(), revision=revision)
        kafka.write(STATE_0, encode(state), key=key)

    for _ in range(60):
        key = chance.choice(keys)
        match chance.randrange(4):
            case 0 | 1:
                greatest[key] += chance.randint(1, 5)
                write(key, greatest[key])
            case 2:
                if greatest[key]:
                    write(key, chance.randint(1, greatest[key]))
            case _:
                clock.sleep_ms(LOOK_MS)
                mender.keep()
                # No record is older than the lag without a look that came after it.
                kafka.compact(STATE_0)
    clock.sleep_ms(LOOK_MS)
    mender.keep()
    kafka.compact(STATE_0)

    found = {key: revision_of(value or b"") for key, value in _pairs(kafka, STATE_0)}
    assert found == {key: revision for key, revision in greatest.items() if revision}


def test_every_kind_of_record_says_its_revision() -> None:
    assert revision_of(encode(told_record(7))) == 7
    assert revision_of(encode(agent_record())) == agent_record().revision
    assert revision_of(encode(_floor(9))) == 9
    assert revision_of(encode(GenerationState(generation="g", revision=4))) == 4
    assert revision_of(b"{}") == revision_of(b"\xff") == UNREADABLE


def test_a_record_of_a_newer_wire_version_has_its_rank() -> None:
    """A leader that is not upgraded yet must not bury what newer roles say."""
    newer = b'{"hop":"stream","wire_version":99,"revision":8,"new":[1]}'
    older = encode(told_record(7))

    assert buried_in([(0, b"k", older), (1, b"k", newer)]) == {}
    assert buried_in([(0, b"k", newer), (1, b"k", older)]) == {b"k": 0}


def test_compacted_topics_wait_for_the_mender_and_no_other_topic_does() -> None:
    for topic in (LEDGER, FLOORS, STATE):
        lag_ms = topic.settings()["min.compaction.lag.ms"]
        assert int(lag_ms) == COMPACTION_LAG_MS
        assert int(topic.settings()["delete.retention.ms"]) == TOMBSTONE_MS
    assert "min.compaction.lag.ms" not in RAW.settings()
