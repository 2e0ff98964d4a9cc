"""How a role speaks of itself: an event in the past tense plus fields, one JSON a line."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import FilteringBoundLogger

from tailrace.text import printable

__all__ = ["FilteringBoundLogger", "configure", "logger"]


def configure(*, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send this process's log to `stream` (standard error unless told).

    For a terminal, lines for people with hostile text escaped; otherwise one JSON
    object a line, whose encoding escapes it.
    """
    target = stream or sys.stderr
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
    handler = logging.StreamHandler(target)
    handler.setFormatter(_Escaping("%(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def logger(role: str) -> FilteringBoundLogger:
    """Return a logger that says which role speaks."""
    return structlog.get_logger(role=role)


class _Escaping(logging.Formatter):
    """Shows what libraries say, which may quote what others wrote."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record with whatever could steer a terminal escaped."""
        return "\n".join(map(printable, super().format(record).split("\n")))


def _escape(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return {
        key: "\n".join(map(printable, value.split("\n")))
        if isinstance(value, str)
        else value
        for key, value in event.items()
    }
