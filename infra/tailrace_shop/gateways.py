"""The simulated world outside: a database, a mail and an SMS gateway that take their time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tailrace.clock import Clock
from tailrace_shop.config import ShopSettings
from tailrace_shop.incidents import Incident, Incidents


class GatewayTimeout(TimeoutError):
    """A gateway did not answer in time; what it was asked for may be done or not."""


class Gateway:
    """Answers each call after `latency_ms`, or not within `timeout_ms`.

    `hangs` tells whether it answers nobody just now.
    """

    def __init__(
        self,
        name: str,
        *,
        latency_ms: int,
        timeout_ms: int,
        clock: Clock,
        hangs: Callable[[], bool],
    ) -> None:
        self.name = name
        self._latency_ms = latency_ms
        self._timeout_ms = timeout_ms
        self._clock = clock
        self._hangs = hangs

    def __call__(self, whom: str, /) -> None:
        """Do what was asked for.

        Raises:
            GatewayTimeout: it took too long.
        """
        is_late = self._latency_ms > self._timeout_ms or self._hangs()
        self._clock.sleep_ms(self._timeout_ms if is_late else self._latency_ms)
        if is_late:
            raise GatewayTimeout(
                f"{self.name} did not answer within {self._timeout_ms} ms for {whom}"
            )


class Outside:
    """All of it; its SMS gateway hangs while that is the incident."""

    def __init__(
        self, settings: ShopSettings, *, incidents: Incidents, clock: Clock
    ) -> None:
        gateway = partial(
            Gateway,
            latency_ms=settings.step_ms,
            timeout_ms=settings.gateway_timeout_ms,
            clock=clock,
        )
        self.database = gateway("database", hangs=lambda: False)
        self.mail = gateway("e-mail", hangs=lambda: False)
        self.sms = gateway("SMS", hangs=lambda: incidents.is_on(Incident.SLOW_GATEWAY))
