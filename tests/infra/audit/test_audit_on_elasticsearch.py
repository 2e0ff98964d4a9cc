"""The audit's questions, asked of a real Elasticsearch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec
import orjson
import pytest

import tailrace.audit.index as audited_index
from tailrace.audit.facts import GenerationFacts
from tailrace.audit.index import ElasticIndex
from tailrace.audit.look import Looker
from tailrace.audit.run import audit
from tailrace.audit.sources import Drained, SnapshotLost
from tailrace.audit.verdict import AuditReport, ProblemKind, totals_of
from tailrace.clock import SystemClock
from tailrace.elasticsearch import NDJSON, Answer, Elastic
from tailrace.errors import IndexShut
from tailrace.index_templates import events_alias
from tailrace.provision import provision_templates
from tailrace.query import Body
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tests.infra.audit.builders import (
    ALL_PASSED,
    GENERATION,
    LINE_BYTES,
    WINDOW,
    FixedProgress,
    HeldDocument,
    ToldLedger,
    facts_at_rest,
)
from tests.support.standing_clock import StandingClock

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
EVENTS = 95
INDICES = ("generic-2023.11.14", "generic-2023.11.14-r2", "dead-2023.11.14")


@pytest.fixture
def elastic(stack: Endpoints, namespace: str) -> Iterator[Elastic]:
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url, namespace=namespace
    )
    provision_templates(connections)
    indices = [f"{namespace}-{name}" for name in INDICES]
    with Elastic(connections) as elastic:
        for index in indices:
            elastic.ask("PUT", f"/{index}")
        # As a replay does when it publishes.
        elastic.ask("PUT", f"/{indices[1]}/_alias/{events_alias(namespace)}")
        yield elastic
        for index in indices:
            elastic.request("DELETE", f"/{index}")


def store(elastic: Elastic, index: str, documents: Sequence[HeldDocument]) -> None:
    lines: list[bytes] = []
    for each in documents:
        action = {"create": {"_index": index, "_id": each.document_id}}
        lines += [orjson.dumps(action), each.source]
    answer = elastic.request(
        "POST", "/_bulk", body=b"\n".join(lines) + b"\n", content_type=NDJSON
    )
    assert answer.json()["errors"] is False, answer.json()


def audited(
    elastic: Elastic,
    namespace: str,
    *told: GenerationFacts,
    is_deep: bool = False,
    passed: frozenset[int] = ALL_PASSED,
) -> AuditReport:
    looker = Looker(
        ledger=ToldLedger([{each.generation: each} for each in told]),
        progress=FixedProgress(Drained(), passed),
        index=ElasticIndex(
            elastic, namespace=namespace, window_events=WINDOW, clock=SystemClock()
        ),
        window_events=WINDOW,
    )
    return audit(
        looker,
        clock=SystemClock(),
        is_deep=is_deep,
        wait_ms_max=0,
        tell=lambda _text: None,
    )


def stored(elastic: Elastic, namespace: str, count: int = EVENTS) -> None:
    """Store `count` events over two indices, as a replay of some would have them."""
    documents = [HeldDocument(number) for number in range(count)]
    store(elastic, f"{namespace}-generic-2023.11.14", documents[::2])
    store(elastic, f"{namespace}-generic-2023.11.14-r2", documents[1::2])


@pytest.mark.parametrize(
    ("method", "shut", "what", "remedy"),
    [
        ("POST", "_close", "is closed", "_open"),
        ("PUT", "_block/read", "index.blocks.read", "_settings"),
    ],
)
@pytest.mark.parametrize("name", ["generic-2023.11.14", "dead-2023.11.14"])
def test_a_shut_index_is_named_and_nothing_of_it_is_called_missing(
    elastic: Elastic,
    namespace: str,
    method: str,
    shut: str,
    what: str,
    remedy: str,
    name: str,
) -> None:
    stored(elastic, namespace)
    index = f"{namespace}-{name}"
    elastic.ask(method, f"/{index}/{shut}")

    with pytest.raises(IndexShut, match=what) as told:
        audited(elastic, namespace, facts_at_rest(EVENTS))

    assert index in str(told.value)
    assert "cannot be reached" not in str(told.value)
    assert f"/{index}/{remedy}" in told.value.remedy
    with pytest.raises(IndexShut, match=what):
        elastic.search(index, body={})


def test_what_is_stored_adds_up_and_is_compared_byte_for_byte(
    elastic: Elastic, namespace: str
) -> None:
    stored(elastic, namespace)

    plain = audited(elastic, namespace, facts_at_rest(EVENTS))
    deep = audited(elastic, namespace, facts_at_rest(EVENTS), is_deep=True)

    assert plain.is_sound
    assert deep.is_sound
    assert deep.compared_count == EVENTS
    assert totals_of(plain.verdicts).stored == EVENTS


def test_nothing_at_all_adds_up(elastic: Elastic, namespace: str) -> None:
    assert audited(elastic, namespace, facts_at_rest(0)).is_sound


def test_one_deleted_one_doubled_and_one_altered_are_each_named(
    elastic: Elastic, namespace: str
) -> None:
    stored(elastic, namespace)
    gone, twice, altered = HeldDocument(42), HeldDocument(47, copy=1), HeldDocument(13)
    elastic.ask("DELETE", f"/{namespace}-generic-2023.11.14/_doc/{gone.document_id}")
    store(elastic, f"{namespace}-generic-2023.11.14-r2", [twice])
    changed = {**orjson.loads(altered.source), "log.level": "error"}
    elastic.ask(
        "PUT",
        f"/{namespace}-generic-2023.11.14-r2/_doc/{altered.document_id}",
        body=changed,
    )

    plain = audited(elastic, namespace, facts_at_rest(EVENTS))
    deep = audited(elastic, namespace, facts_at_rest(EVENTS), is_deep=True)

    (verdict,) = plain.unsound
    assert [(p.kind, p.event_number, p.offset) for p in verdict.problems] == [
        (ProblemKind.MISSING, 42, 42 * LINE_BYTES),
        (ProblemKind.DOUBLED, 47, 47 * LINE_BYTES),
    ]
    found = {
        p.event_number
        for p in deep.unsound[0].problems
        if p.kind is ProblemKind.ALTERED
    }
    # The copy bears the id of another line.
    assert found == {13, 47}


def test_a_document_of_two_numbers_stands_for_one_event_alone(
    elastic: Elastic, namespace: str
) -> None:
    """Though the sums of the window are those of both."""
    stored(elastic, namespace)
    gone, both = HeldDocument(42), HeldDocument(40)
    elastic.ask("DELETE", f"/{namespace}-generic-2023.11.14/_doc/{gone.document_id}")
    changed = {**orjson.loads(both.source), "event.sequence": [40, 42]}
    elastic.ask(
        "PUT", f"/{namespace}-generic-2023.11.14/_doc/{both.document_id}", body=changed
    )

    report = audited(elastic, namespace, facts_at_rest(EVENTS))

    assert [v.missing for v in report.unsound] == [(42,)]


def test_dead_letters_and_documents_above_the_cut_are_told_apart(
    elastic: Elastic, namespace: str
) -> None:
    documents = [HeldDocument(number) for number in range(30) if number not in {7, 8}]
    store(elastic, f"{namespace}-generic-2023.11.14", documents)
    letter = {
        "tailrace.generation": GENERATION,
        "event.sequence": 7,
        "dead.event_count": 2,
    }
    elastic.ask("PUT", f"/{namespace}-dead-2023.11.14/_doc/1", body=letter)

    report = audited(elastic, namespace, facts_at_rest(25), passed=frozenset())

    assert report.is_sound
    assert totals_of(report.verdicts).dead == 2
    assert totals_of(report.verdicts).stored == 23


def test_documents_without_a_number_are_found(elastic: Elastic, namespace: str) -> None:
    stored(elastic, namespace, count=5)
    elastic.ask(
        "PUT", f"/{namespace}-generic-2023.11.14/_doc/x", body={"message": "whose?"}
    )

    report = audited(elastic, namespace, facts_at_rest(5))

    assert [p.kind for p in report.problems] == [ProblemKind.UNNUMBERED]
    assert report.problems[0].documents == (f"{namespace}-generic-2023.11.14/x",)


def test_an_index_that_is_deleted_while_it_is_read_is_never_taken_for_empty(
    elastic: Elastic, namespace: str
) -> None:
    stored(elastic, namespace, count=20)
    index = ElasticIndex(
        elastic, namespace=namespace, window_events=WINDOW, clock=SystemClock()
    )

    with index.snapshot() as snapshot:
        elastic.ask("DELETE", f"/{namespace}-generic-2023.11.14-r2")
        with pytest.raises(SnapshotLost):
            snapshot.sums(None)


def test_no_moment_ends_while_the_other_is_read_for_hours(
    elastic: Elastic, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elasticsearch forgets a point in time of which nobody asks for five minutes: that of
    the dead letters was gone once millions of documents were read, at each new attempt.
    """
    stored(elastic, namespace)
    clock, asked = StandingClock(), list[tuple[str, int]]()
    ask = elastic.look_up

    def noting(method: str, path: str, *, body: Body | None = None) -> Answer:
        if body is not None:
            asked.append((body["pit"]["id"], clock.at_ms))
        return ask(method, path, body=body)

    index = ElasticIndex(
        elastic, namespace=namespace, window_events=WINDOW, clock=clock
    )
    monkeypatch.setattr(audited_index, "DOCUMENTS_PAGE", 2)
    with index.snapshot() as snapshot:
        monkeypatch.setattr(elastic, "look_up", noting)
        count = 0
        for _ in snapshot.documents(None):
            clock.at_ms += 60_000
            count += 1
        assert list(snapshot.letters()) == []

    assert count == EVENTS
    moments = {pit: [0] for pit, _ in asked}
    for pit, at_ms in asked:
        moments[pit].append(at_ms)
    assert len(moments) == 2
    for times in moments.values():
        assert max(after - before for before, after in pairwise(times)) <= 180_000


