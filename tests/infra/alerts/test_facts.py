from __future__ import annotations

from typing import Any

import pytest

from tailrace.alerts.builtin import FACT_RULES
from tailrace.alerts.facts import (
    Fact,
    Holding,
    ledger_holes,
    lost_bytes,
    put_aside,
    retention_lags,
    silent_agents,
)
from tailrace.retention_pause import LateTopic

NOW_MS = 1_790_000_000_000


def heartbeat(agent: str, *, ago_ms: int, host: str = "") -> dict[str, Any]:
    return {
        "tailrace.hop": "heartbeat",
        "@timestamp": NOW_MS - ago_ms,
        "host.name": host or f"host-{agent}",
        "agent.id": agent,
        "tailrace.interval_ms": 10_000,
        "figures": {"host_id": f"id-of-{host or agent}"},
    }


def test_an_agent_that_ceased_is_silent_while_another_speaks() -> None:
    said = [heartbeat("a", ago_ms=45_000), heartbeat("b", ago_ms=5_000)]
    facts = silent_agents(said, now_ms=NOW_MS, is_ledger_read=False)
    assert facts is not None
    (fact,) = facts
    assert fact.group == ("host-a", "a")
    assert fact.key == str(NOW_MS - 45_000)
    assert fact.value == 45


@pytest.mark.parametrize(
    "documents",
    [
        [heartbeat("a", ago_ms=86_500_000), heartbeat("b", ago_ms=0)],
        [heartbeat("a", ago_ms=45_000, host="h"), heartbeat("b", ago_ms=0, host="h")],
        [heartbeat("a", ago_ms=25_000), heartbeat("b", ago_ms=0)],
    ],
    ids=["gone for a day", "succeeded on its host", "only late"],
)
def test_nobody_is_called_silent_who_may_not_be(
    documents: list[dict[str, Any]],
) -> None:
    assert silent_agents(documents, now_ms=NOW_MS, is_ledger_read=False) == []


def test_where_nothing_comes_into_the_index_it_cannot_be_told_who_is_silent() -> None:
    said = [heartbeat("a", ago_ms=45_000), heartbeat("b", ago_ms=50_000)]
    assert silent_agents(said, now_ms=NOW_MS, is_ledger_read=False) is None


def test_the_only_agent_is_silent_where_the_indexers_have_read_all_that_was_said() -> (
    None
):
    said = [heartbeat("a", ago_ms=45_000)]
    facts = silent_agents(said, now_ms=NOW_MS, is_ledger_read=True)
    assert facts is not None
    (fact,) = facts
    assert fact.group == ("host-a", "a")


def file_word(**figures: object) -> dict[str, Any]:
    return {
        "host.name": "web",
        "log.file.path": "/var/log/x",
        "tailrace.generation": "ab",
        "tailrace.lost_bytes": figures.pop("lost", 0),
        "figures": figures,
    }


def test_lost_bytes_are_told_by_their_file_and_a_greater_loss_is_another_alert() -> (
    None
):
    (fact,) = lost_bytes([file_word(lost=4_096), file_word()])
    assert fact.group == ("web", "/var/log/x", "ab")
    assert (fact.key, fact.value) == ("4096", 4_096)
    assert "4,096 bytes of /var/log/x on web" in fact.text


def test_a_gap_in_the_ledger_is_a_hole_and_is_named_by_where_it_is() -> None:
    (fact,) = ledger_holes([file_word(gaps=[[10, 30], [5, 6]]), file_word(gaps=[])])
    assert (fact.key, fact.value) == ("5", 21)


@pytest.mark.parametrize("gaps", [None, "x", [[1]], [["a", "b"]], [[9, 9]]])
def test_a_word_that_cannot_be_read_is_no_hole(gaps: object) -> None:
    assert ledger_holes([file_word(gaps=gaps)]) == []


def test_a_topic_is_told_of_when_something_late_is_unread_in_it() -> None:
    lags = [
        LateTopic(topic="t.raw", group="t-stream", partitions=2),
        LateTopic(topic="t.docs", group="t-indexer", partitions=0),
    ]
    (fact,) = retention_lags(lags)
    assert fact.group == ("t.raw",)
    assert "t-stream has not read the oldest of t.raw in 2 partitions: 40%" in fact.text


def test_s11_a_rule_that_is_put_aside_is_told_with_its_reason() -> None:
    (fact,) = put_aside({"many": "it asks for 2,000 groups"})
    assert fact.group == ("many",)
    assert "it asks for 2,000 groups" in fact.text


def test_what_must_last_is_an_alert_only_when_it_has_lasted_without_a_break() -> None:
    rule = next(one for one in FACT_RULES if one.kind == "ledger_hole")
    fact = Fact(group=("a", "b", "c"), key="1", value=1, text="")
    holding = Holding()
    assert holding.lasting(rule, [fact], now_ms=0) == []
    assert holding.lasting(rule, [], now_ms=200_000) == []
    assert holding.lasting(rule, [fact], now_ms=250_000) == []
    assert holding.lasting(rule, [fact], now_ms=500_000) == []
    assert holding.lasting(rule, [fact], now_ms=550_000) == [fact]
