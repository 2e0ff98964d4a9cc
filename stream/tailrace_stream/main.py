"""Wires one stream worker and runs it in the foreground."""

from __future__ import annotations

import asyncio
import os
import threading
import warnings
from random import SystemRandom

from tailrace import log as tailrace_log
from tailrace.clock import SystemClock
from tailrace.errors import ServiceUnavailable, TopicMissing
from tailrace.settings import Connections
from tailrace.topics import DEAD, DOCS, FLOORS, LEDGER, RATES, RAW, STATE
from tailrace_stream.config import StreamSettings

CONNECT_MS_MAX = 10_000
"""Brokers that do not answer within it are said to be away; who supervises starts anew."""

# A chunk is too small for several threads to gain on it, and other roles need the cores.
os.environ.setdefault("POLARS_MAX_THREADS", "1")


def run(
    *, connections: Connections, settings: StreamSettings, stop: threading.Event
) -> int:
    """Run a worker until `stop` is set; return the exit code.

    Raises:
        ServiceUnavailable: Kafka does not answer.
        TopicMissing: a topic of ours is not there.
    """
    # Faust's imports warn about what it will change one day; none of it is ours to act on.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tailrace.floor_topic import FloorReader, FloorWatch
        from tailrace_stream.app import run_app
        from tailrace_stream.protocol import PublishFailed

    logger = tailrace_log.logger("stream")
    topic_id = check_topics(connections)
    floors = FloorWatch(
        FloorReader(connections, client_id="tailrace-stream-floors"),
        namespace=connections.namespace,
        on_failure=lambda error: logger.warning("floors_unread", reason=str(error)),
    )
    # Before the first record: what is expired is not sent, from the first event on.
    floors.start()
    try:
        return asyncio.run(
            run_app(
                connections=connections,
                settings=settings,
                stop=stop,
                clock=SystemClock(),
                random=SystemRandom(),
                log=logger,
                topic_id=topic_id,
                floors=lambda: floors.floors,
            )
        )
    except PublishFailed as error:
        raise ServiceUnavailable(
            "Kafka", address=connections.kafka_bootstrap, reason=str(error)
        ) from None
    finally:
        floors.close()


def check_topics(connections: Connections) -> str:
    """Return the raw topic's id, which tells a topic from one made anew in its name.

    Raises:
        ServiceUnavailable: Kafka does not answer.
        TopicMissing: a topic of ours is not there.
    """
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    from tailrace.kafka_options import kafka_options

    brokers = connections.kafka_bootstrap
    topics = (RAW, DOCS, RATES, DEAD, LEDGER, FLOORS, STATE)
    names = [topic.name(connections.namespace) for topic in topics]
    try:
        options = kafka_options(connections, client_id="tailrace-stream")
        options["bootstrap_timeout_ms"] = CONNECT_MS_MAX
        admin = KafkaAdminClient(**options)
        try:
            described = admin.describe_topics(names)
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        raise ServiceUnavailable("Kafka", address=brokers, reason=repr(error)) from None
    ids = {
        str(topic["name"]): str(topic["topic_id"])
        for topic in described
        if not topic["error_code"]
    }
    for name in names:
        if name not in ids:
            raise TopicMissing(name, brokers=brokers)
    return ids[RAW.name(connections.namespace)]
