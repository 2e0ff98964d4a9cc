"""What a log record of OTLP says of its connection, by names that alone tell no field.

Which side `net.peer.*` is depends on the kind of a span, which a log record has not; so it
is told by what else stands in the record, and stays an attribute where nothing tells it.
As in OpenTelemetry's own tables of what became of these names (HTTP migration from 1.20,
deprecated attributes of its registry). ECS has no fields for `network.local.*` and
`network.peer.*`, to which others of them were renamed.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from tailrace_stream.foreign.names import Json, put, text_of
from tailrace_stream.parsers.fields import Fields

_ADDRESSES = ("net.peer.name", "net.sock.peer.addr", "net.peer.ip")
"""What names the peer, the best first."""
_PORTS = ("net.peer.port", "net.sock.peer.port")
_VERSIONS = ("network.protocol.version", "net.protocol.version")
_TRANSPORT, _FAMILY = "net.transport", "net.sock.family"
NAMES = frozenset({*_ADDRESSES, *_PORTS, *_VERSIONS, _TRANSPORT, _FAMILY})
_OF_SERVERS = frozenset(
    {"http.client_ip", "http.route", "http.server_name", "net.host.name"}
)
"""Which names stand in what the server of a connection says alone."""
_OF_CLIENTS = frozenset(
    {"db.system", "db.system.name", "messaging.system", "peer.service"}
)
_TRANSPORTS = {
    # Until 1.7 with a point.
    **dict.fromkeys(("ip_tcp", "ip.tcp"), "tcp"),
    **dict.fromkeys(("ip_udp", "ip.udp"), "udp"),
    "pipe": "pipe",
    "unix": "unix",
}
_FAMILIES = {
    "inet": ("network.type", "ipv4"),
    "inet6": ("network.type", "ipv6"),
    "unix": ("network.transport", "unix"),
}


def rest_of_connection(found: Fields, said: Json) -> dict[str, object]:
    """Fill what the record says of its connection; return what fits no field.

    Asked last, as names of today are believed before those that they replace.
    """
    used = _of_transport(found, said) | _of_version(found, said)
    side = _side_of_peer(said)
    if side is not None:
        used |= _of_peer(found, said, side=side)
    return {n: value for n, value in said.items() if n in NAMES - used}


def _of_transport(found: Fields, said: Json) -> set[str]:
    used = set[str]()
    transport = _TRANSPORTS.get((text_of(said.get(_TRANSPORT)) or "").lower())
    if put(found, "network.transport", transport):
        used.add(_TRANSPORT)
    family = _FAMILIES.get(text_of(said.get(_FAMILY)) or "")
    if family is not None and put(found, *family):
        used.add(_FAMILY)
    return used


def _of_version(found: Fields, said: Json) -> set[str]:
    """Read the version of HTTP, which a request has where no protocol is named."""
    usual = "http" if "http.request.method" in found.known else None
    if found.known.get("network.protocol", usual) != "http":
        return set()
    return {name for name in _VERSIONS if put(found, "http.version", said.get(name))}


def _side_of_peer(said: Json) -> Literal["client", "server"] | None:
    is_client = not _OF_SERVERS.isdisjoint(said)
    is_server = not _OF_CLIENTS.isdisjoint(said) or _is_asked(said)
    if is_client == is_server:
        return None
    return "client" if is_client else "server"


def _is_asked(said: Json) -> bool:
    """Tell whether the peer is who the URL names."""
    peer = text_of(said.get("net.peer.name"))
    url = text_of(said.get("http.url")) or text_of(said.get("url.full"))
    if peer is None or url is None:
        return False
    try:
        return urlsplit(url).hostname == peer.lower()
    except ValueError:
        return False


def _of_peer(found: Fields, said: Json, *, side: str) -> set[str]:
    """Fill a side by what its peer says, unless another than the peer is that side.

    Between a client and its server a proxy may be the peer: its port is not theirs.
    """
    address = f"{side}.address"
    used = {name for name in _ADDRESSES if put(found, address, said.get(name))}
    if used or address not in found.known:
        port = next((name for name in _PORTS if name in said), None)
        if port is not None and put(found, f"{side}.port", said[port]):
            used.add(port)
    return used
