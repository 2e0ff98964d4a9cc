"""Two agents bore one host id, and one of them is dead: what did it leave, and who reads it?"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.run import STUCK_MS
from tailrace.audit.shown import overdue, report_lines
from tailrace.audit.verdict import AuditReport, report_json
from tailrace.ledger import AgentHeartbeat
from tailrace.silence import GONE_MS
from tests.infra.audit.builders import (
    HEARTBEAT_MS,
    LINE_BYTES,
    SteppingClock,
    agent_word,
    facts_at_rest,
    heartbeat,
    held,
    report_of,
)

NOW_MS = 1_764_175_600_000
DIED_AT_MS = NOW_MS - 10 * HEARTBEAT_MS
WAIT_MS = 60_000


def of_host(beat: AgentHeartbeat) -> AgentHeartbeat:
    """Return the heartbeat as of the host whose file it is."""
    return msgspec.structs.replace(beat, host_id=agent_word(number=0).host_id)


def left(*, sent: int, seen_bytes: int, at_ms: int = DIED_AT_MS) -> GenerationFacts:
    """Return five events that came through, of which the agent's last word says `sent`."""
    word = agent_word(number=sent, seen_size_bytes=seen_bytes, updated_at_ms=at_ms)
    return replace(facts_at_rest(5), agent=word)


def audited(
    facts: GenerationFacts, *, died_at_ms: int = DIED_AT_MS, is_succeeded: bool = True
) -> tuple[AuditReport, SteppingClock]:
    clock = SteppingClock(NOW_MS)
    dead = of_host(heartbeat("agent-1", said_at_ms=died_at_ms))

    def beats() -> tuple[AgentHeartbeat, ...]:
        living = of_host(heartbeat("agent-2", said_at_ms=clock.now_ms() - 1_000))
        return (dead, living) if is_succeeded else (dead,)

    report = report_of(
        held(*range(5)),
        facts,
        heartbeats=beats,
        clock=clock,
        wait_ms_max=WAIT_MS,
    )
    return report, clock


def test_what_a_dead_agent_had_sent_beyond_its_own_word_is_accounted_for() -> None:
    report, clock = audited(left(sent=3, seen_bytes=5 * LINE_BYTES))

    assert report.is_settled
    assert not report.left
    assert clock.now_ms() == NOW_MS
    assert list(report_lines(report))[-1].startswith("Everything adds up: 5 events")


def test_what_a_dead_agent_left_unread_is_told_soon_with_the_way_out() -> None:
    report, clock = audited(left(sent=5, seen_bytes=5 * LINE_BYTES + 7))

    assert NOW_MS + STUCK_MS <= clock.now_ms() < NOW_MS + STUCK_MS + 2_000
    assert report.is_stuck
    assert report.is_overdue
    said = overdue(report)
    assert str(said).startswith("7 bytes of 1 file are left unread by an agent that is")
    assert "start that agent again" in said.remedy
    lines = list(report_lines(report))
    assert lines[0].startswith("LEFT   web-1:/srv/app.log")
    assert "7 bytes that agent agent-1 had seen" in lines[0]
    assert "But 7 bytes of 1 file are left unread" in lines[-1]
    (told,) = msgspec.json.decode(msgspec.json.encode(report_json(report)))["left"]
    assert (told["bytes"], told["agent"], told["gone"]) == (7, "agent-1", False)


@pytest.mark.parametrize("is_succeeded", [True, False])
def test_what_an_agent_left_that_is_gone_for_a_day_is_named_and_not_waited_for(
    is_succeeded: bool,
) -> None:
    died_at_ms = NOW_MS - GONE_MS - 1
    facts = left(sent=5, seen_bytes=5 * LINE_BYTES + 7, at_ms=died_at_ms)

    report, clock = audited(facts, died_at_ms=died_at_ms, is_succeeded=is_succeeded)

    assert report.is_settled
    assert clock.now_ms() == NOW_MS
    lines = list(report_lines(report))
    assert "it is not waited for any more" in lines[0]
    assert lines[-1].startswith("Everything adds up")


def test_a_file_that_the_other_agent_may_have_taken_up_is_waited_for() -> None:
    """Its heartbeat claims a moment before the last word of the file."""
    facts = left(sent=5, seen_bytes=5 * LINE_BYTES + 7, at_ms=NOW_MS + WAIT_MS)

    report, clock = audited(facts)

    assert not report.is_stuck
    assert clock.now_ms() >= NOW_MS + WAIT_MS


def test_a_file_that_another_agent_reads_on_is_not_left() -> None:
    """Its record bears the name of the first for ever, and a word of after its death."""
    told_at_ms = DIED_AT_MS + 4 * HEARTBEAT_MS
    facts = left(sent=5, seen_bytes=5 * LINE_BYTES + 7, at_ms=told_at_ms)

    report, _clock = audited(facts)

    assert not report.left
    assert not report.is_stuck


def test_an_agent_that_reads_on_what_was_left_is_waited_for() -> None:
    """Between its start and its first word the file seems left: it is looked at again."""
    words = [
        left(sent=5, seen_bytes=5 * LINE_BYTES + unread) for unread in range(20, 0, -1)
    ]
    clock = SteppingClock(NOW_MS)
    dead = of_host(heartbeat("agent-1", said_at_ms=DIED_AT_MS))

    report = report_of(
        held(*range(5)),
        *words,
        facts_at_rest(5),
        heartbeats=lambda: (
            dead,
            of_host(heartbeat("agent-2", said_at_ms=clock.now_ms() - 1_000)),
        ),
        clock=clock,
        wait_ms_max=WAIT_MS,
    )

    assert report.is_settled
    assert clock.now_ms() >= NOW_MS + 20_000 > NOW_MS + STUCK_MS


def test_what_a_dead_agent_sent_and_no_hop_has_read_is_waited_for() -> None:
    facts = left(sent=6, seen_bytes=6 * LINE_BYTES)

    report, clock = audited(facts)

    assert not report.is_stuck
    assert not report.is_settled
    assert clock.now_ms() >= NOW_MS + WAIT_MS
