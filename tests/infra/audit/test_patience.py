"""An audit that may wait also waits for servers, and says at the end who did not come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tailrace.audit.verdict import AuditReport
from tailrace.cli import app
from tailrace.errors import (
    NoAnswer,
    RightMissing,
    ServiceUnavailable,
    StillAway,
    TailraceError,
)
from tests.infra.audit.builders import SteppingClock, facts_at_rest, held, report_of

AWAY = ServiceUnavailable(
    "Elasticsearch", address="http://es:9200", reason="nothing listens there"
)
WAIT_MS = 30_000


def away_for(looks: int, *, error: TailraceError = AWAY) -> Callable[[int], None]:
    left = iter(range(looks))

    def before_look(_look: int) -> None:
        if next(left, None) is not None:
            raise error

    return before_look


def audited(before_look: Callable[[int], None], clock: SteppingClock) -> AuditReport:
    index = held(*range(5))
    index.before_look = before_look
    return report_of(index, facts_at_rest(5), clock=clock, wait_ms_max=WAIT_MS)


@pytest.mark.parametrize(
    "error", [AWAY, NoAnswer("Kafka", address="k:9092", wait_s=10)], ids=str
)
def test_e3_a_server_that_comes_back_in_time_is_asked_again(
    error: TailraceError,
) -> None:
    clock = SteppingClock()
    report = audited(away_for(3, error=error), clock)

    assert report.is_sound
    assert report.is_settled
    assert 3_000 <= clock.monotonic_ms() < WAIT_MS


def test_e3_a_server_that_stays_away_is_named_once_the_time_is_out() -> None:
    clock = SteppingClock()
    with pytest.raises(StillAway) as raised:
        audited(away_for(1_000), clock)

    assert clock.monotonic_ms() == WAIT_MS
    assert str(raised.value) == f"{AWAY} (still, after 30 s)"
    assert AWAY.remedy in raised.value.remedy


def test_a_right_that_is_missing_is_not_waited_for() -> None:
    missing = RightMissing(
        "user 'a' lacks read", right="read", address="http://es:9200", remedy="r"
    )
    clock = SteppingClock()
    with pytest.raises(RightMissing):
        audited(away_for(1, error=missing), clock)

    assert clock.monotonic_ms() == 0


def test_without_wait_a_server_that_is_away_is_told_at_once() -> None:
    index = held(*range(5))
    index.before_look = away_for(1)
    with pytest.raises(ServiceUnavailable) as raised:
        report_of(index, facts_at_rest(5))

    assert raised.value is AWAY


def test_the_command_waits_for_servers_before_it_can_ask_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens on the port that no program may have."""
    monkeypatch.setenv("TAILRACE_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("TAILRACE_ELASTICSEARCH_URL", "http://127.0.0.1:1")
    arguments = ["audit", "--wait", "0.5", "--data-dir", str(tmp_path)]

    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 1
    assert (
        "cannot be reached: nothing listens there (still, after 0.5 s)" in result.output
    )
