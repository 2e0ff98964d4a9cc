"""Stream workers as laws ask them: the simulation's, on its loop and its brokers.

The real ones, Faust's on real brokers, stand in `real_workers.py`. Both run the stream's
own classes; what differs is all that is around them, and that is what the laws are about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Protocol

from tailrace.kafka_consumer import Partition
from tailrace.topics import DEAD, DOCS, LEDGER, PARTITIONS, RATES, RAW, STATE, Topic
from tailrace.wire import ORIGIN_HEADER
from tailrace_stream.records import Outgoing
from tests.simulation.cluster import NAMESPACE, STREAMS, Cluster
from tests.simulation.process import Process
from tests.simulation.stream_process import COMMIT_S, StreamLife
from tests.simulation.world import World
from tests.stream.builders import NAMESPACE as TOLD_AS
from tests.support.fakes.producer import Fate

WAIT_MS_MAX = 60_000
"""Of simulated time, until which something must have come true."""
SELDOM_S = 3_600
FILLED = (DOCS, RATES, DEAD, STATE, LEDGER)
"""What the workers write to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One record for the raw topic."""

    partition: int
    value: bytes | None
    key: bytes | None = None
    header: bytes = b""
    """The origin, or what is in its place; a record of others has none."""

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        return [(ORIGIN_HEADER, self.header)] if self.header else []


class Manner(Enum):
    """How a worker is set."""

    USUAL = "commits often, and is patient"
    SELDOM = "commits only when it has to give something up"
    IMPATIENT = "ends itself when it gets nothing done for a few seconds"


class Workers(Protocol):
    """A raw topic, the workers of its group, and the topics that they fill.

    Offsets are those of the raw topic, by partition. What is read is what a law has
    brought about itself, although several laws may have the same topics one after another.
    """

    def send(self, record: Sending) -> int:
        """Append a record; return its offset."""
        ...

    def send_in_transaction(self, record: Sending) -> int:
        """Append a record, and behind it the marker of its transaction's end."""
        ...

    def delete_before(self, partition: int, offset: int) -> None:
        """Do as retention does."""
        ...

    def start(self, *, kill: str = "", manner: Manner = Manner.USUAL) -> str:
        """Start a worker, armed to die at a kill point where one is named; name it."""
        ...

    def run(self, count: int) -> list[str]:
        """Let just so many workers run, unarmed and as usual; return their names."""
        ...

    def stop(self, name: str) -> None:
        """Let a worker end as it ends when it is asked to, and return when it has."""
        ...

    def await_death(self, name: str, *, point: str) -> None:
        """Return when an armed worker has died, at that point and nowhere else."""
        ...

    def put_to_sleep(self, name: str) -> None:
        """Stop a worker amid its work until its group has given it up."""
        ...

    def wake(self, name: str) -> None:
        """Let it go on; it knows nothing of its sleep."""
        ...

    def partitions_of(self, name: str) -> set[int]:
        """Return which partitions a worker has, as far as is known."""
        ...

    def counts_of(self, name: str) -> Mapping[str, int]:
        """Return what a worker has counted, as far as is known."""
        ...

    def hold(self, topic: Topic) -> None:
        """Let the brokers take nothing for a topic, as one that is missing."""
        ...

    def release(self, topic: Topic) -> None: ...

    def committed(self) -> Mapping[int, int]:
        """Return the offsets to read next, where the group has committed any."""
        ...

    def read(self, topic: Topic) -> list[Outgoing]:
        """Return what stands in a topic, partition by partition."""
        ...

    def until(self, is_so: Callable[[], bool], *, what: str) -> None:
        """Return when something is so; fail where it does not become so."""
        ...


class HoldingCluster(Cluster):
    """The simulation's brokers, which can be made to take nothing for a topic."""

    def __init__(self, world: World) -> None:
        super().__init__(world, DOCS.message_bytes_max)
        self.held: set[str] = set()

    def fate_of(self, topic: str) -> Fate:
        return Fate.REFUSED if topic in self.held else super().fate_of(topic)


