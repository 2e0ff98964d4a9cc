"""Where a test may kill a role: named places in the commit protocols, armed by environment.

`TAILRACE_KILL_POINT=A3:2` kills the process with SIGKILL at the second pass of A3, after it
has written the witness file named by `TAILRACE_KILL_WITNESS`, so that a test can prove that
the fault really struck there. Where neither is set, a pass costs one comparison. The names
are those of the fault list: agent A1 to A7, stream S1 to S6, indexer I1 to I5. I4 stands
before the ledger's word, and I6, which is ours, between that word and the commit. D2 and D4
are those of `tailrace dead retry` (`tailrace.dead.retry`), after the steps of these numbers, and
R2 to R5 those of `tailrace replay` (`tailrace.replay.publish`). B1 and B2 stand before and
after step 2 of the stream's bridge from foreign topics (`tailrace_stream.foreign.bridge`). A
simulation, where all roles live in one process, puts an `Armed` of its own in the
environment's place.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

POINT_VARIABLE = "TAILRACE_KILL_POINT"
WITNESS_VARIABLE = "TAILRACE_KILL_WITNESS"


class Armed(Protocol):
    """What is told of every place that is passed."""

    def pass_(self, name: str) -> None:
        """End the life that passes here, or return."""
        ...


class KillPoint:
    """One armed place, and how often it may still be passed."""

    def __init__(self, armed: str, *, witness: Path | None) -> None:
        name, _, count = armed.partition(":")
        self.name = name
        self._passes_left = int(count or 1)
        self._witness = witness

    def pass_(self, name: str) -> None:
        """Kill this process if `name` is armed and this is the pass it is armed for."""
        if name != self.name:
            return
        self._passes_left -= 1
        if self._passes_left:
            return
        if self._witness is not None:
            # A witness that is not on disk proves nothing: the process ends here.
            with self._witness.open("w") as witness:
                witness.write(f"{name} {os.getpid()}\n")
                witness.flush()
                os.fsync(witness.fileno())
        os.kill(os.getpid(), signal.SIGKILL)


def _from_environment() -> KillPoint | None:
    armed = os.environ.get(POINT_VARIABLE)
    witness = os.environ.get(WITNESS_VARIABLE)
    if not armed:
        return None
    return KillPoint(armed, witness=Path(witness) if witness else None)


_armed: Armed | None = _from_environment()


@contextmanager
def armed(instead: Armed) -> Generator[None]:
    """Tell `instead` of every place that is passed, until the context ends."""
    global _armed  # noqa: PLW0603 - the one place that is armed, in the one process there is
    before, _armed = _armed, instead
    try:
        yield
    finally:
        _armed = before


def reach(name: str) -> None:
    """Pass the place `name`; the process ends here if a test has armed it."""
    if _armed is not None:
        _armed.pass_(name)
