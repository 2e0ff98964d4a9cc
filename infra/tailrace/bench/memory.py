"""How much memory a process holds over time."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tailrace.bench.measure import Meter
from tailrace.clock import Clock

SAMPLE_MS = 200


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was held when, in milliseconds and MiB; never empty once the block began."""

    rss_mb: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])


@contextmanager
def sampled(meter: Meter, *, clock: Clock) -> Generator[Sampled]:
    """Look a few times a second while the block runs."""
    found = Sampled([(float(clock.monotonic_ms()), meter.rss_mb())])
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(SAMPLE_MS / 1_000):
            found.rss_mb.append((float(clock.monotonic_ms()), meter.rss_mb()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()
