"""Who visits the shop: one kept connection to its web server, request after request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

ANSWER_S_MAX = 30.0


class Visitor:
    """One connection; an asynchronous context manager."""

    def __init__(self, url: str, *, address: str, agent: str) -> None:
        place = urlsplit(url)
        self._host, self._port = str(place.hostname), int(place.port or 80)
        self._common = f"host: {self._host}\r\nuser-agent: {agent}\r\nx-forwarded-for: {address}\r\n"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            OSError: nothing listens there.
        """
        self._reader, self._writer = await asyncio.open_connection(
            self._host, self._port
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._writer is not None
        self._writer.close()

    async def ask(
        self,
        method: str,
        target: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Return the status and the body of the answer.

        Raises:
            OSError, EOFError: the connection broke; whether it was done is not known.
        """
        assert self._reader is not None
        assert self._writer is not None
        own = "".join(f"{name}: {text}\r\n" for name, text in (headers or {}).items())
        head = (
            f"{method} {target} HTTP/1.1\r\n{self._common}{own}"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode("latin-1") + body)
        async with asyncio.timeout(ANSWER_S_MAX):
            answered = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = answered.decode("latin-1").split("\r\n")
            length = next(
                int(line.partition(":")[2])
                for line in lines
                if line.lower().startswith("content-length:")
            )
            return int(first.split(" ")[1]), await self._reader.readexactly(length)
