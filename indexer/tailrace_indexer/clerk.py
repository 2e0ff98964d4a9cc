"""One kind of work of a leader, done again and again in a thread of its own while it leads.

Beside the leader's other work, which may take minutes, and beside the indexing, which it
never holds up. An idle system writes no line of it: only what changes is said.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from tailrace.errors import ServiceUnavailable
from tailrace.log import FilteringBoundLogger
from tailrace_indexer.fence import LeadLost

LOOK_S = 1.0
RETRY_S_MAX = 30.0
CLOSE_S_MAX = 5.0


class Clerk:
    """The thread; `close` ends it."""

    def __init__(
        self, look: Callable[[], None], *, name: str, log: FilteringBoundLogger
    ) -> None:
        """Call `look` every `LOOK_S`; the log's events begin with `name`."""
        self._look = look
        self._name = name
        self._log = log
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def close(self) -> None:
        """Work no more."""
        self._stop.set()
        self._thread.join(CLOSE_S_MAX)

    @property
    def is_stopping(self) -> bool:
        """Whether it is to end with its present look."""
        return self._stop.is_set()

    def _run(self) -> None:
        failing = ""
        wait_s = LOOK_S
        while not self._stop.wait(wait_s):
            try:
                self._look()
            except LeadLost:
                return  # Whoever leads now does it.
            except ServiceUnavailable as error:
                # Said when it begins, and not at each turn.
                if failing != type(error).__name__:
                    reason = str(error)[:500]
                    self._log.warning(f"{self._name}_wait", reason=reason)
                failing = type(error).__name__
                wait_s = min(wait_s * 2, RETRY_S_MAX)
            except Exception as error:  # noqa: BLE001 - it never ends the leader's other work
                if failing != repr(error):
                    self._log.error(f"{self._name}_failed", reason=repr(error)[:500])
                failing = repr(error)
                wait_s = min(wait_s * 2, RETRY_S_MAX)
            else:
                if failing:
                    self._log.info(f"{self._name}_go_on")
                failing, wait_s = "", LOOK_S
