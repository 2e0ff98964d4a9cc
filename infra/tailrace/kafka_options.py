"""How every kafka-python client of ours connects: address, security, and no surprises."""

from __future__ import annotations

from typing import Any

from tailrace.errors import ServiceUnavailable
from tailrace.settings import Connections

BOOTSTRAP_MS_MAX = 5_000
"""How long a new client looks for a first broker that answers."""
RECONNECT_MS_MAX = 2_000
"""The longest pause between two tries to reach a broker again."""
REASON_CHARACTERS_MAX = 500


def kafka_options(connections: Connections, *, client_id: str) -> dict[str, Any]:
    """Return the keyword arguments that each kafka-python client shares.

    Whoever asks makes a client of them, so from now on none unpacks without a limit.
    """
    # Imported here, as who only checks settings needs no library that unpacks.
    from tailrace.capped_records import cap_kafka_python

    cap_kafka_python()
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


def record_client_options(
    connections: Connections, *, client_id: str
) -> dict[str, Any]:
    """Return what producers and consumers share: bounded waits, and no topic made."""
    return {
        **kafka_options(connections, client_id=client_id),
        "bootstrap_timeout_ms": BOOTSTRAP_MS_MAX,
        "reconnect_backoff_max_ms": RECONNECT_MS_MAX,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }


def kafka_unavailable(brokers: str, error: BaseException) -> ServiceUnavailable:
    """Return the error of ours that one of the library's is to a user."""
    return ServiceUnavailable("Kafka", address=brokers, reason=reason_of(error))


def reason_of(error: BaseException) -> str:
    """Return an error of the library in a line: its kind tells more than its text."""
    return f"{type(error).__name__}: {error}"[:REASON_CHARACTERS_MAX]
