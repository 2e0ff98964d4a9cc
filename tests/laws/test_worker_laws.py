"""What stream workers promise: laws of the simulation's workers and of Faust's on Kafka.

Both run the same classes. Around them the simulation has a loop, a consumer and a producer
of its own, and these laws say that nothing passes there which would not pass on real ones.
The order of documents is not among the promises (`CommitProtocol`): each tells its place.
What keeps the order of a partition is what is said and committed of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tailrace.kill_points import armed
from tailrace.topics import DEAD, DOCS, LEDGER, PARTITIONS, RATES, STATE
from tailrace_embedded.stack import Endpoints
from tests.laws.real_workers import RealWorkers
from tests.laws.shipped import (
    Shipment,
    letters_in,
    of_partition,
    poison,
    sendings,
    states_in,
    text_of,
    words_in,
)
from tests.laws.workers import Sending, SimulatedWorkers, Workers
from tests.stream.harness import stream_on_kafka
from tests.stream.test_worker import rates_in

pytestmark = pytest.mark.timeout(120)

NEVER_COMMITTED = PARTITIONS - 1
"""A partition that one law alone may write to."""


@dataclass(slots=True)
class SharedWorkers:
    """Real workers, shared by all laws that leave them in order."""

    stack: Endpoints
    folder_of: pytest.TempPathFactory
    closing: ExitStack
    current: RealWorkers | None = None

    def give(self, namespace: str) -> RealWorkers:
        if self.current is None:
            stream = stream_on_kafka(
                self.stack, namespace=namespace, folder=self.folder_of.mktemp("workers")
            )
            started = self.closing.enter_context(stream)
            self.current = RealWorkers(started, self.closing)
        self.current.begin()
        return self.current

    def take_back(self, workers: RealWorkers) -> None:
        if not workers.is_settled():
            workers.close()
            self.current = None


@pytest.fixture(scope="module")
def shared(
    stack: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedWorkers]:
    with ExitStack() as closing:
        yield SharedWorkers(stack, tmp_path_factory, closing)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.stack)])
def workers(request: pytest.FixtureRequest, namespace: str) -> Iterator[Workers]:
    if request.param == "fake":
        simulated = SimulatedWorkers()
        with armed(simulated):
            yield simulated
        simulated.close()
        return
    shared: SharedWorkers = request.getfixturevalue("shared")
    real = shared.give(namespace)
    yield real
    shared.take_back(real)


@pytest.fixture
def shipment(workers: Workers) -> Shipment:
    return Shipment(workers)


def test_s2_every_line_becomes_a_document_of_its_partition_and_is_told_in_order(
    shipment: Shipment,
) -> None:
    """With the ids that the file alone tells, however often lines are sent again."""
    workers = shipment.workers
    workers.run(1)
    files = [shipment.file(partition) for partition in (0, 3, 3)]
    for again in (0, 2, 0, 4, 5):
        shipment.send(*(file.grow(7, again=again) for file in files))
    shipment.await_commit()

    shipment.assert_exact()
    docs = workers.read(DOCS)
    for file in files:
        at_home = sendings(of_partition(docs, file.partition))
        assert {key: len(at_home.get(key, ())) for key in file.ids} == file.sent_counts
    words, states = words_in(workers.read(LEDGER)), states_in(workers)
    for file in files:
        told = [word.event_count for word in words[file.generation]]
        kept = [state.revision for state in states[file.generation]]
        assert told == sorted(told)
        assert kept == sorted(kept)


def test_s1_nothing_is_told_or_committed_before_its_documents_are_acknowledged(
    shipment: Shipment,
) -> None:
    """Its rates are sent beside the documents, and show that all of it was worked."""
    workers = shipment.workers
    workers.run(1)
    workers.hold(DOCS)
    file = shipment.file(2)
    shipment.send(*(file.grow(5) for _ in range(4)))
    workers.until(
        lambda: rates_in(workers.read(RATES)).total() == 20, what="all the rates"
    )
    shipment.await_commit_elsewhere(6)

    assert shipment.is_untouched(2)
    assert not of_partition(workers.read(STATE), 2)
    assert not of_partition(workers.read(LEDGER), 2)
    workers.release(DOCS)
    shipment.await_commit()
    shipment.assert_exact()


def test_k4_a_slow_output_of_one_record_holds_back_all_that_come_after_it(
    shipment: Shipment,
) -> None:
    """Their documents are sent meanwhile; told and committed is none of them."""
    workers = shipment.workers
    workers.run(1)
    workers.hold(DEAD)
    shipment.send(poison(5))
    file = shipment.file(5)
    shipment.send(*(file.grow(6) for _ in range(3)))
    workers.until(
        lambda: len(sendings(workers.read(DOCS))) == 18, what="the later documents"
    )
    # The dead letters are held, so what is committed elsewhere has documents.
    other = shipment.file(1)
    shipment.send(other.grow(1))
    last = shipment.newest[1]
    workers.until(lambda: workers.committed().get(1, 0) > last, what="another's commit")

    assert shipment.is_untouched(5)
    assert not of_partition(workers.read(STATE), 5)
    assert not of_partition(workers.read(LEDGER), 5)
    workers.release(DEAD)
    shipment.await_commit()
    shipment.assert_exact()
    assert [letter.original for letter in letters_in(workers)] == [b"poison"]


def test_s2_s3_p1_workers_killed_before_and_after_an_ack_are_followed_by_the_same(
    shipment: Shipment,
) -> None:
    """What was sent and not committed is sent again, the same, and counted once."""
    workers = shipment.workers
    workers.run(0)
    files = [shipment.file(partition) for partition in (1, 4)]
    for again in (0, 3, 3):
        shipment.send(*(file.grow(8, again=again) for file in files))
    killed_at = Counter[str]()
    for point in ("S3:2", "S4:1"):
        workers.await_death(workers.start(kill=point), point=point[:2])
        assert not shipment.is_committed()
        killed_at = Counter(
            {key: len(each) for key, each in sendings(workers.read(DOCS)).items()}
        )
        assert killed_at
    workers.run(1)
    shipment.await_commit()

    shipment.assert_exact()
    sent = {key: len(each) for key, each in sendings(workers.read(DOCS)).items()}
    assert any(sent[key] > killed_at[key] for key in killed_at)


def test_s9_one_of_two_workers_goes_and_the_other_goes_on_where_it_stood(
    shipment: Shipment,
) -> None:
    """From its offset and its state: nothing is done again, and nothing counts twice."""
    workers = shipment.workers
    pair = workers.run(2)

    def is_shared() -> bool:
        first, second = map(workers.partitions_of, pair)
        return bool(first and second) and len(first ^ second) == PARTITIONS

    workers.until(is_shared, what="partitions shared by two workers")
    files = [shipment.file(partition) for partition in range(PARTITIONS - 1)]
    for again in (0, 2):
        shipment.send(*(file.grow(4, again=again) for file in files))
    shipment.await_commit()
    workers.stop(pair[0])
    for again in (5, 1):
        shipment.send(*(file.grow(3, again=again) for file in files))
    shipment.await_commit()

    shipment.assert_exact()
    expected = sum((file.sent_counts for file in files), Counter[str]())
    found = sendings(workers.read(DOCS))
    assert {key: len(each) for key, each in found.items()} == expected


def test_s9_a_worker_that_is_asked_to_stop_commits_what_it_has_sent(
    shipment: Shipment,
) -> None:
    workers = shipment.workers
    (worker,) = workers.run(1)
    file = shipment.file(0)
    shipment.send(*(file.grow(6) for _ in range(5)))
    workers.until(
        lambda: len(sendings(workers.read(DOCS))) == 30, what="all the documents"
    )
    workers.stop(worker)

    assert shipment.is_committed()
    shipment.assert_exact()


def test_k11_poison_is_dead_lettered_once_and_its_partition_goes_on(
    shipment: Shipment,
) -> None:
    """So do a tombstone and an empty record pass, and others' lines are taken."""
    workers = shipment.workers
    workers.run(1)
    file = shipment.file(4)
    shipment.send(
        file.grow(3),
        Sending(partition=4, value=None, key=file.generation.encode()),
        poison(4, b"nobody's"),
        Sending(partition=4, value=b""),
        Sending(partition=4, value=b"a line of another collector"),
        file.grow(3, again=1),
    )
    shipment.await_commit()

    (letter,) = letters_in(workers)
    assert (letter.reason, letter.original) == ("origin_unreadable", b"nobody's")
    assert (letter.partition, letter.offset) == (4, shipment.first[4] + 2)
    found = sendings(workers.read(DOCS))
    texts = {key: text_of(each[0]) for key, each in found.items()}
    assert texts.items() > file.texts.items()
    others = texts.keys() - file.texts.keys()
    assert sorted(texts[key] for key in others) == ["", "a line of another collector"]


