"""Whether the first line of a run can be found, and the dashboard too: looked for till then.

A start waits for both, and is not held up for ever where they stay away; they are then
looked for on, now and again, so that what was said to be missing is taken back.
"""

from __future__ import annotations

from collections.abc import Callable

from tailrace.clock import Clock

LOOK_AGAIN_MS = 15_000
"""Each look is a search; nobody waits for it at this time."""


class FirstLineWatch:
    """What of the two has been seen, and when it is to be looked for again."""

    def __init__(
        self,
        *,
        is_searchable: Callable[[], bool],
        dashboard_url: Callable[[], str],
        started_at_ms: int,
        clock: Clock,
    ) -> None:
        self._is_searchable = is_searchable
        self._dashboard_url = dashboard_url
        self._started_at_ms = started_at_ms
        self._clock = clock
        self._next_look_ms = clock.monotonic_ms() + LOOK_AGAIN_MS
        self._url = ""
        self.searchable_after_ms: int | None = None
        """From the start to the first line that a search found; None before that."""

    def look(self) -> str:
        """Look now for what has not been seen, and return in words what is missing."""
        if self.searchable_after_ms is None and self._is_searchable():
            self.searchable_after_ms = self._clock.now_ms() - self._started_at_ms
        self._url = self._url or self._dashboard_url()
        self._next_look_ms = self._clock.monotonic_ms() + LOOK_AGAIN_MS
        return self.missing

    def missing_by(self, deadline_ms: int) -> str | None:
        """Look now; return "" for nothing missing, and None before it is time to say."""
        missing = self.look()
        is_time = self._clock.monotonic_ms() >= deadline_ms
        return missing if is_time or not missing else None

    @property
    def missing(self) -> str:
        """What the last look did not see; "" when both are there."""
        if self.searchable_after_ms is None:
            return "No line is searchable"
        return "" if self._url else "The dashboard does not answer"

    def look_rarely(self) -> tuple[str, ...]:
        """Look again if it is time to, and return what there is to say of it."""
        if not self.missing or self._clock.monotonic_ms() < self._next_look_ms:
            return ()
        had_line, had_url = self.searchable_after_ms is not None, bool(self._url)
        self.look()
        news: list[str] = []
        if not had_line and self.searchable_after_ms is not None:
            news.append(self.searchable_text())
        if not had_url and self._url:
            news.append(f"the dashboard answers: {self._url}")
        return tuple(news)

    def searchable_text(self) -> str:
        """Return how long it took until a line was found, which one was."""
        return f"a line is searchable after {(self.searchable_after_ms or 0) / 1_000:.1f} s"
