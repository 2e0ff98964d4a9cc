"""Which topics there are: one table of key, partitions, sizes, retention and cleanup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KIBIBYTE = 1_024
MEBIBYTE = 1_024 * KIBIBYTE
DAY_MS = 86_400_000

COMPACTION_LAG_MS = 3_600_000
"""Brokers compact nothing younger: so long a record that an older one was written behind
is still there, and is written again (`tailrace_indexer.mending`)."""
TOMBSTONE_MS = 30 * DAY_MS
"""How long a tombstone stays at least: a generation that was buried, and whose file is
back, is told by it from one of which the beginning is missing."""

PARTITIONS = 8
"""Of raw, docs, ledger, state and templates alike: a key's records meet in one partition
number. Never changed by `tailrace provision`, since keys and their state would be stranded."""

CHUNK_BYTES_MAX = 1 * MEBIBYTE
"""What the agent puts into one chunk when it is busy."""
EVENT_BYTES_MAX = 1 * MEBIBYTE
"""A longer event is cut, and marked with its true length."""
DOCUMENTS_BYTES_MAX = 4 * MEBIBYTE
"""One record of `tailrace.docs`; a chunk becomes as many of them as it needs."""
STATE_BYTES_MAX = 256 * KIBIBYTE
"""One generation's state in the stream; windows are closed early to stay below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic: who writes which key, and what the brokers do with it."""

    suffix: str
    key: str
    partitions: int
    message_bytes_max: int
    cleanup: Literal["delete", "compact"]
    retention_ms: int = -1
    segment_bytes: int = 256 * MEBIBYTE

    def name(self, namespace: str) -> str:
        """Return the topic's name: `tailrace.raw` in the namespace `tailrace`."""
        return f"{namespace}.{self.suffix}"

    def settings(self) -> dict[str, str]:
        """Return the topic's configuration as the brokers spell it."""
        settings = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.message_bytes_max),
            "segment.bytes": str(self.segment_bytes),
            # A line's own time may lie in 2099; only the broker's time ages a segment.
            "message.timestamp.type": "LogAppendTime",
        }
        if self.cleanup == "delete":
            settings["retention.ms"] = str(self.retention_ms)
        else:
            if self.retention_ms > 0:
                settings["cleanup.policy"] = "compact,delete"
                settings["retention.ms"] = str(self.retention_ms)
            settings["min.cleanable.dirty.ratio"] = "0.2"
            settings["min.compaction.lag.ms"] = str(COMPACTION_LAG_MS)
            settings["delete.retention.ms"] = str(TOMBSTONE_MS)
        return settings


# A mapped chunk carries a table of 32 bytes an event beside its bytes.
RAW = Topic(
    suffix="raw",
    key="generation",
    partitions=PARTITIONS,
    message_bytes_max=8 * MEBIBYTE,
    cleanup="delete",
    retention_ms=7 * DAY_MS,
)
# What a source's `redirect` takes out of raw, as it would stand there: nobody here reads it.
OVERFLOW = Topic(
    suffix="overflow",
    key="generation",
    partitions=PARTITIONS,
    message_bytes_max=RAW.message_bytes_max,
    cleanup="delete",
    retention_ms=7 * DAY_MS,
)
DOCS = Topic(
    suffix="docs",
    key="generation",
    partitions=PARTITIONS,
    message_bytes_max=8 * MEBIBYTE,
    cleanup="delete",
    retention_ms=7 * DAY_MS,
)
RATES = Topic(
    suffix="rates",
    key="generation",
    partitions=PARTITIONS,
    message_bytes_max=4 * MEBIBYTE,
    cleanup="delete",
    retention_ms=7 * DAY_MS,
)
ALERTS = Topic(
    suffix="alerts",
    key="alert id",
    partitions=1,
    message_bytes_max=1 * MEBIBYTE,
    cleanup="delete",
    retention_ms=30 * DAY_MS,
)
DEAD = Topic(
    suffix="dead",
    key="generation, or nothing",
    partitions=PARTITIONS,
    message_bytes_max=16 * MEBIBYTE,
    cleanup="delete",
    retention_ms=30 * DAY_MS,
)
LEDGER = Topic(
    suffix="ledger",
    key="hop|generation, partitioned by generation",
    partitions=PARTITIONS,
    message_bytes_max=1 * MEBIBYTE,
    cleanup="compact",
    segment_bytes=16 * MEBIBYTE,
)
FLOORS = Topic(
    suffix="floors",
    key="floor|dataset|period",
    partitions=1,
    message_bytes_max=1 * MEBIBYTE,
    cleanup="compact",
    segment_bytes=16 * MEBIBYTE,
)
STATE = Topic(
    suffix="state",
    key="generation",
    partitions=PARTITIONS,
    message_bytes_max=1 * MEBIBYTE,
    cleanup="compact",
    segment_bytes=16 * MEBIBYTE,
)
TEMPLATES = Topic(
    suffix="templates",
    key="template id|raw topic|its partition|part, in that partition",
    partitions=PARTITIONS,
    message_bytes_max=1 * MEBIBYTE,
    cleanup="compact",
    # Nobody buries a template: what was not seen for so long, workers may forget.
    retention_ms=90 * DAY_MS,
    segment_bytes=16 * MEBIBYTE,
)
# Small and read as a whole, as floors are; told again while anybody knows the templates.
TEMPLATE_ALIASES = Topic(
    suffix="aliases",
    key="alias|template id|group id",
    partitions=1,
    message_bytes_max=1 * MEBIBYTE,
    cleanup="compact",
    retention_ms=90 * DAY_MS,
    segment_bytes=16 * MEBIBYTE,
)

TOPICS = (
    RAW,
    OVERFLOW,
    DOCS,
    RATES,
    ALERTS,
    DEAD,
    LEDGER,
    FLOORS,
    STATE,
    TEMPLATES,
    TEMPLATE_ALIASES,
)


def partition_of(key: bytes, *, partitions: int = PARTITIONS) -> int:
    """Return the partition of a key as every Kafka client's default gives it.

    Murmur2 with Kafka's seed, its sign bit cleared
    (`org.apache.kafka.common.utils.Utils`).
    """
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    value = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        part = int.from_bytes(data[start : start + 4], "little")
        part = part * multiplier & mask
        part ^= part >> 24
        value = (value * multiplier & mask) ^ (part * multiplier & mask)
    rest = data[whole:]
    if rest:
        value ^= int.from_bytes(rest, "little")
        value = value * multiplier & mask
    value ^= value >> 13
    value = value * multiplier & mask
    return value ^ value >> 15
