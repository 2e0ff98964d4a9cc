"""What of the pipeline itself is an alert: silence, loss, holes, lag. Pure.

A fact is so now, as the ledger's index or Kafka tells it, and is no question of windows. Its
`key` comes from what it is about (the last heartbeat, the bytes lost, the offset of a gap),
so that whoever finds the same fact again names the same alert. Without one it is its group
that is the fact, and its beginning names the alert.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from tailrace.alerts.builtin import FactRule
from tailrace.alerts.judging import Group
from tailrace.answers import Document
from tailrace.answers import field as field_of
from tailrace.heartbeat_claims import number_in
from tailrace.retention_pause import GO_ON_SHARE, PAUSE_SHARE, LateTopic
from tailrace.silence import ahead_ms, is_gone, is_silent, newest_by_host
from tailrace.standstill import standstill_of

NEAR_HALF: Final = GO_ON_SHARE
"""Which share of a topic's retention is near that at which agents wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that is so now."""

    group: Group
    key: str
    value: float
    text: str


def silent_agents(
    documents: Iterable[Document], *, now_ms: int, is_ledger_read: bool
) -> list[Fact] | None:
    """Return the agents that ceased to say that they live.

    It cannot be told, None, where nothing at all comes into the ledger's index any more, unless the indexers
    have read all that there is of it: else it may be them that stand still. One that was silent for a day is not
    waited for, and one in whose place another is there on its host is not missed.
    """
    documents = tuple(documents)
    found = standstill_of(documents, indexed_at_ms=0, now_ms=now_ms)
    if found is not None and not is_ledger_read:
        return None
    newest_ms = newest_by_host(
        (field_of(each, "figures.host_id"), said_ms)
        for each in documents
        if not ahead_ms(said_ms := number_in(each, "@timestamp"), now_ms=now_ms)
    )
    facts: list[Fact] = []
    for each in documents:
        said_ms = number_in(each, "@timestamp")
        interval_ms = number_in(each, "tailrace.interval_ms")
        is_missed = is_silent(
            said_ms, interval_ms=interval_ms, now_ms=now_ms
        ) and not is_gone(said_ms, now_ms=now_ms)
        host_id = field_of(each, "figures.host_id")
        if not is_missed or (host_id and newest_ms.get(host_id, 0) > said_ms):
            continue
        host, agent = _text(each, "host.name"), _text(each, "agent.id")
        silent_s = (now_ms - said_ms) // 1_000
        facts.append(
            Fact(
                group=(host, agent),
                key=str(said_ms),
                value=silent_s,
                text=f"the agent on {host} has said nothing for {silent_s:,} s",
            )
        )
    return facts


def lost_bytes(documents: Iterable[Document]) -> list[Fact]:
    """Return what agents declared as lost, by generation."""
    facts: list[Fact] = []
    for each in documents:
        lost = number_in(each, "tailrace.lost_bytes")
        host, path, generation = _file(each)
        if lost > 0:
            text = f"{lost:,} bytes of {path} on {host} are gone and were never read"
            facts.append(
                Fact(
                    group=(host, path, generation),
                    key=str(lost),
                    value=lost,
                    text=text,
                )
            )
    return facts


def ledger_holes(documents: Iterable[Document]) -> list[Fact]:
    """Return the generations of which the stream has a gap, by its word."""
    facts: list[Fact] = []
    for each in documents:
        gaps = _gaps_in(each)
        if not gaps:
            continue
        host, path, generation = _file(each)
        missing = sum(to - first for first, to in gaps)
        facts.append(
            Fact(
                group=(host, path, generation),
                key=str(gaps[0][0]),
                value=missing,
                text=(
                    f"{missing:,} bytes of {path} on {host} were sent and have not come,"
                    f" the first at {gaps[0][0]:,}; `tailrace audit --repair` asks for them"
                ),
            )
        )
    return facts


def retention_lags(late: Iterable[LateTopic]) -> list[Fact]:
    """Return the topics of which something unread is near half of the retention."""
    return [
        Fact(
            group=(each.topic,),
            key="",
            value=each.partitions,
            text=(
                f"{each.sentence()}: {NEAR_HALF:.0%} of the time or room that Kafka keeps it"
                f" for is used up, and at {PAUSE_SHARE:.0%} agents wait"
            ),
        )
        for each in late
        if each.partitions
    ]


def put_aside(reasons: Mapping[str, str]) -> list[Fact]:
    """Return the rules that could not be judged, with why."""
    return [
        Fact(
            group=(name,),
            key="",
            value=1,
            text=f"the rule {name} is put aside, and nothing else: {reason}",
        )
        for name, reason in sorted(reasons.items())
    ]


class Holding:
    """Since when each fact is so, of those that must last before they are alerts.

    It is not kept over a restart, which only makes such an alert as much later.
    """

    def __init__(self) -> None:
        self._since_ms: dict[tuple[str, Group, str], int] = {}

    def lasting(
        self, rule: FactRule, facts: Collection[Fact], *, now_ms: int
    ) -> list[Fact]:
        """Return those of all facts of a rule that have been so for long enough."""
        since = self._since_ms
        present = {(rule.name, fact.group, fact.key) for fact in facts}
        for gone in [
            one for one in since if one[0] == rule.name and one not in present
        ]:
            del since[gone]
        return [
            fact
            for fact in facts
            if now_ms - since.setdefault((rule.name, fact.group, fact.key), now_ms)
            >= rule.held_ms
        ]


def _gaps_in(document: Document) -> list[tuple[int, int]]:
    told = field_of(document, "figures.gaps")
    if not isinstance(told, list):
        return []
    try:
        pairs = [(int(a), int(b)) for a, b in cast("list[list[int]]", told)]
    except (TypeError, ValueError):
        return []
    return sorted(pair for pair in pairs if pair[1] > pair[0])


def _file(document: Document) -> tuple[str, str, str]:
    names = ("host.name", "log.file.path", "tailrace.generation")
    host, path, generation = (_text(document, name) for name in names)
    return host, path, generation


def _text(document: Document, name: str) -> str:
    found = field_of(document, name)
    return found if isinstance(found, str) else ""
