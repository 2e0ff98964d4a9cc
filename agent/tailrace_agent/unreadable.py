"""Files that a sweep found and nothing reads: said once, tried again, and their bytes known."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.text import path_text
from tailrace_agent import descriptors
from tailrace_agent.discovery import Found
from tailrace_agent.door import PathRefused
from tailrace_agent.followed import Key
from tailrace_agent.tracked import TrackedFile
from tailrace_agent.unfinished import NamelessArchive

RETRY_MS_MIN = 1_000
RETRY_MS_MAX = 60_000
MADE_MS_MAX = 32_000
"""Half a minute of waits, each twice the last, have passed before this one: no more is
waited for an archive to be renamed before it is said that it is not read."""


@dataclass(slots=True)
class _Trouble:
    """A path that cannot be opened: why, when to try again, and how long after that."""

    why: str
    retry_at_ms: int
    wait_ms: int
    refusal: str = ""
    """What to do where it could be opened, and is not to be; "" where it cannot."""
    is_found: bool = True


class Unreadable:
    """What stands at names that match and is not followed, as of the last sweep."""

    def __init__(
        self, clock: Clock, log: FilteringBoundLogger, make_room: Callable[[], None]
    ) -> None:
        """Know nothing yet; `make_room` gives descriptors back where there are none."""
        self._clock = clock
        self._log = log
        self._make_room = make_room
        self._troubles: dict[str, _Trouble] = {}
        self.size_bytes = 0
        """Of files that cannot be opened."""
        self.gone_count = 0
        """Files that a sweep saw and that were gone when they were to be opened."""
        self.gone_bytes = 0
        self._vanished: dict[Key, Found] = {}
        self._vanished_before: dict[Key, Found] = {}

    @property
    def whys(self) -> dict[str, str]:
        """Return why each path that stands there cannot be opened, the path as text."""
        return {
            path_text(path): f"{trouble.why}; {trouble.refusal}"
            if trouble.refusal
            else trouble.why
            for path, trouble in self._troubles.items()
            if trouble.is_found
        }

    @property
    def refused_count(self) -> int:
        """Return how many of them the rules of their source do not let be read."""
        return sum(t.is_found and bool(t.refusal) for t in self._troubles.values())

    def begin_sweep(self) -> None:
        """Count anew, and forget paths at which nothing was found the last time."""
        self.size_bytes = 0
        self._vanished_before, self._vanished = self._vanished, {}
        self._troubles = {p: t for p, t in self._troubles.items() if t.is_found}
        for trouble in self._troubles.values():
            trouble.is_found = False

    def end_sweep(self, seen: Collection[Key]) -> None:
        """Count what vanished in the sweep before and was not met under another name."""
        for key, found in self._vanished_before.items():
            if key not in seen and found.status.st_size:
                self._note_gone(found.path, size_bytes=found.status.st_size)

    def note_vanished(self, key: Key, found: Found) -> None:
        """Note that a file was gone when it was to be opened; it may be renamed."""
        self._vanished[key] = found

    def must_wait(self, path: str, *, size_bytes: int) -> bool:
        """Return whether a path in trouble is not to be tried yet, and count its bytes."""
        trouble = self._troubles.get(path)
        if trouble is None:
            return False
        trouble.is_found = True
        if self._clock.monotonic_ms() >= trouble.retry_at_ms:
            return False
        self.size_bytes += size_bytes
        return True

    def note_trouble(self, tracked: TrackedFile, error: OSError) -> int:
        """Say once that a followed file cannot be read; return when to try again."""
        tracked.close()
        if descriptors.is_short(error):
            self._make_room()
        trouble = str(error.strerror or error)
        if tracked.trouble != trouble:
            tracked.trouble = trouble
            tracked.retry_ms = RETRY_MS_MIN
            self.say(tracked.path, error)
        else:
            tracked.retry_ms = min(RETRY_MS_MAX, tracked.retry_ms * 2)
        return self._clock.monotonic_ms() + tracked.retry_ms

    def note_unopened(self, path: str, error: OSError, *, size_bytes: int) -> None:
        """Note that a file cannot be opened, and try again later, and later still."""
        if descriptors.is_short(error):
            self._make_room()
        trouble = self._troubles.get(path)
        wait_ms = min(RETRY_MS_MAX, trouble.wait_ms * 2) if trouble else RETRY_MS_MIN
        # An archive in the making is nothing to say, unless it is not made in the end.
        is_news = trouble is None or trouble.why != _why(error)
        if isinstance(error, NamelessArchive):
            is_news = wait_ms == MADE_MS_MAX
        if is_news:
            self.say(path, error)
        retry_at_ms = self._clock.monotonic_ms() + wait_ms
        refusal = error.remedy if isinstance(error, PathRefused) else ""
        self._troubles[path] = _Trouble(_why(error), retry_at_ms, wait_ms, refusal)
        self.size_bytes += size_bytes

    def note_opened(self, path: str) -> None:
        """Note that a file could be opened."""
        self._troubles.pop(path, None)

    def _note_gone(self, path: str, *, size_bytes: int) -> None:
        self.gone_count += 1
        self.gone_bytes += size_bytes
        self._log.warning(
            "file_gone_unread",
            path=path_text(path),
            size_bytes=size_bytes,
            remedy="let a file stay for longer than `sweep_ms` after its last line",
        )

    def say(self, path: str, error: OSError) -> None:
        """Say that a file cannot be read, and what to do."""
        self._log.error(
            "file_unreadable",
            path=path_text(path),
            why=_why(error),
            remedy=f"{_remedy(error)}; it is tried again, from where reading stands",
        )


def _remedy(error: OSError) -> str:
    if isinstance(error, PathRefused | NamelessArchive):
        return error.remedy
    if descriptors.is_short(error):
        return descriptors.REMEDY
    return "give this user the right to read it"


def _why(error: OSError) -> str:
    return error.strerror or str(error)
