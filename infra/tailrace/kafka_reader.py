"""A client of no group for who reads a topic once, from where they like, and commits nothing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from tailrace.kafka_opening import open_client
from tailrace.kafka_options import kafka_unavailable, record_client_options
from tailrace.kafka_probe import require_listener
from tailrace.settings import Connections


@contextmanager
def topic_reader(connections: Connections, *, client_id: str) -> Generator[Any]:
    """Yield the library's consumer, with nothing assigned to it yet.

    What the library raises in the meantime becomes an error of ours.

    Raises:
        ServiceUnavailable: Kafka does not answer, or stopped answering.
    """
    import kafka
    from kafka.errors import KafkaError

    brokers = connections.kafka_bootstrap
    require_listener(brokers)
    try:
        # The stubs that type checkers bundle describe an older release.
        consumer = open_client(
            cast("Any", kafka).KafkaConsumer,
            **record_client_options(connections, client_id=client_id),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
    except (KafkaError, OSError) as error:
        raise kafka_unavailable(brokers, error) from error
    try:
        yield consumer
    except (KafkaError, OSError) as error:
        raise kafka_unavailable(brokers, error) from error
    finally:
        consumer.close(autocommit=False)
