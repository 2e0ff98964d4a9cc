"""Whatever ends a life of the bridge, each foreign event is in the index once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from random import Random

import msgspec
import pytest

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.verdict import ProblemKind
from tailrace.errors import ServiceUnavailable
from tailrace.kill_points import armed
from tailrace.ledger import StreamLedger
from tailrace.topics import DEAD
from tailrace.wire import DeadLetter, Origin, decode
from tailrace_stream.foreign.bridge import SessionOver
from tailrace_stream.records import Outgoing, RawRecord
from tailrace_stream.work import parse_record, work_of
from tests.infra.audit.builders import GENERATION, held, indexer_word, report_of
from tests.stream.builders import NAMESPACE
from tests.stream.foreign.builders import AT_MS, DAY_MS, made_of_sent
from tests.stream.foreign.test_chunks import otlp_of
from tests.stream.foreign.topics import Reader, Target, Topic, bridge_of
from tests.support.standing_clock import StandingClock

TURNS_MAX = 400


class Crash(Exception):
    """The process ended here."""


class CrashesSometimes:
    """A kill point that is armed by chance."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def pass_(self, name: str) -> None:
        assert name in {"B1", "B2"}
        if self._random.random() < 0.15:
            raise Crash


def filled(random: Random) -> tuple[Topic, set[str]]:
    topic, messages = Topic(), set[str]()
    for number in range(60):
        names = [f"{number}.{n}" for n in range(random.choice([1, 1, 1, 3]))]
        messages.update(names)
        value = otlp_of(*names) if len(names) > 1 else names[0].encode()
        # Some without a time that can be believed.
        at_ms = random.choice([AT_MS, AT_MS, AT_MS - DAY_MS, -1, 2**60])
        topic.add(value, at_ms=at_ms, skip=random.choice([0, 0, 0, 2]))
    return topic, messages


@pytest.mark.parametrize("seed", range(30))
def test_s2_p1_k9_whatever_ends_the_bridge_each_event_has_one_id_in_one_index(
    seed: int,
) -> None:
    """Killed between its steps, refused by Kafka, or fenced; and each life is a day on."""
    random = Random(seed)
    topic, messages = filled(random)
    target, clock = Target(), StandingClock(AT_MS)
    lives = 0
    reader = Reader(topic, random)
    bridge = bridge_of(reader, target, clock=clock)
    with armed(CrashesSometimes(random)):
        for _turn in range(TURNS_MAX):
            if topic.is_done:
                break
            reader.is_fenced = random.random() < 0.1
            if random.random() < 0.15:
                target.fails_after = random.randrange(4)
            try:
                bridge.turn(wait_ms_max=1)
            except (Crash, SessionOver, ServiceUnavailable):
                lives += 1
                clock.sleep_ms(DAY_MS)
                reader = Reader(topic, random)
                bridge = bridge_of(reader, target, clock=clock)
    assert topic.is_done, "seed never came to its end"
    assert lives, "nothing struck"
    places: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for one in made_of_sent(target.raw).stored:
        places[one.document["message"]].add((one.document_id, one.index))
    assert places.keys() == messages
    assert {message: len(found) for message, found in places.items()} == dict.fromkeys(
        messages, 1
    )


def test_s2_nothing_is_committed_before_it_is_delivered() -> None:
    topic, target = Topic(), Target(fails_after=0)
    topic.add(b"x", at_ms=AT_MS)
    bridge = bridge_of(Reader(topic, Random(1)), target, clock=StandingClock(AT_MS))
    bridge.turn(wait_ms_max=1)
    with pytest.raises(ServiceUnavailable):
        bridge.turn(wait_ms_max=1)
    assert topic.committed is None


def test_k9_who_may_have_lost_the_partition_sends_nothing_more() -> None:
    topic, target = Topic(), Target()
    topic.add(b"x", at_ms=-1)
    reader = Reader(topic, Random(1))
    bridge = bridge_of(reader, target, clock=StandingClock(AT_MS))
    bridge.turn(wait_ms_max=1)
    reader.is_fenced = True
    with pytest.raises(SessionOver):
        bridge.turn(wait_ms_max=1)
    assert not target.sent, "the day that it goes under is nobody's but its owner's"


def test_k10_what_retention_took_before_it_was_read_is_counted() -> None:
    topic, target, counts = Topic(), Target(), Counter[str]()
    topic.add(b"x", at_ms=AT_MS, skip=100)
    topic.committed = (40, "")
    clock = StandingClock(AT_MS)
    bridge = bridge_of(Reader(topic, Random(1)), target, clock=clock, counts=counts)
    for _ in range(3):
        bridge.turn(wait_ms_max=1)
    assert counts["foreign.records_missed"] == 60
    assert len(target.raw) == 1


