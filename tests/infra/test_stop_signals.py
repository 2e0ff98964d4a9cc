"""How a command is asked to stop: once to drain, twice to end at once."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

NEVER_DRAINED = """
import threading
from tailrace.commands.common import stop_on_signals

with stop_on_signals() as stop:
    print("started", flush=True)
    stop.wait()
    print("asked", flush=True)
    threading.Event().wait()
"""


@pytest.fixture
def stuck() -> Iterator[subprocess.Popen[str]]:
    """Give a process whose drain has no end."""
    with subprocess.Popen(
        [sys.executable, "-c", NEVER_DRAINED], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (signal.SIGTERM, signal.SIGTERM, 143),
        (signal.SIGINT, signal.SIGINT, 130),
        (signal.SIGTERM, signal.SIGINT, 130),
    ],
)
def test_p2_a_second_request_to_stop_ends_what_does_not_drain(
    stuck: subprocess.Popen[str],
    first: signal.Signals,
    second: signal.Signals,
    code: int,
) -> None:
    assert stuck.stdout is not None
    stuck.send_signal(first)
    assert stuck.stdout.readline() == "asked\n"
    stuck.send_signal(second)
    assert stuck.wait(10) == code
