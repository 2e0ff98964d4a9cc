"""The sockets that kafka-python drops while it connects, apart from those that we forget."""

from __future__ import annotations

import socket
import warnings
from contextlib import suppress
from typing import Any, cast

import kafka.net.inet  # pyright: ignore[reportMissingTypeStubs] - it has none

KafkaNetSocket = cast("Any", kafka.net.inet).KafkaNetSocket


class Connecting(socket.socket):
    """One that is told of where it is left open, but for the time until it is connected.

    A client that is closed while it connects drops the coroutine that holds the socket
    (`sock_connect` of kafka-python 3.0.12 has no `finally`). Whichever of the two the
    collector meets first: the socket is closed, and says nothing of it.
    """

    is_connected = False

    def __del__(self) -> None:
        """Close it, and tell of it as Python does, should it be connected."""
        if self.is_connected and self.fileno() >= 0:
            told = f"unclosed {self!r}"
            warnings.warn(told, ResourceWarning, stacklevel=2, source=self)
        with suppress(OSError):
            self.close()


def forgive_dropped_connections() -> None:
    """Let kafka-python connect by sockets of which none tells before it is connected."""
    connect = KafkaNetSocket.sock_connect

    def made(
        _maker: object,
        family: int = socket.AF_UNSPEC,
        sock_type: int = socket.SOCK_STREAM,
        proto: int = socket.IPPROTO_TCP,
    ) -> socket.socket:
        return Connecting(family, sock_type, proto)

    async def connected(maker: object, *given: object, **named: object) -> Any:  # noqa: ANN401 - a socket of ours
        found = await connect(maker, *given, **named)
        found.is_connected = True
        return found

    KafkaNetSocket.socket = made
    KafkaNetSocket.sock_connect = connected
