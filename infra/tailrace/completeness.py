"""Up to when what a search finds is all there is: a statement from the ledger. Pure.

A host is complete up to the moment at which its agent had last looked at every file, if all
that was there is stored. Where a generation lags, its host is complete up to the moment at
which the newest stored chunk of it was read, or at which a sweep had found no more in it than
is stored, whichever is later. A heartbeat may be in the index before records
of other partitions that it stands on: it names the newest of each, and where one is missing
it holds no longer than the heartbeat before that. The newest word of each hop comes from the
index of the ledger; `completeness_body` asks for it, and the answer says whether it is all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import msgspec

from tailrace.answers import Document
from tailrace.answers import field as field_of
from tailrace.heartbeat_claims import (
    HEARTBEAT,
    held_ms,
    is_succeeded,
    newest_by_place,
    number_in,
)
from tailrace.ledger import DOUBTFUL, unread_bytes_of
from tailrace.ledger_parts import FOREIGN_AGENT, TIMEOUT_S
from tailrace.ledger_parts import missing_body as missing_of
from tailrace.query import Body
from tailrace.silence import ahead_ms, is_gone, is_silent, newest_by_host
from tailrace.standstill import (
    NEWEST_WORD,
    Standstill,
    standstill_of,
)

DOCUMENTS_MAX: Final = 5_000
"""Words of the ledger that are read for one statement: those about the newest files."""
_DOUBTFUL_BYTES: Final = f"figures.lost_bytes.{DOUBTFUL}"
_FIELDS: Final = (
    "@timestamp",
    "tailrace.hop",
    "tailrace.generation",
    "host.name",
    "agent.id",
    "tailrace.next_event_number",
    "tailrace.next_offset",
    "tailrace.seen_size_bytes",
    "tailrace.lost_bytes",
    "tailrace.observed_at_ms",
    "tailrace.swept_at_ms",
    "tailrace.interval_ms",
    "figures.told_at_ms",
    "figures.swept_before_ms",
    "figures.told_before_ms",
    "figures.blank_bytes",
    "figures.held_by",
    "figures.host_id",
    "figures.is_closed",
    _DOUBTFUL_BYTES,
    "figures.rests",
    "figures.waiting_bytes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCompleteness:
    """Up to when one host's lines can all be found."""

    host_name: str
    complete_to_ms: int | None
    """None where nothing was ever looked at, or said, and where the clock is ahead."""
    waiting_events: int
    unread_bytes: int
    lost_bytes: int
    is_silent: bool
    is_ahead: bool = False
    """Its clock is, so that no moment it tells says up to when its lines were looked at."""
    purged_events: int = 0
    """Sent, not stored, and no longer in Kafka: nobody will read them there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """What can be said of a range of time and some hosts."""

    hosts: tuple[HostCompleteness, ...]
    now_ms: int
    until_ms: int
    silent_agents: int
    ahead_agents: int = 0
    """Those whose heartbeat is from the future: whether they live is not known."""
    is_partial: bool
    """There are more words in the ledger than were read."""
    standstill: Standstill | None = None
    """Where no word of any hop came lately, so that who is silent cannot be said."""

    @property
    def complete_to_ms(self) -> int | None:
        """The moment up to which every host is complete; None where one is not known."""
        if not self.hosts:
            return None
        moments = [host.complete_to_ms for host in self.hosts]
        known = [moment for moment in moments if moment is not None]
        if len(known) < len(moments):
            return None
        return min(*known, self.until_ms)

    @property
    def waiting_events(self) -> int:
        """Events that were sent and are not stored."""
        return sum(host.waiting_events for host in self.hosts)

    @property
    def purged_events(self) -> int:
        """Events that were sent, and went from Kafka before they were read."""
        return sum(host.purged_events for host in self.hosts)


@dataclass(frozen=True, slots=True)
class _Hop:
    next_number: int = 0
    observed_at_ms: int = 0
    next_offset: int = 0


@dataclass(slots=True)
class _Generation:
    agent: _Hop | None = None
    stream: _Hop | None = None
    indexer: _Hop | None = None
    rests: tuple[tuple[int, int], ...] = ()
    unread_bytes: int = 0
    lost_bytes: int = 0

    @property
    def complete_to_ms(self) -> int:
        """Up to when all of it is stored that was written, though not all of it is."""
        stored = self.indexer or _Hop()
        # Of what nothing is stored, not even its first moment is complete.
        moments = [at_ms for at_ms, end in self.rests if end <= stored.next_offset]
        return max([stored.observed_at_ms, *moments])


@dataclass(slots=True)
class _Host:
    generations: dict[str, _Generation] = field(default_factory=dict[str, _Generation])
    sweeps_ms: list[int] = field(default_factory=list[int])
    """When each of its agents looked last; there may be several on one host."""
    gone_sweeps_ms: list[int] = field(default_factory=list[int])
    """The same of agents that have been silent for so long that nobody waits."""
    is_silent: bool = False
    silent_agents: int = 0
    ahead_agents: int = 0
    waiting_bytes: int = 0
    """Of files for which its agents have no room: no generation tells of those."""
    lead_ms: int = 0
    """By how much its clock is ahead at least, if only as much as clocks differ."""

    @property
    def is_gone(self) -> bool:
        """Whether it had agents, and all of them are gone."""
        return bool(self.gone_sweeps_ms) and not self.sweeps_ms

    @property
    def swept_at_ms(self) -> int | None:
        """Up to when all its agents have looked; None where none ever spoke."""
        return min(self.sweeps_ms or self.gone_sweeps_ms, default=None)


def ledger_index(namespace: str) -> str:
    """Return the index that holds the newest word of each hop."""
    return f"{namespace}-ledger"


def completeness_body(*, hosts: Iterable[str] = ()) -> Body:
    """Build the search for what a statement needs, heartbeats first, newest first."""
    wanted: list[Body] = [
        {"terms": {"tailrace.hop": ["heartbeat", "agent", "stream", "indexer"]}}
    ]
    named = sorted(set(hosts))
    if named:
        wanted.append({"terms": {"host.name": named}})
    return {
        "size": DOCUMENTS_MAX,
        "query": {
            "bool": {
                "filter": wanted,
                # Without a heartbeat nothing can be said of a host, so those go first.
                "should": [
                    {
                        "constant_score": {
                            "filter": {"term": {"tailrace.hop": "heartbeat"}},
                            "boost": 2,
                        }
                    }
                ],
            }
        },
        "sort": [{"_score": "desc"}, {"@timestamp": "desc"}],
        "track_total_hits": True,
        "timeout": f"{TIMEOUT_S}s",
        "aggs": {"indexed": NEWEST_WORD},
        "_source": list(_FIELDS),
    }


def missing_body(answer: Mapping[str, Any]) -> Body | None:
    """Build the search for the words that a partial answer lacks of its files.

    None where it lacks none: the answer is then all that `read_completeness` needs.
    """
    return missing_of(answer, source=_FIELDS)


def completeness_of(
    documents: Iterable[Document],
    *,
    now_ms: int,
    until_ms: int,
    indexed_at_ms: int = 0,
    left_out: Collection[str] = (),
    read_after_ms: int = 0,
    purged: Mapping[str, int] = MappingProxyType({}),
) -> Completeness:
    """Return the statement from documents of the ledger, in any order.

    If others were not read, `indexed_at_ms` is when the newest of all was written, `left_out`
    are the generations whose indexer's word is not known, and what was written before
    `read_after_ms` is missed by nobody. What is `purged` holds no host back.
    """
    documents = tuple(documents)
    newest_ms = newest_by_place(documents)
    newest_of_host_ms = newest_by_host(
        (field_of(document, "figures.host_id"), said_at_ms)
        for document in documents
        if field_of(document, "tailrace.hop") == HEARTBEAT
        and not ahead_ms(said_at_ms := number_in(document, "@timestamp"), now_ms=now_ms)
    )
    hosts: dict[str, _Host] = {}
    for document in documents:
        name = field_of(document, "host.name")
        is_ours = field_of(document, "agent.id") != FOREIGN_AGENT
        if isinstance(name, str) and name and is_ours:
            host = hosts.setdefault(name, _Host())
            if is_succeeded(document, newest_of_host_ms, now_ms=now_ms):
                continue
            if field_of(document, "tailrace.hop") == HEARTBEAT:
                held = held_ms(
                    document, newest_ms=newest_ms, read_after_ms=read_after_ms
                )
                _take_heartbeat(document, host=host, held_at_ms=held, now_ms=now_ms)
            else:
                _take(document, host=host)
    # Where all are gone, when they were there is all that can be said.
    living = {name: host for name, host in hosts.items() if not host.is_gone}
    return Completeness(
        hosts=tuple(
            _stated(name, host, left_out=left_out, purged=purged)
            for name, host in sorted((living or hosts).items())
        ),
        now_ms=now_ms,
        until_ms=min(until_ms, now_ms),
        silent_agents=sum(host.silent_agents for host in hosts.values()),
        ahead_agents=sum(host.ahead_agents for host in hosts.values()),
        is_partial=False,
        standstill=standstill_of(documents, indexed_at_ms=indexed_at_ms, now_ms=now_ms),
    )


def _take_heartbeat(
    document: Document, *, host: _Host, held_at_ms: int, now_ms: int
) -> None:
    interval_ms = number_in(document, "tailrace.interval_ms")
    said_at_ms = number_in(document, "@timestamp")
    if is_silent(said_at_ms, interval_ms=interval_ms, now_ms=now_ms):
        host.silent_agents += 1
        host.is_silent = True
    if ahead_ms(said_at_ms, now_ms=now_ms):
        host.ahead_agents += 1
    sweeps = host.gone_sweeps_ms
    if not is_gone(said_at_ms, now_ms=now_ms):
        sweeps = host.sweeps_ms
        host.waiting_bytes += number_in(document, "figures.waiting_bytes")
    host.lead_ms = max(host.lead_ms, said_at_ms - now_ms)
    sweeps.append(held_at_ms)


def _take(document: Document, *, host: _Host) -> None:
    hop = field_of(document, "tailrace.hop")
    generation = field_of(document, "tailrace.generation")
    if not isinstance(generation, str):
        return
    known = host.generations.setdefault(generation, _Generation())
    word = _Hop(
        number_in(document, "tailrace.next_event_number"),
        number_in(document, "tailrace.observed_at_ms"),
        number_in(document, "tailrace.next_offset"),
    )
    if hop == "agent":
        known.agent = word
        known.rests = _rests_in(document)
        known.lost_bytes = number_in(document, "tailrace.lost_bytes")
        known.unread_bytes = unread_bytes_of(
            seen_size_bytes=number_in(document, "tailrace.seen_size_bytes"),
            next_offset=number_in(document, "tailrace.next_offset"),
            blank_bytes=number_in(document, "figures.blank_bytes"),
            lost_bytes=known.lost_bytes - number_in(document, _DOUBTFUL_BYTES),
            is_over=field_of(document, "figures.is_closed") is True
            or field_of(document, "figures.held_by") is not None,
        )
    elif hop == "stream":
        known.stream = word
    elif hop == "indexer":
        known.indexer = word


def _rests_in(document: Document) -> tuple[tuple[int, int], ...]:
    try:
        return msgspec.convert(
            field_of(document, "figures.rests") or (), type=tuple[tuple[int, int], ...]
        )
    except msgspec.ValidationError:
        return ()


def _stated(
    name: str, host: _Host, *, left_out: Collection[str], purged: Mapping[str, int]
) -> HostCompleteness:
    complete_to_ms = host.swept_at_ms
    waiting = gone = 0
    for generation, each in host.generations.items():
        if generation in left_out:
            continue
        sent = max(each.agent.next_number if each.agent else 0, _next(each.stream))
        behind = max(sent - _next(each.indexer), 0)
        taken = min(purged.get(generation, 0), behind)
        behind -= taken
        gone += taken
        waiting += behind
        if behind or each.unread_bytes:
            moment = each.complete_to_ms
            complete_to_ms = min(complete_to_ms or moment, moment)
    is_known = host.swept_at_ms is not None and not host.ahead_agents
    return HostCompleteness(
        host_name=name,
        # All its moments are of one clock, which has told what is not yet by so much.
        complete_to_ms=max((complete_to_ms or 0) - host.lead_ms, 0)
        if is_known
        else None,
        is_ahead=host.ahead_agents > 0,
        waiting_events=waiting,
        unread_bytes=host.waiting_bytes
        + sum(each.unread_bytes for each in host.generations.values()),
        lost_bytes=sum(each.lost_bytes for each in host.generations.values()),
        is_silent=host.is_silent,
        purged_events=gone,
    )


def _next(hop: _Hop | None) -> int:
    return 0 if hop is None else hop.next_number