def test_k10_offsets_that_no_record_has_stop_nobody(shipment: Shipment) -> None:
    """The markers of transactions: between records, at the end, and after a start."""
    workers = shipment.workers
    file = shipment.file(2)
    workers.run(1)
    shipment.send(file.grow(3))
    shipment.send(file.grow(3), file.grow(2, again=1), is_transaction=True)
    shipment.send(file.grow(4))
    shipment.send(file.grow(1), is_transaction=True)
    shipment.await_commit()
    workers.run(0)
    workers.run(1)
    shipment.send(file.grow(2))
    shipment.await_commit()

    shipment.assert_exact()


def test_k10_what_retention_took_before_it_was_read_is_told_as_a_gap(
    shipment: Shipment,
) -> None:
    workers = shipment.workers
    workers.run(1)
    file = shipment.file(6)
    shipment.send(file.grow(3))
    shipment.await_commit()
    workers.run(0)
    shipment.send(file.grow(4), file.grow(5))
    workers.delete_before(6, shipment.newest[6])
    workers.run(1)
    shipment.await_commit()

    (told,) = words_in(workers.read(LEDGER))[file.generation][-1:]
    assert told.event_count == 8
    gap = sum(map(len, file.lines[:3])), sum(map(len, file.lines[:7]))
    assert told.gaps == (gap,)
    found = sendings(workers.read(DOCS))
    assert sorted(found) == sorted(file.ids[:3] + file.ids[7:])


