"""How a command asks for the words of the ledger: its index first, and then Kafka."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tailrace.clock import Clock
from tailrace.completeness import (
    Completeness,
    completeness_body,
    ledger_index,
    missing_body,
)
from tailrace.completeness_answer import read_completeness
from tailrace.elasticsearch import MISSING_IS_NONE, Elastic
from tailrace.errors import TailraceError
from tailrace.ledger_tail import LedgerTail, is_index_old, read_tail
from tailrace.purged import ReadToEnd, look, read_to_end

if TYPE_CHECKING:
    from tailrace.kafka_admin import KafkaAdmin
    from tailrace.query import Body
    from tailrace.settings import Connections

CLIENT_ID = "tailrace-completeness"
KAFKA_WAIT_MS_MAX = 3_000
"""A person waits; without Kafka's answer what waits is told as the index knows it."""


@dataclass(frozen=True, slots=True)
class LedgerAsked:
    """What the ledger's index answered, and what it was asked for once more."""

    answer: dict[str, Any]
    missing: dict[str, Any] | None
    now_ms: int


def ask_index(elastic: Elastic, namespace: str, *, clock: Clock) -> LedgerAsked:
    """Return what each hop said last, as far as it is indexed.

    Raises:
        RequestTimedOut: no answer came in time.
        ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
    """
    answer = _searched(elastic, namespace, completeness_body())
    lacking = missing_body(answer)
    missing = None if lacking is None else _searched(elastic, namespace, lacking)
    return LedgerAsked(answer, missing, clock.now_ms())


def stated(
    asked: LedgerAsked,
    elastic: Elastic,
    connections: Connections,
    *,
    until_ms: int,
    clock: Clock,
) -> Completeness:
    """Return up to when all is there that is before `until_ms`, and what waits.

    Kafka is asked where the index may be behind, or events seem to have waited for long;
    what it does not answer within `KAFKA_WAIT_MS_MAX` a question is not known.
    """

    def ask_again() -> dict[str, Any]:
        return _searched(elastic, connections.namespace, completeness_body())

    def ask_kafka() -> ReadToEnd:
        with _admin(connections) as admin:
            return read_to_end(admin, namespace=connections.namespace, clock=clock)

    tail = None
    if is_index_old(asked.answer, now_ms=asked.now_ms):
        tail = _tail(connections, ask_index=ask_again, now_ms=asked.now_ms, clock=clock)
    purged = look(
        asked.answer,
        missing=asked.missing,
        ask_kafka=ask_kafka,
        ask_again=ask_again,
        clock=clock,
    )
    return read_completeness(
        asked.answer,
        missing=asked.missing,
        now_ms=asked.now_ms,
        until_ms=until_ms,
        purged=purged,
        tail=tail,
    )


def _tail(
    connections: Connections,
    *,
    ask_index: Callable[[], Mapping[str, Any]],
    now_ms: int,
    clock: Clock,
) -> LedgerTail | None:
    try:
        with _admin(connections) as admin:
            return read_tail(
                connections,
                admin,
                client_id=CLIENT_ID,
                ask_index=ask_index,
                now_ms=now_ms,
                clock=clock,
            )
    except TailraceError:
        return None


def _admin(connections: Connections) -> KafkaAdmin:
    from tailrace.kafka_admin import KafkaAdmin

    return KafkaAdmin(
        connections,
        client_id=CLIENT_ID,
        connect_ms_max=KAFKA_WAIT_MS_MAX,
        answer_ms_max=KAFKA_WAIT_MS_MAX,
    )


def _searched(elastic: Elastic, namespace: str, body: Body) -> dict[str, Any]:
    path = f"/{ledger_index(namespace)}/_search{MISSING_IS_NONE}"
    return elastic.decoded(elastic.look_up("POST", path, body=body))
