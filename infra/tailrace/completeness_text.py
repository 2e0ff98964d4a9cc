"""A statement of completeness in words, for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tailrace.completeness import Completeness
from tailrace.moments import moment_text
from tailrace.standstill import standstill_text
from tailrace.text import printable

BEHIND_MS_MIN: Final = 2_000
"""Less than this is no lag: an agent looks about once a second."""
HOSTS_NAMED_MAX: Final = 3


def statement(stated: Completeness) -> str:
    """Return one line for a person; names are made harmless.

    Such as "complete up to 12:03:41; web-3 is 40 s behind; 1,240 lines in Kafka; 2 agents
    silent".
    """
    if not stated.hosts:
        return (
            "how complete this is cannot be said: the ledger holds no word of an agent"
            " yet"
        )
    parts = [_moment_part(stated), *_behind_parts(stated)]
    waiting = list(_waiting_parts(stated))
    is_up_to_date = stated.standstill is None or stated.standstill.is_known
    if is_up_to_date:
        parts += waiting
    if stated.purged_events:
        noun = "line" if stated.purged_events == 1 else "lines"
        parts.append(
            f"{stated.purged_events:,} {noun} lost from Kafka before being read"
            " (`tailrace audit --repair` has sent again what the files still hold)"
        )
    lost = sum(host.lost_bytes for host in stated.hosts)
    if lost:
        parts.append(f"{lost:,} bytes declared lost")
    silent = stated.silent_agents
    if stated.standstill is not None:
        moment = _shown_moment(stated.standstill.since_ms, now_ms=stated.now_ms)
        parts.append(standstill_text(stated.standstill, moment=moment))
        if not is_up_to_date:
            # Of that moment: what has come since then nobody has told.
            parts += [f"{part} by then" for part in waiting]
        silent -= stated.standstill.agents
    if silent > 0:
        parts.append(f"{silent:,} {'agent' if silent == 1 else 'agents'} silent")
    ahead = stated.ahead_agents
    if ahead:
        agents = "1 agent lives" if ahead == 1 else f"{ahead:,} agents live"
        clocks = "its clock is" if ahead == 1 else "their clocks are"
        parts.append(f"whether {agents} is not known, as {clocks} ahead")
    if stated.is_partial:
        parts.append("said from a part of the ledger only, the newest of it")
    return "; ".join(parts)


def _waiting_parts(stated: Completeness) -> Iterator[str]:
    if stated.waiting_events:
        noun = "line" if stated.waiting_events == 1 else "lines"
        yield f"{stated.waiting_events:,} {noun} in Kafka"
    unread = sum(host.unread_bytes for host in stated.hosts)
    if unread:
        yield f"{unread:,} bytes not yet read"


def _moment_part(stated: Completeness) -> str:
    moment_ms = stated.complete_to_ms
    if moment_ms is None:
        unknown = [h for h in stated.hosts if h.complete_to_ms is None]
        is_ahead = any(host.is_ahead for host in unknown)
        named = [h.host_name for h in unknown if h.is_ahead == is_ahead]
        why = "by a clock that is ahead" if is_ahead else "no heartbeat yet"
        return f"how complete {_names(named)} is cannot be said: {why}"
    if moment_ms <= 0:
        waiting = [h.host_name for h in stated.hosts if h.complete_to_ms == 0]
        return f"nothing of some files of {_names(waiting)} is stored yet"
    return f"complete up to {_shown_moment(moment_ms, now_ms=stated.now_ms)}"


def _shown_moment(moment_ms: int, *, now_ms: int) -> str:
    is_today = moment_ms // 86_400_000 == now_ms // 86_400_000
    shown = moment_text(moment_ms)[: -len(".000")]
    return f"{shown[len('2026-11-24 ') :] if is_today else shown} UTC"


def _behind_parts(stated: Completeness) -> list[str]:
    behind = sorted(
        (
            (stated.until_ms - host.complete_to_ms, host.host_name)
            for host in stated.hosts
            if host.complete_to_ms and not host.is_silent
        ),
        reverse=True,
    )
    late = [(by_ms, name) for by_ms, name in behind if by_ms >= BEHIND_MS_MIN]
    parts = [
        f"{printable(name)} is {_length(by_ms)} behind"
        for by_ms, name in late[:HOSTS_NAMED_MAX]
    ]
    if len(late) > HOSTS_NAMED_MAX:
        parts.append(f"{len(late) - HOSTS_NAMED_MAX} more hosts behind")
    return parts


def _names(names: list[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:HOSTS_NAMED_MAX])
    more = len(names) - HOSTS_NAMED_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def _length(length_ms: int) -> str:
    seconds = length_ms // 1_000
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7_200:
        return f"{seconds // 60} min"
    return f"{seconds // 3_600} h"
