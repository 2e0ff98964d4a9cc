"""The role as a whole where no server is: it says so, waits, and stops when asked."""

from __future__ import annotations

import json
import threading
from io import StringIO
from pathlib import Path

from tailrace import log
from tailrace.settings import Connections
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.main import run
from tests.support.waiting import eventually


def test_agent_without_servers_says_so_and_stops_when_asked(tmp_path: Path) -> None:
    connections = Connections().model_copy(
        update={
            "kafka_bootstrap": "127.0.0.1:1",
            "zookeeper_hosts": "127.0.0.1:1",
            "data_dir": tmp_path / "data",
        }
    )
    source = SourceSettings(name="n", paths=(f"{tmp_path}/*.log",))
    settings = AgentSettings(sources=(source,))
    said, stop, codes = StringIO(), threading.Event(), list[int]()
    log.configure(stream=said)
    thread = threading.Thread(
        target=lambda: codes.append(
            run(connections=connections, settings=settings, stop=stop)
        )
    )
    thread.start()
    eventually(lambda: "ledger_unavailable" in said.getvalue())
    stop.set()
    thread.join(10)
    assert codes == [0]
    events = [
        json.loads(line)
        for line in said.getvalue().splitlines()
        if line.startswith("{")
    ]
    (told,) = [e for e in events if e["event"] == "ledger_unavailable"]
    assert "127.0.0.1:1" in told["why"]
    assert "the files wait" in told["remedy"]
