"""A library that repeats itself is held to one line a minute, and nothing goes uncounted."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest

from tailrace.library_log import KINDS_MAX, REPEAT_MS, SparingHandler
from tailrace.log import configure
from tests.indexer.doubles import ManualClock


class SettableTimer:
    """A timer that ends when a test says so."""

    set_timers: list[SettableTimer]

    def __init__(self, interval: float, function: Callable[[], None]) -> None:
        self.interval_s = interval
        self.end = function
        self.daemon = False
        self.is_cancelled = False

    def start(self) -> None:
        SettableTimer.set_timers.append(self)

    def cancel(self) -> None:
        self.is_cancelled = True


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def library(
    clock: ManualClock, said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> Generator[logging.Logger]:
    """A logger whose lines go through the handler as a role has it."""
    SettableTimer.set_timers = []
    monkeypatch.setattr(threading, "Timer", SettableTimer)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr("tailrace.log.SystemClock", lambda: clock)
    configure(stream=said)
    yield logging.getLogger("kafka.net.manager")
    root.handlers[:] = handlers
    root.setLevel(level)


def events(said: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.getvalue().splitlines()]


def fail(text: str) -> None:
    raise ValueError(text)


def our_handler() -> SparingHandler:
    handlers = logging.getLogger().handlers
    (ours,) = (one for one in handlers if isinstance(one, SparingHandler))
    return ours


def test_of_one_kind_the_first_line_is_written_and_the_others_are_counted(
    library: logging.Logger, clock: ManualClock, said: io.StringIO
) -> None:
    for number in range(100):
        library.warning("Bootstrap to %s failed (backoff %d secs)", "b-0", number)
        clock.sleep_ms(500)
    assert len(events(said)) == 1
    clock.sleep_ms(REPEAT_MS)

    library.warning("Bootstrap to %s failed (backoff %d secs)", "b-0", 7)

    first, again = events(said)
    assert "held_count" not in first
    assert again["held_count"] == 99
    assert again["said"] == "Bootstrap to b-0 failed (backoff 7 secs)"


def test_what_is_held_is_told_in_time_where_the_library_fell_silent(
    library: logging.Logger, clock: ManualClock, said: io.StringIO
) -> None:
    for number in range(3):
        library.error("Connection %d lost", number)
    (timer,) = SettableTimer.set_timers
    assert timer.daemon
    assert timer.interval_s == REPEAT_MS / 1_000
    clock.sleep_ms(REPEAT_MS)

    timer.end()

    first, told = events(said)
    assert (first["said"], told["said"]) == ("Connection 0 lost", "Connection 2 lost")
    assert told["held_count"] == 1
    timer.end()
    assert len(events(said)) == 2


def test_a_timer_that_comes_too_soon_for_a_kind_is_set_again(
    library: logging.Logger, clock: ManualClock, said: io.StringIO
) -> None:
    library.error("one")
    library.error("one")
    clock.sleep_ms(REPEAT_MS - 1)
    library.error("two")
    library.error("two")
    clock.sleep_ms(1)

    SettableTimer.set_timers[0].end()

    assert [event["said"] for event in events(said)] == ["one", "two", "one"]
    assert len(SettableTimer.set_timers) == 2


def test_another_level_library_or_failure_is_another_kind(
    library: logging.Logger, said: io.StringIO
) -> None:
    library.error("lost")
    library.warning("lost")
    logging.getLogger("aiokafka").error("lost")
    for text in ("one", "two", "two"):
        try:
            fail(text)
        except ValueError:
            library.exception("lost")

    told = events(said)
    assert len(told) == 5
    assert [event["exception"][-3:] for event in told[3:]] == ["one", "two"]


def test_the_end_of_a_process_tells_what_is_held_with_its_traceback(
    library: logging.Logger, said: io.StringIO
) -> None:
    for _ in range(2):
        try:
            int("bad")
        except ValueError:
            library.exception("ended")

    our_handler().close()

    first, last = events(said)
    assert last["said"] == "ended"
    assert "bad" in last["exception"]
    assert last["exception"] == first["exception"]
    assert SettableTimer.set_timers[0].is_cancelled


def test_more_kinds_than_are_remembered_lose_no_count(
    library: logging.Logger, said: io.StringIO
) -> None:
    library.error("the oldest")
    library.error("the oldest")
    names = [f"kafka.part_{number}" for number in range(KINDS_MAX)]
    for name in names:
        logging.getLogger(name).error("lost")

    told = [event["said"] for event in events(said)]
    assert told.count("the oldest") == 2
    assert told.count("lost") == KINDS_MAX
