"""What is on and what is to be told, as whoever leads has read it; every change is recorded.

Each change asks first whether this process still leads, and is in the index before it is
here. Where the index does not answer, nobody can say whether the change was made: the book is
stale then, thrown away and read anew.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager

from tailrace.alerts.judging import Group
from tailrace.alerts.records import Alert
from tailrace.alerts.store import AlertStore

Require = Callable[[], None]
"""Returns if this process may act as the leader, and raises otherwise."""


class Book:
    """The open alerts of one lead."""

    def __init__(self, store: AlertStore, *, require: Require) -> None:
        self._store = store
        self._require = require
        state = store.load()
        self._open = {alert.alert_id: alert for alert in state.alerts}
        self._judged_to_ms = dict(state.judged_to_ms)
        self._saved_to_ms = dict(state.judged_to_ms)
        self.is_stale = False
        """Whether something may be recorded that is not here."""

    def on(self, rule: str, *, names: Iterable[str]) -> dict[Group, Alert]:
        """Return the alerts of a rule that are on, by their group's values."""
        ordered = tuple(names)
        return {
            tuple(alert.fields.get(name, "") for name in ordered): alert
            for alert in self._open.values()
            if alert.rule == rule and alert.status == "on"
        }

    def strays(self, rules: Mapping[str, Iterable[str]]) -> list[Alert]:
        """Return what is on of a rule that is not there any more, or groups otherwise."""
        return [
            alert
            for alert in self._open.values()
            if alert.status == "on"
            and set(alert.fields) != set(rules.get(alert.rule, ("",)))
        ]

    def due(self) -> list[Alert]:
        """Return what is still to be told, the oldest first."""
        waiting = [alert for alert in self._open.values() if alert.due]
        return sorted(waiting, key=lambda alert: (alert.raised_at_ms, alert.alert_id))

    def begin(self, alert: Alert) -> bool:
        """Record an alert; False where it is recorded already.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: the index does not answer.
        """
        if alert.alert_id in self._open:
            return False
        self._require()
        with self._writing():
            is_made = self._store.create(alert)
        if not is_made:
            return False
        self._keep(alert)
        return True

    def change(self, alert: Alert) -> None:
        """Record how an alert is now.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: the index does not answer, or another changed it.
        """
        self._require()
        with self._writing():
            self._store.replace(alert)
        self._keep(alert)

    @contextmanager
    def _writing(self) -> Generator[None]:
        self.is_stale = True
        yield
        self.is_stale = False

    def _keep(self, alert: Alert) -> None:
        if alert.status == "on" or alert.due:
            self._open[alert.alert_id] = alert
        else:
            self._open.pop(alert.alert_id, None)

    def judged_to_ms(self, rule: str) -> int | None:
        """Return the last moment that was judged of a rule, None where none was."""
        return self._judged_to_ms.get(rule)

    def judged(self, rule: str, *, to_ms: int) -> None:
        """Note that a rule was judged up to a moment."""
        self._judged_to_ms[rule] = to_ms

    def save(self, *, rules: Iterable[str]) -> None:
        """Record up to when the rules that there are were judged, if that is news.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: the index does not answer, or another changed it.
        """
        present = {
            name: self._judged_to_ms[name]
            for name in rules
            if name in self._judged_to_ms
        }
        if present == self._saved_to_ms:
            return
        self._require()
        with self._writing():
            self._store.save_cursors(present)
        self._saved_to_ms = present

    def remove_old(self, *, before_ms: int) -> int:
        """Remove records of what was over before a moment; return how many.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: the index does not answer.
        """
        self._require()
        return self._store.remove_old(before_ms=before_ms)
