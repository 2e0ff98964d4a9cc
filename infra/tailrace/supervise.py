"""How a process that dies is started again: at once, then ever later, and never in vain.

A member is anything that has a process: a role, or one of the embedded servers. `Member`
holds what a supervisor knows of it; all its decisions depend on the time that is passed
in, so that a test can live through a day of deaths in a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from tailrace.errors import TailraceError


class MemberState(StrEnum):
    """Where a member is in its life."""

    WAITING = "waiting"
    """Not started yet: something that it needs is not there."""
    RUNNING = "running"
    BACKING_OFF = "backing_off"
    """It died, and is started again when its wait is over."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before the next start, by how often in a row it died."""

    wait_ms_min: int = 1_000
    wait_ms_max: int = 30_000
    steady_after_ms: int = 60_000
    """Having lived as long as this, a death counts as the first in a row again."""

    def wait_ms(self, deaths_in_row: int) -> int:
        """Return 1 s, 2 s, 4 s and so on, up to the longest wait."""
        doublings = min(max(deaths_in_row - 1, 0), 30)
        return min(self.wait_ms_min << doublings, self.wait_ms_max)


class Life(Protocol):
    """What can be started, and started again after it has died."""

    @property
    def name(self) -> str:
        """Return its name, as `status` shows it."""
        ...

    @property
    def kind(self) -> str:
        """Return `role` or `server`."""
        ...

    @property
    def log_path(self) -> str:
        """Return where it says what it does."""
        ...

    @property
    def pid(self) -> int | None:
        """Return its process, of its last life if it is dead."""
        ...

    def start(self) -> None:
        """Start it; it is dead when this is called.

        Raises:
            TailraceError: it could not even be started.
        """
        ...

    def is_alive(self) -> bool:
        """Tell whether its process is there."""
        ...

    def exit_code(self) -> int | None:
        """Return how it ended, negative for a signal; None when that is not known."""
        ...


class MemberRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A member as `status` reads it."""

    name: str
    kind: str
    state: MemberState
    pid: int | None
    restarts: int
    last_exit: int | None
    last_error: str
    since_ms: int
    """Since when it is in this state."""
    log_path: str


class Member:
    """One life, and what its supervisor knows of it."""

    def __init__(self, life: Life, *, backoff: Backoff) -> None:
        self.life = life
        self._backoff = backoff
        self.state = MemberState.WAITING
        self.restarts = 0
        self.last_exit: int | None = None
        self.last_error = ""
        self._deaths_in_row = 0
        self._since_ms = 0
        self._since_monotonic_ms = 0
        self._start_at_ms = 0

    def start(self, *, now_ms: int, monotonic_ms: int) -> None:
        """Start it for the first time, or again."""
        try:
            self.life.start()
        except TailraceError as error:
            self.last_error = str(error)
            self._died(None, now_ms=now_ms, monotonic_ms=monotonic_ms)
        else:
            self.started(now_ms=now_ms, monotonic_ms=monotonic_ms)

    def started(self, *, now_ms: int, monotonic_ms: int) -> None:
        """Note that it runs, whoever started it."""
        self._enter(MemberState.RUNNING, now_ms=now_ms, monotonic_ms=monotonic_ms)

    def tend(self, *, now_ms: int, monotonic_ms: int) -> bool:
        """Notice a death, or start it again when its wait is over; tell of a change."""
        if self.state is MemberState.RUNNING and not self.life.is_alive():
            code = self.life.exit_code()
            self._died(code, now_ms=now_ms, monotonic_ms=monotonic_ms)
            return True
        if self.state is MemberState.BACKING_OFF and monotonic_ms >= self._start_at_ms:
            self.restarts += 1
            self.start(now_ms=now_ms, monotonic_ms=monotonic_ms)
            return True
        return False

    def stopped(self, *, now_ms: int, monotonic_ms: int) -> None:
        """Note that it was stopped as wished; it is not started again."""
        self._enter(MemberState.STOPPED, now_ms=now_ms, monotonic_ms=monotonic_ms)

    def record(self) -> MemberRecord:
        """Return what `status` shows."""
        return MemberRecord(
            name=self.life.name,
            kind=self.life.kind,
            state=self.state,
            pid=self.life.pid if self.state is MemberState.RUNNING else None,
            restarts=self.restarts,
            last_exit=self.last_exit,
            last_error=self.last_error,
            since_ms=self._since_ms,
            log_path=self.life.log_path,
        )

    def _died(self, code: int | None, *, now_ms: int, monotonic_ms: int) -> None:
        lived_ms = monotonic_ms - self._since_monotonic_ms
        was_steady = (
            self.state is MemberState.RUNNING
            and lived_ms >= self._backoff.steady_after_ms
        )
        self._deaths_in_row = 1 if was_steady else self._deaths_in_row + 1
        self.last_exit = code
        self._start_at_ms = monotonic_ms + self._backoff.wait_ms(self._deaths_in_row)
        self._enter(MemberState.BACKING_OFF, now_ms=now_ms, monotonic_ms=monotonic_ms)

    def _enter(self, state: MemberState, *, now_ms: int, monotonic_ms: int) -> None:
        self.state = state
        self._since_ms = now_ms
        self._since_monotonic_ms = monotonic_ms
