"""What an agent left for which nobody waits: is all of it accounted for, or is some unread?

Of a file of such an agent its own word may lack what it had sent last, and the other hops
have it: that is nothing under way. What it had seen and not sent, nobody reads before an
agent takes the file up again; to wait for that is in vain. One that does goes on with the
file's record, which names the first that told of it for ever: the words' ages tell. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.silent import DeadAgent
from tailrace.audit.verdict import GenerationVerdict
from tailrace.ledger import unread_bytes_of
from tailrace.wire import AgentLedger


def with_left(
    verdict: GenerationVerdict, *, dead: Sequence[DeadAgent]
) -> GenerationVerdict:
    """Return the verdict, settled where all that a dead agent left is accounted for.

    Where something is left unread, `left_by` says by whom; of one that is gone for good
    that is settled, too: nobody waits for it any more.
    """
    agent = verdict.facts.agent
    if verdict.is_settled or agent is None:
        return verdict
    left_by = _left_by(agent, dead=dead)
    if left_by is None or not _is_through(verdict):
        return verdict
    unread_bytes = _unread_bytes(verdict.facts, agent=agent)
    return replace(
        verdict,
        is_settled=not unread_bytes or left_by.is_gone,
        left_by=left_by if unread_bytes else None,
        left_bytes=unread_bytes,
    )


def _left_by(agent: AgentLedger, *, dead: Sequence[DeadAgent]) -> DeadAgent | None:
    """Return which dead agent may have said the last word of a file; None if none has.

    An agent that lives and has taken the file up tells of it before its heartbeat claims a
    later moment.
    """
    if all(each.agent_id != agent.agent_id for each in dead):
        return None
    return next(
        (
            each
            for each in sorted(dead, key=lambda one: one.agent_id != agent.agent_id)
            if each.host_id == agent.host_id
            and agent.updated_at_ms <= each.spoke_until_ms
            and (each.is_gone or each.succeeded_to_ms > agent.updated_at_ms)
        ),
        None,
    )


def _is_through(verdict: GenerationVerdict) -> bool:
    """Return whether all that was sent has come through stream and indexer."""
    facts = verdict.facts
    if verdict.in_flight_count or verdict.beyond is not None or facts.agent is None:
        return False
    heard = facts.stream.next_event_number if facts.stream else 0
    stored = facts.indexer.next_event_number if facts.indexer else 0
    return facts.agent.next_event_number <= heard == stored


def _unread_bytes(facts: GenerationFacts, *, agent: AgentLedger) -> int:
    """Return what it had seen and not sent, by the word of the hop that knows most."""
    sent_to = facts.stream.next_offset if facts.stream else 0
    return unread_bytes_of(
        seen_size_bytes=agent.seen_size_bytes,
        next_offset=max(agent.next_offset, sent_to),
        blank_bytes=agent.blank_bytes,
        lost_bytes=facts.lost_of_seen_bytes,
        is_over=agent.is_closed or agent.held_by is not None,
    )
