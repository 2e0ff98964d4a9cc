"""How a worker begins while Kafka is away: it waits, and says so at once and each minute."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from tailrace.clock import Clock
from tailrace.errors import ServiceUnavailable
from tailrace.log import FilteringBoundLogger

RETRY_S = 1.0
REMINDER_MS = 60_000

T = TypeVar("T")


def when_ready(
    ask: Callable[[], T],
    *,
    stop: threading.Event,
    clock: Clock,
    log: FilteringBoundLogger,
) -> T | None:
    """Return what `ask` returns once it can; None where `stop` is set before.

    Nothing is lost by waiting, and who supervises has nothing to start anew.
    """
    began_ms = clock.monotonic_ms()
    said_ms, said = began_ms, ""
    while not stop.is_set():
        try:
            found = ask()
        except ServiceUnavailable as error:
            now_ms = clock.monotonic_ms()
            # Another reason, such as a topic that is missing, is news at once.
            reason = type(error).__name__
            if reason != said or now_ms - said_ms >= REMINDER_MS:
                said_ms, said = now_ms, reason
                _say(error, lasted_ms=now_ms - began_ms, log=log)
            stop.wait(RETRY_S)
        else:
            if said:
                log.info("kafka_back", lasted_ms=clock.monotonic_ms() - began_ms)
            return found
    return None


def _say(
    error: ServiceUnavailable, *, lasted_ms: int, log: FilteringBoundLogger
) -> None:
    remedy = f"{error.remedy}; the records wait until then"
    log.error("kafka_unavailable", why=str(error), remedy=remedy, lasted_ms=lasted_ms)
