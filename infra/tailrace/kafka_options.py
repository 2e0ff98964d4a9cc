"""How every kafka-python client of ours connects: address, security, and no surprises."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, cast

from tailrace.credentials import LivePassword, kafka_password, kafka_tls
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
        read_live_passwords()
        options["sasl_mechanism"] = connections.kafka_sasl_mechanism
        options["sasl_plain_username"] = connections.kafka_username
        options["sasl_plain_password"] = kafka_password(connections)
    if (context := kafka_tls(connections)) is not None:
        options["ssl_context"] = context
    return options


def read_live_passwords() -> None:
    """Let the library read a `LivePassword` anew for each connection that it makes."""
    library = cast("Any", importlib.import_module("kafka.net.sasl"))
    for name in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        made_by = library.get_sasl_mechanism(name)
        if not isinstance(made_by, _ReadsPassword):
            library.register_sasl_mechanism(
                name, _ReadsPassword(made_by), overwrite=True
            )


class _ReadsPassword:
    """Makes one connection's authentication, with the password of that moment."""

    def __init__(self, made_by: Callable[..., Any]) -> None:
        self._made_by = made_by

    def __call__(self, **config: object) -> Any:  # noqa: ANN401 - the library's own
        password = config.get("sasl_plain_password")
        if isinstance(password, LivePassword):
            config["sasl_plain_password"] = password.read()
        return self._made_by(**config)


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


_BROKERLESS = frozenset({"MetadataEmptyBrokerList", "UnknownBrokerIdError"})
"""Their text is all that the broker answered, or a number that stands for none."""
_LOST = {
    "KafkaConnectionError": "the connection broke",
    "KafkaTimeoutError": "no answer in time",
    "NodeNotReadyError": "a broker of it is not there now",
}
"""What the library's kinds of a lost connection say to whoever does not know them."""


def reason_of(error: BaseException) -> str:
    """Return an error of the library in a line: its kind tells more than its text."""
    kind = type(error).__name__
    if kind in _BROKERLESS:
        return "it knows of no broker that lives now: they may be too busy to say so"
    if (known := _LOST.get(kind)) is not None:
        detail = str(error).removeprefix(f"{kind}: ")
        return f"{known} ({detail})"[:REASON_CHARACTERS_MAX]
    return f"{kind}: {error}"[:REASON_CHARACTERS_MAX]
