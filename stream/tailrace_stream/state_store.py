"""Where a partition's states come from when it becomes ours: the state topic, to its end.

A topic of our own and not a Faust table, for three reasons. Faust sends a table's
changelog without waiting, so that an acknowledgement can overtake the state it stands on.
Its recovery retries for ever over one record that cannot be decoded. And a table key is a
Python object held for good, where all that is needed is the newest bytes of each
generation in the partition that is being read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from tailrace.kafka_options import record_client_options
from tailrace.kill_points import reach
from tailrace.revisions import revision_of
from tailrace.settings import Connections
from tailrace.topics import STATE

POLL_MS = 500


class StateReader(Protocol):
    """What reads back the states of one partition."""

    def read(
        self, partition: int, *, is_wanted: Callable[[], bool]
    ) -> dict[str, bytes]:
        """Return the newest state of each generation; blocks, so call it in a thread.

        It may end early, with whatever it has, once `is_wanted` is false.

        Raises:
            KafkaError: the brokers did not answer; try again.
        """
        ...


@dataclass(frozen=True, slots=True)
class KafkaStateReader:
    """Reads `<namespace>.state`."""

    connections: Connections

    def read(
        self, partition: int, *, is_wanted: Callable[[], bool]
    ) -> dict[str, bytes]:
        """Return the newest state of each generation in a partition.

        Raises:
            KafkaError: the brokers did not answer; try again.
        """
        topic = STATE.name(self.connections.namespace)
        client_id = "tailrace-stream-state"
        consumer = KafkaConsumer(
            **record_client_options(self.connections, client_id=client_id),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            return self._read(consumer, TopicPartition(topic, partition), is_wanted)
        finally:
            consumer.close()

    def _read(
        self,
        consumer: KafkaConsumer,
        where: TopicPartition,
        is_wanted: Callable[[], bool],
    ) -> dict[str, bytes]:
        consumer.assign([where])
        consumer.seek_to_beginning(where)
        ends = consumer.end_offsets([where])
        states: dict[str, bytes] = {}
        while is_wanted() and (consumer.position(where) or 0) < ends[where]:
            reach("S6")
            polled = cast(
                "dict[TopicPartition, list[Any]]", consumer.poll(timeout_ms=POLL_MS)
            )
            for record in polled.get(where, ()):
                if record.key is None:
                    continue
                keep_newest(
                    states,
                    generation=record.key.decode("utf-8", "replace"),
                    # However old: a file that rested for a year may grow again, and
                    # its figures go on. Retention's leader buries what is over.
                    value=record.value,
                )
        return states


def keep_newest(
    states: dict[str, bytes], *, generation: str, value: bytes | None
) -> None:
    """Take one record of the state topic into account.

    A worker that lost the partition may still write behind the one that has it now, so
    the greatest revision is the truth and not the last record; the indexers' leader puts
    it on top again before compaction comes (`tailrace.revisions`). What cannot be read is
    kept as it is where nothing better is there, so that it is counted when it is met.
    """
    if value is None:
        states.pop(generation, None)
        return
    before = states.get(generation)
    if before is None or revision_of(value) >= revision_of(before):
        states[generation] = value


__all__ = [
    "KafkaError",
    "KafkaStateReader",
    "StateReader",
    "keep_newest",
]
