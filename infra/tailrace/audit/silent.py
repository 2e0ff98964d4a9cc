"""Of which agents nobody hears: what was written since they looked is in no hop's word.

Whether such an agent was stopped, is frozen, or cannot reach Kafka, the ledger does not
tell; in each case nobody looks at its files, and all figures are of before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tailrace.ledger import AgentHeartbeat, LedgerRecord
from tailrace.silence import (
    ahead_ms,
    is_gone,
    is_silent,
    newest_by_host,
    silent_from_ms,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentAgent:
    """An agent whose heartbeats have ceased, or of which that cannot be told."""

    agent_id: str
    host_name: str
    silent_since_ms: int
    """When it spoke last."""
    complete_to_ms: int
    """Up to when its files were looked at; what the hops say is true of then."""
    is_gone: bool
    """It has been silent for so long that nobody waits for it."""
    ahead_ms: int = 0
    """How far in the future its heartbeat is: whether it lives, only a newer one tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadAgent:
    """An agent that is silent, and for which nobody waits: what did it leave?"""

    agent_id: str
    host_id: str
    silent_since_ms: int
    spoke_until_ms: int
    """No word that is younger can be its own: another has taken up what that is about."""
    is_gone: bool
    """It has been silent for so long that nobody waits for what it left, either."""
    succeeded_to_ms: int = 0
    """Up to when an agent that lives on the same host has looked at its own files; 0 where
    none does."""


def heartbeats_in(records: Iterable[LedgerRecord]) -> tuple[AgentHeartbeat, ...]:
    """Return the heartbeats among records of the ledger."""
    return tuple(each for each in records if isinstance(each, AgentHeartbeat))


class Hearing:
    """Listens to heartbeats, look after look, and says whose have ceased.

    One that comes while it listens counts as said then, whatever its host's clock says: an
    agent whose clock is behind ours lives all the same. One from the future is proof of
    nothing, until a newer one is heard.
    """

    def __init__(self) -> None:
        self._said_at_ms: dict[str, int] = {}
        """By agent, the newest heartbeat's own time."""
        self._heard_at_ms: dict[str, int] = {}
        """When one came that was not there at the first look."""

    def silent(
        self, heartbeats: Iterable[AgentHeartbeat], *, now_ms: int, read_at_ms: int
    ) -> tuple[tuple[SilentAgent, ...], tuple[DeadAgent, ...]]:
        """Return who is silent, by host; and those of them, or in whose place there is
        another, for whom nobody waits.

        The ledger was read from `now_ms` to `read_at_ms`: what was said meanwhile is not
        from the future.
        """
        heartbeats = tuple(heartbeats)
        newest = newest_by_host(
            (each.host_id, each.updated_at_ms)
            for each in heartbeats
            if not ahead_ms(each.updated_at_ms, now_ms=read_at_ms)
        )
        found: list[SilentAgent] = []
        dead: list[DeadAgent] = []
        for each in heartbeats:
            said_at_ms = each.updated_at_ms
            by_ms = ahead_ms(said_at_ms, now_ms=read_at_ms)
            spoke_at_ms = max(
                self._heard(each, now_ms=now_ms), 0 if by_ms else said_at_ms
            )
            if not is_silent(spoke_at_ms, interval_ms=each.interval_ms, now_ms=now_ms):
                continue
            is_gone_for_good = is_gone(said_at_ms, now_ms=now_ms)
            other_ms = newest.get(each.host_id, 0) if each.host_id else 0
            # Of one from the future nobody knows which of both came later.
            if other_ms > said_at_ms or (
                by_ms
                and not is_silent(other_ms, interval_ms=each.interval_ms, now_ms=now_ms)
            ):
                swept_at_ms = _swept_at_ms(heartbeats, each, now_ms=now_ms)
                dead.append(_dead(each, now_ms=now_ms, succeeded_to_ms=swept_at_ms))
                continue
            if is_gone_for_good:
                dead.append(_dead(each, now_ms=now_ms, succeeded_to_ms=0))
            found.append(
                SilentAgent(
                    agent_id=each.agent_id,
                    host_name=each.host_name,
                    silent_since_ms=said_at_ms,
                    complete_to_ms=min(each.swept_at_ms, read_at_ms),
                    is_gone=is_gone_for_good,
                    ahead_ms=by_ms,
                )
            )
        found.sort(key=lambda each: (each.host_name, each.agent_id))
        return tuple(found), tuple(dead)

    def _heard(self, heartbeat: AgentHeartbeat, *, now_ms: int) -> int:
        """Return when a newer one came while it listened; 0 where none did."""
        agent_id, said_at_ms = heartbeat.agent_id, heartbeat.updated_at_ms
        if self._said_at_ms.get(agent_id, said_at_ms) < said_at_ms:
            self._heard_at_ms[agent_id] = now_ms
        self._said_at_ms[agent_id] = said_at_ms
        return self._heard_at_ms.get(agent_id, 0)


def _dead(heartbeat: AgentHeartbeat, *, now_ms: int, succeeded_to_ms: int) -> DeadAgent:
    said_at_ms = heartbeat.updated_at_ms
    return DeadAgent(
        agent_id=heartbeat.agent_id,
        host_id=heartbeat.host_id,
        silent_since_ms=said_at_ms,
        spoke_until_ms=silent_from_ms(said_at_ms, interval_ms=heartbeat.interval_ms),
        is_gone=is_gone(said_at_ms, now_ms=now_ms),
        succeeded_to_ms=succeeded_to_ms,
    )


def _swept_at_ms(
    heartbeats: Iterable[AgentHeartbeat], dead: AgentHeartbeat, *, now_ms: int
) -> int:
    """Return up to when another agent of a host, which lives, has looked at its files."""
    return max(
        (
            each.swept_at_ms
            for each in heartbeats
            if each.host_id == dead.host_id
            and each.agent_id != dead.agent_id
            and not is_silent(
                each.updated_at_ms, interval_ms=each.interval_ms, now_ms=now_ms
            )
        ),
        default=0,
    )
