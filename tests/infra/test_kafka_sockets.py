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


def test_a_connection_that_is_dropped_while_it_is_made_closes_unsaid() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        warnings.catch_warnings(record=True) as told,
    ):
        warnings.simplefilter("always")
        address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", server.getsockname())
        connecting = KafkaNetSocket().connect(_Never(), address)
        connecting.send(None)
        made, _ = server.accept()
        with made:
            connecting.close()
            del connecting
            gc.collect()
            made.settimeout(10)
            assert made.recv(1) == b"", "it is still open"
        assert not told


def test_any_other_socket_that_is_left_open_is_told_of() -> None:
    with pytest.warns(ResourceWarning, match="unclosed <socket"):
        _forget_a_socket()


def _forget_a_socket() -> None:
    forgotten = [socket.socket()]
    forgotten.clear()
    gc.collect()
