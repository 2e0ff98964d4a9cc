"""Two threads that strike what is planned, one fault after the other in each lane."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from tailrace.chaos.arena import Arena, Interrupted, NotWitnessed
from tailrace.chaos.schedule import Planned
from tailrace.errors import TailraceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """One fault that was to strike, and what it left."""

    name: str
    family: str
    began_ms: int
    """Since the faults began."""
    took_ms: int
    witness: str
    """Empty where there is none."""
    problem: str = ""
    """Why it cannot be believed that it struck."""


@dataclass(slots=True)
class LaneRun:
    """One lane's faults; `struck` may be read while the thread goes on."""

    arena: Arena
    planned: Sequence[Planned]
    length_ms: int
    """What has not begun this long after the first fault does not strike."""
    struck: list[Struck] = field(default_factory=list[Struck])
    now: str = ""
    """The fault that is striking."""
    error: BaseException | None = None
    _thread: threading.Thread | None = None

    def start(self, name: str) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more strikes."""
        return self._thread is not None and not self._thread.is_alive()

    def join(self) -> None:
        """Return when it is over."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._strike_all()
        except Interrupted:
            return
        except BaseException as error:  # noqa: BLE001 - the run that waits for us ends by it
            self.error = error
        finally:
            self.now = ""

    def _strike_all(self) -> None:
        clock = self.arena.clock
        began_ms = clock.monotonic_ms()
        for planned in self.planned:
            self.arena.wait(planned.pause_ms)
            at_ms = clock.monotonic_ms()
            self.now = planned.kind.name
            witness, problem = self._strike(planned, at_ms=at_ms - began_ms)
            self.struck.append(
                Struck(
                    name=planned.kind.name,
                    family=planned.kind.family,
                    began_ms=at_ms - began_ms,
                    took_ms=clock.monotonic_ms() - at_ms,
                    witness=witness,
                    problem=problem,
                )
            )
            self.now = ""

    def _strike(self, planned: Planned, *, at_ms: int) -> tuple[str, str]:
        if at_ms > self.length_ms:
            return "", "the time was over before it could strike"
        chance = random.Random(planned.seed)  # noqa: S311 - repeats what a seed drew
        try:
            return planned.kind.strike(self.arena, chance), ""
        except NotWitnessed as error:
            return "", str(error)
        except TailraceError as error:
            return "", f"{error}; {error.remedy}"
