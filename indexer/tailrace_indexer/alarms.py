"""What a person must know now: said once, then once a minute, and once when it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

REMINDER_MS = 60_000


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to say."""

    kind: Literal["raised", "goes_on", "cleared", "happened"]
    subject: str
    reason: str
    detail: str
    lasted_ms: int = 0


@dataclass(slots=True)
class _Alarm:
    reason: str
    detail: str
    since_ms: int
    said_at_ms: int


class Alarms:
    """The alarms that are on, by what they are about."""

    def __init__(self) -> None:
        self._on: dict[str, _Alarm] = {}
        self._unsaid: list[Notice] = []

    @property
    def on(self) -> dict[str, str]:
        """Return the reason of each alarm that is on, by its subject."""
        return {subject: alarm.reason for subject, alarm in self._on.items()}

    def sound(self, subject: str, *, reason: str, detail: str, now_ms: int) -> None:
        """Switch an alarm on; while it is on only a change of its reason is news."""
        alarm = self._on.get(subject)
        if alarm is not None and alarm.reason == reason:
            alarm.detail = detail
            return
        since_ms = now_ms if alarm is None else alarm.since_ms
        self._on[subject] = _Alarm(reason, detail, since_ms, now_ms)
        self._unsaid.append(Notice("raised", subject, reason, detail))

    def clear(self, subject: str, *, now_ms: int) -> None:
        """Switch an alarm off."""
        alarm = self._on.pop(subject, None)
        if alarm is not None:
            lasted_ms = now_ms - alarm.since_ms
            self._unsaid.append(
                Notice("cleared", subject, alarm.reason, alarm.detail, lasted_ms)
            )

    def happened(self, subject: str, *, reason: str, detail: str) -> None:
        """Say something once that is not a state."""
        self._unsaid.append(Notice("happened", subject, reason, detail))

    def take(self, *, now_ms: int) -> list[Notice]:
        """Return what is to be said now."""
        for subject, alarm in self._on.items():
            if now_ms - alarm.said_at_ms >= REMINDER_MS:
                alarm.said_at_ms = now_ms
                lasted_ms = now_ms - alarm.since_ms
                self._unsaid.append(
                    Notice("goes_on", subject, alarm.reason, alarm.detail, lasted_ms)
                )
        taken, self._unsaid = self._unsaid, []
        return taken
