"""Whether all words of the ledger ceased in its index at once, the agents' among them. Pure.

An agent's heartbeat comes into the index by the indexers, as every other word does. Where
none of any hop has come for some intervals, the indexers may stand still, and the agents
live: the documents alone do not tell which of them it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tailrace.answers import Document
from tailrace.answers import field as field_of
from tailrace.heartbeat_claims import number_in
from tailrace.ledger_parts import LedgerWords
from tailrace.ledger_tail import LedgerTail
from tailrace.query import Body
from tailrace.silence import AHEAD_MS_MAX, ahead_ms, is_gone, is_silent

NEWEST_WORD: Body = {
    # Of all hosts and hops, whichever the search is about.
    "global": {},
    "aggs": {
        "present": {
            "filter": {
                "range": {"@timestamp": {"lte": f"now+{AHEAD_MS_MAX // 1_000}s"}}
            },
            "aggs": {"at": {"max": {"field": "@timestamp"}}},
        }
    },
}
"""The aggregation that tells when the newest word in the index was written; one from the
future would hide that no other comes."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """No word has come into the index for so long that each agent seems silent."""

    since_ms: int
    """When the newest word was written."""
    agents: int
    """Those that would be called silent, and are waited for."""
    is_known: bool = False
    """Whether later words wait in Kafka, so that the agents are not the reason."""


def standstill_of(
    documents: Iterable[Document], *, indexed_at_ms: int, now_ms: int
) -> Standstill | None:
    """Return that nothing came since the newest word there is, if so.

    `indexed_at_ms` is when it was written, if it is not among `documents`. Words from the
    future say nothing of when they came.
    """
    documents = tuple(documents)
    said_ms = [number_in(document, "@timestamp") for document in documents]
    newest_ms = max(
        (
            at_ms
            for at_ms in (indexed_at_ms, *said_ms)
            if not ahead_ms(at_ms, now_ms=now_ms)
        ),
        default=0,
    )
    beats = [
        (number_in(document, "@timestamp"), number_in(document, "tailrace.interval_ms"))
        for document in documents
        if field_of(document, "tailrace.hop") == "heartbeat"
    ]
    living = [
        (said_at_ms, interval_ms)
        for said_at_ms, interval_ms in beats
        if not is_gone(said_at_ms, now_ms=now_ms)
        and not ahead_ms(said_at_ms, now_ms=now_ms)
    ]
    if not living:
        return None
    shortest_ms = min(interval_ms for _, interval_ms in living)
    words = [*living, (newest_ms, shortest_ms)]
    if not all(is_silent(at, interval_ms=each, now_ms=now_ms) for at, each in words):
        return None
    return Standstill(newest_ms, len(living))


def known_standstill(
    indexed: LedgerWords, *, tail: LedgerTail, now_ms: int
) -> Standstill | None:
    """Return since when nothing is indexed, though there are words to be indexed."""
    at_ms = now_ms if indexed.indexed_at_ms is None else indexed.indexed_at_ms
    found = standstill_of(indexed.documents, indexed_at_ms=at_ms, now_ms=now_ms)
    if found is None or not tail.documents:
        # The indexers have taken in all there was: whoever is silent is it.
        return None
    return replace(found, agents=0, is_known=True)


def standstill_text(found: Standstill, *, moment: str) -> str:
    """Return it in words; `moment` is when it began."""
    if found.is_known:
        return f"nothing told since {moment} is indexed: the indexers stand still or are behind"
    agents = (
        "the agent does" if found.agents == 1 else f"all {found.agents:,} agents do"
    )
    return f"nothing was indexed since {moment}: the indexers stand still, or {agents}"
