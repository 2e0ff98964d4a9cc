"""How every kafka-python client of ours connects: address, security, and no surprises."""

from __future__ import annotations

from typing import Any

from tailrace.settings import Connections


def kafka_options(connections: Connections, *, client_id: str) -> dict[str, Any]:
    """Return the keyword arguments that each kafka-python client shares."""
    options: dict[str, Any] = {
        "bootstrap_servers": connections.kafka_bootstrap.split(","),
        "client_id": client_id,
        "security_protocol": connections.kafka_security_protocol,
    }
    if connections.kafka_security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = connections.kafka_sasl_mechanism
        options["sasl_plain_username"] = connections.kafka_username
        options["sasl_plain_password"] = connections.kafka_password.get_secret_value()
    if connections.kafka_ca_file is not None:
        options["ssl_cafile"] = str(connections.kafka_ca_file)
    return options
