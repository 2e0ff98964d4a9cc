"""Whether some ZooKeeper server gives a session now: one handshake, within a bound.

A client waits for a frozen server also when it is closed; the few bytes are written here.
"""

from __future__ import annotations

import socket
import struct

from tailrace.clock import Clock
from tailrace.errors import NoAnswer, ServiceUnavailable

PORT_USUAL = 2_181
SESSION_MS = 4_000
"""As asked for; the session is given back at once."""
WAIT_MS_MAX = 3_000
"""For all servers together."""
_CONNECT = struct.pack(">iqiqi16sB", 0, 0, SESSION_MS, 0, 16, b"", 0)
"""Its last byte tells a client of today from an old one, whom servers warn of."""
_CLOSE = struct.pack(">ii", 1, -11)
_READ_BYTES = 1_024
_ANSWER_BYTES_MIN = 16
"""Version, length of the session, and its number; a server that refuses says less."""


def require_zookeeper(hosts: str, *, clock: Clock) -> None:
    """Return once one of the servers gave a session.

    Raises:
        NoAnswer: one listens, and said nothing within `WAIT_MS_MAX`.
        ServiceUnavailable: none gave one; it is told at once where nothing listens.
    """
    reason = "no server is named"
    is_silent = False
    servers = [each.strip() for each in hosts.partition("/")[0].split(",")]
    deadline_ms = clock.monotonic_ms() + WAIT_MS_MAX
    for number, server in enumerate(servers):
        left_ms = deadline_ms - clock.monotonic_ms()
        # The last ones must have their time too.
        wait_s = max(left_ms / (len(servers) - number), 1) / 1_000
        try:
            _shake_hands(server, wait_s=wait_s)
        except TimeoutError:
            is_silent = True
        except ConnectionRefusedError:
            reason = "nothing listens there"
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", "") or str(error)
        else:
            return
    if is_silent:
        # That one of several is only away says less: this one runs.
        raise NoAnswer("ZooKeeper", address=hosts, wait_s=WAIT_MS_MAX / 1_000)
    raise ServiceUnavailable("ZooKeeper", address=hosts, reason=reason)


def _shake_hands(server: str, *, wait_s: float) -> None:
    with socket.create_connection(_address(server), wait_s) as connection:
        connection.settimeout(wait_s)
        connection.sendall(struct.pack(">i", len(_CONNECT)) + _CONNECT)
        head = connection.recv(4 + _ANSWER_BYTES_MIN, socket.MSG_WAITALL)
        if len(head) < 4 + _ANSWER_BYTES_MIN:
            raise ConnectionError("it gives no session now")
        connection.sendall(struct.pack(">i", len(_CLOSE)) + _CLOSE)
        # Left alone with its answer a server logs a trace, which is shipped in its turn.
        while connection.recv(_READ_BYTES):
            pass


def _address(server: str) -> tuple[str, int]:
    host, separator, port = server.rpartition(":")
    if not separator or server.endswith("]"):
        return server.strip("[]"), PORT_USUAL
    return host.strip("[]"), int(port)
