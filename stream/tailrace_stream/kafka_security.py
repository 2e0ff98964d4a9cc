"""How Faust's clients are known to brokers, by what password and certificates hold now."""

from __future__ import annotations

from typing import Any, cast

import aiokafka.client  # pyright: ignore[reportMissingTypeStubs]
import faust

from tailrace.credentials import LivePassword, kafka_password, kafka_tls
from tailrace.settings import Connections

_KEPT_AS = "_tailrace_password"


def broker_credentials(connections: Connections) -> dict[str, Any]:
    """Return Faust's settings of it; none where brokers ask nobody."""
    context = kafka_tls(connections)
    if connections.kafka_security_protocol.startswith("SASL"):
        _read_password_at_each_connection()
        credentials = faust.SASLCredentials(
            username=connections.kafka_username,
            password=kafka_password(connections),
            mechanism=connections.kafka_sasl_mechanism,
            ssl_context=context,
        )
        return {"broker_credentials": credentials}
    if context is not None:
        return {"broker_credentials": faust.SSLCredentials(context=context)}
    return {}


def _read_password_at_each_connection() -> None:
    """Let aiokafka's client read the password anew whenever it connects.

    It keeps the password in an attribute that it asks at each connection, and offers no
    other way to change it while it runs.
    """
    cast("Any", aiokafka.client.AIOKafkaClient)._sasl_plain_password = property(  # noqa: SLF001
        _password, _keep_password
    )


def _password(client: object) -> str | None:
    kept = getattr(client, _KEPT_AS)
    return kept.read() if isinstance(kept, LivePassword) else kept


def _keep_password(client: object, password: str | None) -> None:
    setattr(client, _KEPT_AS, password)
