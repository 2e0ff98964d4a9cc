"""Who visits the shop: one kept connection to its web server, request after request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

ANSWER_S_MAX = 30.0


class Visitor:
    """One connection, as whoever visits by it shows himself."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, common: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._common = common

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


@asynccontextmanager
async def visiting(url: str, *, address: str, agent: str) -> AsyncGenerator[Visitor]:
    """Yield a connection to the shop, from `address`, by a browser called `agent`.

    Raises:
        OSError: nothing listens there.
    """
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    common = f"host: {place.hostname}\r\nuser-agent: {agent}\r\nx-forwarded-for: {address}\r\n"
    try:
        yield Visitor(reader, writer, common=common)
    finally:
        writer.close()
