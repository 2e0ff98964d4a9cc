"""A server that takes a question and never answers holds nobody up for long."""

from __future__ import annotations

import socket

import pytest

from tailrace.elasticsearch import Elastic, RequestTimedOut
from tailrace.settings import Connections


def test_an_answer_is_waited_for_as_long_as_was_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        connections = Connections().model_copy(
            update={"elasticsearch_url": f"http://127.0.0.1:{port}"}
        )
        with (
            Elastic(connections, timeout_s=0.2) as elastic,
            pytest.raises(RequestTimedOut, match=r"no answer within 0\.2 s"),
        ):
            elastic.count("events")
