"""The questions, the index of alerts and Kafka's lag, asked of the real servers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
import pytest

from tailrace.alerts.facts import ledger_holes, lost_bytes, silent_agents
from tailrace.alerts.judging import Observed, judge, points_between
from tailrace.alerts.questions import ElasticQuestions, RuleFault
from tailrace.alerts.records import alert_document
from tailrace.alerts.rule_settings import RuleSettings
from tailrace.alerts.store import AlertChanged, ElasticAlerts, alerts_index
from tailrace.clock import SystemClock
from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.ledger import AgentHeartbeat, LedgerRecord, StreamLedger
from tailrace.provision import provision
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.ledger_documents import ledger_lines
from tests.agent.test_delivery import record as agent_record
from tests.infra.alerts.rules import MINUTE_MS, NOON_MS, rule
from tests.infra.alerts.test_records import alert

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


@dataclass(slots=True)
class Indices:
    """Indices of one namespace, made by our templates."""

    connections: Connections
    elastic: Elastic

    @property
    def questions(self) -> ElasticQuestions:
        return ElasticQuestions(self.elastic, namespace=self.connections.namespace)

    def put(self, index: str, *documents: dict[str, Any]) -> None:
        name = f"{self.connections.namespace}-{index}"
        self._make(name)
        lines = b"".join(
            orjson.dumps({"create": {"_index": name}})
            + b"\n"
            + orjson.dumps(one)
            + b"\n"
            for one in documents
        )
        self._bulk(lines)

    def put_words(self, *records: LedgerRecord) -> None:
        namespace = self.connections.namespace
        self._make(f"{namespace}-ledger")
        self._bulk(b"".join(ledger_lines(one, namespace=namespace) for one in records))

    def _make(self, name: str) -> None:
        if not self.elastic.request("HEAD", f"/{name}").is_success:
            self.elastic.ask("PUT", f"/{name}")

    def _bulk(self, lines: bytes) -> None:
        answer = self.elastic.request(
            "POST", "/_bulk?refresh=true", body=lines, content_type=NDJSON
        )
        assert not self.elastic.decoded(answer)["errors"], answer.body[:2_000]

    def judged(self, one: RuleSettings, *, minutes: int) -> list[tuple[str, Any, int]]:
        """Return kind, group and minute of what is decided in so many minutes."""
        to_ms = NOON_MS + minutes * MINUTE_MS
        points = points_between(one, after_ms=NOON_MS, to_ms=to_ms)
        observed = self.questions.observe(one, after_ms=NOON_MS, to_ms=to_ms)
        return [
            (each.kind, each.group, (each.at_ms - NOON_MS) // MINUTE_MS)
            for each in judge(one, observed, points=points, on={})
        ]


@pytest.fixture
def indices(stack: Endpoints, namespace: str) -> Iterator[Indices]:
    connections = Connections().model_copy(
        update={
            "kafka_bootstrap": stack.kafka_bootstrap,
            "elasticsearch_url": stack.elasticsearch_url,
            "namespace": namespace,
        }
    )
    provision(connections)
    with Elastic(connections) as elastic:
        yield Indices(connections, elastic)


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, tz=UTC).isoformat()


def event(
    minute: float, *, created_ms: int | None = None, **fields: object
) -> dict[str, Any]:
    at_ms = NOON_MS + round(minute * MINUTE_MS)
    document: dict[str, Any] = {
        "@timestamp": iso(at_ms),
        "event.created": iso(at_ms if created_ms is None else created_ms),
        "event.dataset": "app",
        "host.name": "web",
        "message": "timeout of the database",
    }
    return document | {name.replace("__", "."): value for name, value in fields.items()}


def test_what_the_rules_ask_is_counted_by_group_and_minute(indices: Indices) -> None:
    indices.put(
        "app-2026.09.21",
        *[event(0.5, host__name="a", log__level="error") for _ in range(3)],
        *[event(1.99, host__name="b") for _ in range(12)],
        *[event(2.0, host__name="b", log__level="error") for _ in range(12)],
        event(2.5, host__name="b", message="all is well"),
    )
    grouped = rule(above=2, group_by=["host.name"], query="timeout")
    assert indices.judged(grouped, minutes=4) == [
        ("raised", ("a",), 1),
        ("over", ("a",), 2),
        ("raised", ("b",), 2),
        ("over", ("b",), 4),
    ]
    share = rule(kind="ratio", above=0.9, query="log.level:error", count_min=10)
    assert indices.judged(share, minutes=4) == [("raised", (), 3), ("over", (), 4)]

    one = rule(above=2, group_by=["host.name", "log.level"])
    observed = indices.questions.observe(
        one, after_ms=NOON_MS, to_ms=NOON_MS + MINUTE_MS * 3
    )
    assert observed.counts == {
        ("a", "error"): {NOON_MS: 3},
        ("b", ""): {NOON_MS + MINUTE_MS: 12, NOON_MS + 2 * MINUTE_MS: 1},
        ("b", "error"): {NOON_MS + 2 * MINUTE_MS: 12},
    }


def test_changes_absences_rates_and_dead_letters(indices: Indices) -> None:
    hour = 60
    indices.put(
        "app-2026.09.21",
        *[event(-hour + 0.5) for _ in range(4)],
        *[event(0.5) for _ in range(10)],
        event(1.5, host__name="there"),
        event(-5, host__name="gone"),
    )
    change = rule(kind="change", above=2, before_ms=hour * MINUTE_MS, count_min=2)
    assert indices.judged(change, minutes=3) == [("raised", (), 1), ("over", (), 2)]
    absence = rule(
        kind="absence",
        group_by=["host.name"],
        window_ms=6 * MINUTE_MS,
        before_ms=hour * MINUTE_MS,
    )
    assert indices.judged(absence, minutes=4) == [("raised", ("gone",), 1)]

    count = {"tailrace.rate.count": 7, "event.dataset": "app", "log.level": "error"}
    indices.put(
        "rates",
        *[{"@timestamp": iso(NOON_MS), **count} for _ in range(2)],
        {"@timestamp": iso(NOON_MS), **count, "log.level": "info"},
        {"@timestamp": iso(NOON_MS), "tailrace.spread.count": 9},
    )
    rates = rule(source="rates", above=13, query="log.level:error")
    assert indices.judged(rates, minutes=2) == [("raised", (), 1), ("over", (), 2)]
    few = rule(source="rates", below=10, group_by=["log.level"])
    raised = {
        group for word, group, _ in indices.judged(few, minutes=1) if word == "raised"
    }
    assert raised == {("info",)}

    indices.put(
        "dead-2026.09.21", {"@timestamp": NOON_MS + 1, "dead.reason": "refused"}
    )
    dead = rule(source="dead", above=0, group_by=["event.dataset", "dead.reason"])
    assert indices.judged(dead, minutes=1) == [("raised", ("", "refused"), 1)]


def test_without_any_index_nothing_is_there_and_nothing_is_wrong(
    indices: Indices,
) -> None:
    observed = indices.questions.observe(
        rule(), after_ms=NOON_MS, to_ms=NOON_MS + MINUTE_MS
    )
    assert observed == Observed(counts={})
    assert indices.questions.holes() == []
    stated, beats = indices.questions.ledger(now_ms=NOON_MS)
    assert (stated.hosts, beats) == ((), [])


@pytest.mark.parametrize("query", ["log.level:(error", "[1 TO"])
def test_s11_a_query_that_cannot_be_read_is_the_rules_fault(
    indices: Indices, query: str
) -> None:
    indices.put("app-2026.09.21", event(0.5))
    with pytest.raises(RuleFault):
        indices.questions.observe(
            rule(query=query), after_ms=NOON_MS, to_ms=NOON_MS + MINUTE_MS
        )


def test_s11_a_pattern_that_would_never_end_is_answered_or_refused_at_once(
    indices: Indices,
) -> None:
    """What looks like a regex is a word; wildcards are automata of bounded size."""
    indices.put("app-2026.09.21", event(0.5, message="a" * 5_000))
    for query in (
        "/(a+)+$/",
        "message:a" + "*a" * 40,
    ):
        try:
            indices.questions.observe(
                rule(query=query), after_ms=NOON_MS, to_ms=NOON_MS + MINUTE_MS
            )
        except RuleFault:
            continue


def test_s11_a_rule_with_too_many_groups_is_refused_before_they_are_all_read(
    indices: Indices,
) -> None:
    indices.put(
        "app-2026.09.21", *[event(0.5, host__name=f"h{n}") for n in range(1_001)]
    )
    with pytest.raises(RuleFault, match="more than 1,000 groups"):
        indices.questions.observe(
            rule(group_by=["host.name"]), after_ms=NOON_MS, to_ms=NOON_MS + MINUTE_MS
        )


def test_templates_are_seen_by_their_arrival_and_known_by_what_came_before(
    indices: Indices,
) -> None:
    def of(
        name: str, minute: float, created: float, dataset: str = "app"
    ) -> dict[str, Any]:
        return event(
            minute,
            created_ms=NOON_MS + round(created * MINUTE_MS),
            tailrace__template__id=name,
            event__dataset=dataset,
        )

    indices.put(
        "app-2026.09.21",
        of("old", 0, -10),
        of("old", 1, 1),
        of("new", -90, 1.1),
        of("new", 1, 1.2),
    )
    asked, one = indices.questions, rule(kind="new_template", above=None)
    found = asked.sightings(one, since_ms=NOON_MS, until_ms=NOON_MS + 2 * MINUTE_MS)
    assert {name: each.count for name, each in found.items()} == {"old": 1, "new": 2}
    assert found["new"].first_seen_ms == NOON_MS + round(1.1 * MINUTE_MS)
    assert asked.older_templates(found, before_ms=NOON_MS) == {"old"}
    assert asked.older_datasets(before_ms=NOON_MS) == {"app"}
    assert asked.older_datasets(before_ms=NOON_MS - 20 * MINUTE_MS) == set()
    sample = asked.sample(one, found["new"], since_ms=NOON_MS)
    assert (sample.dataset, sample.host_name) == ("app", "web")
    assert sample.message == "timeout of the database"


def test_the_ledger_tells_of_silence_loss_and_holes(indices: Indices) -> None:
    now_ms = SystemClock().now_ms()
    beats = [
        AgentHeartbeat(
            agent_id=name,
            host_id=name,
            host_name=f"host-{name}",
            swept_at_ms=now_ms - ago_ms,
            files=1,
            unread_bytes=0,
            lost_bytes=0,
            interval_ms=5_000,
            updated_at_ms=now_ms - ago_ms,
        )
        for name, ago_ms in (("a", 1_000), ("b", 90_000))
    ]
    lost = msgspec.structs.replace(
        agent_record("a" * 32), lost_bytes={"truncated": 77}, updated_at_ms=now_ms
    )
    indices.put_words(*beats, lost, word("b" * 32, gaps=((5, 9),)), word("c" * 32))
    asked = indices.questions

    stated, told = asked.ledger(now_ms=now_ms)
    silent = silent_agents(told, now_ms=now_ms, is_ledger_read=False)
    assert silent is not None
    assert [fact.group for fact in silent] == [("host-b", "b")]
    assert {host.host_name for host in stated.hosts if host.is_silent} == {"host-b"}
    assert [fact.value for fact in lost_bytes(asked.losses(now_ms=now_ms))] == [77]
    (hole,) = ledger_holes(asked.holes())
    assert (hole.key, hole.value, hole.group[2]) == ("5", 4, "b" * 32)


def word(generation: str, gaps: tuple[tuple[int, int], ...] = ()) -> StreamLedger:
    return StreamLedger(
        generation=generation,
        revision=1,
        agent_id="a",
        host_name="web",
        path="/x",
        dataset="app",
        first_event_number=0,
        next_event_number=1,
        next_offset=10,
        event_count=1,
        document_count=1,
        gaps=gaps,
        observed_at_ms=1,
        raw_partition=0,
        raw_next_offset=1,
        updated_at_ms=1,
    )


def stores(indices: Indices, count: int) -> Sequence[ElasticAlerts]:
    namespace = indices.connections.namespace
    return [ElasticAlerts(indices.elastic, namespace=namespace) for _ in range(count)]


def test_an_alert_is_recorded_once_and_changed_only_by_who_knows_how_it_is(
    indices: Indices,
) -> None:
    first, second = stores(indices, 2)
    assert first.load().alerts == ()
    one = alert()
    assert first.create(one)
    assert not second.create(one)
    first.save_cursors({"many": 5})

    state = second.load()
    assert state.alerts == (one,)
    assert state.judged_to_ms == {"many": 5}
    told = one.without_due("raised/ops", is_told=True)
    second.replace(told)
    second.save_cursors({"many": 6})
    with pytest.raises(AlertChanged):
        first.replace(one)
    with pytest.raises(AlertChanged):
        first.save_cursors({"many": 4})
    state = first.load()
    assert (state.alerts, state.judged_to_ms) == ((told,), {"many": 6})

    over = told.is_over(at_ms=9, value=0, is_silenced=True)
    first.replace(over)
    assert over.due == ("over/ops",)
    first.replace(over.without_due("over/ops", is_told=True))
    assert first.load().alerts == ()


def test_what_was_over_long_ago_is_removed_and_what_is_on_never(
    indices: Indices,
) -> None:
    (store,) = stores(indices, 1)
    assert store.load().alerts == ()
    old = alert(key="1", status="on", channels=()).is_over(
        at_ms=2_000, value=None, is_silenced=False
    )
    happened = alert(key="2", status="happened", channels=())
    late = alert(key="3", channels=()).is_over(
        at_ms=NOON_MS, value=None, is_silenced=False
    )
    on = alert(key="4", channels=())
    for each in (old, happened, late, on):
        assert store.create(each)
    store.save_cursors({})
    assert store.remove_old(before_ms=NOON_MS - 1) == 2
    indices.elastic.refresh("_all")
    left = indices.elastic.count(alerts_index(indices.connections.namespace))
    assert left == 3
    assert store.load().alerts == (on,)


def test_more_open_alerts_than_a_page_are_all_read(indices: Indices) -> None:
    (store,) = stores(indices, 1)
    assert store.load().alerts == ()
    assert store.create(alert())
    indices.put("alerts", *[alert_document(alert(key=f"k{n}")) for n in range(1_500)])
    assert len({one.key for one in store.load().alerts}) == 1_501
