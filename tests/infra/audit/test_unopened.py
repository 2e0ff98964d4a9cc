"""An audit tells of files that an agent sees and has not opened: no hop says a word of them."""

from __future__ import annotations

import msgspec
import orjson
import pytest
from typer.testing import CliRunner

from tailrace.audit.shown import overdue, report_lines
from tailrace.audit.unopened import BEHIND_MS
from tailrace.audit.verdict import AuditReport, report_json
from tailrace.cli import app
from tailrace.commands import audit as audit_command
from tailrace.ledger import AgentHeartbeat
from tailrace.silence import GONE_MS
from tests.infra.audit.builders import (
    SteppingClock,
    facts_at_rest,
    heartbeat,
    held,
    report_of,
)

NOW_MS = 1_764_175_600_000
WHOLE = "Everything adds up: 5 events, each exactly once."


def beat(
    agent_id: str = "agent-1", *, said_ago_ms: int = 0, **changes: int
) -> AgentHeartbeat:
    told = heartbeat(agent_id, said_at_ms=NOW_MS - said_ago_ms)
    return msgspec.structs.replace(told, **changes)


def audited(*heartbeats: AgentHeartbeat, wait_ms_max: int = 0) -> AuditReport:
    return report_of(
        held(*range(5)),
        facts_at_rest(5),
        heartbeats=lambda: heartbeats,
        clock=SteppingClock(NOW_MS),
        wait_ms_max=wait_ms_max,
    )


def test_x4_files_that_wait_for_room_are_named_and_leave_no_audit_settled() -> None:
    report = audited(beat(unread_bytes=70, waiting_bytes=70), wait_ms_max=3_000)

    assert report.is_sound
    assert not report.is_settled
    assert report.is_overdue
    note, last = report_lines(report)
    assert note == (
        "NOTE   web-1: agent agent-1 has seen 70 bytes in files that it does not read, as"
        " its sources have no room for more files (`files_max`, `folder_files_max`)"
    )
    assert last == (
        "What was sent adds up: 5 events, each exactly once. But 70 bytes of files that"
        " wait for room are unread."
    )
    error = overdue(report)
    assert str(error) == "70 bytes of files that wait for room are unread, after 3 s."
    assert "files_max" in error.remedy


def test_x4_without_waiting_what_waits_for_room_is_told_and_no_contradiction() -> None:
    report = audited(beat(waiting_bytes=70))

    assert report.is_sound
    assert not report.is_overdue
    assert not report.is_stuck


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_x4_the_command_fails_where_files_still_wait_for_room(
    options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = audited(beat(waiting_bytes=70), wait_ms_max=3_000)

    def found(*_: object, **__: object) -> AuditReport:
        return report

    monkeypatch.setattr(audit_command, "run_audit", found)

    result = CliRunner().invoke(app, ["audit", "--wait", "3", *options])

    assert result.exit_code == 1
    assert "70 bytes of files that wait for room" in result.stderr
    assert "Everything adds up" not in result.stdout


def test_x4_waiting_ends_as_soon_as_all_files_have_room() -> None:
    clock = SteppingClock(NOW_MS)

    def heartbeats() -> tuple[AgentHeartbeat, ...]:
        return (beat(waiting_bytes=0 if clock.now_ms() > NOW_MS + 2_500 else 70),)

    report = report_of(
        held(*range(5)),
        facts_at_rest(5),
        heartbeats=heartbeats,
        clock=clock,
        wait_ms_max=60_000,
    )

    assert not report.is_overdue
    assert clock.now_ms() == NOW_MS + 3_000
    assert list(report_lines(report)) == [WHOLE]


def test_f25_an_agent_that_lives_and_does_not_get_through_its_files_leaves_nothing_settled() -> (
    None
):
    """A file that was followed cannot be read any more: its record tells of what was seen."""
    held_back = beat(swept_at_ms=NOW_MS - BEHIND_MS - 1)
    since = "2025-11-26 16:45:39 UTC"

    report = audited(held_back, wait_ms_max=3_000)

    assert report.is_sound
    assert report.is_overdue
    assert not report.silent
    note, last = report_lines(report)
    assert note.startswith(
        "NOTE   web-1: agent agent-1 lives, and has not been through all its files since"
        f" {since}: one cannot be read any more"
    )
    assert last == (
        "What was sent adds up: 5 events, each exactly once. But 1 agent has not been"
        f" through all files since {since}, so that what was written since may be unread."
    )
    error = overdue(report)
    assert str(error).endswith("may be unread, after 3 s.")
    assert "cannot read any more" in error.remedy
    assert report_json(report)["unopened"][0]["looked_to_ms"] == NOW_MS - BEHIND_MS - 1


def test_an_agent_whose_claim_is_of_just_now_is_through_its_files() -> None:
    report = audited(beat(swept_at_ms=NOW_MS - BEHIND_MS), wait_ms_max=3_000)

    assert list(report_lines(report)) == [WHOLE]


def test_of_an_agent_that_is_silent_its_silence_alone_is_said() -> None:
    silent = beat(said_ago_ms=600_000, swept_at_ms=NOW_MS - 900_000)

    report = audited(silent, wait_ms_max=3_000)

    assert len(report.silent) == 1
    assert not report.unopened


def test_f25_files_that_cannot_be_opened_are_named_and_waited_for_by_nobody() -> None:
    """The promise is of files that the agent could open."""
    report = audited(beat(unread_bytes=9, unreadable_bytes=9), wait_ms_max=3_000)

    assert report.is_settled
    assert not report.is_overdue
    assert list(report_lines(report)) == [
        (
            "NOTE   web-1: agent agent-1 has seen 9 bytes in files that it cannot open, or"
            " is not to: `tailrace status` there names them"
        ),
        WHOLE,
    ]


def test_f6_what_was_gone_before_it_could_be_opened_is_a_loss_that_is_named() -> None:
    report = audited(beat(lost_bytes=12, gone_bytes=12), beat("agent-2"))

    assert report.is_settled
    assert list(report_lines(report)) == [
        (
            "LOST   web-1: agent agent-1 saw 12 bytes in files that were gone before it"
            " could read them, since it started"
        ),
        WHOLE,
    ]


def test_files_of_an_agent_that_is_gone_or_has_another_in_its_place_are_not_waited_for() -> (
    None
):
    gone = beat(said_ago_ms=GONE_MS + 1, waiting_bytes=70)
    before = beat("agent-0", said_ago_ms=600_000, waiting_bytes=70, gone_bytes=3)

    assert audited(gone).is_settled
    report = audited(before, beat())
    assert report.is_settled
    assert [each.gone_bytes for each in report.unopened] == [3]
    assert not any(each.waiting_bytes for each in report.unopened)


def test_what_no_agent_opened_is_told_to_programs() -> None:
    report = audited(beat(waiting_bytes=70, unreadable_bytes=9, gone_bytes=12))

    told = orjson.loads(orjson.dumps(report_json(report)))

    assert told["settled"] is False
    assert told["unopened"] == [
        {
            "agent": "agent-1",
            "host": "web-1",
            "waiting_bytes": 70,
            "unreadable_bytes": 9,
            "gone_bytes": 12,
            "looked_to_ms": None,
        }
    ]


def test_an_audit_of_nothing_says_so_to_programs() -> None:
    def nobody() -> tuple[AgentHeartbeat, ...]:
        return ()

    unspoken = report_of(held(), {}, heartbeats=nobody, clock=SteppingClock(NOW_MS))

    assert report_json(unspoken)["unspoken"] is True
    assert report_json(audited(beat()))["unspoken"] is False
