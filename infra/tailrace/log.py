"""How a role speaks of itself: an event in the past tense plus fields, one JSON a line."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger

from tailrace.clock import SystemClock
from tailrace.library_log import HELD, SparingHandler
from tailrace.text import printable

__all__ = ["FilteringBoundLogger", "configure", "logger"]


def configure(*, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send this process's log to `stream` (standard error unless told).

    For a terminal, lines for people with hostile text escaped; otherwise one JSON
    object a line, whose encoding escapes it.
    """
    target = cast("TextIO", _Unfailing(stream or sys.stderr))
    renderer: structlog.typing.Processor
    if target.isatty():
        renderer = structlog.dev.ConsoleRenderer(colors=False)
        escape: list[structlog.typing.Processor] = [_escape]
    else:
        renderer = structlog.processors.JSONRenderer()
        escape = []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *escape,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    # Libraries (kafka-python, kazoo, elasticsearch) log through the standard module.
    handler = SparingHandler(target, clock=SystemClock())
    handler.setFormatter(_LibraryFormatter([*escape, renderer]))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # Python's warnings would stand among the JSON as lines of text.
    logging.captureWarnings(True)  # noqa: FBT003 - Python's signature


class _Unfailing:
    """A stream that a role outlives: its disk may be full, its reader be gone.

    What cannot be written is left out and counted, and told once there is room again.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._has_failed = False
        """Of the line at hand something could not be written."""
        self._is_torn = False
        """The last one that failed may have been written in part."""
        self._unwritten_count = 0

    def isatty(self) -> bool:
        """Return whether people read it."""
        return self._stream.isatty()

    def write(self, text: str) -> int:
        """Take a text, or a part of one."""
        try:
            if self._is_torn:
                self._stream.write("\n")
                self._is_torn = False
            return self._stream.write(text)
        except OSError:
            self._has_failed = self._is_torn = True
            return len(text)

    def flush(self) -> None:
        """Write what was taken, if that can be; a flush follows each line."""
        try:
            self._stream.flush()
        except OSError:
            self._has_failed = self._is_torn = True
        if self._has_failed:
            self._has_failed = False
            self._unwritten_count += 1
            return
        count, self._unwritten_count = self._unwritten_count, 0
        if count:
            self.write(f"{_unwritten(count)}\n")  # By hand: a logger is at work here.
            self.flush()


def _unwritten(count: int) -> str:
    event = {"event": "log_lines_unwritten", "level": "warning", "count": count}
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    return str(structlog.processors.JSONRenderer()(None, "", stamp(None, "", event)))


def logger(role: str) -> FilteringBoundLogger:
    """Return a logger that says which role speaks."""
    return structlog.get_logger(role=role)


class _LibraryFormatter(logging.Formatter):
    """Writes what a library says as one event of ours, as it says it to no role."""

    def __init__(self, processors: list[structlog.typing.Processor]) -> None:
        super().__init__()
        self._processors = [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *processors,
        ]

    def format(self, record: logging.LogRecord) -> str:
        """Return the event's line; a traceback is a field of it."""
        event: Any = {
            "event": "library_spoke",
            "level": record.levelname.lower(),
            "library": record.name,
            "said": record.getMessage().rstrip(),
        }
        if held_count := getattr(record, HELD, 0):
            event[HELD] = held_count
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:
            event["exception"] = record.exc_text
        for process in self._processors:
            event = process(None, record.levelname.lower(), event)
        return str(event)


def _escape(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return {
        key: "\n".join(map(printable, value.split("\n")))
        if isinstance(value, str)
        else value
        for key, value in event.items()
    }
