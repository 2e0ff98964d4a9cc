"""Which paths cannot be opened now: said once, and tried again after growing waits."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.text import path_text

RETRY_MS_MIN = 1_000
RETRY_MS_MAX = 60_000


@dataclass(slots=True)
class _Trouble:
    """A path that cannot be opened: why, when to try again, and how long after that."""

    why: str
    retry_at_ms: int
    wait_ms: int


class Unreadable:
    """The paths that a glob means and this user may not read, or that fail otherwise."""

    def __init__(self, *, clock: Clock, log: FilteringBoundLogger) -> None:
        self._clock = clock
        self._log = log
        self._troubles: dict[str, _Trouble] = {}

    @property
    def whys(self) -> dict[str, str]:
        """Return why each of them cannot be read, by the path as text."""
        return {path_text(path): one.why for path, one in self._troubles.items()}

    def __len__(self) -> int:
        return len(self._troubles)

    def is_waiting(self, path: str) -> bool:
        """Return whether it is too early to try a path again."""
        trouble = self._troubles.get(path)
        return trouble is not None and self._clock.monotonic_ms() < trouble.retry_at_ms

    def note(self, path: str, error: OSError) -> None:
        """Take in that a path cannot be opened."""
        trouble = self._troubles.get(path)
        if trouble is None:
            self.say(path, error)
        wait_ms = min(RETRY_MS_MAX, trouble.wait_ms * 2) if trouble else RETRY_MS_MIN
        retry_at_ms = self._clock.monotonic_ms() + wait_ms
        self._troubles[path] = _Trouble(_why(error), retry_at_ms, wait_ms)

    def forget(self, path: str) -> None:
        """Take in that a path was opened."""
        self._troubles.pop(path, None)

    def keep(self, paths: Container[str]) -> None:
        """Forget all paths but these: the others are gone."""
        for path in [path for path in self._troubles if path not in paths]:
            del self._troubles[path]

    def say(self, path: str, error: OSError) -> None:
        """Tell whoever reads the log."""
        self._log.error(
            "file_unreadable",
            path=path_text(path),
            why=_why(error),
            remedy="give this user the right to read it; it is tried again, from where"
            " reading stands",
        )


def _why(error: OSError) -> str:
    return error.strerror or str(error)
