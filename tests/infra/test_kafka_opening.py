"""A client that no broker lets in leaves neither thread nor descriptor behind."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tailrace.errors import ServiceUnavailable
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_consumer import Consumer
from tailrace.kafka_producer import Producer
from tailrace.kafka_reader import topic_reader
from tailrace.settings import Connections

TRIES = 4


@pytest.fixture
def hanging_up() -> Iterator[Connections]:
    """Give the address of what listens, accepts, and hangs up on each who comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        yield Connections(kafka_bootstrap=address)
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def consume(connections: Connections) -> None:
    Consumer.connect(connections, group="g", client_id="c", topics=["t"])


def produce(connections: Connections) -> None:
    Producer.connect(connections, client_id="c")


def look(connections: Connections) -> None:
    with topic_reader(connections, client_id="c"):
        raise AssertionError


def administer(connections: Connections) -> None:
    KafkaAdmin(connections, connect_ms_max=500)


def held() -> tuple[int, int]:
    """Return how many threads and descriptors this process has."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("connect", [consume, produce, look, administer])
def test_k1_k7_who_is_not_let_in_leaves_nothing_behind(
    connect: Callable[[Connections], None],
    hanging_up: Connections,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tailrace.kafka_options.BOOTSTRAP_MS_MAX", 300)
    gc.disable()  # What is left to the collector is left behind.
    try:
        before = held()
        for _ in range(TRIES):
            with pytest.raises(ServiceUnavailable) as caught:
                connect(hanging_up)
            assert "no answer" in str(caught.value), "in words, and not by a class"
            assert "Error" not in str(caught.value)
        # What an earlier test began may end meanwhile.
        assert all(now <= then for now, then in zip(held(), before, strict=True))
    finally:
        gc.enable()
