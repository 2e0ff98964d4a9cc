"""A client of no group for who reads a topic once, from where they like, and commits nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from tailrace.errors import TopicMissing
from tailrace.kafka_opening import open_client
from tailrace.kafka_options import kafka_unavailable, record_client_options
from tailrace.kafka_probe import require_listener
from tailrace.settings import Connections
from tailrace.topics import Topic

POLL_MS = 500
STALLED_POLLS_MAX = 60
"""Half a minute without a record and without an end: the brokers are not well."""


class TopicEntry(NamedTuple):
    """One record of a topic, as it stands there."""

    key: bytes | None
    value: bytes | None
    partition: int
    offset: int


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


def read_topic(
    connections: Connections,
    topic: Topic,
    *,
    client_id: str,
    is_stopping: Callable[[], bool],
    begin: Mapping[int, int] | None = None,
    since_ms: int | None = None,
) -> Iterator[TopicEntry]:
    """Yield each record, up to the end that the topic has now.

    With `begin` only of the partitions named there, from these offsets on. With `since_ms`
    from the first record of that moment or later, whatever stands behind it. It ends early,
    without an error, once `is_stopping` says so.

    Raises:
        ServiceUnavailable: Kafka does not answer, or stopped answering.
        TopicMissing: there is no such topic, so `tailrace provision` has not run.
    """
    import kafka

    # The stubs that type checkers bundle describe an older release.
    library = cast("Any", kafka)
    name = topic.name(connections.namespace)
    with topic_reader(connections, client_id=client_id) as consumer:
        numbers = cast("set[int] | None", consumer.partitions_for_topic(name))
        if not numbers:
            raise TopicMissing(name, brokers=connections.kafka_bootstrap)
        wanted = sorted(numbers if begin is None else numbers & begin.keys())
        partitions = [library.TopicPartition(name, n) for n in wanted]
        consumer.assign(partitions)
        ends = cast("dict[Any, int]", consumer.end_offsets(partitions))
        if begin is not None:
            for place in partitions:
                consumer.seek(place, begin[place.partition])
        elif since_ms is not None:
            for place, offset in first_offsets_since(
                consumer, ends, moment_ms=since_ms
            ).items():
                consumer.seek(place, offset)
        else:
            consumer.seek_to_beginning(*partitions)
        yield from _read_to(consumer, ends, is_stopping=is_stopping)


def first_offsets_since(
    consumer: Any,  # noqa: ANN401 - the library has no types
    ends: Mapping[Any, int],
    *,
    moment_ms: int,
) -> dict[Any, int]:
    """Return where each partition's first record of a moment or later stands, or its end.

    Records need not be in the order of their times: none of that moment or later stands
    before it.
    """
    found = cast(
        "dict[Any, Any]", consumer.offsets_for_times(dict.fromkeys(ends, moment_ms))
    )
    return {
        place: end
        if (first := found.get(place)) is None or first.offset < 0
        else int(first.offset)
        for place, end in ends.items()
    }


def _read_to(
    consumer: Any,  # noqa: ANN401 - the library has no types
    ends: dict[Any, int],
    *,
    is_stopping: Callable[[], bool],
) -> Iterator[TopicEntry]:
    from kafka.errors import KafkaTimeoutError

    stalled_polls = 0
    while any(consumer.position(p) < end for p, end in ends.items()):
        if is_stopping():
            return
        batches = cast("dict[Any, list[Any]]", consumer.poll(timeout_ms=POLL_MS))
        stalled_polls = 0 if batches else stalled_polls + 1
        if stalled_polls > STALLED_POLLS_MAX:
            name = next(iter(ends)).topic
            raise KafkaTimeoutError(f"{name} could not be read to its end")
        for place, records in batches.items():
            for record in records:
                yield TopicEntry(
                    record.key, record.value, place.partition, record.offset
                )
