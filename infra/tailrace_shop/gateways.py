"""The simulated world outside: a database, a mail and an SMS gateway that take their time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """All of it."""

    database: Gateway
    mail: Gateway
    sms: Gateway

    @classmethod
    def simulated(
        cls, settings: ShopSettings, *, incidents: Incidents, clock: Clock
    ) -> Outside:
        """Return one whose SMS gateway hangs while that is the incident."""

        def gateway(name: str, *, hangs: Callable[[], bool]) -> Gateway:
            return Gateway(
                name,
                latency_ms=settings.step_ms,
                timeout_ms=settings.gateway_timeout_ms,
                clock=clock,
                hangs=hangs,
            )

        return cls(
            database=gateway("database", hangs=lambda: False),
            mail=gateway("e-mail", hangs=lambda: False),
            sms=gateway("SMS", hangs=lambda: incidents.is_on(Incident.SLOW_GATEWAY)),
        )
