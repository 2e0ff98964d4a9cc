"""How far the stream and the indexers are behind, as a test waits for them."""

from __future__ import annotations

from tailrace.kafka_admin import KafkaAdmin
from tailrace.settings import Connections
from tailrace.topics import DOCS, RAW


def group_lags(connections: Connections) -> list[int]:
    """Return how many records the stream, and then the indexers, have still to read.

    In this order: what the stream had read by then stands in front of the indexers.
    """
    name = connections.namespace
    with KafkaAdmin(connections) as admin:
        return [
            sum(one.lag_records for one in admin.group_lag(group, topics=[topic]))
            for group, topic in (
                (f"{name}-stream", RAW.name(name)),
                (f"{name}-indexer", DOCS.name(name)),
            )
        ]
