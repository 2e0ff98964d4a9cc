"""Whether something listens where Kafka is said to be, asked before the library is.

The library asks a closed port again and again for all of its time limit, tells of each try,
and leaves open sockets behind when it gives up.
"""

from __future__ import annotations

import socket

from tailrace.errors import ServiceUnavailable

PROBE_MS_MAX = 2_000


def require_listener(bootstrap: str) -> None:
    """Return if something listens at one of the addresses.

    Raises:
        ServiceUnavailable: nothing listens at any of them.
    """
    reasons: list[str] = []
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            place = (host.strip("[]") or address.strip(), int(port or 9_092))
            with socket.create_connection(place, timeout=PROBE_MS_MAX / 1_000):
                return
        except ConnectionRefusedError:
            reasons.append("nothing listens there")
        except (OSError, ValueError) as error:
            reasons.append(str(error))
    raise ServiceUnavailable(
        "Kafka", address=bootstrap, reason="; ".join(sorted(set(reasons)))
    )
