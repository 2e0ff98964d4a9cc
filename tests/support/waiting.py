"""How a test waits: for a condition, bounded, never for a time to pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

POLL_S = 0.02
PAUSE_S_MAX = 1.5
PAUSE_PER_LOOK = 3
"""How many times as long as a look the pause behind it is."""


def eventually(
    predicate: Callable[[], object], wait_s_max: float = 30.0, *, what: str = ""
) -> None:
    """Return as soon as `predicate` is true; fail the test when it stays false.

    An exception of the predicate is not caught: a condition that cannot be asked yet
    must say so itself.
    """
    if not within(predicate, wait_s_max=wait_s_max):
        described = what or getattr(predicate, "__name__", repr(predicate))
        raise AssertionError(f"not within {wait_s_max} s: {described}")


def within(predicate: Callable[[], object], *, wait_s_max: float) -> bool:
    """Return True as soon as `predicate` is true, False when it stays false.

    At most a quarter of the time is spent on looks of up to half a second: what runs a
    command or asks a server takes the processor from what is waited for.
    """
    pause = threading.Event()
    deadline_s = time.monotonic() + wait_s_max
    while True:
        began_s = time.monotonic()
        if predicate():
            return True
        ended_s = time.monotonic()
        if ended_s > deadline_s:
            return False
        took_s = ended_s - began_s
        pause.wait(min(max(took_s * PAUSE_PER_LOOK, POLL_S), PAUSE_S_MAX))
