"""What agents sent, as events: every chunk of the raw topic read to its last one.

Of an event that a rule leaves out the index shows nothing, so that what came to stand in its
place, when a file was rewritten behind its agent's back, looks like all there was.
"""

from __future__ import annotations

from collections.abc import Iterator

from tailrace.kafka_consumer import Partition
from tailrace.topics import PARTITIONS, RAW
from tailrace.wire import Origin, decode, header_of
from tailrace_stream.events import read_events
from tests.simulation.cluster import NAMESPACE
from tests.simulation.indexed import Indexed, log_of
from tests.support.fakes.kafka import MemoryKafka


def sent_events(kafka: MemoryKafka) -> Iterator[Indexed]:
    """Yield every event of every chunk, those that were sent twice as well."""
    for number in range(PARTITIONS):
        for kept in kafka.read(Partition(RAW.name(NAMESPACE), number), offset=0):
            header = header_of(kept.record.headers)
            if header is not None and kept.record.value:
                yield from _events_of(kept.record.value, decode(header, as_type=Origin))


def _events_of(value: bytes, origin: Origin) -> Iterator[Indexed]:
    events = read_events(value, origin=origin)
    sizes = events.original_sizes
    for place, stored in enumerate(events.stored):
        size_bytes = None if sizes is None else sizes[place]
        yield Indexed(
            host=origin.host_name,
            log=log_of(origin.path),
            generation=origin.generation,
            offset=int(events.offsets[place]),
            stored=stored,
            size_bytes=len(stored) if size_bytes is None else size_bytes,
            checksum=int(events.checksums[place]),
        )
