"""The embedded servers know no users, and nobody from elsewhere reaches them."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import psutil
import pytest

from tailrace_embedded.stack import Endpoints

pytestmark = pytest.mark.stack
OTHER_LOOPBACK = "127.0.0.2"
"""What listens on every address answers there, too, on a machine without a network."""
WAIT_S_MAX = 5


def ports(stack: Endpoints) -> list[int]:
    places = (
        stack.kafka_bootstrap,
        stack.zookeeper_hosts,
        urlsplit(stack.elasticsearch_url).netloc,
    )
    return [int(one.rpartition(":")[2]) for one in places]


def other_addresses() -> list[str]:
    """Return each IPv4 address of this machine but the one that the servers listen on."""
    found = [
        one.address
        for addresses in psutil.net_if_addrs().values()
        for one in addresses
        if one.family is socket.AF_INET
    ]
    return [OTHER_LOOPBACK, *(one for one in found if one != "127.0.0.1")]


def test_x12_embedded_servers_are_reached_by_loopback_alone(stack: Endpoints) -> None:
    for port in ports(stack):
        with socket.create_connection(("127.0.0.1", port), WAIT_S_MAX):
            pass
        for address in other_addresses():
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, port), WAIT_S_MAX)
