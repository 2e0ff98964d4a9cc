"""What retention learns of event indices and does to them: laws of both servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import orjson
import pytest

from tailrace.elasticsearch import Elastic
from tailrace.ledger import WINDOW_EVENTS
from tailrace_indexer.event_indices import EventIndices
from tailrace_indexer.expiry import Indices
from tailrace_indexer.outcomes import Reason
from tailrace_indexer.retention import IndexFacts
from tests.indexer.doubles import ManualClock
from tests.laws.services import (
    BulkService,
    RealElasticsearch,
    verdicts,
    with_templates,
)
from tests.support.fakes.elasticsearch import MemoryElasticsearch
from tests.support.fakes.event_indices import MemoryEventIndices
from tests.support.fakes.lead_register import claimed_fence

ONE, OTHER = "1" * 32, "2" * 32
"""Two generations."""
OLD, NEW, CREATED = (
    "2026-11-23T01:02:03.004Z",
    "2026-11-24T01:02:03.004Z",
    "2026-11-24T02:00:00.000Z",
)


@dataclass(frozen=True, slots=True)
class Held:
    """The indices of a namespace, and where documents come from."""

    indices: Indices
    service: BulkService
    namespace: str
    refresh: Callable[[], None]
    """Let what is written be found: an index is refreshed every second by itself."""

    def index(self, name: str) -> str:
        return f"{self.namespace}-{name}"

    def store(self, name: str, *documents: dict[str, object]) -> list[Reason]:
        """Create documents; their place in the arguments is their id."""
        lines: list[bytes] = []
        for number, document in enumerate(documents):
            action = {"create": {"_index": self.index(name), "_id": str(number)}}
            lines += [orjson.dumps(action), orjson.dumps(document)]
        body = b"\n".join([*lines, b""])
        answer = self.service.bulk(body)
        self.refresh()
        return [verdict.reason for verdict in verdicts(answer, body)]

    def facts(self) -> list[IndexFacts]:
        return sorted(self.indices.facts(), key=lambda each: each.name)


def event(number: int, *, generation: str = ONE, at: str = NEW) -> dict[str, object]:
    return {
        "@timestamp": at,
        "event.created": CREATED,
        "event.sequence": number,
        "tailrace.generation": generation,
        "message": f"line {number}",
    }


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def held(request: pytest.FixtureRequest, namespace: str) -> Iterator[Held]:
    clock = ManualClock()
    if request.param == "memory":
        memory = MemoryElasticsearch()
        indices = MemoryEventIndices(memory, namespace, clock.now_ms)
        yield Held(indices, memory, namespace, lambda: None)
        return
    connections = with_templates(request)
    with Elastic(connections) as elastic:
        yield Held(
            EventIndices(
                elastic,
                namespace=namespace,
                clock=clock,
                guard=claimed_fence(elastic, namespace=namespace),
            ),
            RealElasticsearch(elastic, connections=connections),
            namespace,
            lambda: elastic.refresh(f"{namespace}-*"),
        )


def ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1_000)


@pytest.mark.timeout(60)
def test_every_event_index_that_holds_something_is_told_with_its_times(
    held: Held,
) -> None:
    """And no other: neither dead letters, nor one of which nothing can be found."""
    assert held.facts() == []
    for name in ("app-2026.11.23", "app-2026.11.24", "app-2026.11.25", "dead-2026.11"):
        held.service.create_index(held.index(name))
    held.store("app-2026.11.23", event(0, at=OLD))
    held.store("app-2026.11.24", event(1, at=OLD), event(2), event(3, at=CREATED))
    held.store("dead-2026.11", event(4))

    facts = held.facts()

    assert [each.name for each in facts] == [
        held.index("app-2026.11.23"),
        held.index("app-2026.11.24"),
    ]
    assert [each.document_count for each in facts] == [1, 3]
    assert [each.earliest_ms for each in facts] == [ms(OLD)] * 2
    assert [each.latest_ms for each in facts] == [ms(OLD), ms(CREATED)]
    assert [each.written_ms for each in facts] == [ms(CREATED)] * 2
    assert all(each.size_bytes > 0 for each in facts)
    assert held.indices.free_bytes() > 0


@pytest.mark.timeout(60)
def test_what_an_index_holds_is_counted_by_generation_and_window(held: Held) -> None:
    """Down to the document that was written last: nothing may go uncounted."""
    held.service.create_index(held.index("app-2026.11.24"))
    last = WINDOW_EVENTS - 1
    numbers = [0, 5, last, WINDOW_EVENTS, 3 * WINDOW_EVENTS + 1]
    documents = [event(number) for number in numbers]
    held.store("app-2026.11.24", *documents, event(7, generation=OTHER))

    one, other = sorted(
        held.indices.counted(held.index("app-2026.11.24")),
        key=lambda each: each.generation,
    )

    assert (one.generation, one.document_count, one.revision) == (ONE, 5, 5)
    assert {name: tuple(pair) for name, pair in one.windows.items()} == {
        "0": (3, 5 + last),
        "1": (1, WINDOW_EVENTS),
        "3": (1, 3 * WINDOW_EVENTS + 1),
    }
    assert (other.generation, other.document_count) == (OTHER, 1)
    assert one.index == other.index == held.index("app-2026.11.24")
    assert one.updated_at_ms == ManualClock().now_ms()


@pytest.mark.timeout(60)
def test_dead_letters_are_told_with_their_times_and_counted_event_by_event(
    held: Held,
) -> None:
    """A letter may stand for many; one whose document was delivered stands for none."""
    index = held.index("dead-2026.11.24")
    assert held.indices.letter_facts() == []
    held.service.create_index(index)
    letter: dict[str, object] = {"@timestamp": ms(NEW), "tailrace.generation": ONE}
    held.store(
        "dead-2026.11.24",
        letter | {"event.sequence": 5, "dead.event_count": 1, "dead.id": "a"},
        letter
        | {
            "event.sequence": WINDOW_EVENTS - 2,
            "dead.event_count": 3,
            "dead.id": "b",
        },
        letter
        | {
            "event.sequence": 9,
            "dead.event_count": 1,
            "dead.id": "c",
            "dead.delivered_at": ms(NEW),
        },
        {"@timestamp": ms(NEW), "dead.event_count": 0, "dead.id": "d"},
    )

    (facts,) = held.indices.letter_facts()
    (counted,) = held.indices.counted(index)

    assert (facts.name, facts.document_count) == (index, 4)
    assert facts.latest_ms == ms(NEW)
    last = WINDOW_EVENTS - 1
    assert {name: tuple(pair) for name, pair in counted.windows.items()} == {
        "0": (3, 5 + last - 1 + last),
        "1": (1, WINDOW_EVENTS),
    }
    assert counted.document_count == counted.revision == 4
    assert held.indices.server_now_ms() > 0


@pytest.mark.timeout(60)
def test_e9_a_blocked_index_takes_nothing_and_keeps_what_it_has(held: Held) -> None:
    held.service.create_index(held.index("app-2026.11.24"))
    assert held.store("app-2026.11.24", event(0)) == [Reason.STORED]

    assert not held.indices.is_blocked(held.index("app-2026.11.24"))
    held.indices.block(held.index("app-2026.11.24"))
    assert held.indices.is_blocked(held.index("app-2026.11.24"))
    assert not held.indices.is_blocked(held.index("app-2026.11.25")), "it is not there"

    # Blocked, and not "already there": a block is looked at first.
    assert held.store("app-2026.11.24", event(0), event(1)) == [Reason.BLOCKED] * 2
    (counted,) = held.indices.counted(held.index("app-2026.11.24"))
    assert counted.document_count == 1


@pytest.mark.timeout(60)
def test_e9_a_deleted_index_is_not_there_and_is_deleted_again_without_harm(
    held: Held,
) -> None:
    held.service.create_index(held.index("app-2026.11.24"))
    held.store("app-2026.11.24", event(0))
    held.indices.block(held.index("app-2026.11.24"))

    held.indices.delete(held.index("app-2026.11.24"))
    held.indices.delete(held.index("app-2026.11.24"))

    assert held.facts() == []
    assert held.store("app-2026.11.24", event(0)) == [Reason.MISSING_INDEX]


@pytest.mark.timeout(60)
def test_a_generation_is_held_by_an_event_or_by_a_dead_letter(held: Held) -> None:
    for name in ("app-2026.11.24", "dead-2026.11.24"):
        held.service.create_index(held.index(name))
    held.store("app-2026.11.24", event(0))
    held.store("dead-2026.11.24", event(0, generation=OTHER))

    assert held.indices.are_held([ONE, OTHER, "3" * 32]) == {ONE, OTHER}
    assert held.indices.are_held([ONE]) == {ONE}
    assert held.indices.are_held([]) == set()

    held.indices.delete(held.index("app-2026.11.24"))
    assert held.indices.are_held([ONE, OTHER]) == {OTHER}


@pytest.mark.timeout(60)
def test_e5_a_delivered_dead_letter_holds_no_generation(held: Held) -> None:
    """Its document did; once that has expired, nothing is left to be told of."""
    held.service.create_index(held.index("dead-2026.11.24"))
    held.store("dead-2026.11.24", event(0, generation=OTHER))
    held.store("dead-2026.11.24", {**event(1), "dead.delivered_at": 1})

    assert held.indices.are_held([ONE, OTHER]) == {OTHER}


@pytest.mark.timeout(60)
def test_what_the_ledger_is_to_forget_is_gone_and_nothing_else(held: Held) -> None:
    held.service.create_index(held.index("ledger"))
    held.store("ledger", {"hop": "agent"}, {"hop": "stream"})

    assert held.indices.forget([b"0", b"was never there"])

    assert held.store("ledger", {"hop": "agent"}, {"hop": "stream"}) == [
        Reason.STORED,
        Reason.ALREADY_THERE,
    ]
