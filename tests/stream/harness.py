"""Stream workers as processes on a real Kafka: fed, killed, and what they sent, read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, cast

import msgspec
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.structs import TopicPartition

from tailrace.kafka_admin import KafkaAdmin
from tailrace.kill_points import POINT_VARIABLE, WITNESS_VARIABLE
from tailrace.provision import provision_topics
from tailrace.settings import Connections
from tailrace.topics import PARTITIONS, RAW, Topic, partition_of
from tailrace.wire import ORIGIN_HEADER, Origin, encode
from tailrace_embedded.stack import Endpoints
from tailrace_stream.records import Outgoing
from tests.stream.builders import origin, placement
from tests.support.waiting import eventually

STOP_WAIT_S_MAX = 30
DEATH_WAIT_S_MAX = 40


@dataclass
class StreamOnKafka:
    """One namespace on the shared brokers, and the workers of it."""

    connections: Connections
    folder: Path
    lines: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])
    """What was shipped, by generation."""
    running: list[subprocess.Popen[bytes]] = field(
        default_factory=list[subprocess.Popen[bytes]]
    )
    _deaths: int = 0

    def ship(self, generation: str, *, count: int, random: Random) -> None:
        """Ship `count` more lines of a file, some of them again, as cut by chance."""
        lines = self.lines.setdefault(generation, [])
        first = len(lines)
        levels = ["INFO", "WARN", "ERROR"]
        lines += [
            f"2026-11-24 01:{n % 9:02d}:03 {random.choice(levels)} {generation[:4]} event"
            f" {n}\n".encode()
            for n in range(first, first + count)
        ]
        producer = KafkaProducer(
            bootstrap_servers=self.connections.kafka_bootstrap, acks="all"
        )
        position = first
        while position < len(lines):
            start = max(0, position - random.choice([0, 0, 20]))
            position = min(position + random.randint(30, 90), len(lines))
            self._send(producer, lines, start, position, generation=generation)
        producer.flush(timeout=10)
        producer.close()

    def _send(
        self,
        producer: KafkaProducer,
        lines: list[bytes],
        start: int,
        stop: int,
        *,
        generation: str,
    ) -> None:
        value = b"".join(lines[start:stop])
        made = origin(
            value,
            first_offset=sum(map(len, lines[:start])),
            placed=placement("log4j", dataset="java.log"),
            generation=generation,
            first_event_number=start,
        )
        self.send_raw(producer, value, made)

    def send_raw(self, producer: KafkaProducer, value: bytes, made: Origin) -> None:
        key = made.generation.encode()
        producer.send(
            RAW.name(self.connections.namespace),
            key=key,
            value=value,
            headers=[(ORIGIN_HEADER, encode(made))],
            partition=partition_of(key),
        )

    def start(self, *, kill: str = "", **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker, armed to die at a kill point where one is named."""
        variables = {
            **os.environ,
            "TAILRACE_KAFKA_BOOTSTRAP": self.connections.kafka_bootstrap,
            "TAILRACE_NAMESPACE": self.connections.namespace,
            "TAILRACE_DATA_DIR": str(self.folder),
            "TAILRACE_STREAM_COMMIT_INTERVAL_MS": "100",
            "TAILRACE_STREAM_SESSION_TIMEOUT_MS": "6000",
            **environment,
        }
        if kill:
            variables[POINT_VARIABLE] = kill
            variables[WITNESS_VARIABLE] = str(self._witness)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tailrace_stream"],
                env=variables,
                stdout=log,
                stderr=log,
            )
        self.running.append(process)
        return process

    @property
    def log(self) -> Path:
        return self.folder / "stream.out"

    @property
    def _witness(self) -> Path:
        return self.folder / f"witness-{self._deaths}"

    def wait_for_death(
        self,
        process: subprocess.Popen[bytes],
        *,
        point: str,
        wait_s_max: float = DEATH_WAIT_S_MAX,
    ) -> None:
        """Wait until the armed worker has died there, and has left its witness."""
        code = process.wait(wait_s_max)
        said = self.log.read_text("utf-8", "replace")[-2_000:]
        assert code == -signal.SIGKILL, f"ended with {code}: {said}"
        assert self._witness.read_text().startswith(f"{point} ")
        self._deaths += 1
        self.running.remove(process)

    def stop_all(self) -> list[int]:
        """Ask all workers to stop; return their exit codes."""
        for process in self.running:
            process.terminate()
        codes = [process.wait(STOP_WAIT_S_MAX) for process in self.running]
        self.running.clear()
        return codes

    def lag(self) -> int:
        """Return how many raw records are not committed yet."""
        waiting, _ = self.progress()
        return waiting

    def progress(self) -> tuple[int, int]:
        """Return how many raw records are not committed yet, and how many are."""
        namespace = self.connections.namespace
        with KafkaAdmin(self.connections) as admin:
            ends = admin.end_offsets([RAW.name(namespace)])
            committed = admin.committed_offsets(f"{namespace}-stream")
        done = sum(committed.get(where, 0) for where in ends)
        return sum(ends.values()) - done, done

    def wait_until_all_is_committed(self, *, wait_s_max: float = 60) -> None:
        eventually(
            lambda: self.lag() == 0, wait_s_max, what="all raw records committed"
        )

    def read(self, topic: Topic) -> list[Outgoing]:
        """Return every record of a topic, partition by partition."""
        name = topic.name(self.connections.namespace)
        consumer = KafkaConsumer(
            bootstrap_servers=self.connections.kafka_bootstrap,
            group_id=None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        partitions = [TopicPartition(name, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        found: list[Outgoing] = []
        while any((consumer.position(p) or 0) < ends[p] for p in partitions):
            polled = cast("dict[Any, list[Any]]", consumer.poll(timeout_ms=500))
            for record in (r for records in polled.values() for r in records):
                # Empty is not absent: nothing that is sent here is a tombstone.
                assert record.value is not None
                headers = dict(cast("list[tuple[str, bytes]]", record.headers or []))
                found.append(
                    Outgoing(
                        topic=topic.name("tailrace"),
                        partition=record.partition,
                        key=record.key or b"",
                        value=record.value,
                        header=headers.get(ORIGIN_HEADER, b""),
                    )
                )
        consumer.close()
        return found

    def set_topic(self, topic: Topic, **settings: str) -> None:
        """Change settings of a topic; `_` stands for `.` in their names."""
        name = topic.name(self.connections.namespace)
        changes = {key.replace("_", "."): value for key, value in settings.items()}
        with KafkaAdmin(self.connections) as admin:
            admin.alter_topic_settings({name: changes})

    def delete_topic(self, topic: Topic) -> None:
        """Take a topic away with all that it holds, and wait until no broker knows it."""
        name = topic.name(self.connections.namespace)
        client: Any = KafkaAdminClient(
            bootstrap_servers=self.connections.kafka_bootstrap
        )
        client.delete_topics([name])
        client.close()
        with KafkaAdmin(self.connections) as admin:
            eventually(lambda: name not in admin.partition_counts(), STOP_WAIT_S_MAX)

    def status(self) -> dict[str, Any]:
        """Return the status file, empty while there is none."""
        path = self.folder / "stream" / "status.json"
        return msgspec.json.decode(path.read_bytes()) if path.exists() else {}


@contextmanager
def stream_on_kafka(
    stack: Endpoints, *, namespace: str, folder: Path
) -> Generator[StreamOnKafka]:
    """Yield a namespace with its topics; workers that are left are ended."""
    connections = Connections(
        kafka_bootstrap=stack.kafka_bootstrap, namespace=namespace, data_dir=folder
    )
    provision_topics(connections)
    stream = StreamOnKafka(connections, folder)
    try:
        yield stream
    finally:
        for process in stream.running:
            process.kill()
            process.wait()
