"""Judges the rules of alerts, for as long as this process leads: what a clerk is wired to."""

from __future__ import annotations

from tailrace.alerts.config import AlertSettings
from tailrace.alerts.fact_watch import Lags
from tailrace.alerts.facts import NEAR_HALF
from tailrace.alerts.questions import ElasticQuestions
from tailrace.alerts.store import ElasticAlerts
from tailrace.alerts.telling.teller import ChannelTeller
from tailrace.alerts.watch import Watch
from tailrace.clock import Clock
from tailrace.elasticsearch import Elastic
from tailrace.kafka_admin import KafkaAdmin
from tailrace.log import FilteringBoundLogger
from tailrace.settings import Connections
from tailrace.topics import LEDGER
from tailrace_indexer.clerk import Clerk
from tailrace_indexer.fence import Guard
from tailrace_indexer.unread import late_topics


def alert_clerk(
    connections: Connections,
    settings: AlertSettings,
    *,
    elastic: Elastic,
    guard: Guard,
    group: str,
    clock: Clock,
    log: FilteringBoundLogger,
) -> Clerk:
    """Return a clerk for one lead, wired to the servers."""
    namespace = connections.namespace
    watch = Watch(
        settings,
        questions=ElasticQuestions(elastic, namespace=namespace),
        store=ElasticAlerts(elastic, namespace=namespace),
        lags=KafkaLags(connections, group=group, clock=clock).look,
        teller=ChannelTeller(
            settings.channels,
            silences=settings.silences,
            require=guard.require,
            clock=clock,
            log=log,
        ),
        require=guard.require,
        clock=clock,
        log=log,
    )
    return Clerk(watch.look, name="alerts", log=log)


class KafkaLags:
    """How far the roles have read, asked of Kafka at most every few seconds."""

    LOOK_MS = 20_000

    def __init__(self, connections: Connections, *, group: str, clock: Clock) -> None:
        self._connections = connections
        self._group = group
        self._clock = clock
        self._lags: Lags | None = None
        self._at_ms = 0

    def look(self) -> Lags:
        """Return what Kafka says.

        Raises:
            ServiceUnavailable: it does not answer.
        """
        now_ms = self._clock.monotonic_ms()
        if self._lags is None or now_ms - self._at_ms >= self.LOOK_MS:
            self._lags, self._at_ms = self._asked(), now_ms
        return self._lags

    def _asked(self) -> Lags:
        namespace = self._connections.namespace
        with KafkaAdmin(
            self._connections, client_id="tailrace-indexer-alerts"
        ) as kafka:
            late = late_topics(
                kafka,
                namespace=namespace,
                group=self._group,
                share=NEAR_HALF,
                now_ms=self._clock.now_ms(),
            )
            ledger = kafka.group_lag(self._group, topics=[LEDGER.name(namespace)])
        return Lags(
            topics=late, is_ledger_read=not any(lag.lag_records for lag in ledger)
        )
