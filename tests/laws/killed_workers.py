"""Stream workers that are killed at moments which a seed draws, while their input grows.

Each blow is one way in which workers end amid their work: alone, all at once, at a named
place, or while their group divides its partitions. A worker that was killed starts again,
with the folder that it had or with none.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any

import kafka

from tailrace.topics import RAW
from tests.laws.workers import Sending
from tests.stream.harness import StreamOnKafka
from tests.support.waiting import eventually

WAIT_S_MAX = 240.0
WAITING_MAX = 120
"""Records that wait for the workers: enough to be amid them, and no more to do at the end."""
FEED_LOOK_S = 0.1
WORKERS = 2
MOVED_MIN = 25
"""Records that must have been committed since the last blow, so that each strikes work."""
POINTS = ("S1", "S2", "S3", "S4", "S6")
PASSES_MAX = 40
LOADS_MAX = 2
"""Passes of S6: once for each partition that is loaded, at least."""
SHARE_FORGOTTEN = 0.4


class Manner(Enum):
    """How a blow strikes."""

    MOMENT = "one of the workers is killed at some moment"
    JOINER = "a worker joins, and dies at a named place"
    REBALANCE = "one is killed while another joins"
    LEAVING = "one is killed while another leaves the group in order"
    ALL = "all are killed at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """What is done to the workers, and how they go on."""

    manner: Manner
    delay_s: float
    victim: int
    """Which of those that run, counted around."""
    point: str
    passes: int
    forgets: bool
    """Whether whoever was killed loses its folder."""

    @property
    def kills(self) -> int:
        return WORKERS if self.manner is Manner.ALL else 1

    def __str__(self) -> str:
        place = f" {self.point}:{self.passes}" if self.manner is Manner.JOINER else ""
        lost = ", its folder lost" if self.forgets else ""
        return f"{self.manner.name}{place} after {self.delay_s:.2f} s{lost}"


def blows_of(seed: int, *, kills: int) -> list[Blow]:
    """Return blows that kill at least so many workers, two of whom lose their folders.

    Each manner is among them before any comes again.
    """
    random = Random(f"{seed}:blows")
    blows: list[Blow] = []
    manners: list[Manner] = []
    while sum(blow.kills for blow in blows) < kills:
        manners = manners or random.sample(list(Manner), len(Manner))
        point = random.choice(POINTS)
        blows.append(
            Blow(
                manner=manners.pop(),
                delay_s=random.uniform(0, 1.5),
                victim=random.randrange(WORKERS),
                point=point,
                passes=random.randint(1, LOADS_MAX if point == "S6" else PASSES_MAX),
                forgets=len(blows) < 2 or random.random() < SHARE_FORGOTTEN,
            )
        )
    return blows


@dataclass(slots=True)
class Fleet:
    """The workers of one namespace, and who feeds them."""

    stream: StreamOnKafka
    settings: dict[str, str]
    kill_count: int = 0
    forgotten_count: int = 0
    _running: dict[str, subprocess.Popen[bytes]] = field(
        default_factory=dict[str, "subprocess.Popen[bytes]"]
    )
    _start_count: int = 0
    _moved_from: int = 0

    def run(self, count: int) -> None:
        """Let just so many run, by starting and by stopping in order."""
        while len(self._running) < count:
            self._start()
        for name in list(self._running)[count:]:
            self._stop(name)

    def strike(self, blow: Blow) -> None:
        """Bring one blow about amid work, and let as many run again as before."""
        self._await_work()
        if blow.manner is Manner.JOINER:
            self._lose_joiner(blow)
        else:
            self._lose(blow)
        self.run(WORKERS)

    def stop(self) -> None:
        self.run(0)

    def _lose_joiner(self, blow: Blow) -> None:
        name = self._start(kill=f"{blow.point}:{blow.passes}")
        self.stream.wait_for_death(
            self._running[name], point=blow.point, wait_s_max=WAIT_S_MAX
        )
        self._bury(name, blow)

    def _lose(self, blow: Blow) -> None:
        names = list(self._running)
        victims = names if blow.manner is Manner.ALL else [names[blow.victim]]
        if blow.manner is Manner.REBALANCE:
            self._start()
        is_leaving = blow.manner is Manner.LEAVING
        leaving = [name for name in names if is_leaving and name not in victims]
        for name in leaving:
            self._running[name].terminate()
        # The moment is chance on purpose; what it finds is told by the blow before it.
        threading.Event().wait(blow.delay_s)
        for name in victims:
            assert self._running[name].poll() is None, f"{name}: {self.last_lines()}"
            self._running[name].kill()
        for name in victims:
            self._bury(name, blow)
        for name in leaving:
            self._await_end(name)

    def _bury(self, name: str, blow: Blow) -> None:
        process = self._running.pop(name)
        assert process.wait(WAIT_S_MAX) == -signal.SIGKILL, self.last_lines()
        if process in self.stream.running:
            self.stream.running.remove(process)
        self.kill_count += 1
        if blow.forgets:
            shutil.rmtree(self._folder(name))
            self.forgotten_count += 1

    def _start(self, *, kill: str = "") -> str:
        # Folders are those of places, so that one who comes finds what another left.
        taken = set(self._running)
        name = next(n for n in ("a", "b", "c", "d") if n not in taken)
        folder = self._folder(name)
        folder.mkdir(exist_ok=True)
        self._running[name] = self.stream.start(
            kill=kill, TAILRACE_DATA_DIR=str(folder), **self.settings
        )
        self._start_count += 1
        return name

    def _stop(self, name: str) -> None:
        self._running[name].terminate()
        self._await_end(name)

    def _await_end(self, name: str) -> None:
        process = self._running.pop(name)
        code = process.wait(WAIT_S_MAX)
        # One that is just beginning is ended by the signal itself, before it has done anything.
        assert code in {0, -signal.SIGTERM}, f"{code}: {self.last_lines()}"
        self.stream.running.remove(process)

    def _await_work(self) -> None:
        """Return when records were done since the last blow, and others wait."""

        def is_amid() -> bool:
            for name, process in self._running.items():
                assert process.poll() is None, f"{name}: {self.last_lines()}"
            waiting, done = self.stream.progress()
            return done >= self._moved_from + MOVED_MIN and waiting > 0

        eventually(is_amid, WAIT_S_MAX, what="workers that are amid their work")
        _, self._moved_from = self.stream.progress()

    def _folder(self, name: str) -> Path:
        return self.stream.folder / name

    def last_lines(self) -> str:
        return self.stream.log.read_text("utf-8", "replace")[-2_000:]


@dataclass(slots=True)
class Feeder:
    """Sends records as fast as they are worked, in the order in which they are drawn."""

    stream: StreamOnKafka
    records: Iterator[Sending]
    sent_count: int = 0
    error: BaseException | None = None
    _is_over: threading.Event = field(default_factory=threading.Event)

    def feed(self) -> None:
        untyped: Any = kafka
        producer = untyped.KafkaProducer(
            bootstrap_servers=self.stream.connections.kafka_bootstrap, acks="all"
        )
        name = RAW.name(self.stream.connections.namespace)
        try:
            while not self._is_over.is_set():
                room = WAITING_MAX - self.stream.progress()[0]
                for _ in range(room):
                    record = next(self.records)
                    producer.send(
                        name,
                        key=record.key,
                        value=record.value,
                        headers=record.headers,
                        partition=record.partition,
                    )
                    self.sent_count += 1
                producer.flush(timeout=30)
                self._is_over.wait(FEED_LOOK_S)
        except Exception as error:  # noqa: BLE001 - it ends the test, in its own thread
            self.error = error
        finally:
            producer.close(timeout=5)

    def end(self) -> None:
        self._is_over.set()


@contextmanager
def feeding(stream: StreamOnKafka, records: Iterator[Sending]) -> Generator[Feeder]:
    """Have the raw topic grow until the block ends; then all of it is acknowledged."""
    feeder = Feeder(stream, records)
    thread = threading.Thread(target=feeder.feed, name="feeder")
    thread.start()
    try:
        yield feeder
    finally:
        feeder.end()
        thread.join()
    if feeder.error is not None:
        raise feeder.error
