"""Whether a server really serves: one question in its own protocol, no client needed.

An open port proves nothing, as each of the servers listens before it can answer. The
`embedded` extra brings no client libraries, so the few bytes are written here.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
from typing import cast

from tailrace_embedded.ports import LOOPBACK

# Loopback answers in milliseconds; a server in a long pause counts as not ready.
PROBE_TIMEOUT_S = 2.0

_METADATA_KEY = 3
_METADATA_VERSION = 1
_ANSWER_BYTES_MAX = 1 << 20


def kafka_answers(port: int, *, brokers_count: int, host: str = LOOPBACK) -> bool:
    """Tell whether a broker lists all brokers in its metadata, unfenced therefore."""
    client = b"tailrace-probe"
    header = struct.pack(">hhih", _METADATA_KEY, _METADATA_VERSION, 1, len(client))
    # An empty array of topics: none of them.
    body = header + client + struct.pack(">i", 0)
    try:
        with socket.create_connection((host, port), PROBE_TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            (size_bytes,) = struct.unpack(">i", _read(connection, 4))
            if not 8 <= size_bytes <= _ANSWER_BYTES_MAX:
                return False
            answer = _read(connection, size_bytes)
    except (OSError, EOFError):
        return False
    _correlation, listed_count = struct.unpack_from(">ii", answer)
    return listed_count >= brokers_count


def zookeeper_answers(port: int, *, host: str = LOOPBACK) -> bool:
    """Tell whether ZooKeeper serves sessions; while it starts it names no mode."""
    try:
        with socket.create_connection((host, port), PROBE_TIMEOUT_S) as connection:
            connection.sendall(b"srvr")
            answer = b""
            while part := connection.recv(4_096):
                answer += part
    except OSError:
        return False
    return b"Mode: " in answer


def elasticsearch_answers(
    port: int,
    *,
    nodes_count: int,
    accepted: frozenset[str] = frozenset({"yellow", "green"}),
    host: str = LOOPBACK,
) -> bool:
    """Tell whether the cluster has a master, all its nodes, and an accepted status.

    Yellow and green mean that every primary shard is there; red, that one is not.
    """
    connection = http.client.HTTPConnection(host, port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", "/_cluster/health")
        response = connection.getresponse()
        body = response.read(_ANSWER_BYTES_MAX)
        if response.status != http.HTTPStatus.OK:
            return False
        health = cast("dict[str, object]", json.loads(body))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    nodes = health.get("number_of_nodes")
    has_nodes = isinstance(nodes, int) and nodes >= nodes_count
    return has_nodes and health.get("status") in accepted


def _read(connection: socket.socket, size_bytes: int) -> bytes:
    received = bytearray()
    while len(received) < size_bytes:
        part = connection.recv(size_bytes - len(received))
        if not part:
            raise EOFError
        received += part
    return bytes(received)
