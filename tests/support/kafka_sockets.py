"""The sockets that kafka-python leaves to the collector, apart from those that we forget."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any, cast

import kafka.net.inet  # pyright: ignore[reportMissingTypeStubs] - it has none

KafkaNetSocket = cast("Any", kafka.net.inet).KafkaNetSocket


class Abandoned(socket.socket):
    """One that closes when it is collected, and says nothing of it.

    A client that is closed while it connects drops the coroutine that holds the socket
    (`sock_connect` of kafka-python 3.0.12 has no `finally`). Of every other socket that is
    left open the collector tells, and the test beside which it does fails.
    """

    def __del__(self) -> None:
        """Close it."""
        with suppress(OSError):
            self.close()


def forgive_abandoned_connections() -> None:
    """Let kafka-python connect by sockets of which the collector does not tell."""

    def made(
        _maker: object,
        family: int = socket.AF_UNSPEC,
        sock_type: int = socket.SOCK_STREAM,
        proto: int = socket.IPPROTO_TCP,
    ) -> socket.socket:
        return Abandoned(family, sock_type, proto)

    KafkaNetSocket.socket = made
