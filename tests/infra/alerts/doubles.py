"""The index of alerts, the events and the channels in memory, for whoever judges rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import structlog

from tailrace.alerts.config import AlertSettings, ChannelSettings
from tailrace.alerts.fact_watch import Lags
from tailrace.alerts.judging import Group, Observed
from tailrace.alerts.kinds import Kinds
from tailrace.alerts.news import Sighting
from tailrace.alerts.records import Alert
from tailrace.alerts.rule_settings import RuleSettings
from tailrace.alerts.store import AlertChanged, AlertState
from tailrace.alerts.telling.http_post import SendFailed
from tailrace.alerts.telling.notes import Note
from tailrace.alerts.telling.teller import ChannelTeller
from tailrace.alerts.watch import Watch
from tailrace.answers import Document
from tailrace.completeness import Completeness, HostCompleteness
from tailrace.errors import ServiceUnavailable
from tests.support.standing_clock import StandingClock


class Killed(BaseException):
    """The process ends here."""


@dataclass(slots=True)
class AlertsInMemory:
    """The index: it outlives those who write to it."""

    records: dict[str, tuple[int, Alert]] = field(
        default_factory=dict[str, tuple[int, Alert]]
    )
    judged_to_ms: dict[str, int] = field(default_factory=dict[str, int])
    created: list[str] = field(default_factory=list[str])
    writings: int = 0
    killed_before: int | None = None
    """Before which writing the process ends."""
    killed_after: int | None = None
    is_away: bool = False

    def alerts(self) -> list[Alert]:
        return [alert for _, alert in self.records.values()]


class MemoryStore:
    """One process's view of the index."""

    def __init__(self, index: AlertsInMemory) -> None:
        self._index = index
        self._known: dict[str, int] = {}

    def load(self) -> AlertState:
        self._answer()
        self._known = {name: kept[0] for name, kept in self._index.records.items()}
        is_open = [one for one in self._index.alerts() if one.status == "on" or one.due]
        return AlertState(tuple(is_open), dict(self._index.judged_to_ms))

    def create(self, alert: Alert) -> bool:
        if alert.alert_id in self._index.records:
            return False
        self._write()
        self._index.created.append(alert.alert_id)
        self._keep(alert)
        self._written()
        return True

    def replace(self, alert: Alert) -> None:
        version, _ = self._index.records[alert.alert_id]
        if self._known.get(alert.alert_id) != version:
            raise AlertChanged(alert.alert_id, address="memory")
        self._write()
        self._keep(alert)
        self._written()

    def save_cursors(self, judged_to_ms: Mapping[str, int]) -> None:
        self._write()
        self._index.judged_to_ms = dict(judged_to_ms)
        self._written()

    def remove_old(self, *, before_ms: int) -> int:
        del before_ms
        self._answer()
        return 0

    def _keep(self, alert: Alert) -> None:
        version = self._index.records.get(alert.alert_id, (0, alert))[0] + 1
        self._index.records[alert.alert_id] = (version, alert)
        self._known[alert.alert_id] = version

    def _answer(self) -> None:
        if self._index.is_away:
            raise ServiceUnavailable("Elasticsearch", address="memory", reason="away")

    def _write(self) -> None:
        self._answer()
        self._index.writings += 1
        if self._index.writings == self._index.killed_before:
            raise Killed

    def _written(self) -> None:
        if self._index.writings == self._index.killed_after:
            raise Killed


