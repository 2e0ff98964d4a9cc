"""How the shop's services log: nginx, JSON, Java and Python, each into a file of its own.

These are ordinary log files that an agent collects; nothing here knows that it is.
"""

from __future__ import annotations

import contextlib
import re
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tailrace.clock import Clock
from tailrace.moments import moment_text
from tailrace_shop.http import Request, Response

FILE_BYTES_MAX = 32 * 1_024 * 1_024
"""Then the file is renamed to `.1`, as logrotate would; one such is kept."""
JAVA_PACKAGE = "com.example.shop"
_ADDRESS = re.compile(r"[0-9a-fA-F.:]{2,45}")


class LogFile:
    """Appends whole lines, from any thread."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._file = path.open("ab", buffering=0)
        self._size_bytes = self._file.tell()

    def append(self, text: str) -> None:
        """Append `text` and a newline; a full disk loses it, and stops no service."""
        data = f"{text}\n".encode()
        with self._lock, contextlib.suppress(OSError):
            if self._size_bytes + len(data) > FILE_BYTES_MAX:
                with contextlib.suppress(FileNotFoundError):
                    self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                opened = self._path.open("ab", buffering=0)
                # Only now: where none can be opened, what is left is this one.
                self._file.close()
                self._file, self._size_bytes = opened, 0
            self._file.write(data)
            self._size_bytes += len(data)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()


class AccessLog(LogFile):
    """What nginx writes by default, with the time that a request took and its trace."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        super().__init__(path, clock=clock)
        self._second = 0
        self._time_text = ""

    def answered(
        self, request: Request, response: Response, *, took_ms: float, trace_id: str
    ) -> None:
        """Write one request's line; it belongs to the server's thread.

        What a client says of itself cannot end its own quotes.
        """
        headers = request.headers
        address = headers.get("x-forwarded-for", "")
        if not _ADDRESS.fullmatch(address):
            address = "127.0.0.1"
        target, referrer, agent = (
            text.replace("\\", "\\x5C").replace('"', "\\x22")
            for text in (
                f"{request.method} {request.target}",
                headers.get("referer", "-"),
                headers.get("user-agent", "-"),
            )
        )
        second = self._clock.now_ms() // 1_000
        if second != self._second:
            self._second = second
            moment = datetime.fromtimestamp(second, tz=UTC)
            self._time_text = f"{moment:%d/%b/%Y:%H:%M:%S} +0000"
        self.append(
            f'{address} - - [{self._time_text}] "{target} HTTP/1.1" {response.status}'
            f' {len(response.body)} "{referrer}" "{agent}"'
            f" rt={took_ms / 1_000:.3f} trace_id={trace_id}"
        )


class JsonLog(LogFile):
    """A service that logs JSON with the field names of ECS."""

    def __init__(self, path: Path, *, service: str, clock: Clock) -> None:
        super().__init__(path, clock=clock)
        self._service = service

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
        self.append(msgspec.json.encode(kept).decode())


class JavaLog(LogFile):
    """A service in Java, as Log4j has it, with stack traces."""

    def __init__(self, path: Path, *, logger: str, clock: Clock) -> None:
        super().__init__(path, clock=clock)
        self._logger = f"{JAVA_PACKAGE}.{logger}"

    def write(self, message: str, *, level: str = "INFO") -> None:
        """Write one event."""
        self.append(
            f"{_plain(self._clock.now_ms())} {level:<5} [http-nio-8080-exec-1]"
            f" {self._logger} - {message}"
        )

    def error(self, message: str, *, fault: str, frames: tuple[str, ...]) -> None:
        """Write one event with the exception behind it and where it was thrown."""
        stack = "".join(f"\n\tat {JAVA_PACKAGE}.{frame}" for frame in frames)
        self.write(f"{message}\n{fault}{stack}", level="ERROR")


class PythonLog(LogFile):
    """A service in Python, as its `logging` has it, with tracebacks."""

    def __init__(self, path: Path, *, logger: str, clock: Clock) -> None:
        super().__init__(path, clock=clock)
        self._logger = logger

    def write(self, message: str, *, level: str = "INFO") -> None:
        """Write one event."""
        time = _plain(self._clock.now_ms())
        self.append(f"{time} - {self._logger} - {level} - {message}")

    def error(self, message: str, /, *, error: Exception) -> None:
        """Write one event with the traceback of what was raised."""
        raised = "".join(traceback.format_exception(error)).rstrip()
        self.write(f"{message}\n{raised}", level="ERROR")


def _plain(at_ms: int) -> str:
    """Return a time as Java's and Python's loggers write it."""
    return moment_text(at_ms).replace(".", ",")


def _iso(at_ms: int) -> str:
    return f"{moment_text(at_ms).replace(' ', 'T')}Z"
