"""The line under every result: up to when it is all there is, and what still waits."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from datetime import tzinfo
from functools import partial
from typing import Any

import streamlit as st

from tailrace.completeness import (
    Completeness,
    completeness_body,
    ledger_index,
    missing_body,
)
from tailrace.completeness_answer import read_completeness
from tailrace.completeness_text import statement
from tailrace.errors import TailraceError
from tailrace.ledger_tail import LedgerTail, is_index_old
from tailrace.purged import look
from tailrace.query import events_alias, newest_body, read_page
from tailrace_dashboard.fleet import PartitionLag, kafka_text
from tailrace_dashboard.gateway import NoIndexYet
from tailrace_dashboard.rows import markdown, time_texts
from tailrace_dashboard.sources import Sources
from tailrace_dashboard.views.session import Found

LAG_WAIT_S_MAX = 3.0
"""Kafka may be away; the rows do not wait for it, and neither does the line for long."""
READ_WAIT_S_MAX = 2 * LAG_WAIT_S_MAX
"""Asked only where something has waited for long, and then waits for readers itself."""
TAIL_WAIT_S_MAX = 3 * LAG_WAIT_S_MAX
"""Asked only where the ledger's index may be behind: Kafka, the index again, and Kafka."""


def ask_ledger(found: Found, *, sources: Sources) -> None:
    """Ask how far each hop is, before the rows are asked for.

    What is stored between both questions is then among the rows, and not merely promised.
    """
    if found.told is None:
        found.told = sources.search.ask(
            index=ledger_index(sources.namespace),
            body=completeness_body(hosts=_hosts(found)),
        )


def forget_ledger(found: Found) -> None:
    """Let go of the question to the ledger; the next run of the search asks anew."""
    if found.told is not None:
        found.told.cancel()
        found.told = None


def show_completeness(found: Found, *, sources: Sources, zone: tzinfo) -> None:
    """Draw the line; it is put together once for each search."""
    if not found.completeness:
        newest = sources.search.ask(
            index=events_alias(sources.namespace),
            body=newest_body(now_ms=sources.clock.now_ms()),
        )
        stated = _stated(found, sources=sources)
        told_lines = 0 if stated is None else stated.waiting_events
        parts = (
            _stated_text(stated),
            _newest_text(newest, zone=zone),
            kafka_text(_lags(sources.lags.lags()), told_lines=told_lines),
        )
        found.completeness = " · ".join(parts)
    st.caption(f":material/done_all: {found.completeness}")


def _hosts(found: Found) -> tuple[str, ...]:
    """Return the hosts that the filters ask for; none of them means all."""
    return tuple(
        one.value
        for one in found.state.filters
        if one.field == "host.name" and not one.is_excluded
    )


def _stated(found: Found, *, sources: Sources) -> Completeness | None:
    """Return what the ledger states of the range and the hosts, None where it is mute."""
    answer: dict[str, Any] = {}
    try:
        if found.told is not None:
            answer = found.told.result(LAG_WAIT_S_MAX)
    except NoIndexYet:
        pass
    except (TailraceError, TimeoutError):
        if found.told is not None:
            found.told.cancel()
        return None
    missing = _missing(answer, sources=sources)
    return read_completeness(
        answer,
        missing=missing,
        now_ms=found.asked_at_ms,
        until_ms=found.time_range.until_ms,
        purged=_purged(found, answer, missing=missing, sources=sources),
        tail=_tail(found, answer, sources=sources),
    )


def _asked_again(found: Found, *, sources: Sources) -> dict[str, Any]:
    again = sources.search.ask(
        index=ledger_index(sources.namespace),
        body=completeness_body(hosts=_hosts(found)),
    )
    return again.result(LAG_WAIT_S_MAX)


def _tail(
    found: Found, answer: dict[str, Any], *, sources: Sources
) -> LedgerTail | None:
    """Return what was told and is not indexed; None where that is not known."""
    if not is_index_old(answer, now_ms=found.asked_at_ms):
        return None
    asked = sources.lags.ledger_tail(
        ask_index=partial(_asked_again, found, sources=sources),
        now_ms=found.asked_at_ms,
    )
    try:
        return asked.result(TAIL_WAIT_S_MAX).of_hosts(_hosts(found))
    except (TailraceError, TimeoutError):
        asked.cancel()
        return None


def _purged(
    found: Found,
    answer: dict[str, Any],
    *,
    missing: dict[str, Any] | None,
    sources: Sources,
) -> Mapping[str, int]:
    """Return what seems to wait and is gone from Kafka; nothing where that is not known."""

    return look(
        answer,
        missing=missing,
        ask_kafka=lambda: sources.lags.read_to_end().result(READ_WAIT_S_MAX),
        ask_again=partial(_asked_again, found, sources=sources),
        clock=sources.clock,
    )


def _missing(answer: dict[str, Any], *, sources: Sources) -> dict[str, Any] | None:
    """Return the words that a partial answer lacks of its files; None if they do not come.

    They are newer than the rows by the time of one search: of what is stored meanwhile, the
    line may say that it is.
    """
    body = missing_body(answer)
    if body is None:
        return None
    asked = sources.search.ask(index=ledger_index(sources.namespace), body=body)
    try:
        return asked.result(LAG_WAIT_S_MAX)
    except (TailraceError, TimeoutError):
        asked.cancel()
        return None


def _stated_text(stated: Completeness | None) -> str:
    """Return the ledger's statement as Markdown's text."""
    if stated is None:
        return "The ledger does not answer, so how complete this is cannot be said"
    said = statement(stated)
    return markdown(f"{said[:1].upper()}{said[1:]}")


def _newest_text(newest: Future[dict[str, Any]], *, zone: tzinfo) -> str:
    try:
        rows = read_page(newest.result(LAG_WAIT_S_MAX), size_max=1).rows
    except (TailraceError, TimeoutError):
        newest.cancel()
        return "The newest event is not known"
    if not rows:
        return "There is no event before now"
    return f"Newest event indexed: {time_texts(rows[0], zone=zone, has_date=True)[0]}"


def _lags(lags: Future[tuple[PartitionLag, ...]]) -> tuple[PartitionLag, ...] | None:
    try:
        return lags.result(LAG_WAIT_S_MAX)
    except (TailraceError, TimeoutError):
        lags.cancel()
        return None
