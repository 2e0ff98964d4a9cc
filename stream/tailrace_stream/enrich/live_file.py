"""A file that may be replaced while it is used: what it held last in good order counts.

It is looked at no more than once a second, by its stamp. A change counts once it has not
changed for two seconds, so that nobody reads what is half written. A new content that cannot
be read keeps the old one and raises an alarm, which ends when it can.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from tailrace.clock import Clock
from tailrace.key_files import SETTLED_MS, Stamp, is_settled, stamp_of

LOOK_MS = 1_000

T = TypeVar("T")


class NotUsable(Exception):
    """What a file holds is not what it should; says what is wrong, and no value of it."""


class LiveFile(Generic[T]):
    """One such file, and what was made of it."""

    def __init__(
        self, path: Path, *, read: Callable[[Path], T], nothing: T, clock: Clock
    ) -> None:
        """Read it; `nothing` stands for it as long as it was never in good order.

        `read` raises `NotUsable` or `OSError` for what it cannot use.
        """
        self.path = path
        self.problem = ""
        """Why it could not be read when it was last looked at; empty where it could."""
        self.version = 0
        """Grows with each content that was taken."""
        self._read = read
        self._held = nothing
        self._clock = clock
        self._stamp: Stamp | None = None
        self._met: tuple[Stamp | None, int] = (None, 0)
        self._looked_at_ms = clock.monotonic_ms()
        self._turn = threading.Lock()
        self._look()

    def current(self) -> T:
        """Return what the file held last in good order; several threads may ask."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._looked_at_ms < LOOK_MS:
            return self._held
        # Whoever comes while another one reads goes on with what there is.
        if self._turn.acquire(blocking=False):
            try:
                self._looked_at_ms = now_ms
                self._look()
            finally:
                self._turn.release()
        return self._held

    def _look(self) -> None:
        stamp = stamp_of(self.path)
        if stamp is not None and stamp == self._stamp:
            return
        is_calm = self._is_calm(stamp)
        if stamp is not None and self.version and not is_calm:
            return
        # Of a file that may still be written to, the stamp says nothing yet.
        self._stamp = stamp if is_calm else None
        try:
            held = self._read(self.path)
        except NotUsable as error:
            self.problem = str(error)
        except OSError as error:
            self.problem = f"cannot be read: {error.strerror or error}"
            self._stamp = None
        # Whatever a file does to its reader costs no line.
        except Exception as error:  # noqa: BLE001
            self.problem = f"cannot be used: {type(error).__name__}"
        else:
            self._held = held
            self.problem = ""
            self.version += 1

    def _is_calm(self, stamp: Stamp | None) -> bool:
        """Tell whether a file has its stamp for long enough, by either clock."""
        now_ms = self._clock.monotonic_ms()
        met, met_at_ms = self._met
        if stamp != met:
            self._met = (stamp, now_ms)
            met_at_ms = now_ms
        if stamp is None:
            return False
        is_old = is_settled(stamp, now_ms=self._clock.now_ms())
        return is_old or now_ms - met_at_ms >= SETTLED_MS