@dataclass(slots=True)
class SimulatedWorkers:
    """The simulation's: its processes, stepped while somebody waits."""

    world: World = field(default_factory=lambda: World(1))
    cluster: HoldingCluster = field(init=False)
    _running: dict[str, Process] = field(default_factory=dict[str, Process])
    _asleep: dict[str, Process] = field(default_factory=dict[str, Process])
    _current: Process | None = None
    _names: count[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.cluster = HoldingCluster(self.world)

    def pass_(self, name: str) -> None:
        """Let the worker that runs now pass a kill point."""
        if self._current is not None:
            self._current.reach(name)

    def send(self, record: Sending) -> int:
        return self.cluster.kafka.write(
            _place(record.partition),
            record.value,
            key=record.key,
            headers=record.headers,
        )

    def send_in_transaction(self, record: Sending) -> int:
        offset = self.send(record)
        self.cluster.kafka.mark(_place(record.partition))
        return offset

    def delete_before(self, partition: int, offset: int) -> None:
        self.cluster.kafka.delete_before(_place(partition), offset)

    def start(self, *, kill: str = "", manner: Manner = Manner.USUAL) -> str:
        name = f"worker {next(self._names)}"
        # As for patience, all of the simulation's have little.
        commit_s = SELDOM_S if manner is Manner.SELDOM else COMMIT_S
        process = Process(
            "stream",
            name,
            self.world,
            lambda: StreamLife(self.world, self.cluster, commit_s=commit_s),
        )
        process.due_ms = self.world.now_ms
        point, _, passes = kill.partition(":")
        if point:
            process.arm_at(point)
            process.passes_left = int(passes or 1)
        self._running[name] = process
        self._step(process)
        return name

    def run(self, count: int) -> list[str]:
        for name in list(self._running)[count:]:
            self.stop(name)
        while len(self._running) < count:
            self.start()
        return list(self._running)

    def stop(self, name: str) -> None:
        self._running.pop(name).stop()

    def await_death(self, name: str, *, point: str) -> None:
        process = self._running[name]
        self.until(lambda: not process.is_alive, what=f"the death of {name}")
        assert self.world.witnesses[f"kill.{point}"]
        del self._running[name]

    def put_to_sleep(self, name: str) -> None:
        self._asleep[name] = self._running.pop(name)
        life = self._asleep[name].life
        assert life is not None
        life.lose_session()

    def wake(self, name: str) -> None:
        process = self._running[name] = self._asleep.pop(name)
        process.due_ms = self.world.now_ms

    def partitions_of(self, name: str) -> set[int]:
        life = self._running[name].life
        return set(life.worker.lanes) if isinstance(life, StreamLife) else set()

    def counts_of(self, name: str) -> Mapping[str, int]:
        running = self._running.get(name)
        life = running.life if running else None
        return dict(life.worker.counts) if isinstance(life, StreamLife) else {}

    def hold(self, topic: Topic) -> None:
        self.cluster.held.add(topic.name(NAMESPACE))

    def release(self, topic: Topic) -> None:
        self.cluster.held.discard(topic.name(NAMESPACE))

    def committed(self) -> Mapping[int, int]:
        found = self.cluster.admin.committed_offsets(STREAMS)
        return {number: offset for (_, number), offset in found.items()}

    def read(self, topic: Topic) -> list[Outgoing]:
        return [
            Outgoing(
                topic=topic.name(TOLD_AS),
                partition=number,
                key=kept.record.key or b"",
                value=kept.record.value or b"",
                header=dict(kept.record.headers).get(ORIGIN_HEADER, b""),
            )
            for number in range(PARTITIONS)
            for kept in self.cluster.kafka.read(
                Partition(topic.name(NAMESPACE), number), offset=0
            )
        ]

    def until(self, is_so: Callable[[], bool], *, what: str) -> None:
        end_ms = self.world.now_ms + WAIT_MS_MAX
        while not is_so():
            assert self.world.now_ms < end_ms, f"not within {WAIT_MS_MAX} ms: {what}"
            alive = [process for process in self._running.values() if process.is_alive]
            assert alive, f"nobody is left for {what}"
            self._step(min(alive, key=lambda process: process.due_ms))

    def close(self) -> None:
        for process in (*self._running.values(), *self._asleep.values()):
            process.kill("")

    def _step(self, process: Process) -> None:
        self.world.advance_to(process.due_ms)
        self._current = process
        process.step()
        self._current = None
        assert not process.problems, process.problems


def _place(partition: int) -> Partition:
    return Partition(RAW.name(NAMESPACE), partition)
