"""Whether anybody looks at the files: what nobody looks at, nobody can wait for.

A process stands still where its container is frozen, its machine swaps or a disk hangs, and
where Kafka takes nothing no file has a turn. A copy that waits for its original to be looked
at would be done waiting after that, with nothing seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace_agent.tracked import TrackedFile

UNWATCHED_MS_MIN = 10_000
UNWATCHED_SWEEPS = 5
"""A sweep so late is one of a process that stood still: what came meanwhile and was
truncated, nobody saw."""
PAUSE_MS_MAX = 1_000
"""The longest time between two turns that is none of standing still: the loop's own wait."""


class Watch:
    """Told of each sweep, step and turn; it tells the files what they cannot know."""

    def __init__(
        self,
        files: Callable[[], Collection[TrackedFile]],
        *,
        sweep_ms: int,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._files = files
        self._unwatched_ms_min = max(UNWATCHED_MS_MIN, UNWATCHED_SWEEPS * sweep_ms)
        self._clock = clock
        self._log = log
        self._swept_ms = self._noted_ms = clock.monotonic_ms()

    def note_swept(self) -> None:
        """Note that a sweep has ended."""
        self._swept_ms = self._clock.monotonic_ms()

    def note(self, *, swept_at_ms: int, had_turns: bool = True) -> None:
        """Note that the process is awake; `swept_at_ms` is when its last sweep began.

        Since it was last noted, files had their turns unless it is said otherwise.
        """
        now_ms = self._clock.monotonic_ms()
        self._hold_on(now_ms - self._noted_ms - (PAUSE_MS_MAX if had_turns else 0))
        self._noted_ms = now_ms
        unwatched_ms = now_ms - self._swept_ms
        if unwatched_ms < self._unwatched_ms_min:
            return
        self._swept_ms = now_ms
        for tracked in self._files():
            tracked.unwatched_since_ms = tracked.unwatched_since_ms or swept_at_ms
        self._log.warning("files_unwatched", unwatched_ms=unwatched_ms)

    def _hold_on(self, away_ms: int) -> None:
        if away_ms > 0:
            for tracked in self._files():
                tracked.hold_on(away_ms)
