"""What an audit sees of the index at one moment: laws of both servers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson
import pytest

from tailrace.audit.index import ElasticIndex
from tailrace.audit.sources import Index, SnapshotLost
from tailrace.audit.windows import WindowSum
from tailrace.clock import SystemClock
from tailrace.elasticsearch import Elastic
from tailrace.ledger import INDEX_EXPIRED
from tailrace_indexer.outcomes import Reason
from tests.infra.audit.builders import (
    GENERATION,
    LINE_BYTES,
    WINDOW,
    HeldDocument,
    window_sum,
)
from tests.laws.services import (
    BulkService,
    RealElasticsearch,
    verdicts,
    with_templates,
)
from tests.support.fakes.audited import MemoryAuditIndex
from tests.support.fakes.elasticsearch import MemoryElasticsearch

OTHER = "fedcba9876543210" * 2
EVEN, ODD, DEAD = "generic-2023.11.14", "generic-2023.11.15", "dead-2023.11.14"
Line = tuple[str, bytes]
"""An id, and a source."""


@dataclass(frozen=True, slots=True)
class Audited:
    """An index as audits see it, and where its documents come from."""

    index: Index
    service: BulkService
    namespace: str

    def store(self, name: str, lines: Sequence[Line]) -> None:
        index = f"{self.namespace}-{name}"
        actions = [
            orjson.dumps({"create": {"_index": index, "_id": document_id}})
            + b"\n"
            + source
            for document_id, source in lines
        ]
        body = b"\n".join([*actions, b""])
        found = verdicts(self.service.bulk(body), body)
        assert {verdict.reason for verdict in found} == {Reason.STORED}

    def delete(self, name: str) -> None:
        self.service.delete_index(f"{self.namespace}-{name}")


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def audited(request: pytest.FixtureRequest, namespace: str) -> Iterator[Audited]:
    """Give two indices of events and one of dead letters, all empty."""
    if request.param == "memory":
        memory = MemoryElasticsearch()
        index = MemoryAuditIndex(memory, namespace, WINDOW)
        yield with_indices(Audited(index, memory, namespace))
        return
    connections = with_templates(request)
    with Elastic(connections) as elastic:
        yield with_indices(
            Audited(
                ElasticIndex(
                    elastic,
                    namespace=namespace,
                    window_events=WINDOW,
                    clock=SystemClock(),
                ),
                RealElasticsearch(elastic, connections=connections),
                namespace,
            )
        )


def with_indices(audited: Audited) -> Audited:
    for name in (EVEN, ODD, DEAD):
        audited.service.create_index(f"{audited.namespace}-{name}")
    return audited


def events(numbers: Sequence[int], *, generation: str = GENERATION) -> list[Line]:
    made = [HeldDocument(number, generation=generation) for number in numbers]
    return [(each.document_id, each.source) for each in made]


def letter(
    number: int,
    *,
    count: int | None = None,
    reason: str = "parser_raised",
    delivered_at_ms: int | None = None,
    is_reopened: bool = False,
) -> Line:
    source: dict[str, object] = {
        "tailrace.generation": GENERATION,
        "event.sequence": number,
        "dead.reason": reason,
    }
    if count is not None:
        source["dead.event_count"] = count
    if is_reopened:
        source["dead.delivered_at"] = None
    if delivered_at_ms is None:
        return f"dead-{number}", orjson.dumps(source)
    source["dead.delivered_at"] = delivered_at_ms
    return f"delivered-{number}", orjson.dumps(source)


@pytest.mark.timeout(60)
def test_sums_are_those_of_all_indices_by_generation_and_window(
    audited: Audited,
) -> None:
    """Doubles count twice; a letter of several events says that it is none of one."""
    audited.store(EVEN, events(range(0, 25, 2)))
    audited.store(ODD, events(range(1, 25, 2)))
    twice = HeldDocument(3, copy=1)
    audited.store(ODD, [(twice.document_id, twice.source)])
    audited.store(ODD, events([4], generation=OTHER))
    audited.store(DEAD, [letter(7, count=1), letter(12, count=3)])

    with audited.index.snapshot() as snapshot:
        sums = snapshot.sums(None)
        one = snapshot.sums([OTHER])

    assert set(sums) == {GENERATION, OTHER}
    assert sums[GENERATION].stored == {
        0: window_sum([*range(10), 3]),
        1: window_sum(range(10, 20)),
        2: window_sum(range(20, 25)),
    }
    assert sums[GENERATION].dead == {
        0: window_sum([7]),
        1: WindowSum(
            count=1, total=12, lowest=12, highest=12, squares=144, is_single=False
        ),
    }
    assert one == {OTHER: sums[OTHER]}
    assert sums[OTHER].stored == {0: window_sum([4])}


@pytest.mark.timeout(60)
def test_numbers_in_the_spans_are_seen_as_often_as_they_are_there(
    audited: Audited,
) -> None:
    twice = HeldDocument(3, copy=1)
    audited.store(EVEN, events([0, 3, 11, 25]))
    audited.store(ODD, [(twice.document_id, twice.source)])
    audited.store(DEAD, [letter(8, count=4), letter(20)])
    audited.store(DEAD, [letter(13, count=1, reason="index_expired")])

    spans = [range(10), range(10, 20)]
    with audited.index.snapshot() as snapshot:
        numbers = snapshot.numbers(GENERATION, spans=spans)

    assert [n for n in range(20) if numbers.stored.count(n)] == [0, 3, 11]
    assert numbers.stored.count(3) == 2
    assert [n for n in range(20) if numbers.dead.count(n)] == [8, 9, 10, 11, 13]
    assert [n for n in range(20) if numbers.late.count(n)] == [13]


@pytest.mark.timeout(60)
def test_letters_that_stand_under_another_id_than_their_own_are_noted(
    audited: Audited,
) -> None:
    """One that is delivered, too; the same letter of another day stands under its own."""
    said: dict[str, object] = {
        "tailrace.generation": GENERATION,
        "event.sequence": 8,
        "dead.id": "d8",
    }
    done = {**said, "dead.delivered_at": 5}
    named = [("d8", said), ("copy", said), ("other", done)]
    audited.store(DEAD, [(name, orjson.dumps(each)) for name, each in named])
    audited.store(EVEN, events([1]))

    with audited.index.snapshot() as snapshot:
        numbers = snapshot.numbers(GENERATION, spans=[range(10)])

    found = {(each.document_id, each.dead_id, each.number) for each in numbers.misnamed}
    assert found == {("copy", "d8", 8), ("other", "d8", 8)}
    assert {e.index for e in numbers.misnamed} == {f"{audited.namespace}-{DEAD}"}


@pytest.mark.timeout(60)
def test_places_name_each_document_of_a_number_with_its_offset_and_size(
    audited: Audited,
) -> None:
    held, twice = HeldDocument(3), HeldDocument(3, copy=1)
    audited.store(EVEN, events([3, 4]))
    audited.store(ODD, [(twice.document_id, twice.source)])

    with audited.index.snapshot() as snapshot:
        places = snapshot.places(GENERATION, numbers=[3, 9])
        nothing = snapshot.places(GENERATION, numbers=[])

    assert {place.document for place in places} == {
        f"{audited.namespace}-{EVEN}/{held.document_id}",
        f"{audited.namespace}-{ODD}/{twice.document_id}",
    }
    assert [(place.number, place.offset) for place in places] == [
        (3, 3 * LINE_BYTES)
    ] * 2
    assert list(nothing) == []
    # The id of the second is not its line's, so that its size cannot be told by it.
    sizes = {place.document.rpartition("/")[2]: place.size_bytes for place in places}
    assert sizes[held.document_id] == LINE_BYTES - 1


@pytest.mark.timeout(60)
def test_events_without_number_or_generation_are_counted_and_some_are_named(
    audited: Audited,
) -> None:
    audited.store(EVEN, events([0]))
    unplaced = [
        ("a", b'{"tailrace.generation":"%b"}' % GENERATION.encode()),
        ("b", b'{"event.sequence":5}'),
        ("c", b"{}"),
        ("d", b"{}"),
        (
            "e",
            b'{"tailrace.generation":"%b","event.sequence":-1}' % GENERATION.encode(),
        ),
    ]
    audited.store(ODD, unplaced)
    audited.store(DEAD, [("nobody's", b"{}")])

    with audited.index.snapshot() as snapshot:
        found = snapshot.unnumbered()

    assert found.count == 5
    names = {f"{audited.namespace}-{ODD}/{document_id}" for document_id, _ in unplaced}
    assert len(found.named) == 3
    assert set(found.named) < names


@pytest.mark.timeout(60)
def test_letters_that_name_no_event_are_counted(audited: Audited) -> None:
    """Delivered or not; one of events that are known is none of them."""
    unnamed = [
        ("a", b'{"tailrace.generation":"%b"}' % GENERATION.encode()),
        ("b", b'{"event.sequence":5}'),
        ("c", b'{"event.sequence":-1,"tailrace.generation":"g"}'),
        ("d", b'{"dead.id":"d","dead.delivered_at":5}'),
    ]
    audited.store(DEAD, [letter(7, count=1), letter(12, count=3), *unnamed])
    audited.store(EVEN, [("nobody's", b"{}")])

    with audited.index.snapshot() as snapshot:
        assert snapshot.unnamed_letters() == 4


@pytest.mark.timeout(60)
def test_a_document_of_two_generations_counts_for_both_and_its_index_is_told(
    audited: Audited,
) -> None:
    both = {"tailrace.generation": [OTHER, GENERATION], "event.sequence": 5}
    audited.store(EVEN, [*events([4]), ("both", orjson.dumps(both))])
    audited.store(ODD, [*events([6]), ("nobody's", b'{"event.sequence":7}')])

    with audited.index.snapshot() as snapshot:
        found = snapshot.ambiguous()
        sums = snapshot.sums(None)

    assert dict(found) == {f"{audited.namespace}-{EVEN}": 1}
    assert sums[OTHER].stored == {0: window_sum([5])}
    assert sums[GENERATION].stored == {0: window_sum([4, 5, 6])}


@pytest.mark.timeout(60)
def test_numbers_that_no_double_holds_are_told_exactly_and_nowhere_else(
    audited: Audited,
) -> None:
    lower, higher = 2**53 - 1, (2**53, 2**53 + 1, 2**63 - 1)
    audited.store(EVEN, events([0, lower]))
    audited.store(ODD, events(higher))

    with audited.index.snapshot() as snapshot:
        found = snapshot.unreached()
        sums = snapshot.sums(None)
        every = {each.number for each in snapshot.documents(None)}
        unnumbered = snapshot.unnumbered()

    assert found.count == 3
    assert dict(found.named) == {
        number: f"{audited.namespace}-{ODD}/{HeldDocument(number).document_id}"
        for number in higher
    }
    highest = max(each.highest for each in sums[GENERATION].stored.values())
    assert highest == lower
    assert every == {0, lower}
    assert unnumbered.count == 0


@pytest.mark.timeout(60)
def test_p5_who_first_sent_documents_of_a_host_is_told_with_when(
    audited: Audited,
) -> None:
    def sent(agent: str, host: str, second: int, number: int) -> Line:
        says = {
            "host.name": host,
            "agent.id": agent,
            "event.created": f"2023-11-14T22:13:{second:02}.500Z",
        }
        made = HeldDocument(number, says=says)
        return made.document_id, made.source

    audited.store(EVEN, [sent("new", "box", 7, 0), sent("old", "box", 6, 2)])
    audited.store(ODD, [sent("old", "box", 5, 1), sent("other", "far", 1, 3)])
    audited.store(ODD, [sent("late", "box", 9, 5)])

    with audited.index.snapshot() as snapshot:
        found = snapshot.senders(["box", "nobody's"])

    at_ms = 1_700_000_000_000 - 20_000 + 500
    assert {host: dict(first) for host, first in found.items()} == {
        "box": {"old": at_ms + 5_000, "new": at_ms + 7_000}
    }


@pytest.mark.timeout(60)
def test_documents_come_byte_for_byte_with_where_they_lie(audited: Audited) -> None:
    held = HeldDocument(4)
    odd = b'{"event.sequence":0,  "tailrace.generation":"%b","x":1.50,"y":"\\u00e9"}'
    audited.store(EVEN, [("odd", odd % OTHER.encode())])
    audited.store(ODD, events([4]))
    audited.store(DEAD, [letter(5)])

    with audited.index.snapshot() as snapshot:
        every = {each.number: each for each in snapshot.documents(None)}
        some = list(snapshot.documents([GENERATION]))

    assert set(every) == {0, 4}
    assert bytes(every[0].source) == odd % OTHER.encode()
    assert bytes(every[4].source) == held.source
    assert every[4].index == f"{audited.namespace}-{ODD}"
    assert (every[4].document_id, every[4].generation) == (held.document_id, GENERATION)
    assert [each.number for each in some] == [4]


@pytest.mark.timeout(60)
def test_letters_come_byte_for_byte_delivered_ones_too(audited: Audited) -> None:
    letters = [letter(n, delivered_at_ms=n or None) for n in range(3)]
    audited.store(DEAD, letters)
    audited.store(EVEN, events([1]))

    with audited.index.snapshot() as snapshot:
        found = {each.document_id: each for each in snapshot.letters()}

    assert {n: bytes(each.source) for n, each in found.items()} == dict(letters)
    assert {each.index for each in found.values()} == {f"{audited.namespace}-{DEAD}"}


def test_a_snapshot_is_of_its_moment_and_tells_what_its_indices_hold(
    audited: Audited,
) -> None:
    audited.store(EVEN, events([0, 1]))
    audited.store(ODD, events([2]))

    with audited.index.snapshot() as before:
        audited.store(EVEN, events([3]))
        audited.store(DEAD, [letter(4, count=1)])
        sums = before.sums(None)[GENERATION]
        numbers = before.numbers(GENERATION, spans=[range(10)])
    assert (sums.stored, sums.dead) == ({0: window_sum([0, 1, 2])}, {})
    assert not numbers.stored.count(3)
    assert not numbers.dead.count(4)

    even = f"{audited.namespace}-{EVEN}"
    with audited.index.snapshot() as after:
        assert after.holding([even, f"{audited.namespace}-gone"]) == {even}
        assert after.holding([]) == frozenset()


@pytest.mark.timeout(60)
def test_e9_a_snapshot_of_which_an_index_is_gone_answers_nothing_more(
    audited: Audited,
) -> None:
    """It is never taken for one that holds less."""
    audited.store(EVEN, events([0]))
    audited.store(ODD, events([1]))

    with audited.index.snapshot() as snapshot:
        assert snapshot.sums(None)
        audited.delete(ODD)
        with pytest.raises(SnapshotLost):
            snapshot.sums(None)
        with pytest.raises(SnapshotLost):
            snapshot.numbers(GENERATION, spans=[range(10)])
        with pytest.raises(SnapshotLost):
            list(snapshot.documents(None))


@pytest.mark.timeout(60)
def test_e5_a_delivered_letter_is_dead_in_neither_sums_nor_numbers(
    audited: Audited,
) -> None:
    """Nor is another letter of its event, of another day or of a later reading."""
    delivered = letter(8, count=1, delivered_at_ms=5)
    late = letter(8, count=1, reason=INDEX_EXPIRED)
    audited.store(DEAD, [letter(7, count=1), delivered])

    with audited.index.snapshot() as snapshot:
        sums = snapshot.sums(None)
    audited.store(DEAD, [late])
    with audited.index.snapshot() as snapshot:
        numbers = snapshot.numbers(GENERATION, spans=[range(10)])

    assert sums[GENERATION].dead == {0: window_sum([7])}
    assert [numbers.dead.count(n) for n in (7, 8)] == [1, 0]
    assert [numbers.late.count(n) for n in (7, 8)] == [0, 0]
    assert [numbers.delivered.count(n) for n in (7, 8)] == [0, 1]


@pytest.mark.timeout(60)
def test_e5_a_letter_whose_mark_was_taken_away_is_dead_again(audited: Audited) -> None:
    audited.store(DEAD, [letter(7, count=1, is_reopened=True)])

    with audited.index.snapshot() as snapshot:
        sums = snapshot.sums(None)
        numbers = snapshot.numbers(GENERATION, spans=[range(10)])

    assert sums[GENERATION].dead == {0: window_sum([7])}
    assert (numbers.dead.count(7), numbers.delivered.count(7)) == (1, 0)
