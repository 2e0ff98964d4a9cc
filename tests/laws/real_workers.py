"""Stream workers as laws ask them: real ones, Faust's, as processes on real brokers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kafka
import kafka.admin
import msgspec
import psutil
from kafka.structs import TopicPartition

from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_options import kafka_options
from tailrace.provision import provision_topics
from tailrace.topics import RAW, Topic
from tailrace_stream.records import Outgoing
from tests.laws.growing_topic import GrowingTopic
from tests.laws.workers import FILLED, Manner, Sending
from tests.stream.harness import StreamOnKafka
from tests.support.waiting import eventually, within

WAIT_S_MAX = 120.0
SETTLED_S_MAX = 5.0
REQUEST_TIMEOUT_MS = 1_000
"""After which a worker gives up a send that the brokers do not take, and tries again."""
SETTINGS = {
    Manner.USUAL: {},
    Manner.SELDOM: {"TAILRACE_STREAM_COMMIT_INTERVAL_MS": "60000"},
    Manner.IMPATIENT: {"TAILRACE_STREAM_STUCK_MS_MAX": "5000"},
}


@dataclass(slots=True)
class RealWorkers:
    """A namespace on the shared brokers; its workers live on from one law to the next.

    A worker takes seconds to start and to join, so those that a law leaves running are
    there for the next one, which sees only what is written after its `begin`.
    """

    stream: StreamOnKafka
    closing: ExitStack
    _admin: KafkaAdmin = field(init=False)
    _producer: Any = field(init=False)
    _transactions: Any = None
    _topics: dict[str, GrowingTopic] = field(default_factory=dict[str, GrowingTopic])
    _newest: dict[int, int] = field(default_factory=dict[int, int])
    """Offset of the record sent last, by partition."""
    _running: dict[str, subprocess.Popen[bytes]] = field(
        default_factory=dict[str, "subprocess.Popen[bytes]"]
    )
    _held: set[Topic] = field(default_factory=set[Topic])
    _start_count: int = 0

    def __post_init__(self) -> None:
        self._admin = self.closing.enter_context(KafkaAdmin(self.stream.connections))
        self._producer = self._connect(acks="all")
        self.closing.callback(self.close)

    def begin(self) -> None:
        """Leave behind what earlier laws have written."""
        for topic in FILLED:
            self._growing(topic).forget()

    def is_settled(self) -> bool:
        """End a law; return whether the next one finds everything done and in order."""
        for topic in tuple(self._held):
            self.release(topic)
        return within(self._is_all_committed, wait_s_max=SETTLED_S_MAX)

    def send(self, record: Sending) -> int:
        return self._noted(record, self._send(self._producer, record))

    def send_in_transaction(self, record: Sending) -> int:
        if self._transactions is None:
            name = f"{self.stream.connections.namespace}-laws"
            self._transactions = self._connect(transactional_id=name)
            self._transactions.init_transactions()
        self._transactions.begin_transaction()
        sent = self._send(self._transactions, record)
        self._transactions.commit_transaction()
        return self._noted(record, sent)

    def delete_before(self, partition: int, offset: int) -> None:
        with self._client() as client:
            client.delete_records({TopicPartition(self._raw, partition): offset})

    def start(self, *, kill: str = "", manner: Manner = Manner.USUAL) -> str:
        self._start_count += 1
        name = f"worker-{self._start_count}"
        self._running[name] = self.stream.start(
            kill=kill,
            TAILRACE_DATA_DIR=str(self._folder(name)),
            TAILRACE_STREAM_REQUEST_TIMEOUT_MS=str(REQUEST_TIMEOUT_MS),
            **SETTINGS[manner],
        )
        return name

    def run(self, count: int) -> list[str]:
        for name in list(self._running)[count:]:
            self.stop(name)
        started_count = self._said().count("worker_started")
        while len(self._running) < count:
            self.start()
            started_count += 1
        # A worker looks for all its topics when it starts, which a law may then hold.
        self.until(
            lambda: self._said().count("worker_started") >= started_count,
            what="workers that have started",
        )
        return list(self._running)

    def stop(self, name: str) -> None:
        process = self._forget(name)
        process.terminate()
        assert process.wait(WAIT_S_MAX) == 0, self._said()[-2_000:]

    def await_death(self, name: str, *, point: str) -> None:
        self.stream.wait_for_death(self._running.pop(name), point=point)
        self._expel()

    def put_to_sleep(self, name: str) -> None:
        process = psutil.Process(self._running[name].pid)
        process.suspend()
        # A thread may still be on its way; only then does the worker stand.
        self.until(
            lambda: process.status() == psutil.STATUS_STOPPED, what="a worker's sleep"
        )
        self._expel()

    def wake(self, name: str) -> None:
        psutil.Process(self._running[name].pid).resume()

    def partitions_of(self, name: str) -> set[int]:
        return {int(number) for number in self._status(name).get("acked_offsets", {})}

    def counts_of(self, name: str) -> Mapping[str, int]:
        return self._status(name).get("counts", {})

    def hold(self, topic: Topic) -> None:
        """Delete the topic: of one that is there, a lone broker refuses no record."""
        self._held.add(topic)
        self._growing(topic).close()
        del self._topics[topic.suffix]
        with self._client() as client:
            client.delete_topics([topic.name(self.stream.connections.namespace)])
        self._await_topic(topic, is_there=False)

    def release(self, topic: Topic) -> None:
        self._held.discard(topic)
        provision_topics(self.stream.connections, replication=1)
        self._await_topic(topic, is_there=True)

    def committed(self) -> Mapping[int, int]:
        group = f"{self.stream.connections.namespace}-stream"
        found = self._admin.committed_offsets(group)
        return {number: offset for (_, number), offset in found.items()}

    def read(self, topic: Topic) -> list[Outgoing]:
        return self._growing(topic).read()

    def until(self, is_so: Callable[[], bool], *, what: str) -> None:
        def is_so_yet() -> bool:
            for name, process in self._running.items():
                # A worker that ended shows in what it said, and not by a long wait.
                assert process.poll() in (None, -9), f"{name}: {self._said()[-2_000:]}"
            return is_so()

        eventually(is_so_yet, WAIT_S_MAX, what=what)

    def close(self) -> None:
        for name in tuple(self._running):
            process = self._forget(name)
            process.kill()
            process.wait(WAIT_S_MAX)
        for topic in self._topics.values():
            topic.close()
        self._topics.clear()
        self._producer.close(timeout=1)
        if self._transactions is not None:
            self._transactions.close(timeout=1)

    @property
    def _raw(self) -> str:
        return RAW.name(self.stream.connections.namespace)

    def _is_all_committed(self) -> bool:
        committed = self.committed()
        return all(committed.get(p, 0) > at for p, at in self._newest.items())

    def _noted(self, record: Sending, sent: Any) -> int:  # noqa: ANN401 - untyped
        offset = self._newest[record.partition] = sent.get(timeout=10).offset
        return offset

    def _growing(self, topic: Topic) -> GrowingTopic:
        found = self._topics.get(topic.suffix)
        if found is None:
            found = GrowingTopic(self.stream.connections, topic)
            self._topics[topic.suffix] = found
        return found

    def _send(self, producer: Any, record: Sending) -> Any:  # noqa: ANN401 - untyped
        return producer.send(
            self._raw,
            value=record.value,
            key=record.key,
            headers=record.headers,
            partition=record.partition,
        )

    def _connect(self, **options: object) -> Any:  # noqa: ANN401 - the library is untyped
        untyped: Any = kafka
        return untyped.KafkaProducer(
            bootstrap_servers=self.stream.connections.kafka_bootstrap, **options
        )

    def _expel(self) -> None:
        """Let the broker give all members up, and not wait for their session's end.

        To be called where only one is left, of which it will hear nothing.
        """
        untyped: Any = kafka.admin
        group = f"{self.stream.connections.namespace}-stream"
        with self._client() as client:
            members = client.describe_groups([group])[group]["members"]
            asked = [
                untyped.MemberToRemove(member_id=member["member_id"])
                for member in members
            ]
            for answer in client.remove_group_members(group, asked).values():
                assert answer.errno == 0, answer

    @contextmanager
    def _client(self) -> Generator[Any]:
        untyped: Any = kafka
        options = kafka_options(self.stream.connections, client_id="laws-admin")
        with closing(untyped.KafkaAdminClient(**options)) as client:
            yield client

    def _await_topic(self, topic: Topic, *, is_there: bool) -> None:
        name = topic.name(self.stream.connections.namespace)
        eventually(
            lambda: (name in self._admin.partition_counts()) == is_there,
            WAIT_S_MAX,
            what=f"{name} {'made' if is_there else 'deleted'}",
        )

    def _status(self, name: str) -> dict[str, Any]:
        path = self._folder(name) / "stream" / "status.json"
        return msgspec.json.decode(path.read_bytes()) if path.exists() else {}

    def _folder(self, name: str) -> Path:
        folder = self.stream.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def _forget(self, name: str) -> subprocess.Popen[bytes]:
        process = self._running.pop(name)
        self.stream.running.remove(process)
        return process

    def _said(self) -> str:
        log = self.stream.log
        return log.read_text("utf-8", "replace") if log.exists() else ""
