"""The shop's web server: HTTP/1.1 on loopback with kept connections, in one thread.

As much of the protocol as the shop needs: a request line, headers, a body of known length.
What is anything else is answered with 400 and the end of the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

HEAD_BYTES_MAX = 16 * 1_024
BODY_BYTES_MAX = 64 * 1_024
NAME_CHARACTERS_MAX = 64
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What would begin a line of its own in a log."""
REASONS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    303: "See Other",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    410: "Gone",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; header names are in small letters."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """Return the target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """Return the parameters of the target; of several by one name the last."""
        return dict(parse_qsl(urlsplit(self.target).query))


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is answered."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def saying(cls, value: Any, *, status: int = 200) -> Response:  # noqa: ANN401 - whatever JSON can say
        """Return one that says `value`."""
        return cls(status=status, body=msgspec.json.encode(value))

    @classmethod
    def refusing(cls, why: str, *, status: int = 404) -> Response:
        """Return one that says why not."""
        return cls.saying({"error": why}, status=status)

    def encoded(self) -> bytes:
        """Return it as it goes over the wire."""
        extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        head = (
            f"HTTP/1.1 {self.status} {REASONS[self.status]}\r\n"
            f"content-type: {self.content_type}\r\n"
            f"content-length: {len(self.body)}\r\n{extra}\r\n"
        )
        return head.encode("latin-1") + self.body


class BadRequest(ValueError):
    """What came is not the HTTP that is understood here."""


Handler = Callable[[Request], Awaitable[Response]]


async def serve(handler: Handler, *, address: str, port: int) -> asyncio.Server:
    """Listen, and answer each request by `handler`; the port 0 takes a free one.

    Once the server is closed no further request is answered on any connection.

    Raises:
        OSError: the port is taken.
    """

    async def connected(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(ConnectionError):
            await _answer_all(
                reader, writer, handler=handler, is_open=server.is_serving
            )
        writer.close()

    server = await asyncio.start_server(
        connected,
        address,
        port,
        limit=HEAD_BYTES_MAX,
        backlog=1_024,
        start_serving=False,
    )
    await server.start_serving()
    return server


def checked_name(text: str) -> str:
    """Return the name that someone gave, without the blanks around it.

    Raises:
        ValueError: it is none that could stand in a log.
    """
    name = text.strip()
    if not 0 < len(name) <= NAME_CHARACTERS_MAX or not name.isprintable():
        raise ValueError(f"a name has 1 to {NAME_CHARACTERS_MAX} characters that print")
    return name


async def _answer_all(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    handler: Handler,
    is_open: Callable[[], bool],
) -> None:
    while True:
        try:
            request = await _read(reader)
        except (BadRequest, asyncio.LimitOverrunError):
            writer.write(Response(status=400).encoded())
            await writer.drain()
            return
        if request is None or not is_open():
            return
        writer.write((await handler(request)).encoded())
        await writer.drain()
        if request.headers.get("connection", "").lower() == "close":
            return


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """Return the next request, None at the connection's end.

    Raises:
        BadRequest: it cannot be understood, or is too large.
        LimitOverrunError: its head is too large.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    parts = first.split(" ")
    is_sound = len(parts) == 3 and parts[2].startswith("HTTP/1.")
    if not is_sound or any(map(_CONTROL.search, (first, *lines))):
        raise BadRequest(first[:80])
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
        raise BadRequest(f"content-length: {length[:20]}")
    if "transfer-encoding" in headers:
        raise BadRequest("transfer-encoding")
    try:
        body = await reader.readexactly(int(length)) if int(length) else b""
    except asyncio.IncompleteReadError:
        return None
    return Request(method=parts[0], target=parts[1], headers=headers, body=body)
