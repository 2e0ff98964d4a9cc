"""Of which agents nobody hears: what was written since they looked is in no hop's word.

Whether such an agent was stopped, is frozen, or cannot reach Kafka, the ledger does not
tell; in each case nobody looks at its files, and all figures are of before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tailrace.ledger import AgentHeartbeat, LedgerRecord
from tailrace.silence import is_gone, is_silent, newest_by_host


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentAgent:
    """An agent whose heartbeats have ceased."""

    agent_id: str
    host_name: str
    silent_since_ms: int
    """When it spoke last."""
    complete_to_ms: int
    """Up to when its files were looked at; what the hops say is true of then."""
    is_gone: bool
    """It has been silent for so long that nobody waits for it."""


def heartbeats_in(records: Iterable[LedgerRecord]) -> tuple[AgentHeartbeat, ...]:
    """Return the heartbeats among records of the ledger."""
    return tuple(each for each in records if isinstance(each, AgentHeartbeat))


class Hearing:
    """Listens to heartbeats, look after look, and says whose have ceased.

    One that comes while it listens counts as said then, whatever its host's clock says: an
    agent whose clock is behind ours lives all the same.
    """

    def __init__(self) -> None:
        self._said_at_ms: dict[str, int] = {}
        """By agent, the newest heartbeat's own time."""
        self._heard_at_ms: dict[str, int] = {}
        """When one came that was not there at the first look."""

    def silent(
        self, heartbeats: Iterable[AgentHeartbeat], *, now_ms: int
    ) -> tuple[SilentAgent, ...]:
        """Return who is silent, by host; `now_ms` is when the ledger was read."""
        heartbeats = tuple(heartbeats)
        newest = newest_by_host((h.host_id, h.updated_at_ms) for h in heartbeats)
        found: list[SilentAgent] = []
        for each in heartbeats:
            said_at_ms = each.updated_at_ms
            if self._said_at_ms.get(each.agent_id, said_at_ms) < said_at_ms:
                self._heard_at_ms[each.agent_id] = now_ms
            self._said_at_ms[each.agent_id] = said_at_ms
            heard_at_ms = max(said_at_ms, self._heard_at_ms.get(each.agent_id, 0))
            if each.host_id and newest[each.host_id] > said_at_ms:
                continue
            if is_silent(heard_at_ms, interval_ms=each.interval_ms, now_ms=now_ms):
                found.append(
                    SilentAgent(
                        agent_id=each.agent_id,
                        host_name=each.host_name,
                        silent_since_ms=said_at_ms,
                        complete_to_ms=each.swept_at_ms,
                        is_gone=is_gone(said_at_ms, now_ms=now_ms),
                    )
                )
        return tuple(sorted(found, key=lambda each: (each.host_name, each.agent_id)))