def test_a_source_comes_back_byte_for_byte(elastic: Elastic, namespace: str) -> None:
    """Spaces, number forms and escapes are those that were indexed."""
    odd = b'{"event.sequence":0,  "tailrace.generation":"g","x":1.50,"y":"\\u00e9\\/"}'
    elastic.request("PUT", f"/{namespace}-generic-2023.11.14/_doc/1", body=odd)
    index = ElasticIndex(
        elastic, namespace=namespace, window_events=WINDOW, clock=SystemClock()
    )

    with index.snapshot() as snapshot:
        (document,) = snapshot.documents(None)

    assert bytes(document.source) == odd
    assert isinstance(document.source, msgspec.Raw)


def test_a_document_of_two_numbers_hides_none_that_is_missing_beside_a_double(
    elastic: Elastic, namespace: str
) -> None:
    """Their sums are those of what must be there, and so is the count of documents."""
    index = f"{namespace}-generic-2023.11.14"
    of_two = HeldDocument(7, says={"event.sequence": [7, 8]})
    others = [HeldDocument(number) for number in range(WINDOW) if number not in {7, 8}]
    store(elastic, index, [*others, of_two, HeldDocument(0, copy=1)])

    report = audited(elastic, namespace, facts_at_rest(WINDOW))

    found = {(each.kind, each.event_number) for each in report.unsound[0].problems}
    assert found == {(ProblemKind.MISSING, 8), (ProblemKind.DOUBLED, 0)}
