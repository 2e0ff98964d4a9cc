"""One POST to where a setting says, and nowhere else.

1. The host's name is resolved once, and every address that it has is judged.
2. The connection goes to the judged address itself, so that no second answer of a name
   server leads elsewhere; the certificate is still asked for the name.
3. An answer is read for its status alone: a redirect is a refusal, and is not followed.

No proxy of the environment is asked: it would resolve the name for itself.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from tailrace.alerts.telling.destinations import DestinationRefused, choose_address

TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 4_096

Resolve = Callable[[str, int], list[str]]


class SendFailed(Exception):
    """What was to be told was not taken; the reason names no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, each once, in the order of preference.

    Raises:
        OSError: it has none, or nobody can tell.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def post(
    url: str,
    body: bytes,
    *,
    allowed: Collection[str] = (),
    headers: dict[str, str] | None = None,
    resolver: Resolve = resolve,
    context: ssl.SSLContext | None = None,
) -> None:
    """Send a body of JSON; return once it was taken (2xx).

    Raises:
        SendFailed: it leads inside, cannot be reached, or answers anything else.
    """
    try:
        parts = urlsplit(url)
        host, is_tls = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if is_tls else 80)
    except ValueError:
        raise SendFailed("its url cannot be read") from None
    # 1. Once, and all of them.
    try:
        address = choose_address(host, resolver(host, port), allowed=allowed)
    except DestinationRefused as refused:
        raise SendFailed(str(refused)) from None
    except (OSError, UnicodeError):
        raise SendFailed("its host cannot be resolved") from None
    # 2. To that address, by the name.
    connection = _Pinned(
        host, port, address=address, context=_context(context) if is_tls else None
    )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(
            "POST",
            target,
            body=body,
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        answer = connection.getresponse()
        status = answer.status
        answer.read(ANSWER_BYTES_MAX)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # Its words may hold the url; what kind of error it is does not.
        raise SendFailed(f"it cannot be reached: {type(error).__name__}") from None
    finally:
        connection.close()
    # 3. Nothing but a success is one.
    if not 200 <= status < 300:
        raise SendFailed(f"it answered {status}")


def _context(given: ssl.SSLContext | None) -> ssl.SSLContext:
    return given or ssl.create_default_context()


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, under the name of its host."""

    def __init__(
        self, host: str, port: int, *, address: str, context: ssl.SSLContext | None
    ) -> None:
        super().__init__(host, port, timeout=TIMEOUT_S)
        # Which port is usual decides whether the header `Host` names it.
        self.default_port = 443 if context is not None else 80
        self._address = address
        self._context = context

    def connect(self) -> None:
        """Connect to the address that was judged."""
        connected = socket.create_connection((self._address, self.port), TIMEOUT_S)
        if self._context is not None:
            connected = self._context.wrap_socket(connected, server_hostname=self.host)
        self.sock = connected
