"""The role as a whole where no server is: it says so, waits, and stops when asked."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from io import StringIO
from pathlib import Path

import pytest

from tailrace import log
from tailrace.settings import Connections
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.main import run
from tests.support.waiting import eventually


def asked_health(url: str) -> str:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{url}/health", timeout=10)
    with caught.value as answer:
        assert answer.code == 503
        return answer.read().decode()


@pytest.mark.parametrize("zookeeper_hosts", ["127.0.0.1:1", ""])
def test_z3_agent_without_servers_says_so_and_stops_when_asked(
    zookeeper_hosts: str, tmp_path: Path
) -> None:
    """Hosts that are no hosts end no agent either: it ships without ZooKeeper."""
    connections = Connections().model_copy(
        update={
            "kafka_bootstrap": "127.0.0.1:1",
            "zookeeper_hosts": zookeeper_hosts,
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
    (url,) = re.findall(r'"url":\s*"(http://127[^"]+)"', said.getvalue())
    assert "the agent is starting" in asked_health(url)
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
