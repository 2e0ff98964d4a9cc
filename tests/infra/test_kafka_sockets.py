"""A socket that is left open is told of, but for those that kafka-python drops."""

from __future__ import annotations

import gc
import socket
import warnings
from collections.abc import Generator

import pytest

from tests.support.kafka_sockets import KafkaNetSocket


class _Never:
    """A loop on which no connection is ever ready."""

    async def wait_write(self, *_given: object, **_named: object) -> None:
        await _Waiting()


class _Waiting:
    def __await__(self) -> Generator[None]:
        yield


def _address_of(server: socket.socket) -> tuple[object, ...]:
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", server.getsockname())


def test_a_connection_that_is_dropped_while_it_is_made_closes_unsaid() -> None:
    gc.collect()  # What others left is told of beside them.
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        warnings.catch_warnings(record=True) as told,
    ):
        warnings.simplefilter("always")
        connecting = KafkaNetSocket().connect(_Never(), _address_of(server))
        connecting.send(None)
        made, _ = server.accept()
        with made:
            connecting.close()
            del connecting
            gc.collect()
            made.settimeout(10)
            assert made.recv(1) == b"", "it is still open"
        assert not told


def test_a_connection_that_is_made_and_forgotten_is_told_of() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.warns(ResourceWarning, match="unclosed <"),
    ):
        _forget_a_connection_to(server)


def _forget_a_connection_to(server: socket.socket) -> None:
    connecting = KafkaNetSocket().connect(_Never(), _address_of(server))
    connecting.send(None)
    with pytest.raises(StopIteration) as made:
        connecting.send(None)
    assert isinstance(made.value.value, socket.socket)
    del made, connecting
    gc.collect()


def test_any_other_socket_that_is_left_open_is_told_of() -> None:
    with pytest.warns(ResourceWarning, match="unclosed <socket"):
        _forget_a_socket()


def _forget_a_socket() -> None:
    forgotten = [socket.socket()]
    forgotten.clear()
    gc.collect()