def test_k10_a_partition_never_committed_is_begun_where_retention_left_it(
    shipment: Shipment,
) -> None:
    """Nothing before it was ever anybody's to miss."""
    workers = shipment.workers
    workers.run(0)
    file = shipment.file(NEVER_COMMITTED)
    shipment.send(file.grow(4), file.grow(5))
    workers.delete_before(NEVER_COMMITTED, shipment.newest[NEVER_COMMITTED])
    (worker,) = workers.run(1)
    shipment.await_commit()
    workers.until(lambda: "chunks" in workers.counts_of(worker), what="its counts")

    assert sorted(sendings(workers.read(DOCS))) == sorted(file.ids[4:])
    counts = workers.counts_of(worker)
    assert "records_missing" not in counts


def test_s10_a_partition_that_ends_without_a_record_is_no_work_left_undone(
    shipment: Shipment,
) -> None:
    """The marker of a transaction has an offset: who waits for its record stands still."""
    workers = shipment.workers
    workers.run(0)
    file = shipment.file(3)
    shipment.send(file.grow(3), is_transaction=True)
    worker = workers.start(is_impatient=True)
    shipment.await_commit()
    workers.until(
        lambda: "ends_without_record" in workers.counts_of(worker),
        what="the question for the record",
    )
    shipment.send(file.grow(2))
    shipment.await_commit()

    shipment.assert_exact()
    workers.stop(worker)
