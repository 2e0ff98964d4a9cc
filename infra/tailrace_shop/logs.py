"""How the shop's services log: nginx, JSON, Java and Python, each into a file of its own.

These are ordinary log files that an agent collects; nothing here knows that it is.
"""

from __future__ import annotations

import contextlib
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tailrace.clock import Clock
from tailrace.moments import moment_text

FILE_BYTES_MAX = 32 * 1_024 * 1_024
"""Then the file is renamed to `.1`, as logrotate would; one such is kept."""
JAVA_PACKAGE = "com.example.shop"


class LogFile:
    """Appends whole lines, from any thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._file = path.open("ab", buffering=0)
        self._size_bytes = self._file.tell()

    def write(self, text: str) -> None:
        """Append `text` and a newline; a full disk loses it, and stops no service."""
        data = f"{text}\n".encode()
        with self._lock, contextlib.suppress(OSError):
            if self._size_bytes + len(data) > FILE_BYTES_MAX:
                self._file.close()
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                self._file = self._path.open("ab", buffering=0)
                self._size_bytes = 0
            self._file.write(data)
            self._size_bytes += len(data)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()


class AccessLog:
    """What nginx writes by default, with the time that a request took and its trace."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._file = LogFile(path)
        self._clock = clock
        self._second = 0
        self._time_text = ""

    def answered(
        self,
        request: str,
        *,
        address: str,
        status: int,
        size_bytes: int,
        referrer: str,
        agent: str,
        took_ms: float,
        trace_id: str,
    ) -> None:
        """Write one request's line; it belongs to the server's thread.

        What a client says of itself cannot end its own quotes.
        """
        said = [
            text.replace("\\", "\\x5C").replace('"', "\\x22")
            for text in (request, referrer, agent)
        ]
        second = self._clock.now_ms() // 1_000
        if second != self._second:
            self._second = second
            moment = datetime.fromtimestamp(second, tz=UTC)
            self._time_text = f"{moment:%d/%b/%Y:%H:%M:%S} +0000"
        self._file.write(
            f"{address} - - [{self._time_text}]"
            f' "{said[0]}" {status} {size_bytes} "{said[1]}" "{said[2]}"'
            f" rt={took_ms / 1_000:.3f} trace_id={trace_id}"
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class JsonLog:
    """A service that logs JSON with the field names of ECS."""

    def __init__(self, path: Path, *, service: str, clock: Clock) -> None:
        self._file = LogFile(path)
        self._service = service
        self._clock = clock

    def write(
        self,
        message: str,
        *,
        level: str = "info",
        action: str = "",
        trace_id: str = "",
        took_ns: int | None = None,
        version: str = "",
        **others: object,
    ) -> None:
        """Write one event; `others` are fields of the service's own."""
        event: dict[str, object] = {
            "@timestamp": _iso(self._clock.now_ms()),
            "log.level": level,
            "message": message,
            "service.name": self._service,
            "service.version": version,
            "event.action": action,
            "trace.id": trace_id,
            "event.duration": took_ns,
            **others,
        }
        kept = {name: value for name, value in event.items() if value not in (None, "")}
        self._file.write(msgspec.json.encode(kept).decode())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class JavaLog:
    """A service in Java, as Log4j has it, with stack traces."""

    def __init__(self, path: Path, *, logger: str, clock: Clock) -> None:
        self._file = LogFile(path)
        self._logger = f"{JAVA_PACKAGE}.{logger}"
        self._clock = clock

    def info(self, message: str) -> None:
        """Write one event."""
        self._write("INFO", message)

    def error(self, message: str, *, fault: str, frames: tuple[str, ...]) -> None:
        """Write one event with the exception behind it and where it was thrown."""
        stack = "".join(f"\n\tat {JAVA_PACKAGE}.{frame}" for frame in frames)
        self._write("ERROR", f"{message}\n{fault}{stack}")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, level: str, message: str) -> None:
        time = _plain(self._clock.now_ms())
        self._file.write(
            f"{time} {level:<5} [http-nio-8080-exec-1] {self._logger} - {message}"
        )


class PythonLog:
    """A service in Python, as its `logging` has it, with tracebacks."""

    def __init__(self, path: Path, *, logger: str, clock: Clock) -> None:
        self._file = LogFile(path)
        self._logger = logger
        self._clock = clock

    def info(self, message: str) -> None:
        """Write one event."""
        self._write("INFO", message)

    def error(self, message: str, *, error: Exception) -> None:
        """Write one event with the traceback of what was raised."""
        raised = "".join(traceback.format_exception(error)).rstrip()
        self._write("ERROR", f"{message}\n{raised}")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, level: str, message: str) -> None:
        time = _plain(self._clock.now_ms())
        self._file.write(f"{time} - {self._logger} - {level} - {message}")


def _plain(at_ms: int) -> str:
    """Return a time as Java's and Python's loggers write it."""
    return moment_text(at_ms).replace(".", ",")


def _iso(at_ms: int) -> str:
    return f"{moment_text(at_ms).replace(' ', 'T')}Z"
