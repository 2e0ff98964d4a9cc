"""The raw topic's records of some spans, read once and never committed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from tailrace.clock import Clock
from tailrace.errors import ServiceUnavailable
from tailrace.replay.span import Held
from tailrace.topics import RAW

CLIENT_ID: Final = "tailrace-replay"
POLL_MS: Final = 500
POLL_RECORDS_MAX: Final = 100
"""Of at most 8 MiB each; what was fetched before waits packed."""
SILENT_MS_MAX: Final = 60_000
"""Without a record of a span that is not read to its end, Kafka counts as away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRecord:
    """One record, as it stands there."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    appended_at_ms: int


class RawTopic:
    """Asks through a consumer of no group, `tailrace.kafka_reader.topic_reader`."""

    def __init__(
        self,
        consumer: Any,  # noqa: ANN401 - the library has no types
        *,
        namespace: str,
        brokers: str,
        clock: Clock,
    ) -> None:
        self._consumer = consumer
        self._topic = RAW.name(namespace)
        self._brokers = brokers
        self._clock = clock

    def held(self, *, since_ms: int | None, until_ms: int | None) -> dict[int, Held]:
        """Return what there is of each partition, as far as the moments ask."""
        places = {place.partition: place for place in self._places()}
        begins = self._offsets("beginning_offsets", places.values())
        ends = self._offsets("end_offsets", places.values())
        since = self._found(places.values(), since_ms)
        until = self._found(places.values(), until_ms)
        held: dict[int, Held] = {}
        for number, place in places.items():
            late = until.get(place)
            held[number] = Held(
                begin=begins[place],
                end=ends[place],
                since=since.get(place),
                until_offset=late[0] if late else None,
            )
        return held

    def records(self, spans: Mapping[int, range]) -> Iterator[SpanRecord]:
        """Yield the records of each span in their order, of several ones mixed.

        Raises:
            ServiceUnavailable: Kafka gives nothing any more.
        """
        ends = {
            place: spans[place.partition].stop
            for place in self._places()
            if spans.get(place.partition)
        }
        if not ends:
            return
        consumer = self._consumer
        consumer.assign(list(ends))
        for place in ends:
            consumer.seek(place, spans[place.partition].start)
        heard_at_ms = self._clock.monotonic_ms()
        while open_places := [p for p in ends if consumer.position(p) < ends[p]]:
            consumer.pause(*(place for place in ends if place not in open_places))
            polled = cast(
                "dict[Any, list[Any]]",
                consumer.poll(timeout_ms=POLL_MS, max_records=POLL_RECORDS_MAX),
            )
            for place, records in polled.items():
                for record in records:
                    if record.offset < ends[place]:
                        yield _read(record)
            now_ms = self._clock.monotonic_ms()
            if any(polled.values()):
                heard_at_ms = now_ms
            elif now_ms - heard_at_ms > SILENT_MS_MAX:
                raise ServiceUnavailable(
                    "Kafka",
                    address=self._brokers,
                    reason=f"no record of the span came for {SILENT_MS_MAX // 1_000} s",
                )

    def _places(self) -> list[Any]:
        import kafka

        # The stubs that type checkers bundle describe an older release.
        library = cast("Any", kafka)
        numbers = self._consumer.partitions_for_topic(self._topic) or ()
        return [library.TopicPartition(self._topic, n) for n in sorted(numbers)]

    def _offsets(self, question: str, places: Collection[Any]) -> dict[Any, int]:
        return cast("dict[Any, int]", getattr(self._consumer, question)(list(places)))

    def _found(
        self, places: Collection[Any], moment_ms: int | None
    ) -> dict[Any, tuple[int, int]]:
        """Return offset and time of the first record of a moment or later."""
        if moment_ms is None or not places:
            return {}
        found = self._consumer.offsets_for_times(dict.fromkeys(places, moment_ms))
        return {
            place: (int(each.offset), int(each.timestamp))
            for place, each in found.items()
            if each is not None and each.offset >= 0
        }


def _read(record: Any) -> SpanRecord:  # noqa: ANN401 - the library's own
    return SpanRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers or ()),
        appended_at_ms=record.timestamp,
    )
