"""How long a start goes on asking a server that listens, and does not do as it is asked.

A laptop that is short of memory or disk can hold up a server for seconds at any moment of
its start; what it was asked then fails, and is safe to ask again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tailrace.clock import Clock
from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace.supervise import Backoff

SERVE_WAIT_MS_MAX = 300_000
"""A server that stalls for longer is not slow; a person is to look at it."""
BACKOFF = Backoff(wait_ms_min=500, wait_ms_max=10_000)

FoundT = TypeVar("FoundT")


def ask_until_served(
    ask: Callable[[], FoundT],
    *,
    service: str,
    log_path: Callable[[], str],
    idle_until: Callable[[int], bool],
    say: Callable[[str], None],
    clock: Clock,
) -> FoundT | None:
    """Return what `ask` does once its server serves it; None when asked to stop.

    That it waits is said once. `idle_until` passes the time up to a monotonic moment in
    ms, and tells whether to go on; `log_path` is looked up only when it is to be named.

    Raises:
        CommandFailed: the server did not do it within `SERVE_WAIT_MS_MAX`.
        TailraceError: it answers, and no waiting would help.
    """
    deadline_ms = clock.monotonic_ms() + SERVE_WAIT_MS_MAX
    minutes = SERVE_WAIT_MS_MAX // 60_000
    tries = 0
    while True:
        try:
            return ask()
        except ServiceUnavailable as error:
            tries += 1
            left_ms = deadline_ms - clock.monotonic_ms()
            if left_ms <= 0:
                raise _given_up(error, service=service, log_path=log_path()) from error
            if tries == 1:
                say(f"waiting for {service}, up to {minutes} minutes: {error}")
        wait_ms = min(BACKOFF.wait_ms(tries), left_ms)
        if not idle_until(clock.monotonic_ms() + wait_ms):
            return None


def _given_up(
    error: ServiceUnavailable, *, service: str, log_path: str
) -> CommandFailed:
    # The error's own remedy is for servers of others: to start it, or correct where it is.
    return CommandFailed(
        f"The {service} that was started here did not do its part within"
        f" {SERVE_WAIT_MS_MAX // 60_000} minutes: {error}",
        remedy=(
            f"see its log {log_path}; `tailrace doctor` checks memory and disk; then"
            " start again, as what is done is kept"
        ),
    )
