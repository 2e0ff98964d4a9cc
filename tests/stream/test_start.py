"""A worker that starts while Kafka is away waits for it, and says so as it should."""

from __future__ import annotations

import threading
from collections.abc import Callable

from structlog.testing import capture_logs

from tailrace.errors import ServiceUnavailable, TopicMissing
from tailrace.log import logger
from tailrace_stream.start import REMINDER_MS, RETRY_S, when_ready
from tests.indexer.doubles import ManualClock

AWAY = ServiceUnavailable("Kafka", address="127.0.0.1:9", reason="refused")
MISSING = TopicMissing("tailrace.raw", brokers="127.0.0.1:9")
WAITS_A_MINUTE = round(REMINDER_MS / 1_000 / RETRY_S)


class PassingStop(threading.Event):
    """Lets time pass while somebody waits, and is set after so many waits."""

    def __init__(self, clock: ManualClock, *, waits_max: int = 10_000) -> None:
        super().__init__()
        self._clock = clock
        self._waits_left = waits_max

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.sleep_ms(round((timeout or 0) * 1_000))
        self._waits_left -= 1
        if not self._waits_left:
            self.set()
        return self.is_set()


def failing(*errors: ServiceUnavailable) -> Callable[[], str]:
    """Return a question that meets each of these in turn, and then is answered."""
    left = list(errors)

    def ask() -> str:
        if left:
            raise left.pop(0)
        return "the id"

    return ask


def test_what_is_missing_is_said_at_once_each_minute_and_when_it_is_over() -> None:
    clock = ManualClock()
    ask = failing(*[AWAY] * (2 * WAITS_A_MINUTE))

    with capture_logs() as said:
        found = when_ready(
            ask, stop=PassingStop(clock), clock=clock, log=logger("stream")
        )

    assert found == "the id"
    told = [(each["event"], each["lasted_ms"]) for each in said]
    assert told == [
        ("kafka_unavailable", 0),
        ("kafka_unavailable", REMINDER_MS),
        ("kafka_back", 2 * REMINDER_MS),
    ]
    assert "127.0.0.1:9" in said[0]["why"]
    assert "start it, or correct its address" in said[0]["remedy"]


def test_another_reason_is_news_at_once() -> None:
    clock = ManualClock()

    with capture_logs() as said:
        when_ready(
            failing(AWAY, AWAY, MISSING, MISSING),
            stop=PassingStop(clock),
            clock=clock,
            log=logger("stream"),
        )

    assert [each["event"] for each in said] == [
        "kafka_unavailable",
        "kafka_unavailable",
        "kafka_back",
    ]
    assert "tailrace provision" in said[1]["remedy"]


def test_a_server_that_is_there_needs_no_word() -> None:
    clock = ManualClock()

    with capture_logs() as said:
        found = when_ready(
            failing(), stop=PassingStop(clock), clock=clock, log=logger("stream")
        )

    assert (found, said) == ("the id", [])


def test_who_is_asked_to_stop_waits_no_longer() -> None:
    clock = ManualClock()
    stop = PassingStop(clock, waits_max=3)

    with capture_logs():
        found = when_ready(
            failing(*[AWAY] * 100), stop=stop, clock=clock, log=logger("stream")
        )

    assert found is None