def test_k12_a_topic_made_anew_is_read_from_its_beginning() -> None:
    topic, target, counts = Topic(), Target(), Counter[str]()
    clock = StandingClock(AT_MS)
    for number in range(3):
        topic.add(b"old %d" % number, at_ms=AT_MS)
    bridge = bridge_of(Reader(topic, Random(1)), target, clock=clock)
    while not topic.is_done:
        bridge.turn(wait_ms_max=1)
    topic.records.clear()
    topic.topic_id = "another"
    for number in range(5):
        topic.add(b"new %d" % number, at_ms=AT_MS)
    bridge = bridge_of(Reader(topic, Random(1)), target, clock=clock, counts=counts)
    while not topic.is_done:
        bridge.turn(wait_ms_max=1)
    stored = made_of_sent(target.raw).stored
    said = sorted(one.document["message"] for one in stored)
    assert said == [
        "new 0",
        "new 1",
        "new 2",
        "new 3",
        "new 4",
        "old 0",
        "old 1",
        "old 2",
    ]
    assert counts["foreign.topics_made_anew"] == 1


def test_a_commit_of_another_program_is_believed() -> None:
    topic, target = Topic(), Target()
    for number in range(4):
        topic.add(b"%d" % number, at_ms=AT_MS)
    topic.committed = (2, "moved by hand")
    bridge = bridge_of(Reader(topic, Random(1)), target, clock=StandingClock(AT_MS))
    while not topic.is_done:
        bridge.turn(wait_ms_max=1)
    stored = made_of_sent(target.raw).stored
    assert sorted(one.document["message"] for one in stored) == ["2", "3"]


def test_k5_a_chunk_that_the_raw_topic_refuses_is_halved_and_one_event_is_buried() -> (
    None
):
    """The letter is safe before anybody counts on it, and the others go on."""
    topic, target, counts = Topic(), Target(bytes_max=3_000), Counter[str]()
    values = [b"%d" % n + b"x" * size for n, size in enumerate([900] * 8 + [5_000, 10])]
    for value in values:
        topic.add(value, at_ms=AT_MS)
    reader, clock = Reader(topic, Random(3)), StandingClock(AT_MS)
    bridge = bridge_of(reader, target, clock=clock, counts=counts)
    while not topic.is_done:
        bridge.turn(wait_ms_max=1)
    stored = made_of_sent(target.raw).stored
    assert sorted(one.document["message"].encode() for one in stored) == sorted(
        value for value in values if len(value) < 3_000
    )
    (letter,) = [decode(one.value, as_type=DeadLetter) for one in target.dead]
    assert letter.reason == "record_too_large"
    assert letter.original == values[8]
    (word,) = [one for one in target.raw if not one.value]
    origin = decode(word.header, as_type=Origin)
    assert (origin.dead_reason, origin.first_event_number) == ("record_too_large", 8)
    assert target.sent.index(target.dead[0]) < target.sent.index(word)
    assert target.dead[0].topic == DEAD.name(NAMESPACE)


def test_the_ledger_tells_the_numbers_of_a_partitions_day_as_they_came() -> None:
    """As of all other collectors: numbers are offsets, and those that came are told."""
    topic, target = Topic(), Target()
    for number in range(30):
        topic.add(b"%d" % number, at_ms=AT_MS, skip=5 if number == 10 else 0)
    reader = Reader(topic, Random(1))
    bridge = bridge_of(reader, target, clock=StandingClock(AT_MS))
    while not topic.is_done:
        bridge.turn(wait_ms_max=1)
    words = words_of([*target.raw, *target.raw])
    assert {word.agent_id for word in words} == {"foreign"}
    assert words[-1].event_numbers == ((0, 10), (15, 35))
    assert words[-1].event_count == words[-1].document_count == 30


def words_of(sent: Iterable[Outgoing]) -> list[StreamLedger]:
    """Return what the stream says of one generation, chunk after chunk."""
    state, words = None, list[StreamLedger]()
    for offset, one in enumerate(sent):
        record = RawRecord(
            topic=one.topic,
            partition=one.partition,
            offset=offset,
            key=one.key,
            value=one.value,
            headers=one.headers,
            appended_at_ms=AT_MS,
        )
        parsed = parse_record(record, topic_id="t", namespace=NAMESPACE, now_ms=AT_MS)
        work = work_of(parsed, state=state, namespace=NAMESPACE, now_ms=AT_MS)
        state = work.state.value if work.state else state
        assert work.ledger is not None
        words.append(decode(work.ledger.value, as_type=StreamLedger))
    return words


def test_the_audit_holds_log_records_of_requests_to_their_count() -> None:
    """Between the numbers of two requests are holes, and nothing is missed there."""
    topic, target = Topic(), Target()
    for number in range(9):
        topic.add(otlp_of(*(f"{number}.{n}" for n in range(3))), at_ms=AT_MS)
    bridge = bridge_of(Reader(topic, Random(1)), target, clock=StandingClock(AT_MS))
    while not topic.is_done:
        bridge.turn(wait_ms_max=1)
    word = msgspec.structs.replace(words_of(target.raw)[-1], generation=GENERATION)
    said = indexer_word(number=word.next_event_number, agent_id="foreign")
    facts = GenerationFacts(generation=GENERATION, stream=word, indexer=said)
    numbers = [
        one.document["event.sequence"] for one in made_of_sent(target.raw).stored
    ]
    assert report_of(held(*numbers), facts).is_sound
    short = report_of(held(*numbers[1:]), facts)
    assert [problem.kind for problem in short.unsound[0].problems] == [
        ProblemKind.MISSING
    ]
