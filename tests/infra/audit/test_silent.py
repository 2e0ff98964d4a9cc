"""An audit says of which agents nobody hears, and calls nothing whole that they may hold."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest
from typer.testing import CliRunner

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.shown import overdue, report_lines
from tailrace.audit.sources import Drained
from tailrace.audit.verdict import AuditReport, report_json
from tailrace.cli import app
from tailrace.commands import audit as audit_command
from tailrace.ledger import AgentHeartbeat
from tailrace.silence import AHEAD_MS_MAX, GONE_MS
from tests.infra.audit.builders import (
    HEARTBEAT_MS,
    HeldIndex,
    SteppingClock,
    agent_word,
    facts_at_rest,
    heartbeat,
    held,
    report_of,
)

NOW_MS = 1_764_175_600_000
"""2025-11-26 16:46:40 UTC."""
SILENT_MS = 3 * HEARTBEAT_MS + 1


def beat(said_at_ms: int, *, host: str = "web-1") -> AgentHeartbeat:
    return heartbeat(f"agent-{host}", said_at_ms=said_at_ms, host_name=host)


def said(*heartbeats: AgentHeartbeat) -> Callable[[], tuple[AgentHeartbeat, ...]]:
    return lambda: heartbeats


def audited(
    *heartbeats: AgentHeartbeat, wait_ms_max: int = 0, is_deep: bool = False
) -> AuditReport:
    return report_of(
        held(*range(5)),
        facts_at_rest(5),
        heartbeats=said(*heartbeats),
        clock=SteppingClock(NOW_MS),
        wait_ms_max=wait_ms_max,
        is_deep=is_deep,
    )


@pytest.mark.parametrize("is_deep", [False, True])
@pytest.mark.parametrize("wait_ms_max", [0, 3_000])
def test_an_agent_that_stands_still_leaves_no_audit_settled(
    wait_ms_max: int, is_deep: bool
) -> None:
    """All that was sent adds up; what lies in its files since, no hop has seen."""
    report = audited(beat(NOW_MS - SILENT_MS), wait_ms_max=wait_ms_max, is_deep=is_deep)

    assert report.is_sound
    assert not report.is_settled
    assert report.is_overdue == bool(wait_ms_max)
    *notes, last = report_lines(report)
    assert notes == [
        (
            "NOTE   web-1: agent agent-web-1 is silent since 2025-11-26 16:46:24 UTC, stopped"
            " or frozen: this is complete only up to 2025-11-26 16:46:22 UTC, when it last"
            " looked at its files"
        )
    ]
    compared = ", 5 documents compared byte for byte" if is_deep else ""
    assert last == (
        f"What was sent adds up: 5 events, each exactly once{compared}. Whether that is"
        " all nobody can say: 1 agent is silent, and what was written since 2025-11-26"
        " 16:46:22 UTC is unseen."
    )
    assert orjson.loads(orjson.dumps(report_json(report)))["silent_agents"] == [
        {
            "agent": "agent-web-1",
            "host": "web-1",
            "silent_since_ms": NOW_MS - SILENT_MS,
            "complete_to_ms": NOW_MS - SILENT_MS - 2_000,
            "gone": False,
            "clock_ahead_ms": 0,
        }
    ]


def test_an_agent_whose_heartbeat_is_only_late_is_not_silent() -> None:
    report = audited(beat(NOW_MS - SILENT_MS + 1), wait_ms_max=1_000)

    assert report.is_settled
    assert not report.silent
    assert list(report_lines(report)) == [
        "Everything adds up: 5 events, each exactly once."
    ]


def test_an_agent_that_is_gone_for_long_is_named_and_not_waited_for() -> None:
    gone = beat(NOW_MS - GONE_MS - 1, host="web-9")

    report = audited(gone, beat(NOW_MS, host="web-1"), wait_ms_max=3_000)

    assert report.is_settled
    assert not report.is_overdue
    note, last = report_lines(report)
    assert note.startswith("NOTE   web-9: agent agent-web-9 is silent since 2025-11-25")
    assert last == (
        "Everything adds up: 5 events, each exactly once; 1 agent is gone, and nobody"
        " looks at its files."
    )


def test_a_silent_agent_that_speaks_again_is_waited_for() -> None:
    """Thawed, it first tells of what it found; waiting ends when all of that is there."""
    clock = SteppingClock(NOW_MS)
    since_ms = NOW_MS - SILENT_MS

    def heartbeats() -> tuple[AgentHeartbeat, ...]:
        is_back = clock.now_ms() >= NOW_MS + 10_000
        return (beat(clock.now_ms() if is_back else since_ms),)

    report = report_of(
        held(*range(5)),
        facts_at_rest(5),
        heartbeats=heartbeats,
        clock=clock,
        wait_ms_max=60_000,
    )

    assert report.is_settled
    assert clock.now_ms() == NOW_MS + 10_000


def test_an_agent_whose_clock_is_behind_lives_all_the_same() -> None:
    """Its heartbeats come while the audit waits, however old they say they are."""
    clock = SteppingClock(NOW_MS)

    report = report_of(
        held(*range(5)),
        facts_at_rest(5),
        heartbeats=lambda: (beat(clock.now_ms() - 3_600_000),),
        clock=clock,
        wait_ms_max=60_000,
    )

    assert report.is_settled
    assert clock.now_ms() == NOW_MS + 1_000


def test_an_agent_that_falls_silent_while_the_audit_waits_is_silent() -> None:
    clock = SteppingClock(NOW_MS)

    def heartbeats() -> tuple[AgentHeartbeat, ...]:
        return (beat(min(clock.now_ms(), NOW_MS + 2_000)),)

    waiting = GenerationFacts(
        generation=facts_at_rest(5).generation, agent=agent_word(number=5)
    )
    report = report_of(
        HeldIndex(),
        waiting,
        heartbeats=heartbeats,
        clock=clock,
        wait_ms_max=60_000,
    )

    assert [each.silent_since_ms for each in report.silent] == [NOW_MS + 2_000]
    assert str(overdue(report)) == (
        "5 events are still in flight after 60 s, and 1 agent is silent."
    )


def test_a_look_that_takes_long_makes_no_agent_silent() -> None:
    """Heartbeats are as old as when the ledger was read, not as when all was compared."""
    clock = SteppingClock(NOW_MS)
    index = held(*range(5))
    index.before_look = lambda _look: clock.sleep_ms(600_000)

    report = report_of(
        index,
        facts_at_rest(5),
        heartbeats=said(beat(NOW_MS)),
        clock=clock,
        drained=Drained(),
    )

    assert report.is_settled


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["shown", "json"])
def test_waiting_in_vain_for_an_agent_is_no_success(
    options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = audited(beat(NOW_MS - SILENT_MS), wait_ms_max=3_000)

    def given(*_: object, **__: object) -> AuditReport:
        return report

    monkeypatch.setattr(audit_command, "run_audit", given)

    result = CliRunner().invoke(app, ["audit", "--wait", "3", *options])

    assert result.exit_code == 1
    assert (
        "1 agent is still silent after 3 s: what was written since is in no hop's word."
        in result.stderr
    )
    assert "Everything adds up" not in result.stdout


def test_an_agent_that_came_back_under_another_id_is_no_silent_one() -> None:
    """Its folder was lost, and with it the name that it spoke under."""
    lost = heartbeat("agent-lost", said_at_ms=NOW_MS - 10 * SILENT_MS)
    there = heartbeat("agent-new", said_at_ms=NOW_MS - 1_000)
    elsewhere = beat(NOW_MS - 5 * SILENT_MS, host="web-2")

    assert audited(lost, there, wait_ms_max=3_000).silent == ()
    (silent,) = audited(lost, there, elsewhere).silent
    assert silent.host_name == "web-2"
    (later,) = audited(lost, heartbeat("x", said_at_ms=NOW_MS - 5 * SILENT_MS)).silent
    assert later.agent_id == "x"


AHEAD_MS = 400_000


def test_a_heartbeat_from_the_future_is_no_proof_that_its_agent_lives() -> None:
    """Its clock was ahead, or still is: it may have stopped since."""
    report = audited(beat(NOW_MS + AHEAD_MS))

    assert report.is_sound
    assert not report.is_settled
    note, last = report_lines(report)
    assert note == (
        "NOTE   web-1: agent agent-web-1 has its clock ahead by 400 s: whether it lives"
        " cannot be told from one look, --wait listens for its next heartbeat"
    )
    assert last == (
        "What was sent adds up: 5 events, each exactly once. Whether that is all nobody"
        " can say: 1 agent whose clock is ahead was not heard, and what was written since"
        " 2025-11-26 16:46:40 UTC is unseen."
    )
    (told,) = orjson.loads(orjson.dumps(report_json(report)))["silent_agents"]
    assert told["clock_ahead_ms"] == AHEAD_MS
    assert not audited(beat(NOW_MS + AHEAD_MS_MAX)).silent


def test_an_agent_whose_clock_is_ahead_is_waited_for_in_vain_where_it_is_mute() -> None:
    report = audited(beat(NOW_MS + AHEAD_MS), wait_ms_max=60_000)

    assert report.is_overdue
    assert str(overdue(report)).startswith(
        "1 agent whose clock is ahead was not heard after 60 s"
    )


def test_an_agent_whose_clock_is_ahead_lives_where_it_is_heard() -> None:
    clock = SteppingClock(NOW_MS)

    report = report_of(
        held(*range(5)),
        facts_at_rest(5),
        heartbeats=lambda: (beat(clock.now_ms() + AHEAD_MS),),
        clock=clock,
        wait_ms_max=60_000,
    )

    assert report.is_settled
    assert clock.now_ms() == NOW_MS + 1_000


def test_a_life_whose_clock_was_ahead_hides_not_the_one_after_it() -> None:
    lost = heartbeat("agent-lost", said_at_ms=NOW_MS + AHEAD_MS)
    there = heartbeat("agent-new", said_at_ms=NOW_MS - 1_000)
    silent = heartbeat("agent-new", said_at_ms=NOW_MS - SILENT_MS)

    assert not audited(lost, there).silent
    assert [each.ahead_ms for each in audited(lost, silent).silent] == [AHEAD_MS, 0]


def test_what_is_said_while_the_ledger_is_read_is_not_from_the_future() -> None:
    clock = SteppingClock(NOW_MS)

    def read_for_long() -> tuple[AgentHeartbeat, ...]:
        clock.sleep_ms(30_000)
        return (beat(clock.now_ms()),)

    report = report_of(
        held(*range(5)), facts_at_rest(5), heartbeats=read_for_long, clock=clock
    )

    assert not report.silent
