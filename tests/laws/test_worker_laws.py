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
from tests.laws.workers import Manner, Sending, SimulatedWorkers, Workers
from tests.stream.harness import stream_on_kafka
from tests.stream.test_worker import rates_in

pytestmark = pytest.mark.timeout(600)

RECORD_EVENTS_MAX = 8
"""Of what these laws send: a record that is done again makes so many documents twice."""
ROUNDS = 40
"""Of records over all files, enough to be amid them while partitions change hands."""
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
    """Their documents are sent meanwhile; told and committed is what came before it."""
    workers = shipment.workers
    workers.run(1)
    workers.hold(DEAD)
    file = shipment.file(5)
    shipment.send(file.grow(2), poison(5), *(file.grow(6) for _ in range(3)))
    shipment.await_documents()
    # The dead letters are held, so what is committed elsewhere has documents.
    other = shipment.file(1)
    shipment.send(other.grow(1))
    workers.until(lambda: shipment.is_committed_to(1), what="another's commit")

    assert workers.committed()[5] == shipment.first[5] + 1
    kept = states_in(workers)[file.generation]
    assert {state.revision for state in kept} == {2}
    said = words_in(workers.read(LEDGER)).get(file.generation, [])
    assert {word.event_count for word in said} <= {2}
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
    """It commits what it has sent, and nothing is done again and nothing counts twice."""
    workers = shipment.workers
    (staying,) = workers.run(1)
    excused_before = excused_by(workers, staying)
    going = workers.start(manner=Manner.SELDOM)
    workers.until(
        lambda: is_shared(workers, staying, going),
        what="partitions shared by two workers",
    )
    files = [shipment.file(partition) for partition in range(PARTITIONS - 1)]
    for again in (0, 2):
        shipment.send(*(file.grow(4, again=again) for file in files))
    shipment.await_documents()
    left = workers.partitions_of(going) & shipment.newest.keys()
    assert not any(map(shipment.is_committed_to, left))
    workers.stop(going)
    assert all(map(shipment.is_committed_to, left))
    for again in (5, 1):
        shipment.send(*(file.grow(3, again=again) for file in files))
    shipment.await_commit()

    shipment.assert_exact()
    assert_sent_once(shipment, staying, going, excused_before=excused_before)


def test_s9_a_worker_that_comes_amid_the_work_has_nothing_done_again(
    shipment: Shipment,
) -> None:
    """What is in work when its partition changes hands is finished or not begun."""
    workers = shipment.workers
    (staying,) = workers.run(1)
    excused_before = excused_by(workers, staying)
    coming = workers.start()
    files = [shipment.file(partition) for partition in range(PARTITIONS - 1)]
    waiting = iter(files * ROUNDS)

    def is_shared_amid_the_work() -> bool:
        if (file := next(waiting, None)) is not None:
            shipment.send(file.grow(1))
        return is_shared(workers, staying, coming)

    workers.until(is_shared_amid_the_work, what="partitions shared by two workers")
    for file in files:
        shipment.send(file.grow(2, again=1))
    shipment.await_commit()

    shipment.assert_exact()
    assert_sent_once(shipment, staying, coming, excused_before=excused_before)


def is_shared(workers: Workers, *names: str) -> bool:
    """Tell whether two workers have all partitions between them, and both have some."""
    first, second = map(workers.partitions_of, names)
    return bool(first and second) and len(first ^ second) == PARTITIONS


def assert_sent_once(shipment: Shipment, *names: str, excused_before: int) -> None:
    """Assert that nothing was sent twice but what these workers say of themselves.

    Where a machine is slow they may give up a record in work because its partition goes,
    or a send that the brokers take all the same. They count each, and either is done again
    for that one record.
    """
    workers = shipment.workers
    expected = sum((file.sent_counts for file in shipment.files), Counter[str]())
    sent = sendings(workers.read(DOCS)).items()
    found = Counter({key: len(each) for key, each in sent})
    assert found >= expected
    repeated = (found - expected).total()
    if repeated:
        workers.until(
            lambda: (
                (excused_by(workers, *names) - excused_before) * RECORD_EVENTS_MAX
                >= repeated
            ),
            what=f"as many records given up as alone excuse {found - expected}",
        )


def excused_by(workers: Workers, *names: str) -> int:
    """Return how many records these workers gave up amid their work, or a send of."""
    return sum(
        workers.counts_of(name).get(key, 0)
        for name in names
        for key in ("records_given_up", "failures.PublishFailed")
    )


def test_k9_p9_a_worker_that_slept_while_another_went_on_takes_nothing_back(
    shipment: Shipment,
) -> None:
    """It wakes amid its work, of which all is done by then."""
    workers = shipment.workers
    (sleeper,) = workers.run(1)
    workers.hold(DEAD)
    file = shipment.file(3)
    shipment.send(poison(3), file.grow(4), file.grow(4, again=1))
    shipment.await_documents()
    workers.put_to_sleep(sleeper)
    workers.release(DEAD)
    other = workers.start()
    workers.until(
        lambda: len(workers.partitions_of(other)) == PARTITIONS,
        what="another worker with all partitions",
    )
    shipment.await_commit()
    shipment.send(file.grow(5, again=2))
    shipment.await_commit()
    behind = workers.committed()[3]
    workers.wake(sleeper)
    workers.until(
        lambda: 0 < len(workers.partitions_of(other)) < PARTITIONS,
        what="partitions shared with the one that slept",
    )

    assert workers.committed()[3] == behind
    shipment.send(file.grow(2))
    shipment.await_commit()
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


def test_k10_s10_offsets_that_no_record_has_stop_nobody(shipment: Shipment) -> None:
    """The markers of transactions: between records, at the end, and after a start.

    Behind the last of them no record waits, which is no work left undone.
    """
    workers = shipment.workers
    workers.run(1)
    file = shipment.file(2)
    shipment.send(file.grow(3), is_transaction=True)
    shipment.send(file.grow(4), file.grow(2))
    shipment.send(file.grow(3), is_transaction=True)
    shipment.await_commit()
    workers.run(0)
    worker = workers.start(manner=Manner.IMPATIENT)
    workers.until(
        lambda: "ends_without_record" in workers.counts_of(worker),
        what="the question for a record that waits",
    )
    workers.stop(worker)
    workers.run(1)
    shipment.send(file.grow(2))
    shipment.await_commit()

    shipment.assert_exact()


def test_k10_what_retention_took_is_a_gap_where_it_was_somebodys_to_read(
    shipment: Shipment,
) -> None:
    """Before a partition's first commit it was nobody's: reading begins behind it."""
    workers = shipment.workers
    workers.run(1)
    file, other = shipment.file(6), shipment.file(NEVER_COMMITTED)
    shipment.send(file.grow(3))
    shipment.await_commit()
    workers.run(0)
    for each in (file, other):
        shipment.send(each.grow(4), each.grow(5))
        workers.delete_before(each.partition, shipment.newest[each.partition])
    (worker,) = workers.run(1)
    shipment.await_commit()
    workers.until(
        lambda: workers.counts_of(worker).get("chunks", 0) == 2, what="its counts"
    )

    assert workers.counts_of(worker)["records_missing"] == 1
    (told,) = words_in(workers.read(LEDGER))[file.generation][-1:]
    assert told.event_count == 8
    gap = sum(map(len, file.lines[:3])), sum(map(len, file.lines[:7]))
    assert told.gaps == (gap,)
    found = sendings(workers.read(DOCS))
    assert sorted(found) == sorted(file.ids[:3] + file.ids[7:] + other.ids[4:])
