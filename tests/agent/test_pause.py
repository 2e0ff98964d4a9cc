"""Files are the buffer while the leader asks agents to wait, and nothing of them is lost."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
import structlog

from tailrace.errors import ServiceUnavailable
from tailrace.ledger import AgentHeartbeat
from tailrace.retention_pause import LateTopic, Pause, pause_path
from tailrace_agent.pause import UNCONFIRMED_MS_MAX, RetentionPause
from tests.agent.harness import (
    AgentHarness,
    ledger_records_of,
    lost_in,
    unique_lines,
)
from tests.support.standing_clock import StandingClock

PAUSE = msgspec.json.encode(
    Pause(late=(LateTopic(topic="t.raw", group="s", partitions=1),), since_ms=1)
)


def heartbeats_of(agent: AgentHarness) -> int:
    return sum(
        isinstance(each, AgentHeartbeat) for each in ledger_records_of(agent.sink)
    )


def test_k10_while_it_is_asked_to_wait_an_agent_lives_and_sends_no_line(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", b"one\n")
    agent.pass_ms()
    agent.paused = "what is unread"
    agent.write("a.log", b"two\n")
    agent.write("b.log", b"three\n")
    said = heartbeats_of(agent)
    agent.pass_ms(60_000)

    assert unique_lines(agent.sink) == [b"one"]
    assert heartbeats_of(agent) > said

    agent.paused = ""
    agent.pass_ms()
    assert unique_lines(agent.sink) == [b"one", b"three", b"two"]
    assert not lost_in(agent.sink)


def test_k10_f1_f19_what_is_rotated_and_removed_meanwhile_is_read_afterwards(
    tmp_path: Path,
) -> None:
    """As while Kafka is away: a file that is held open keeps its bytes."""
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"one\n")
    agent.pass_ms()
    agent.paused = "what is unread"
    agent.write("a.log", b"two\n")
    agent.pass_ms()
    rotated = path.rename(path.with_name("a.log.1"))
    agent.write("a.log", b"three\n")
    agent.pass_ms()
    rotated.unlink()
    agent.pass_ms(60_000)

    agent.paused = ""
    agent.pass_ms(30_000)
    assert unique_lines(agent.sink) == [b"one", b"three", b"two"]
    assert not lost_in(agent.sink)


def test_k10_p1_a_pause_outlives_no_agent(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", b"one\n")
    agent.pass_ms()
    agent.paused = "what is unread"
    agent.write("a.log", b"two\n")
    agent.pass_ms()
    agent.crash()

    after = AgentHarness(tmp_path, sink=agent.sink)
    after.pass_ms()
    assert unique_lines(after.sink) == [b"one", b"two"]


class Server:
    """A server with one node, that may be away."""

    def __init__(self) -> None:
        self.data: bytes | None = None
        self.is_away = False

    def get(self, path: str) -> bytes | None:
        assert path == pause_path("t")
        if self.is_away:
            raise ServiceUnavailable("ZooKeeper", address="zk", reason="no answer")
        return self.data


def test_k10_z1_a_pause_that_no_server_confirms_is_over_after_a_while() -> None:
    """Shipping never depends on ZooKeeper."""
    server, clock = Server(), StandingClock(at_ms=10**9)
    pause = RetentionPause(
        server,
        namespace="t",
        clock=clock,
        jitter=random.Random(1),
        log=structlog.get_logger(),
    )
    pause.look()
    assert pause.why() == ""
    server.data = PAUSE
    pause.look()
    assert "t.raw" in pause.why()

    server.is_away = True
    with pytest.raises(ServiceUnavailable):
        pause.look()
    clock.at_ms += UNCONFIRMED_MS_MAX - 1
    assert pause.why()
    clock.at_ms += 1
    assert pause.why() == ""

    server.is_away = False
    pause.look()
    assert pause.why()
    server.data = None
    pause.look()
    assert pause.why() == ""
