"""How the indexer runs: step after step, and what it says of it, until it is asked to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tailrace.clock import Clock
from tailrace.errors import ServiceUnavailable
from tailrace.log import FilteringBoundLogger
from tailrace_indexer.alarms import Alarms, Notice
from tailrace_indexer.delivery import Delivery

KAFKA = "Kafka"
STEP_WAIT_MS_MAX = 200
KAFKA_RETRY_S = 1.0
DRAIN_MS_MAX = 10_000
DRAIN_POLL_S = 0.02


def run_until(
    stop: threading.Event,
    *,
    delivery: Delivery,
    alarms: Alarms,
    clock: Clock,
    log: FilteringBoundLogger,
    each: Callable[[], None],
) -> None:
    """Step until `stop` is set, then finish what is on its way and commit it.

    `each` is called after every step. What cannot be finished within `DRAIN_MS_MAX` is
    read again at the next start.
    """
    while not stop.is_set():
        try:
            delivery.step(wait_ms_max=STEP_WAIT_MS_MAX)
            alarms.clear(KAFKA, now_ms=clock.now_ms())
        except ServiceUnavailable as error:
            alarms.sound(
                KAFKA, reason="unavailable", detail=str(error), now_ms=clock.now_ms()
            )
            stop.wait(KAFKA_RETRY_S)
        tell(alarms.take(now_ms=clock.now_ms()), log=log)
        each()
    _drain(delivery, clock=clock, log=log)


def tell(notices: list[Notice], *, log: FilteringBoundLogger) -> None:
    """Write each notice as one line."""
    for notice in notices:
        facts = {"about": notice.subject, "reason": notice.reason}
        match notice.kind:
            case "cleared":
                log.info("alarm_cleared", **facts, lasted_ms=notice.lasted_ms)
            case "goes_on":
                lasted = notice.lasted_ms
                log.error(
                    "alarm_goes_on", **facts, detail=notice.detail, lasted_ms=lasted
                )
            case "raised":
                log.error("alarm_raised", **facts, detail=notice.detail)
            case "happened":
                log.error("alarm_happened", **facts, detail=notice.detail)


def _drain(delivery: Delivery, *, clock: Clock, log: FilteringBoundLogger) -> None:
    deadline_ms = clock.monotonic_ms() + DRAIN_MS_MAX
    pause = threading.Event()
    while not delivery.is_idle and clock.monotonic_ms() < deadline_ms:
        delivery.drain()
        pause.wait(DRAIN_POLL_S)
    try:
        delivery.commit()
    except ServiceUnavailable as error:
        log.warning("commit_left_undone", detail=str(error))
    log.info(
        "indexer_stopped",
        stored=delivery.figures.stored,
        left_open=delivery.offsets.open_count(),
    )
