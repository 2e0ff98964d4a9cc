"""What is unread in Kafka, and how near it is to be taken away: asked of the brokers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailrace.errors import ServiceUnavailable
from tailrace.kafka_admin import KafkaAdmin
from tailrace.partition_lag import PartitionLag
from tailrace.retention_pause import LateTopic, UnreadPlace, late_partitions
from tailrace.topics import DOCS, RAW


def late_topics(
    kafka: KafkaAdmin, *, namespace: str, group: str, share: float, now_ms: int
) -> tuple[LateTopic, ...]:
    """Return which topics hold something unread that has used up `share` of its retention.

    `group` is the indexers'.

    Raises:
        ServiceUnavailable: Kafka does not answer, or not to this user.
    """
    readers = (
        (RAW.name(namespace), f"{namespace}-stream"),
        (DOCS.name(namespace), group),
    )
    settings = kafka.topic_settings([topic for topic, _ in readers])
    found = [
        _late_topic(
            kafka,
            kafka.group_lag(reader, topics=[topic]),
            topic=topic,
            group=reader,
            settings=settings[topic],
            share=share,
            now_ms=now_ms,
        )
        for topic, reader in readers
    ]
    return tuple(each for each in found if each.partitions)


def _late_topic(
    kafka: KafkaAdmin,
    lags: Sequence[PartitionLag],
    *,
    topic: str,
    group: str,
    settings: Mapping[str, str],
    share: float,
    now_ms: int,
) -> LateTopic:
    """Return in how many partitions something unread has used up `share` of its retention.

    `lags` are the group's in this topic, `settings` the topic's own.

    Raises:
        ServiceUnavailable: Kafka does not answer, or not to this user.
    """
    if "retention.ms" not in settings:
        raise ServiceUnavailable(
            "Kafka",
            address="the brokers",
            reason=f"it does not say for how long it keeps {topic}",
            remedy="give this user DescribeConfigs on the topic (docs/rights.md)",
        )
    retention_ms = int(settings["retention.ms"])
    retention_bytes = int(settings.get("retention.bytes", "-1"))
    recent: Mapping[tuple[str, int], int] = {}
    if retention_ms > 0:
        since_ms = max(now_ms - round(retention_ms * share), 0)
        recent = kafka.offsets_at([topic], at_ms=since_ms)
    begins: Mapping[tuple[str, int], int] = {}
    sizes: Mapping[tuple[str, int], int] = {}
    if retention_bytes > 0 and any(lag.lag_records for lag in lags):
        begins = kafka.beginning_offsets([topic])
        sizes = kafka.partition_sizes([topic])
    places = [
        _place(
            lag,
            late_before=recent.get((lag.topic, lag.partition), -1)
            if retention_ms > 0
            else 0,
            begin=begins.get((lag.topic, lag.partition), lag.next_offset),
            size_bytes=sizes.get((lag.topic, lag.partition), 0),
        )
        for lag in lags
    ]
    late = late_partitions(places, retention_bytes=retention_bytes, share=share)
    return LateTopic(topic=topic, group=group, partitions=late)


def _place(
    lag: PartitionLag, *, late_before: int, begin: int, size_bytes: int
) -> UnreadPlace:
    return UnreadPlace(
        begin_offset=begin,
        next_offset=lag.next_offset,
        end_offset=lag.end_offset,
        # Without a record since then all that is unread is older.
        late_before_offset=lag.end_offset if late_before < 0 else late_before,
        size_bytes=size_bytes,
    )
