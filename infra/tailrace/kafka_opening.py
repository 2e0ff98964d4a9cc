"""Makes a client of kafka-python, and leaves nothing behind where no broker lets it in.

The library's own constructors begin with a thread and several descriptors, and keep them
where they raise: an agent that knocks for a day at brokers which accept and do not answer
would run out of both.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

Client = TypeVar("Client")


def open_client(kind: Callable[..., Client], /, **options: object) -> Client:
    """Return `kind(**options)`: a producer, a consumer or an admin client.

    When it raises, the connections and the thread that it began with are gone.

    Raises:
        KafkaError, OSError, ValueError: as the library raises it.
    """
    connections = cast("Any", importlib.import_module("kafka.net.compat"))
    begun: list[Any] = []

    def begin(**configuration: object) -> object:
        begun.append(connections.KafkaNetClient(**configuration))
        return begun[-1]

    try:
        return kind(**options, kafka_client=begin)
    except BaseException:
        for connection in begun:
            connection.close()
        raise
