"""Records that no role can make a document of, put among the good ones."""

from __future__ import annotations

import contextlib

from tailrace.chaos.arena import Arena
from tailrace.errors import ServiceUnavailable
from tailrace.kafka_producer import Producer, SendFailure
from tailrace.topics import DOCS

FLUSH_MS_MAX = 20_000


def poison_documents(arena: Arena) -> int:
    """Put a record that is no bulk body into each partition; return how many are there.

    Each must be found among the dead letters, once, with its bytes (K11). Returns 0
    where Kafka does not answer just now.
    """
    before = len(arena.poisons)
    with contextlib.suppress(ServiceUnavailable):
        _send(arena)
    return len(arena.poisons) - before


def _send(arena: Arena) -> None:
    topic = DOCS.name(arena.connections.namespace)
    producer = Producer.connect(arena.connections, client_id="tailrace-chaos-poison")
    try:
        for number in range(DOCS.partitions):
            value = f"poison {len(arena.poisons_tried)}, which is no bulk".encode()
            arena.poisons_tried.append(value)

            def note(failure: SendFailure | None, *, value: bytes = value) -> None:
                if failure is None:
                    arena.poisons.append(value)

            producer.send(topic, value=value, key=None, partition=number, on_done=note)
        producer.flush(wait_ms_max=FLUSH_MS_MAX)
    finally:
        producer.close(wait_ms_max=FLUSH_MS_MAX)
