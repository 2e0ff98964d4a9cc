"""What an answer of the ledger's index states, with what was told since it was given. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tailrace.completeness import Completeness, HostCompleteness, completeness_of
from tailrace.ledger_parts import LedgerWords, words_in
from tailrace.ledger_tail import LedgerTail
from tailrace.standstill import known_standstill


def read_completeness(
    answer: Mapping[str, Any],
    *,
    now_ms: int,
    until_ms: int,
    missing: Mapping[str, Any] | None = None,
    purged: Mapping[str, int] | None = None,
    tail: LedgerTail | None = None,
) -> Completeness:
    """Return what the answer to `completeness_body` says; never raises for its content.

    `missing` is the answer to `missing_body`. Of which files it is not known how much is
    stored, those are left out where there is none, and the statement is partial. `purged`
    is by generation how much of what waits is gone from Kafka (`purged.look`). `tail` is what
    was told and is not in the index yet; None where that is not known.
    """
    indexed = words_in(answer, missing=missing)

    def by_index() -> Completeness:
        return _completeness_of(
            indexed, now_ms=now_ms, until_ms=until_ms, purged=purged
        )

    if tail is None:
        return by_index()
    stated = _completeness_of(
        words_in(answer, missing=missing, tail=tail),
        now_ms=max(now_ms, tail.read_at_ms),
        until_ms=min(until_ms, now_ms),
        purged=purged,
    )
    return replace(
        stated,
        hosts=stated.hosts if tail.is_whole else _claimed_by(by_index(), stated.hosts),
        standstill=known_standstill(indexed, tail=tail, now_ms=now_ms),
    )


def _completeness_of(
    read: LedgerWords, *, now_ms: int, until_ms: int, purged: Mapping[str, int] | None
) -> Completeness:
    stated = completeness_of(
        read.documents,
        now_ms=now_ms,
        until_ms=until_ms,
        # What was not read may be newer than all that was.
        indexed_at_ms=now_ms if read.indexed_at_ms is None else read.indexed_at_ms,
        left_out=read.left_out,
        read_after_ms=read.read_after_ms,
        purged=purged or {},
    )
    return replace(stated, is_partial=read.is_partial)


def _claimed_by(
    alone: Completeness, hosts: Iterable[HostCompleteness]
) -> tuple[HostCompleteness, ...]:
    """Return the hosts with the moments that the index alone tells.

    Of a tail that is not whole a later word would vouch for those that were passed over.
    """
    claimed = {host.host_name: host.complete_to_ms for host in alone.hosts}
    return tuple(
        replace(host, complete_to_ms=claimed.get(host.host_name)) for host in hosts
    )
