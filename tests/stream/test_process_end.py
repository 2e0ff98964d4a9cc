"""A worker that has ended leaves no process, though a thread of Faust's goes on."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import threading
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from tailrace import log
from tailrace.settings import Connections
from tailrace_stream.config import StreamSettings
from tailrace_stream.faust_app import StreamApp

StreamApp(Connections(), settings=StreamSettings(), log=log.logger("test"))
goes_on = threading.Event()


class Service:
    def _start_thread(self):
        goes_on.set()
        threading.Event().wait()


thread = AIOKafkaConsumerThread.Worker(Service())
thread.start()
assert goes_on.wait(10)
print("ended")
"""
ENDS_IN_S_MAX = 60


def test_s10_worker_that_could_not_leave_its_group_ends_its_process() -> None:
    """Or its supervisor would take it for one that works, and start no other."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=ENDS_IN_S_MAX,
        check=True,
    )
    assert ended.stdout == "ended\n"
