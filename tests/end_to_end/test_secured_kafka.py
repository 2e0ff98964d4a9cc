"""A broker's certificate, its authority and a role's password change, and no role is restarted.

On a real broker that speaks TLS alone and asks who comes: a producer, a consumer, and a
stream worker's Faust, each connected before the change and at work after it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tailrace import log
from tailrace.errors import ServiceUnavailable
from tailrace.kafka_consumer import Consumer
from tailrace.kafka_options import kafka_options
from tailrace.kafka_producer import Producer, SendFailure
from tailrace.provision import provision_topics
from tailrace.settings import Connections
from tailrace.topics import DOCS, RAW
from tailrace_stream.config import StreamSettings
from tailrace_stream.faust_app import StreamApp
from tailrace_stream.protocol import PublishFailed
from tailrace_stream.records import Outgoing, RawRecord
from tests.support.certificates import Authority
from tests.support.secured_kafka import SecuredKafka, secured_kafka
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.stack,
    # kafka-python 3 closes no socket of a connection that was refused; the collector does.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
FIRST, SECOND = "canary-first", "canary-second"
WAIT_S_MAX = 120
USER = "role"


@dataclass
class Worker:
    """Faust in a thread of its own: what it read, and a way to publish by it."""

    connections: Connections
    read: list[bytes] = field(default_factory=list[bytes])
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    is_up: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())

    async def _run(self) -> None:
        app = StreamApp(
            self.connections, settings=StreamSettings(), log=log.logger("test")
        )

        async def on_record(record: RawRecord) -> None:
            self.read.append(record.value or b"")

        async def on_revoked(_partitions: list[int]) -> None:
            return

        app.connect(
            on_record=on_record,
            on_assigned=lambda _partitions: None,
            on_revoked=on_revoked,
        )
        await app.start()
        self._app = app
        self.is_up.set()
        await self._stop.wait()
        await app.stop()

    def crash_reason(self) -> BaseException | None:
        return self._app.crash_reason

    def publish(self, value: bytes) -> bool:
        """Tell whether a record was stored."""
        topic = DOCS.name(self.connections.namespace)
        record = Outgoing(topic=topic, key=b"k", value=value, partition=0)
        sent = asyncio.run_coroutine_threadsafe(self._app.publish(record), self._loop)
        try:
            sent.result(WAIT_S_MAX)
        except PublishFailed:
            return False
        return True

    @contextmanager
    def running(self) -> Generator[Worker]:
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        try:
            assert self.is_up.wait(WAIT_S_MAX)
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(WAIT_S_MAX)
            self._loop.close()


@pytest.fixture
def authorities() -> tuple[Authority, Authority]:
    return Authority("old"), Authority("new")


@pytest.fixture(autouse=True)
def records_as_text() -> Iterator[None]:
    """Keep of what libraries log the text: an argument would keep its connection."""
    make = logging.getLogRecordFactory()

    def make_text(*args: Any, **named: Any) -> logging.LogRecord:  # noqa: ANN401
        record = make(*args, **named)
        record.msg, record.args, record.exc_info = record.getMessage(), (), None
        return record

    logging.setLogRecordFactory(make_text)
    yield
    logging.setLogRecordFactory(make)


@pytest.fixture
def kafka(authorities: tuple[Authority, Authority]) -> Iterator[SecuredKafka]:
    old, new = authorities
    trusted = old.certificate + new.certificate
    with secured_kafka(old.signs("kafka"), trusted=trusted) as secured:
        yield secured
    gc.collect()  # While the mark above is in force.


def refuses(connections: Connections) -> None:
    """A client that is made now is not let in."""
    with pytest.raises(ServiceUnavailable):
        Producer.connect(connections, client_id="other").close(wait_ms_max=0)


@pytest.mark.timeout(600)
def test_k7_a_certificate_and_a_password_are_turned_over_while_roles_run(
    kafka: SecuredKafka,
    authorities: tuple[Authority, Authority],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    old, new = authorities
    every = tmp_path / "every.pem"
    every.write_bytes(old.certificate + new.certificate)
    kafka.set_password(USER, FIRST, ca_file=every)
    provision_topics(kafka.admin(every))
    trusted, password = tmp_path / "ca.pem", tmp_path / "password"
    trusted.write_bytes(old.certificate)
    password.write_text(f"{FIRST}\n")
    connections = Connections(
        kafka_bootstrap=kafka.address,
        kafka_security_protocol="SASL_SSL",
        kafka_username=USER,
        kafka_password_file=password,
        kafka_ca_file=trusted,
    )
    raw = RAW.name(connections.namespace)
    with ExitStack() as closing:
        producer = Producer.connect(connections, client_id="test")
        closing.callback(producer.close, wait_ms_max=5_000)
        consumer = Consumer.connect(connections, group="g", client_id="c", topics=[raw])
        closing.callback(consumer.close, wait_ms_max=5_000)
        worker = closing.enter_context(Worker(connections).running())
        told: list[SendFailure | None] = []
        read: list[bytes] = []

        def send(value: bytes) -> None:
            producer.send(raw, value=value, key=b"key", on_done=told.append)

        def has_read(*values: bytes) -> bool:
            try:
                polled = consumer.poll(wait_ms_max=200)
            except ServiceUnavailable:
                return False  # It is asked again, as the indexer does.
            read.extend(record.value or b"" for record in polled.records)
            return read == worker.read == list(values)

        send(b"one")
        eventually(lambda: has_read(b"one"), WAIT_S_MAX)
        assert worker.publish(b"before")

        # 1. Its certificate is of another authority, and it takes another password.
        kafka.set_password(USER, SECOND, ca_file=every)
        kafka.show(new.signs("kafka"))
        kafka.server.restart()
        kafka.server.wait_until_ready()
        send(b"two")
        refuses(connections)

        # 2. The new authority is trusted; the password is the old one still.
        trusted.write_bytes(new.certificate)
        refuses(connections)
        assert told == [None]
        assert read == worker.read == [b"one"]

        # 3. Both are as the broker has them.
        password.write_text(f"{SECOND}\n")
        eventually(lambda: has_read(b"one", b"two"), WAIT_S_MAX)
        assert told == [None, None]
        assert worker.crash_reason() is None
        eventually(lambda: worker.publish(b"after"), WAIT_S_MAX)
    assert "SaslAuthenticationFailed" in caplog.text
    assert "canary" not in "".join((caplog.text, *capfd.readouterr()))
    options = kafka_options(connections, client_id="test")
    assert "canary" not in repr(options)


@pytest.mark.timeout(300)
def test_x12_nobody_comes_in_without_a_name(
    kafka: SecuredKafka, authorities: tuple[Authority, Authority], tmp_path: Path
) -> None:
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(authorities[0].certificate)
    known = kafka.admin(trusted)
    for attempt in (
        {"kafka_security_protocol": "PLAINTEXT"},
        {"kafka_security_protocol": "SSL"},
        {"kafka_username": "stranger"},
    ):
        with pytest.raises(ServiceUnavailable):
            Producer.connect(known.model_copy(update=attempt), client_id="test")
