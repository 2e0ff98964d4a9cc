"""A worker waits for its group longer than the group waits for its members."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.log import logger
from tailrace.settings import Connections
from tailrace_stream.config import StreamSettings
from tailrace_stream.faust_app import StreamApp


@pytest.mark.parametrize(
    ("session_ms", "request_ms"), [(30_000, 30_000), (10_000, 5_000), (6_000, 60_000)]
)
def test_k8_a_join_outlasts_the_session_of_a_killed_member(
    session_ms: int, request_ms: int
) -> None:
    """Were both equal, the one left behind would give up just as its answer comes, and
    join anew as one more member that is waited for."""
    settings = StreamSettings(
        session_timeout_ms=session_ms, request_timeout_ms=request_ms
    )
    app = StreamApp(Connections(), settings=settings, log=logger("stream"))
    conf: Any = app._app.conf  # pyright: ignore[reportPrivateUsage] - Faust's own view
    assert conf.broker_session_timeout == session_ms / 1_000
    assert conf.broker_rebalance_timeout >= conf.broker_session_timeout
    assert conf.broker_request_timeout > conf.broker_rebalance_timeout
