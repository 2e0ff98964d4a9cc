"""A server that stalls while a start asks something of it is asked again, within a bound."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest

from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace.server_wait import BACKOFF, SERVE_WAIT_MS_MAX, ask_until_served
from tests.support.standing_clock import StandingClock

LOG = "/d/logs/kafka-1.log"


@dataclass(slots=True)
class StallingServer:
    """Fails until a moment; each question takes ten seconds, as a client's does."""

    clock: StandingClock
    serves_at_ms: int
    asked_at_ms: list[int] = field(default_factory=list[int])

    def ask(self) -> str:
        self.asked_at_ms.append(self.clock.at_ms)
        if self.clock.at_ms < self.serves_at_ms:
            self.clock.at_ms += 10_000
            raise ServiceUnavailable(
                "Kafka", address="127.0.0.1:1", reason="Topics not ready after 10000ms"
            )
        return "made"


@dataclass(slots=True)
class Start:
    """What a start does meanwhile, and says."""

    clock: StandingClock
    stops_at_ms: int = 1 << 60
    said: list[str] = field(default_factory=list[str])

    def idle_until(self, at_ms: int) -> bool:
        self.clock.at_ms = max(at_ms, self.clock.at_ms)
        return self.clock.at_ms < self.stops_at_ms

    def served(self, server: StallingServer) -> str | None:
        return ask_until_served(
            server.ask,
            service="Kafka",
            log_path=lambda: LOG,
            idle_until=self.idle_until,
            say=self.said.append,
            clock=self.clock,
        )


def test_a_server_that_stalls_is_asked_again_and_that_is_said_once() -> None:
    clock = StandingClock()
    start, server = Start(clock), StallingServer(clock, serves_at_ms=60_000)

    assert start.served(server) == "made"

    assert len(server.asked_at_ms) > 3
    (said,) = start.said
    assert "waiting for Kafka, up to 5 minutes" in said
    assert "Topics not ready" in said


def test_a_server_that_serves_at_once_is_not_spoken_of() -> None:
    start = Start(StandingClock())

    assert start.served(StallingServer(start.clock, serves_at_ms=0)) == "made"
    assert start.said == []


def test_the_wait_grows_and_has_an_end_that_names_the_log_of_our_own_server() -> None:
    clock = StandingClock()
    start, server = Start(clock), StallingServer(clock, serves_at_ms=1 << 60)

    with pytest.raises(CommandFailed, match="within 5 minutes") as failed:
        start.served(server)

    asked = server.asked_at_ms
    waits = [later - one - 10_000 for one, later in itertools.pairwise(asked)]
    assert waits[:4] == [500, 1_000, 2_000, 4_000]
    assert max(waits) == BACKOFF.wait_ms_max
    assert SERVE_WAIT_MS_MAX <= clock.at_ms <= SERVE_WAIT_MS_MAX + 10_000
    assert f"see its log {LOG}" in failed.value.remedy
    # It is ours: nobody can start it by hand, and its address is not a setting.
    assert "correct its address" not in failed.value.remedy


def test_a_stop_ends_the_wait() -> None:
    clock = StandingClock()
    start = Start(clock, stops_at_ms=20_000)

    assert start.served(StallingServer(clock, serves_at_ms=1 << 60)) is None
    assert clock.at_ms < 40_000


def test_what_no_waiting_helps_is_told_at_once() -> None:
    start = Start(StandingClock())

    def refuse() -> str:
        raise CommandFailed("other partitions", remedy="another namespace")

    with pytest.raises(CommandFailed, match="other partitions"):
        ask_until_served(
            refuse,
            service="Kafka",
            log_path=lambda: LOG,
            idle_until=start.idle_until,
            say=start.said.append,
            clock=start.clock,
        )
    assert start.clock.at_ms == 0
