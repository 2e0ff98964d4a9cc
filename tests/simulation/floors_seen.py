"""Which floors a role knows: read every so often, as `tailrace.floor_topic` reads them."""

from __future__ import annotations

from tailrace.errors import WireError
from tailrace.floors import Floors
from tailrace.kafka_consumer import Partition
from tailrace.ledger import FloorLedger, decode_ledger
from tailrace.topics import FLOORS
from tests.simulation.cluster import NAMESPACE, Cluster

READ_MS = 200
PLACE = Partition(FLOORS.name(NAMESPACE), 0)


def read_floors(cluster: Cluster) -> Floors:
    """Return the floors as they are now."""
    records: list[FloorLedger] = []
    for kept in cluster.kafka.read(PLACE, offset=0):
        try:
            record = decode_ledger(kept.record.value or b"")
        except WireError:
            continue
        if isinstance(record, FloorLedger):
            records.append(record)
    return Floors(records)


class FloorsSeen:
    """The floors as one life knows them; stepped with it, so that a stalled one sleeps."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._read_at_ms = cluster.world.now_ms
        # A role starts only once it has read them.
        self.floors = read_floors(cluster)

    def step(self) -> None:
        """Read them again, if that is due and the brokers answer."""
        now_ms = self._cluster.world.now_ms
        if now_ms < self._read_at_ms + READ_MS:
            return
        self._read_at_ms = now_ms
        if not self._cluster.is_down():
            self.floors = read_floors(self._cluster)

    def is_expired(self, index: str) -> bool:
        """Tell whether an index lies below its floor, as far as is read."""
        return self.floors.is_expired(index, namespace=NAMESPACE)
