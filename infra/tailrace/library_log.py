"""How often a library is heard: of one kind of line the first, then one a minute, with a count.

A client of a server that is away says so several times a second, and so hides the one
sentence that tells a person what to do. Nothing is dropped in silence: the next line of a
kind that is written says how many were not.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import re
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import TextIO

from tailrace.clock import Clock

REPEAT_MS = 60_000
KINDS_MAX = 200
"""Of more kinds than these the oldest is told and forgotten."""
HELD = "held_count"
"""The attribute of a record that says how many of its kind were not written before it."""
_NUMBER = re.compile(r"\d+")

Kind = tuple[str, int, str, str]


@dataclass(slots=True)
class _Held:
    """What was not written of one kind since `written_at_ms`."""

    written_at_ms: int
    count: int = 0
    newest: logging.LogRecord | None = None


class SparingHandler(logging.StreamHandler[TextIO]):
    """Writes one line of each kind in `REPEAT_MS`, and counts the others.

    A timer tells of what is held once its time has come, also where the library has
    fallen silent; closing the handler, as the end of a process does, tells at once.
    """

    def __init__(self, stream: TextIO, *, clock: Clock) -> None:
        super().__init__(stream)
        self._clock = clock
        self._kinds: dict[Kind, _Held] = {}
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or hold it where its kind was written a moment ago.

        The caller has the handler's lock, as the library's base class sees to.
        """
        kind, now_ms = kind_of(record), self._clock.monotonic_ms()
        held = self._kinds.get(kind)
        if held is not None and now_ms - held.written_at_ms < REPEAT_MS:
            held.count += 1
            held.newest = _kept(record)
            self._set_timer()
            return
        setattr(record, HELD, 0 if held is None else held.count)
        self._kinds.pop(kind, None)  # The oldest stands first.
        while len(self._kinds) >= KINDS_MAX:
            self._tell(self._kinds.pop(next(iter(self._kinds))))
        self._kinds[kind] = _Held(now_ms)
        super().emit(record)

    def tell_due(self) -> None:
        """Write what was held for as long as it may be."""
        with self._locked():
            self._timer = None
            now_ms = self._clock.monotonic_ms()
            for held in self._kinds.values():
                if held.count and now_ms - held.written_at_ms >= REPEAT_MS:
                    self._tell(held)
                    held.written_at_ms = now_ms
            if any(held.count for held in self._kinds.values()):
                self._set_timer()

    def close(self) -> None:
        """Write all that is held, and end."""
        with self._locked():
            if self._timer is not None:
                self._timer.cancel()
            for held in self._kinds.values():
                self._tell(held)
            self._kinds.clear()
        super().close()

    def _tell(self, held: _Held) -> None:
        record, held.newest = held.newest, None
        if record is not None:
            # The line itself is one of them.
            setattr(record, HELD, held.count - 1)
            held.count = 0
            super().emit(record)

    def _set_timer(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(REPEAT_MS / 1_000, self.tell_due)
            self._timer.daemon = True
            self._timer.start()

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()


def _kept(record: logging.LogRecord) -> logging.LogRecord:
    """Return a copy that holds texts, and no objects or frames of the program."""
    kept = copy.copy(record)
    kept.msg, kept.args = record.getMessage(), None
    if record.exc_info:
        kept.exc_text = logging.Formatter().formatException(record.exc_info)
        kept.exc_info = None
    return kept


def kind_of(record: logging.LogRecord) -> Kind:
    """Return what two lines that say the same of different things have in common.

    Another exception is another kind, as it is what a person has to know.
    """
    failure = ""
    if record.exc_info and record.exc_info[1] is not None:
        failure = repr(record.exc_info[1])
    text = _NUMBER.sub("#", f"{record.msg}")
    return record.name, record.levelno, text, _NUMBER.sub("#", failure)
