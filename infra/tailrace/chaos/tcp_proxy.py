"""A proxy before a server that passes bytes on, or is slow, silent, or refuses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum

_READ_BYTES = 1 << 18
_SLOW_S = 0.25
"""For each piece of at most `_READ_BYTES`: some 1 MB/s, and a quarter second of delay."""
_CONNECT_S_MAX = 5.0
_STOP_S_MAX = 5.0
_RESET = struct.pack("ii", 1, 0)
"""Lingering for no time: closing sends a reset instead of an end."""


class Manner(Enum):
    """How the proxy treats what passes it."""

    HONEST = "passes everything on"
    SLOW = "waits before each piece"
    SILENT = "passes nothing, and says nothing"
    REFUSING = "resets every connection"


@dataclass(frozen=True, slots=True)
class Target:
    """The server behind it."""

    host: str
    port: int


class TcpProxy:
    """Listens on one port; its manner may be changed from any thread."""

    def __init__(self, target: Target, *, host: str, port: int) -> None:
        self._target = target
        self._host = host
        self._port = port
        self._manner = Manner.HONEST
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name=f"proxy {port}", daemon=True
        )
        self.affected = 0
        """How many pieces or connections have met another manner than the honest one."""

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"tcp://{self._host}:{self._port}"

    def start(self) -> None:
        """Listen; returns when connections are taken.

        Raises:
            OSError: the port is taken.
        """
        self._thread.start()
        self._wait(asyncio.run_coroutine_threadsafe(self._listen(), self._loop))

    def behave(self, manner: Manner) -> None:
        """Treat connections so from now on; those that are open, too."""
        self._wait(asyncio.run_coroutine_threadsafe(self._change(manner), self._loop))

    def stop(self) -> None:
        """Close everything."""
        with contextlib.suppress(TimeoutError):
            self._wait(asyncio.run_coroutine_threadsafe(self._close(), self._loop))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_S_MAX)
        if not self._thread.is_alive():
            self._loop.close()

    def _wait(self, future: Future[None]) -> None:
        future.result(_STOP_S_MAX)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, self._host, self._port, limit=_READ_BYTES
        )

    async def _change(self, manner: Manner) -> None:
        self._manner = manner
        if manner is Manner.SILENT:
            self._speaks.clear()
        else:
            self._speaks.set()
        if manner is Manner.REFUSING:
            for writer in tuple(self._writers):
                self.affected += 1
                _reset(writer)

    async def _close(self) -> None:
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # A task that ends as cancelled is reported as an error by whoever began it.
        with contextlib.suppress(asyncio.CancelledError):
            if self._manner is Manner.REFUSING:
                self.affected += 1
                _reset(writer)
            else:
                await self._relay(reader, writer)

    async def _relay(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        opening = asyncio.open_connection(
            self._target.host, self._target.port, limit=_READ_BYTES
        )
        try:
            there_reader, there_writer = await asyncio.wait_for(opening, _CONNECT_S_MAX)
        except (OSError, TimeoutError):
            _reset(writer)
            return
        self._writers |= {writer, there_writer}
        try:
            await asyncio.gather(
                self._pass_on(reader, there_writer),
                self._pass_on(there_reader, writer),
            )
        finally:
            self._writers -= {writer, there_writer}
            writer.transport.abort()
            there_writer.transport.abort()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await reader.read(_READ_BYTES):
                await self._hold_up()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        # Either side's end ends both, as a client of a request protocol expects.
        writer.transport.close()

    async def _hold_up(self) -> None:
        if self._manner is Manner.HONEST:
            return
        self.affected += 1
        if self._manner is Manner.SLOW:
            await asyncio.sleep(_SLOW_S)
        await self._speaks.wait()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
