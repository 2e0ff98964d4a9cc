"""Which ports the servers listen on: chosen once for a data folder, kept while free.

They are taken from below the range from which kernels give ports to outgoing
connections (Linux 32768, macOS 49152), so that no client's socket sits on a server's
port while that server is being restarted.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterable, Mapping

from tailrace.errors import CommandFailed

LOOPBACK = "127.0.0.1"
PORT_MIN = 20_000
PORT_MAX = 31_999

# With 12,000 candidates, as many misses in a row mean that something else is wrong.
_TRIES_MAX = 500


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do, so that closed connections of a former life do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose_ports(
    names: Iterable[str],
    *,
    recorded: Mapping[str, int],
    configured: Mapping[str, int],
    rng: random.Random,
    is_free: Callable[[int], bool] = is_free,
) -> dict[str, int]:
    """Return a port for each name: the configured, else the recorded one, else a new.

    Raises:
        CommandFailed: a configured port is taken, or no port is free at all.
    """
    chosen: dict[str, int] = {}
    taken = set(configured.values())
    for name in names:
        if name in configured:
            port = configured[name]
            if not is_free(port):
                raise CommandFailed(
                    f"Port {port} on {LOOPBACK}, configured for {name}, is in use by"
                    " another process.",
                    remedy="stop that process, or configure another port",
                )
        elif (kept := recorded.get(name)) and kept not in taken and is_free(kept):
            port = kept
        else:
            avoided = taken | set(recorded.values())
            port = _new_port(avoided, rng=rng, is_free=is_free)
        chosen[name] = port
        taken.add(port)
    return chosen


def _new_port(
    taken: set[int], *, rng: random.Random, is_free: Callable[[int], bool]
) -> int:
    for _try in range(_TRIES_MAX):
        port = rng.randint(PORT_MIN, PORT_MAX)
        if port not in taken and is_free(port):
            return port
    raise CommandFailed(
        f"No free port was found on {LOOPBACK} between {PORT_MIN} and {PORT_MAX}.",
        remedy="see what listens there (`ss -ltn`), or whether this machine may"
        " open ports at all",
    )
