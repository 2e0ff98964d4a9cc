"""What a held index sounds: an alarm of its own, or one with all that lack the same right."""

from __future__ import annotations

from tailrace.clock import Clock
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.outcomes import Reason, Verdict


class HoldAlarms:
    """Which alarm each held index keeps on."""

    def __init__(self, alarms: Alarms, *, clock: Clock) -> None:
        self._alarms = alarms
        self._clock = clock
        self._subjects: dict[str, str] = {}
        """By held index, the alarm that it keeps on."""

    def sound(self, index: str, verdict: Verdict) -> None:
        """Say that an index is held, unless it is only just being made."""
        # A first line of a new day is no alarm: its index is being made.
        if verdict.reason is Reason.MISSING_INDEX:
            return
        subject = f"right {verdict.right}" if verdict.right else f"index {index}"
        if self._subjects.get(index, subject) != subject:
            self.clear(index)
        self._subjects[index] = subject
        self._alarms.sound(
            subject,
            reason=verdict.reason.value,
            detail=verdict.detail,
            now_ms=self._clock.now_ms(),
        )

    def clear(self, index: str) -> None:
        """Say that an index is held no more, once no other keeps its alarm on."""
        subject = self._subjects.pop(index, None)
        if subject is not None and subject not in self._subjects.values():
            self._alarms.clear(subject, now_ms=self._clock.now_ms())
