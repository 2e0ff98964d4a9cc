"""Up to which moment rules can be judged: what the ledger says is complete, within bounds."""

from __future__ import annotations

from tailrace.alerts.questions import Questions
from tailrace.alerts.rule_settings import RuleSettings
from tailrace.answers import Document

SETTLE_MS = 15_000
"""Lines that are on their way in peace; also where no agent of ours says anything."""
LOOK_MS = 10_000
MORE_WAIT_MS_MAX = 600_000
LESS_WAIT_MS_MAX = 3_600_000
"""A host that lags by more holds up no rule; `retention-lag` tells of it in the end."""


class Watermark:
    """The statement of completeness, read again when it is asked for and old."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._read_at_ms: int | None = None
        self._complete_to_ms: int | None = None
        self.heartbeats: list[Document] = []

    def read(self, now_ms: int) -> None:
        """Read the ledger, if that was not done lately.

        Raises:
            ServiceUnavailable: it cannot be read.
        """
        read_at_ms = self._read_at_ms
        # A clock that was set back must not make an old reading last.
        if read_at_ms is not None and 0 <= now_ms - read_at_ms < LOOK_MS:
            return
        stated, self.heartbeats = self._questions.ledger(now_ms=now_ms)
        # A host that says nothing is told of by itself, and is not waited for.
        moments = [host.complete_to_ms for host in stated.hosts if not host.is_silent]
        known = [moment for moment in moments if moment is not None]
        self._complete_to_ms = min(known, default=None)
        self._read_at_ms = now_ms

    def settled_ms(self, now_ms: int) -> int:
        """Return the latest moment that may be judged, whatever the ledger says."""
        return now_ms - SETTLE_MS

    def complete_ms(self, now_ms: int) -> int:
        """Return up to when all is stored, as far as is known.

        Raises:
            ServiceUnavailable: the ledger cannot be read.
        """
        self.read(now_ms)
        settled_ms = self.settled_ms(now_ms)
        if self._complete_to_ms is None:
            return settled_ms
        return min(self._complete_to_ms, settled_ms)

    def limit_ms(self, rule: RuleSettings, *, now_ms: int) -> int:
        """Return up to when a rule can be judged.

        Raises:
            ServiceUnavailable: the ledger cannot be read.
        """
        wait_ms = MORE_WAIT_MS_MAX if rule.above is not None else LESS_WAIT_MS_MAX
        return max(self.complete_ms(now_ms), now_ms - wait_ms)
