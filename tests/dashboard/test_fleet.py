from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace_dashboard.fleet import (
    Agent,
    PartitionLag,
    age_text,
    kafka_text,
    read_agent,
    shared_host_ids,
    waiting_text,
)


def lag(group: str, records: int) -> PartitionLag:
    return PartitionLag(
        group=f"ns-{group}",
        topic="t",
        partition=0,
        next_offset=5,
        end_offset=5 + records,
    )


def test_an_agent_is_read_as_it_registered() -> None:
    agent = read_agent(
        "agent-1",
        b'{"host_name": "web-1", "host_id": "h", "version": "0.1.0",'
        b' "sources": ["app", {"name": "sys", "paths": []}, 7], "started_at_ms": 12}',
    )
    assert agent == Agent(
        agent_id="agent-1",
        host="web-1",
        host_id="h",
        version="0.1.0",
        sources=("app", "sys"),
        started_at_ms=12,
    )


@given(st.binary(max_size=60))
def test_z7_any_registration_is_some_agent(raw: bytes) -> None:
    assert read_agent("agent-1", raw).agent_id == "agent-1"


def test_two_agents_with_one_host_id_are_reported() -> None:
    agents = [
        read_agent(name, f'{{"host_name": "{name}", "host_id": "{host_id}"}}'.encode())
        for name, host_id in (("a", "same"), ("b", "same"), ("c", "other"), ("d", ""))
    ]
    assert shared_host_ids(agents) == {"same": ["a", "b"]}


def test_a_position_past_the_end_is_no_lag() -> None:
    assert lag("stream", -3).lag_records == 0


@pytest.mark.parametrize(
    ("lags", "said"),
    [
        ([], "nothing is waiting in Kafka"),
        ([lag("stream", 0), lag("indexer", 0)], "nothing is waiting in Kafka"),
        ([lag("stream", 1)], "1 chunk of lines to be parsed still waiting"),
        (
            [lag("stream", 2), lag("indexer", 3), lag("indexer", 1)],
            "2 chunks of lines to be parsed and 4 batches to be indexed",
        ),
    ],
)
def test_s8_what_waits_is_said_in_words(lags: list[PartitionLag], said: str) -> None:
    assert said in waiting_text(lags)


@pytest.mark.parametrize(
    ("lags", "told_lines", "said"),
    [
        ([], 0, "nothing is waiting in Kafka"),
        ([], 278, "by now nothing is waiting in Kafka"),
        (
            None,
            0,
            "Kafka does not answer, so how much is still waiting there is not known",
        ),
        (
            None,
            278,
            "Kafka itself does not answer: those lines are the ledger's last word of it",
        ),
        (
            None,
            1,
            "Kafka itself does not answer: that line is the ledger's last word of it",
        ),
        (
            [lag("stream", 2)],
            278,
            (
                "2 chunks of lines to be parsed still waiting in Kafka, so the newest rows"
                " are missing"
            ),
        ),
    ],
)
def test_what_kafka_says_does_not_contradict_what_the_ledger_said(
    lags: list[PartitionLag] | None, told_lines: int, said: str
) -> None:
    assert kafka_text(lags, told_lines=told_lines) == said


@pytest.mark.parametrize(
    ("age_ms", "said"),
    [
        (0, "0 s"),
        (90_000, "90 s"),
        (7_200_000, "2 h"),
        (999_999_999, "11 d"),
        (-5, "0 s"),
    ],
)
def test_an_age_has_one_unit(age_ms: int, said: str) -> None:
    assert age_text(age_ms) == said
