"""How what is due is told: at least once, in order, each channel by itself.

1. What is silenced waits. What is over, or happened, and could not be told for a day is given
   up; what is still on never is.
2. It is sent, under the alert's id.
3. Only then it is recorded that it was: a crash in between sends it once more, and no more
   often than once a crash.

A channel that fails is left alone for a while that doubles; the others go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tailrace.alerts.book import Book, Require
from tailrace.alerts.config import ChannelSettings, SilenceSettings
from tailrace.alerts.records import Alert, What
from tailrace.alerts.silences import is_silenced
from tailrace.alerts.telling.http_post import SendFailed
from tailrace.alerts.telling.notes import Note
from tailrace.alerts.telling.ways import Send, send
from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.supervise import Backoff

BACKOFF = Backoff(wait_ms_min=5_000, wait_ms_max=300_000)
GIVEN_UP_MS = 86_400_000
TELLING_MS_MAX = 10_000
"""Of one look: rules are judged in between."""


@dataclass(frozen=True, slots=True)
class _Rest:
    until_ms: int
    failures: int


class ChannelTeller:
    """Tells the channels of the settings."""

    def __init__(
        self,
        channels: Sequence[ChannelSettings],
        *,
        silences: Sequence[SilenceSettings],
        require: Require,
        clock: Clock,
        log: FilteringBoundLogger,
        send: Send = send,
    ) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._silences = silences
        self._require = require
        self._clock = clock
        self._log = log
        self._send = send
        self._resting: dict[str, _Rest] = {}

    def tell(self, book: Book, *, now_ms: int) -> None:
        """Tell what is to be told, as far as it goes within a few seconds.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: the index does not answer.
        """
        deadline_ms = self._clock.monotonic_ms() + TELLING_MS_MAX
        for alert in book.due():
            # 1. When nobody is to be told, it waits.
            if is_silenced(
                self._silences, rule=alert.rule, fields=alert.fields, at_ms=now_ms
            ):
                continue
            told = alert
            for entry in alert.due:
                if self._clock.monotonic_ms() >= deadline_ms:
                    return
                told = self._tell_one(told, entry, book, now_ms=now_ms)

    def _tell_one(self, alert: Alert, entry: str, book: Book, *, now_ms: int) -> Alert:
        """Tell one channel of an alert; return how the alert is then."""
        what, _, name = entry.partition("/")
        channel = self._channels.get(name)
        if channel is None or _is_stale(alert, now_ms=now_ms):
            self._log.warning(
                "alert_not_told", alert_id=alert.alert_id, channel=name, what=what
            )
            changed = alert.without_due(entry, is_told=False)
            book.change(changed)
            return changed
        rest = self._resting.get(name)
        if rest is not None and self._clock.monotonic_ms() < rest.until_ms:
            return alert
        # Whoever leads now tells it, too: this one may have been asleep.
        self._require()
        try:
            # 2. Send.
            self._send(channel, Note(what=_what(what), alert=alert))
        except SendFailed as failed:
            self._rest(name, reason=failed.reason)
            return alert
        # 3. Record.
        changed = alert.without_due(entry, is_told=True)
        book.change(changed)
        if self._resting.pop(name, None) is not None:
            self._log.info("channel_takes_again", channel=name)
        return changed

    def _rest(self, name: str, *, reason: str) -> None:
        """Leave a channel alone for a while; said when it begins to fail."""
        before = self._resting.get(name)
        if before is None:
            self._log.warning("channel_failed", channel=name, reason=reason)
        failures = 1 if before is None else before.failures + 1
        until_ms = self._clock.monotonic_ms() + BACKOFF.wait_ms(failures)
        self._resting[name] = _Rest(until_ms, failures)


def _is_stale(alert: Alert, *, now_ms: int) -> bool:
    news_ms = alert.raised_at_ms if alert.over_at_ms is None else alert.over_at_ms
    return alert.status != "on" and now_ms - news_ms > GIVEN_UP_MS


def _what(text: str) -> What:
    return "over" if text == "over" else "raised"
