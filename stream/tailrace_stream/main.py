"""Wires one stream worker and runs it in the foreground."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Sequence
from random import SystemRandom

from tailrace import log as tailrace_log
from tailrace.clock import SystemClock
from tailrace.errors import NoAnswer, ServiceUnavailable, TopicMissing
from tailrace.settings import Connections
from tailrace.topics import (
    DEAD,
    DOCS,
    FLOORS,
    LEDGER,
    RATES,
    RAW,
    STATE,
    TEMPLATES,
    Topic,
)
from tailrace_stream.config import StreamSettings
from tailrace_stream.foreign.config import check_topics_are_foreign
from tailrace_stream.start import when_ready

CONNECT_MS_MAX = 10_000
WORKERS_TOPICS = (RAW, DOCS, RATES, DEAD, LEDGER, FLOORS, STATE, TEMPLATES)
"""Brokers that listen and do not answer within it are said to stand still."""

# A chunk is too small for several threads to gain on it, and other roles need the cores.
os.environ.setdefault("POLARS_MAX_THREADS", "1")


def run(
    *, connections: Connections, settings: StreamSettings, stop: threading.Event
) -> int:
    """Run a worker until `stop` is set; return the exit code.

    Kafka, or a topic of ours, that is not there yet is waited for.

    Raises:
        ServiceUnavailable: Kafka went away again as the worker joined its group.
        ConfigError: a topic of ours is to be read as another collector's.
    """
    # Faust's imports warn about what it will change one day; none of it is ours to act on.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tailrace.floor_topic import FloorReader, FloorWatch
        from tailrace_stream.app import run_app
        from tailrace_stream.ending import run_and_end
        from tailrace_stream.protocol import PublishFailed

    logger = tailrace_log.logger("stream")
    check_topics_are_foreign(settings.foreign, namespace=connections.namespace)
    clock = SystemClock()
    floors = FloorWatch(
        FloorReader(connections, client_id="tailrace-stream-floors"),
        namespace=connections.namespace,
        on_failure=lambda error: logger.warning("floors_unread", reason=str(error)),
    )

    def ask() -> str:
        topic_id = check_topics(connections)
        # Before the first record: what is expired is not sent, from the first event on.
        floors.start()
        return topic_id

    try:
        topic_id = when_ready(ask, stop=stop, clock=clock, log=logger)
        if topic_id is None:
            return 0
        return run_and_end(
            run_app(
                connections=connections,
                settings=settings,
                stop=stop,
                clock=clock,
                random=SystemRandom(),
                log=logger,
                topic_id=topic_id,
                topic_ids=lambda names: topic_ids(connections, names),
                floors=lambda: floors.floors,
            ),
            log=logger,
        )
    except PublishFailed as error:
        raise ServiceUnavailable(
            "Kafka", address=connections.kafka_bootstrap, reason=str(error)
        ) from None
    finally:
        floors.close()


def check_topics(
    connections: Connections, *, topics: Sequence[Topic] = WORKERS_TOPICS
) -> str:
    """Return the raw topic's id, which tells a topic from one made anew in its name.

    `topics` are those that must be there, and that who asks has a right to: RAW is one.

    Raises:
        ServiceUnavailable: Kafka does not answer.
        TopicMissing: a topic of ours is not there.
    """
    names = [topic.name(connections.namespace) for topic in topics]
    ids = topic_ids(connections, names)
    for name in names:
        if name not in ids:
            raise TopicMissing(name, brokers=connections.kafka_bootstrap)
    return ids[RAW.name(connections.namespace)]


def topic_ids(connections: Connections, names: Sequence[str]) -> dict[str, str]:
    """Return the ids of those topics that are there.

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError, KafkaTimeoutError

    from tailrace.kafka_opening import open_client
    from tailrace.kafka_options import kafka_options, kafka_unavailable
    from tailrace.kafka_probe import require_listener

    brokers = connections.kafka_bootstrap
    require_listener(brokers)
    try:
        options = kafka_options(connections, client_id="tailrace-stream")
        options["bootstrap_timeout_ms"] = CONNECT_MS_MAX
        admin = open_client(KafkaAdminClient, **options)
        try:
            described = admin.describe_topics(list(names))
        finally:
            admin.close()
    except KafkaTimeoutError:
        wait_s = CONNECT_MS_MAX / 1_000
        raise NoAnswer("Kafka", address=brokers, wait_s=wait_s) from None
    except (KafkaError, OSError) as error:
        raise kafka_unavailable(brokers, error) from None
    return {
        str(topic["name"]): str(topic["topic_id"])
        for topic in described
        if not topic["error_code"]
    }
