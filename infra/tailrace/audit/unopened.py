"""What agents that live have not looked at, or see and do not read: no generation tells of it.

As heartbeats tell. An agent claims up to when it has been through its files: where that
stands still though it lives, a file cannot be read any more, or its words do not come to
Kafka. Of files of which it has read nothing there are three kinds: what waits as its source
follows no more files, which is read once there is room; what cannot be opened, of which
nothing is promised; and what was gone before it could be read, which is lost, and is
counted since the agent's start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.errors import CommandFailed
from tailrace.ledger import AgentHeartbeat
from tailrace.moments import moment_text

LINES_MAX = 50
BEHIND_MS = 60_000
"""A claim is mostly some seconds older than the heartbeat that bears it; what may be a copy
of another file holds it back for a quarter of a minute."""
ROOM_REMEDY = (
    "raise `files_max` or `folder_files_max` of the source, or take old files out of its"
    " globs; `tailrace status` on that host names the folders"
)
BEHIND_REMEDY = (
    "`tailrace status` on that host names files that it cannot read any more, and says"
    " whether Kafka answers it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unopened:
    """What one agent has not looked at, or sees, or saw, and has read nothing of."""

    agent_id: str
    host_name: str
    waiting_bytes: int
    """Of files for which there is no room; 0 of an agent that nobody hears."""
    unreadable_bytes: int
    gone_bytes: int
    looked_to_ms: int = 0
    """Up to when it has been through all its files, where that is long ago though it lives;
    else 0."""

    @property
    def is_awaited(self) -> bool:
        """Whether something may lie in files that is to be read yet."""
        return bool(self.waiting_bytes or self.looked_to_ms)

    def for_programs(self) -> dict[str, Any]:
        """Return it as one object of the report in JSON."""
        return {
            "agent": self.agent_id,
            "host": self.host_name,
            "waiting_bytes": self.waiting_bytes,
            "unreadable_bytes": self.unreadable_bytes,
            "gone_bytes": self.gone_bytes,
            "looked_to_ms": self.looked_to_ms or None,
        }


def unopened_by(
    heartbeats: Iterable[AgentHeartbeat], *, unheard: Collection[str]
) -> tuple[Unopened, ...]:
    """Return what agents have not opened, by host.

    What those that are `unheard` saw, another sees by now, or nobody, which is said of
    them elsewhere; what they lost is lost.
    """
    found = (_of(each, is_heard=each.agent_id not in unheard) for each in heartbeats)
    named = [e for e in found if e.is_awaited or e.unreadable_bytes or e.gone_bytes]
    return tuple(sorted(named, key=lambda each: (each.host_name, each.agent_id)))


def _of(heartbeat: AgentHeartbeat, *, is_heard: bool) -> Unopened:
    is_behind = heartbeat.updated_at_ms - heartbeat.swept_at_ms > BEHIND_MS
    return Unopened(
        agent_id=heartbeat.agent_id,
        host_name=heartbeat.host_name,
        waiting_bytes=heartbeat.waiting_bytes if is_heard else 0,
        unreadable_bytes=heartbeat.unreadable_bytes if is_heard else 0,
        gone_bytes=heartbeat.gone_bytes,
        looked_to_ms=heartbeat.swept_at_ms if is_heard and is_behind else 0,
    )


def is_awaited(unopened: Iterable[Unopened]) -> bool:
    """Return whether something may lie in files that is to be read yet."""
    return any(each.is_awaited for each in unopened)


def awaited_text(unopened: Iterable[Unopened]) -> str:
    """Return in words what that is, of all agents together; empty where it is nothing."""
    unopened = tuple(unopened)
    parts: list[str] = []
    behind = [each.looked_to_ms for each in unopened if each.looked_to_ms]
    if behind:
        noun = "1 agent has" if len(behind) == 1 else f"{len(behind):,} agents have"
        since = _moment(min(behind))
        parts.append(
            f"{noun} not been through all files since {since}, so that what was written"
            " since may be unread"
        )
    if count := sum(each.waiting_bytes for each in unopened):
        parts.append(f"{count:,} bytes of files that wait for room are unread")
    return ", and ".join(parts)


def overdue(unopened: Iterable[Unopened], *, waited: str) -> CommandFailed:
    """Return the failure of an audit that waited for nothing else in vain."""
    unopened = tuple(unopened)
    is_behind = any(each.looked_to_ms for each in unopened)
    return CommandFailed(
        f"{awaited_text(unopened)}, {waited}.",
        remedy=BEHIND_REMEDY if is_behind else ROOM_REMEDY,
    )


def unopened_remarks(unopened: Sequence[Unopened]) -> Iterator[str]:
    """Yield what is to be said of each agent; names are still as they are."""
    for each in unopened[:LINES_MAX]:
        agent = f"{each.host_name}: agent {each.agent_id}"
        if each.gone_bytes:
            yield (
                f"LOST   {agent} saw {each.gone_bytes:,} bytes in files that were gone"
                " before it could read them, since it started"
            )
        if each.looked_to_ms:
            yield (
                f"NOTE   {agent} lives, and has not been through all its files since"
                f" {_moment(each.looked_to_ms)}: one cannot be read any more, or its words"
                " do not come to Kafka (`tailrace status` there says which)"
            )
        if each.waiting_bytes:
            yield (
                f"NOTE   {agent} has seen {each.waiting_bytes:,} bytes in files that it does"
                " not read, as its sources have no room for more files (`files_max`,"
                " `folder_files_max`)"
            )
        if each.unreadable_bytes:
            yield (
                f"NOTE   {agent} has seen {each.unreadable_bytes:,} bytes in files that it"
                " cannot open, or is not to: `tailrace status` there names them"
            )
    if len(unopened) > LINES_MAX:
        more = len(unopened) - LINES_MAX
        yield f"       and {more:,} more agents with files unopened; see --json"


def _moment(at_ms: int) -> str:
    return f"{moment_text(at_ms)[: -len('.000')]} UTC"
