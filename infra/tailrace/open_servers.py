"""Which servers are reached from elsewhere too, while we tell them nobody's name.

Where such a one answers, it lets in whoever can reach it, to read and change every line.
"""

from __future__ import annotations

import ipaddress

from tailrace.addresses import hosts
from tailrace.settings import Connections

OWN_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost")


def nameless_servers(connections: Connections) -> frozenset[str]:
    """Return `Kafka`, `ZooKeeper` and `Elasticsearch`, as far as it is so of them."""
    reached = {
        "Kafka": (connections.kafka_bootstrap, _is_known_to_kafka(connections)),
        "ZooKeeper": (
            connections.zookeeper_hosts,
            bool(connections.zookeeper_username),
        ),
        "Elasticsearch": (
            connections.elasticsearch_url,
            _is_known_to_elasticsearch(connections),
        ),
    }
    return frozenset(
        name
        for name, (addresses, is_known) in reached.items()
        if not is_known and not all(map(_is_loopback, hosts(addresses)))
    )


def _is_known_to_kafka(connections: Connections) -> bool:
    return bool(connections.kafka_username or connections.kafka_certificate_file)


def _is_known_to_elasticsearch(connections: Connections) -> bool:
    return bool(
        connections.elasticsearch_username
        or connections.elasticsearch_api_key.get_secret_value()
        or connections.elasticsearch_api_key_file
    )


def _is_loopback(host: str) -> bool:
    if host.lower() in OWN_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False  # The name of some machine.