@dataclass(slots=True)
class EventsInMemory:
    """What rules ask about: counts by group and minute, templates, the ledger."""

    counts: dict[Group, dict[int, int]] = field(
        default_factory=dict[Group, dict[int, int]]
    )
    templates: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """By template, when its events arrived."""
    group_of: dict[str, tuple[str, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    """By template, the others of its group."""
    untold: set[str] = field(default_factory=set[str])
    """Templates whose text is not known yet."""
    complete_to_ms: int | None = None
    heartbeats: list[Document] = field(default_factory=list[Document])
    lost: list[Document] = field(default_factory=list[Document])
    gaps: list[Document] = field(default_factory=list[Document])
    faults: dict[str, Exception] = field(default_factory=dict[str, Exception])
    """By rule, what happens when it is asked."""
    asked: list[str] = field(default_factory=list[str])

    def observe(self, rule: RuleSettings, *, after_ms: int, to_ms: int) -> Observed:
        del after_ms
        self.asked.append(rule.name)
        if rule.name in self.faults:
            raise self.faults[rule.name]
        counts = {
            group: {at: count for at, count in buckets.items() if at < to_ms}
            for group, buckets in self.counts.items()
        }
        return Observed(counts=counts)

    def sightings(
        self, rule: RuleSettings, *, since_ms: int, until_ms: int
    ) -> dict[str, Sighting]:
        if rule.name in self.faults:
            raise self.faults[rule.name]
        found: dict[str, Sighting] = {}
        for name, moments in self.templates.items():
            within = [at for at in moments if since_ms <= at < until_ms]
            if within:
                found[name] = Sighting(
                    template_id=name, first_seen_ms=min(within), count=len(within)
                )
        return found

    def older_templates(self, ids: Collection[str], *, before_ms: int) -> set[str]:
        return {
            name
            for name in ids
            if any(at < before_ms for at in self.templates.get(name, []))
        }

    def kinds(self, ids: Collection[str], *, before_ms: int, now_ms: int) -> Kinds:
        del now_ms
        return Kinds(
            older=frozenset(
                one
                for one in ids
                if self.older_templates(self.group_of.get(one, ()), before_ms=before_ms)
            ),
            untold=frozenset(self.untold & set(ids)),
        )

    def older_datasets(self, *, before_ms: int) -> set[str]:
        moments = [at for each in self.templates.values() for at in each]
        return {"app"} if any(at < before_ms for at in moments) else set()

    def sample(
        self, rule: RuleSettings, sighting: Sighting, *, since_ms: int
    ) -> Sighting:
        del rule, since_ms
        return Sighting(
            template_id=sighting.template_id,
            first_seen_ms=sighting.first_seen_ms,
            count=sighting.count,
            dataset="app",
            message=f"a line of {sighting.template_id}",
        )

    def ledger(self, *, now_ms: int) -> tuple[Completeness, list[Document]]:
        hosts = (
            HostCompleteness(
                host_name="web",
                complete_to_ms=self.complete_to_ms,
                waiting_events=0,
                unread_bytes=0,
                lost_bytes=0,
                is_silent=False,
            ),
        )
        stated = Completeness(
            hosts=hosts if self.complete_to_ms is not None else (),
            now_ms=now_ms,
            until_ms=now_ms,
            silent_agents=0,
            is_partial=False,
        )
        return stated, self.heartbeats

    def losses(self, *, now_ms: int) -> list[Document]:
        del now_ms
        return self.lost

    def holes(self) -> list[Document]:
        return self.gaps


@dataclass(slots=True)
class Mailbox:
    """Who is told: what each channel was sent, as often as it was."""

    sent: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Channel, and what was told of which alert."""
    failing: set[str] = field(default_factory=set[str])
    killed_after_sending: bool = False

    def send(self, channel: ChannelSettings, note: Note) -> None:
        if channel.name in self.failing:
            raise SendFailed("it answered 500")
        self.sent.append((channel.name, note.note_id))
        if self.killed_after_sending:
            self.killed_after_sending = False
            raise Killed


class LeadGone(Exception):
    """Another leads now."""


@dataclass(slots=True)
class Scene:
    """One installation, in which processes that judge come and go."""

    settings: AlertSettings
    clock: StandingClock
    index: AlertsInMemory = field(default_factory=AlertsInMemory)
    events: EventsInMemory = field(default_factory=EventsInMemory)
    mailbox: Mailbox = field(default_factory=Mailbox)
    lags: Lags = field(default_factory=lambda: Lags(topics=(), is_ledger_read=True))
    is_kafka_away: bool = False
    log: list[structlog.typing.EventDict] = field(
        default_factory=list[structlog.typing.EventDict]
    )

    def watch(self, *, leads: bool = True) -> Watch:
        """Return a process that has just begun to lead."""

        def require() -> None:
            if not leads:
                raise LeadGone

        def write(
            _logger: object, _name: str, event: structlog.typing.EventDict
        ) -> structlog.typing.EventDict:
            self.log.append(event)
            raise structlog.DropEvent

        log = structlog.wrap_logger(
            structlog.PrintLogger(),
            processors=[write],
            wrapper_class=structlog.make_filtering_bound_logger(0),
        )
        return Watch(
            self.settings,
            questions=self.events,
            store=MemoryStore(self.index),
            lags=self._lags,
            teller=ChannelTeller(
                self.settings.channels,
                silences=self.settings.silences,
                require=require,
                clock=self.clock,
                log=log,
                send=self.mailbox.send,
            ),
            require=require,
            clock=self.clock,
            log=log,
        )

    def _lags(self) -> Lags:
        if self.is_kafka_away:
            raise ServiceUnavailable("Kafka", address="memory", reason="away")
        return self.lags
