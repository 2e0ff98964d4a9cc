"""The simulated world outside: a database, a mail and an SMS gateway that take their time."""

from __future__ import annotations

from tailrace.clock import Clock


class GatewayTimeout(TimeoutError):
    """A gateway did not answer in time; what it was asked for may be done or not."""


class Gateway:
    """Answers each call after `latency_ms`, or not within `timeout_ms`.

    `delay_ms` comes on top of it; an incident sets it, and takes it away again.
    """

    def __init__(
        self, name: str, *, latency_ms: int, timeout_ms: int, clock: Clock
    ) -> None:
        self.name = name
        self.delay_ms = 0
        self._latency_ms = latency_ms
        self._timeout_ms = timeout_ms
        self._clock = clock

    def __call__(self, user: str, /, *, trace_id: str) -> None:
        """Do what was asked for.

        Raises:
            GatewayTimeout: it took too long.
        """
        del trace_id
        needed_ms = self._latency_ms + self.delay_ms
        self._clock.sleep_ms(min(needed_ms, self._timeout_ms))
        if needed_ms > self._timeout_ms:
            raise GatewayTimeout(
                f"{self.name} did not answer within {self._timeout_ms} ms for {user}"
            )
