"""What contradicts itself in how we are known to the servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tailrace.settings import Connections

SECRETS_IN_FILES = (
    "kafka_password",
    "zookeeper_password",
    "elasticsearch_password",
    "elasticsearch_api_key",
    "elasticsearch_leader_password",
    "elasticsearch_leader_api_key",
)
"""Each may stand in a file instead, which its name with `_file` names."""


def credential_problems(connections: Connections) -> list[str]:
    """Return what contradicts itself in how we are known to the servers."""
    problems = [
        f"{name} and {name}_file are both given; keep one"
        for name in SECRETS_IN_FILES
        if getattr(connections, name).get_secret_value()
        and getattr(connections, f"{name}_file") is not None
    ]
    if connections.zookeeper_password_file and not connections.zookeeper_username:
        problems.append("zookeeper_password_file is given without zookeeper_username")
    if connections.kafka_key_file and not connections.kafka_certificate_file:
        problems.append("kafka_key_file is given without kafka_certificate_file")
    return problems
