"""How spans of a topic are read: the records between two offsets of each partition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from tailrace.clock import Clock
from tailrace.kafka_reader import topic_reader
from tailrace.settings import Connections
from tailrace.topics import MEBIBYTE

RECORDS_MAX: Final = 200_000
BYTES_MAX: Final = 1_024 * MEBIBYTE
READ_MS_MAX: Final = 60_000
"""Records beyond any of the three are not read."""
POLL_MS: Final = 500


def read_spans(
    connections: Connections,
    *,
    client_id: str,
    topic: str,
    spans: Mapping[int, range],
    take: Callable[[bytes | None], None],
    clock: Clock,
) -> int:
    """Hand over the value of each record at these offsets, within the limits.

    `spans` are by partition. Returns how many records were read: fewer than there are
    offsets where some are gone from Kafka, or beyond a limit.

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """
    import kafka

    if not spans:
        return 0
    # The stubs that type checkers bundle describe an older release.
    library = cast("Any", kafka)
    with topic_reader(connections, client_id=client_id) as consumer:
        places = {library.TopicPartition(topic, n): span for n, span in spans.items()}
        return _read(consumer, places, take=take, clock=clock)


def _read(
    consumer: Any,  # noqa: ANN401 - the library has no types
    left: Mapping[Any, range],
    *,
    take: Callable[[bytes | None], None],
    clock: Clock,
) -> int:
    consumer.assign(list(left))
    oldest = cast("dict[Any, int]", consumer.beginning_offsets(list(left)))
    read_count = size_bytes = 0
    ends = {place: span.stop for place, span in left.items()}
    for place, span in left.items():
        # What retention has taken since is unread, and is not waited for.
        consumer.seek(place, min(max(span.start, oldest[place]), span.stop))
    deadline_ms = clock.monotonic_ms() + READ_MS_MAX
    while (
        (open_places := _not_at(consumer, ends))
        and read_count < RECORDS_MAX
        and size_bytes < BYTES_MAX
        and clock.monotonic_ms() < deadline_ms
    ):
        consumer.pause(*(place for place in ends if place not in open_places))
        polled = cast("dict[Any, list[Any]]", consumer.poll(timeout_ms=POLL_MS))
        for place, records in polled.items():
            for record in records:
                if record.offset not in left[place]:
                    continue
                take(record.value)
                read_count += 1
                size_bytes += len(record.value or b"")
    return read_count


def _not_at(
    consumer: Any,  # noqa: ANN401 - the library has no types
    ends: Mapping[Any, int],
) -> list[Any]:
    return [place for place, end in ends.items() if consumer.position(place) < end]
