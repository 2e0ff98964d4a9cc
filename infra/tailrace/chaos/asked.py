"""How a run is asked to end: once, and all is put away; a third time, and it ends at once.

A second request says only that the putting away goes on, so that it is never cut short by
a finger that was too quick. A terminal that closes sends its signal beside others, and
that is no further request. No server and no role outlives the process, however it ends,
and neither do mounts and namespaces; only a temporary folder does after the third request.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from tailrace.chaos.arena import Interrupted
from tailrace.entry import STANDARD_ERROR
from tailrace.errors import TailraceError

REQUESTS_MAX = 3
"""By this one the process ends, whatever it is about."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BEGINS = "Interrupted: putting everything away.\n"
_GOES_ON = (
    "Still putting away what was begun; asked once more, it ends at once and leaves its"
    " temporary folder.\n"
)


@dataclass(slots=True)
class Asked:
    """What was asked of a run so far."""

    stop: threading.Event = field(default_factory=threading.Event)
    """Set by the first request; looked at wherever a run waits."""
    _requests: int = 0
    _is_interrupting: bool = False

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """Act on a signal, in the main thread, between any two of its steps.

        Raises:
            Interrupted: it is the first, and the block at work may be left by it.
        """
        if self._requests and number == signal.SIGHUP:
            return
        self._requests += 1
        if self._requests == 1:
            self.stop.set()
            _say(_BEGINS)
            if self._is_interrupting:
                raise Interrupted
            return
        if self._requests >= REQUESTS_MAX:
            left = f"{tempfile.gettempdir()}/tailrace-chaos-*"
            _say(f"Ended at once; a temporary folder {left} is left.\n")
            os._exit(128 + number)
        _say(_GOES_ON)

    def look(self) -> None:
        """Return if nothing was asked.

        Raises:
            Interrupted: the user asked for the end.
        """
        if self.stop.is_set():
            raise Interrupted

    @contextmanager
    def interrupting(self) -> Generator[None]:
        """Let a request end a block that looks at no event, and begins nothing to put away.

        Raises:
            Interrupted: the user asked for the end, before the block or in it.
        """
        self._is_interrupting = True
        try:
            self.look()
            yield
        finally:
            self._is_interrupting = False
        # What is raised in a destructor, say, Python prints and forgets.
        self.look()

    @contextmanager
    def giving_up(self) -> Generator[None]:
        """Let what fails in a block because it was given up be no failure.

        Raises:
            Interrupted: the user asked for the end, before the block or in it.
        """
        self.look()
        try:
            yield
        except TailraceError:
            self.look()
            raise
        self.look()


@contextmanager
def asked_by_signals() -> Generator[Asked]:
    """Yield what SIGINT, SIGTERM and SIGHUP ask for from now on."""
    asked = Asked()
    former = {number: signal.signal(number, asked.hear) for number in SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    """Write past every buffer: the main thread may be amid a print."""
    with contextlib.suppress(OSError):  # The terminal may be gone.
        os.write(STANDARD_ERROR, text.encode())
