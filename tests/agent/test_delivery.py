"""The commit order: acknowledged without a gap, then on the disk, and never the reverse."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
import structlog

from tailrace.kafka_producer import FailureKind
from tailrace.wire import (
    ORIGIN_HEADER,
    AgentLedger,
    Cut,
    FileIdentity,
    Origin,
    Placement,
    decode,
)
from tailrace_agent.delivery import Delivery
from tailrace_agent.positions import Chunk, Position, Tail
from tailrace_agent.protocols import CheckpointUnwritable
from tailrace_agent.records import Records
from tests.agent.harness import (
    AGENT,
    FailingSink,
    RecordingSink,
    SteppedClock,
    dead_letters_of,
    events_of,
    ledger_of,
)

PLACEMENT = Placement(
    dataset="generic",
    parser="plain",
    time_rule="generation",
    time_zone="UTC",
    anchor_ms=0,
    earliest_ms=0,
    latest_ms=1,
)


class RememberingStore:
    """Keeps what was saved; a full one refuses."""

    def __init__(self) -> None:
        self.records: dict[str, AgentLedger] = {}
        self.is_full = False
        self.is_broken = False
        """Not even a file can be removed."""
        self.has_gap = False

    def save(self, records: Sequence[AgentLedger]) -> None:
        if self.is_full:
            raise CheckpointUnwritable("The disk is full.", remedy="make room")
        self.records.update({r.generation: r for r in records})

    def admit_gap(self) -> None:
        if self.is_broken:
            raise CheckpointUnwritable("The disk is bad.", remedy="replace it")
        self.has_gap = True

    def close_gap(self) -> None:
        self.has_gap = False

    def remove(self, generations: Sequence[str]) -> None:
        if self.is_full:
            raise CheckpointUnwritable("The disk is full.", remedy="make room")
        for generation in generations:
            self.records.pop(generation, None)


def record(generation: str = "g1") -> AgentLedger:
    identity = FileIdentity(
        host_id="h",
        filesystem_id="f",
        inode=1,
        born_at_ns=1,
        born_at_known=True,
        truncation_count=0,
    )
    return AgentLedger(
        generation=generation,
        revision=0,
        agent_id="a",
        host_id="h",
        host_name="b",
        path="/a.log",
        source="s",
        identity=identity,
        placement=PLACEMENT,
        head_size_bytes=0,
        head_hash="",
        tail_size_bytes=0,
        tail_hash="",
        next_offset=0,
        next_event_number=0,
        seen_size_bytes=0,
        updated_at_ms=0,
    )


def chunk(number: int, *, cut: Cut | None = None) -> Chunk:
    """Return the `number`-th chunk of ten bytes, one line each."""
    value = b"line %04d" % number + (b"" if cut else b"\n")
    return Chunk(
        first_offset=number * 10,
        size_bytes=len(value),
        skipped_before_bytes=0,
        first_event_number=number,
        event_count=1,
        framing="newline",
        value=value,
        after=Position(number * 10 + len(value), number + 1, Tail(1, "x")),
        cut=cut,
    )


def delivery_to(sink: RecordingSink, store: RememberingStore) -> Delivery:
    clock = SteppedClock()
    delivery = Delivery(
        sink=sink,
        store=store,
        records=Records(AGENT, namespace="t", sources={}, clock=clock),
        clock=clock,
        log=structlog.wrap_logger(None, processors=[structlog.testing.LogCapture()]),
    )
    # Kafka has heard of it: something of it was sent before.
    known = msgspec.structs.replace(record(), next_event_number=1)
    delivery.adopt(known, is_restored=True)
    return delivery


def saved_offset(store: RememberingStore) -> int:
    return store.records["g1"].next_offset if "g1" in store.records else 0


def test_p1_nothing_is_saved_before_its_acknowledgement() -> None:
    sink, store = RecordingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    sink.is_holding = True
    delivery.ship("g1", chunk(0))
    delivery.settle()
    delivery.commit()
    assert saved_offset(store) == 0
    sink.release()
    delivery.settle()
    delivery.commit()
    assert saved_offset(store) == 10
    assert delivery.outbox.in_flight_bytes == 0


def test_p1_acknowledgement_behind_a_gap_waits_for_the_gap() -> None:
    sink, store = RecordingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    sink.is_holding = True
    for number in range(4):
        delivery.ship("g1", chunk(number))
    sink.release(count=2, backwards=True)
    delivery.settle()
    delivery.commit()
    assert saved_offset(store) == 0
    sink.release(count=1)
    delivery.settle()
    delivery.commit()
    assert saved_offset(store) == 10
    sink.release()
    delivery.settle()
    delivery.commit()
    assert saved_offset(store) == 40


def test_k2_k4_failed_chunk_and_all_behind_it_are_sent_again_in_order() -> None:
    sink, store = FailingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    delivery.ship("g1", chunk(0))
    sink.fail_next = FailureKind.PRODUCER
    delivery.ship("g1", chunk(1))
    sink.is_holding = True
    delivery.ship("g1", chunk(2))
    delivery.settle()
    assert delivery.broken == "as the test asks"
    delivery.commit()
    assert saved_offset(store) == 10
    sink.is_holding = False
    assert delivery.recover()
    delivery.settle()
    delivery.commit()
    assert saved_offset(store) == 30
    assert [e.offset for e in events_of(sink)] == [0, 10, 20]


def test_k1_what_is_shipped_while_kafka_is_down_is_sent_when_it_is_back() -> None:
    sink, store = FailingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    sink.is_down = True
    delivery.ship("g1", chunk(0))
    assert not delivery.recover()
    delivery.settle()
    delivery.commit()
    assert saved_offset(store) == 0
    sink.is_down = False
    assert delivery.recover()
    delivery.settle()
    delivery.commit()
    assert saved_offset(store) == 10
    assert sink.renewed_count == 1


def test_k5_refused_record_becomes_a_dead_letter_and_the_rest_goes_on() -> None:
    sink, store = FailingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    sink.fail_next = FailureKind.TOO_LARGE
    delivery.ship("g1", chunk(0))
    delivery.ship("g1", chunk(1))
    for _ in range(3):  # The refusal, the dead letter, and the word of it.
        delivery.settle()
    delivery.commit()
    (letter,) = dead_letters_of(sink)
    assert (letter.reason, letter.original) == ("record_too_large", b"line 0000\n")
    assert delivery.dead_events == {"record_too_large": letter.event_count}
    assert saved_offset(store) == 20


def test_k5_the_stream_hears_of_what_was_refused_once_its_dead_letter_is_safe() -> None:
    """Else nothing after the agent would know of these numbers, nor ever be at rest."""
    sink, store = FailingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    sink.fail_next = FailureKind.TOO_LARGE
    delivery.ship("g1", chunk(0))
    sink.is_holding = True
    delivery.settle()
    assert [record.topic for _, record in sink.held] == ["t.dead"]

    sink.release()
    delivery.settle()
    assert [record.topic for _, record in sink.held] == ["t.raw"]
    delivery.commit()
    assert saved_offset(store) == 0

    sink.release()
    delivery.settle()
    delivery.commit()

    assert saved_offset(store) == 10
    (word,) = [record for record in sink.stored if record.topic == "t.raw"]
    origin = decode(dict(word.headers)[ORIGIN_HEADER], as_type=Origin)
    assert (word.value, origin.dead_reason) == (b"", "record_too_large")
    assert (origin.first_offset, origin.size_bytes) == (0, 10)
    assert (origin.first_event_number, origin.event_count) == (0, 1)


def test_k5_the_word_of_what_was_refused_is_sent_again_after_a_failure() -> None:
    sink, store = FailingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    sink.fail_next = FailureKind.TOO_LARGE
    delivery.ship("g1", chunk(0))
    delivery.settle()
    sink.fail_next = FailureKind.PRODUCER
    delivery.settle()
    delivery.settle()
    assert delivery.broken

    assert delivery.recover()
    delivery.settle()
    delivery.commit()

    assert saved_offset(store) == 10
    assert [record.topic for record in sink.stored] == ["t.dead", "t.raw"]


def test_k5_a_topic_that_takes_nothing_at_all_does_not_hold_the_file_for_ever() -> None:
    sink, store = FailingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    sink.fail_next = FailureKind.TOO_LARGE
    delivery.ship("g1", chunk(0))
    for _ in range(2):  # Its dead letter, and the word of both.
        sink.fail_next = FailureKind.TOO_LARGE
        delivery.settle()
    delivery.settle()
    delivery.commit()
    assert saved_offset(store) == 10
    assert sink.stored == []


def test_f28_cut_is_in_both_homes_before_its_chunk_is_sent() -> None:
    sink, store = RecordingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    sink.is_holding = True
    cut = Cut(offset=0, next_offset=9, reason="flushed")
    for _ in range(2):
        assert not delivery.ship("g1", chunk(0, cut=cut))
    assert store.records["g1"].cuts == (cut,)
    ((_, told),) = sink.held
    assert decode(told.value, as_type=AgentLedger).cuts == (cut,)
    sink.release()
    delivery.settle()
    assert delivery.ship("g1", chunk(0, cut=cut))
    assert [r.topic for _, r in sink.held] == ["t.raw"]


def test_f28_cut_of_an_earlier_life_is_told_to_the_ledger_again() -> None:
    """The last life may have ended before the ledger had it."""
    sink, store = RecordingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    cut = Cut(offset=0, next_offset=9, reason="flushed")
    known = msgspec.structs.replace(record("g2"), cuts=(cut,), next_event_number=1)
    delivery.adopt(known, is_restored=True)
    assert not delivery.ship("g2", chunk(0, cut=cut))
    (told,) = sink.stored
    assert decode(told.value, as_type=AgentLedger).cuts == (cut,)
    delivery.settle()
    assert delivery.ship("g2", chunk(0, cut=cut))


def test_cut_that_the_disk_does_not_take_is_not_sent() -> None:
    sink, store = RecordingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    store.is_full = True
    cut = Cut(offset=0, next_offset=9, reason="flushed")
    with pytest.raises(CheckpointUnwritable):
        delivery.ship("g1", chunk(0, cut=cut))
    assert not sink.stored


def test_p4_full_disk_stops_the_checkpoint_and_not_the_shipping() -> None:
    sink, store = RecordingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    delivery.ship("g1", chunk(0))
    delivery.settle()
    store.is_full = True
    assert not delivery.commit()
    assert delivery.unwritable
    delivery.ship("g1", chunk(1))
    delivery.settle()
    assert len(events_of(sink)) == 2
    store.is_full = False
    assert delivery.commit()
    assert saved_offset(store) == 20
    assert delivery.unwritable is None


def test_p4_generation_without_room_is_sent_only_once_the_checkpoint_says_so() -> None:
    sink, store = RecordingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    delivery.adopt(record("g2"), is_restored=False)
    delivery.declare("g2")
    delivery.settle()
    store.is_full = store.is_broken = True
    assert not delivery.save_new("g2")
    assert not delivery.commit()
    assert not delivery.save_new("g2")
    store.is_broken = False
    assert not delivery.commit()
    assert store.has_gap
    assert delivery.save_new("g2")
    store.is_full = False
    assert delivery.commit()
    assert not store.has_gap
    assert "g2" in store.records


def test_p1_f2_generation_is_in_the_checkpoint_before_kafka_hears_of_it() -> None:
    """Its file may have another name when the next life begins."""
    sink, store = RecordingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    delivery.adopt(record("g2"), is_restored=False)
    assert delivery.save_new("g2")
    assert "g2" in store.records
    assert not sink.stored
    delivery.declare("g2")
    delivery.declare("g2")
    assert [told.generation for told in ledger_of(sink)] == ["g2"]
    assert not delivery.is_declared("g2")
    delivery.settle()
    assert delivery.is_declared("g2")


def test_p1_f4_no_word_of_a_generation_is_told_that_the_checkpoint_does_not_know() -> (
    None
):
    """Of a file that is emptied as soon as it was met, say: the next life would begin it anew,
    under the same name, and count from less than the ledger was told."""
    sink, store = RecordingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    delivery.adopt(record("g2"), is_restored=False)
    delivery.amend("g2", lost=("truncated", 96), is_closed=True)
    store.is_full = store.is_broken = True
    delivery.report("g2")
    assert not sink.stored
    assert delivery.needs_report("g2")
    store.is_full = store.is_broken = False
    assert delivery.commit()
    delivery.report("g2")
    assert [told.lost_bytes for told in ledger_of(sink)] == [{"truncated": 96}]
    assert store.records["g2"].is_closed


def test_p5_generation_of_which_nothing_was_sent_is_declared_by_the_next_life_too() -> (
    None
):
    """The last one may have ended before Kafka heard of it."""
    sink, store = RecordingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    delivery.adopt(record("g2"), is_restored=True)
    assert delivery.save_new("g2")
    assert not delivery.is_declared("g2")
    delivery.declare("g2")
    delivery.settle()
    assert delivery.is_declared("g2")
    assert [told.generation for told in ledger_of(sink)] == ["g2"]


def test_f20_generation_that_is_back_before_it_was_forgotten_stays_in_the_checkpoint() -> (
    None
):
    store = RememberingStore()
    delivery = delivery_to(RecordingSink(), store)
    delivery.retire("g1", is_forgotten=True)
    delivery.adopt(record(), is_restored=True)
    assert delivery.commit()
    assert "g1" in store.records


def test_report_is_sent_only_with_news_and_each_has_a_higher_revision() -> None:
    sink, store = RecordingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    for number in range(3):
        delivery.ship("g1", chunk(number))
        delivery.settle()
        delivery.report("g1")
        delivery.report("g1")
    told = [(r.revision, r.next_offset) for r in ledger_of(sink)]
    assert told == [(1, 10), (2, 20), (3, 30)]


def test_lost_bytes_add_up_by_reason() -> None:
    sink, store = RecordingSink(), RememberingStore()
    delivery = delivery_to(sink, store)
    delivery.amend("g1", lost=("deleted", 5))
    delivery.amend("g1", lost=("deleted", 7))
    delivery.amend("g1", lost=("shrunk", 0))
    assert delivery.record_of("g1").lost_bytes == {"deleted": 12}
