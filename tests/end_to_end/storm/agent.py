"""What strikes the agent in a storm on the real stack, and the witness of each blow."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import orjson

from tailrace.kafka_producer import OnDone, Producer, SendFailure
from tailrace.ledger import ledger_partition
from tailrace.ledger_topic import newest_of, read_ledger_topic
from tailrace.settings import Connections
from tailrace.topics import LEDGER
from tailrace.wire import AgentLedger
from tailrace_agent.checkpoint import COMPLETE_NAME, FILE_NAME, PREVIOUS_NAME
from tests.end_to_end.storm.disk import now_ms
from tests.support.roles import KilledRole
from tests.support.waiting import eventually

SEND_S_MAX = 30
START_S_MAX = 60


@dataclass(slots=True)
class StruckAgent:
    """An agent that is killed, asked to stop, robbed of what it knows, and started."""

    role: KilledRole
    folder: Path
    """Its state."""
    connections: Connections
    witnesses: Counter[str] = field(default_factory=Counter[str])
    is_down: bool = False
    lives_ms: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """When each of its lives began, and before when it ended."""
    lost_all_at_ms: int = 0
    """What it said before is nobody's word any more."""
    _began_ms: int = field(default_factory=now_ms)
    _up_since_ms: int = 0
    """Before when it was seen to be up; of an earlier life where it began later."""

    def tend(self) -> None:
        """Start it again where a planned kill has struck."""
        if self.is_down:
            return
        struck = len(self.role.witnessed)
        before_ms = now_ms()
        self.role.tend()
        for kill in self.role.witnessed[struck:]:
            self.witnesses[f"kill.{kill.point}"] += 1
            # When it died nobody saw: what it claimed of its last moment still holds.
            self._end(before_ms)
            self._began_ms = before_ms

    def kill(self) -> None:
        """End it as `kill -9` does, and leave it down."""
        self.tend()
        self._end(now_ms())
        code, self.is_down = self.role.kill(), True
        assert code == -signal.SIGKILL, f"it had ended with {code}"
        self.witnesses["killed"] += 1

    def stop(self) -> None:
        """Ask it to drain, once it is up, and leave it down."""
        eventually(self.is_up, START_S_MAX)
        code, self.is_down = self.role.stop(), True
        self._end(now_ms())
        assert code == 0, f"{code}: {self.role.last_lines()}"
        self.witnesses["stopped"] += 1

    def start(self) -> None:
        self._began_ms = now_ms()
        self.is_down = False
        self.role.start()
        self.witnesses["started"] += 1

    def end(self) -> None:
        """Note that all is over."""
        self._end(now_ms())

    def lose_checkpoint(self) -> None:
        """Clean its folder up: the ledger alone knows now."""
        assert (self.folder / FILE_NAME).exists()
        shutil.rmtree(self.folder)
        self.witnesses["checkpoint.deleted"] += 1

    def lose_all(self) -> None:
        """Take its checkpoint with the copy, and each word of an agent in the ledger."""
        for name in (FILE_NAME, PREVIOUS_NAME, COMPLETE_NAME):
            (self.folder / name).unlink(missing_ok=True)
        for left in self.folder.glob(f"{FILE_NAME}-*"):
            left.unlink()  # What its database had not yet taken in.
        self.witnesses["ledger.words_deleted"] += _bury_words(self.connections)
        self.lost_all_at_ms = now_ms()

    def is_up(self) -> bool:
        """Return whether this life has said that it is up; one killed before is not."""
        self.tend()
        if self._up_since_ms < self._began_ms:
            began = datetime.fromtimestamp(self._began_ms / 1_000, tz=UTC)
            has_said = any(
                said["event"] == "agent_started"
                and datetime.fromisoformat(said["timestamp"]) > began
                for said in self._said()
            )
            self._up_since_ms = now_ms() if has_said else 0
        return self._up_since_ms >= self._began_ms

    def _said(self) -> Iterator[dict[str, Any]]:
        """Yield what its log says, as far as its last line is whole."""
        whole, _, _ = self.role.log_path.read_bytes().rpartition(b"\n")
        yield from map(orjson.loads, whole.splitlines())

    @property
    def restored_from(self) -> Counter[str]:
        """Return what its lives began with, by its own log."""
        told: Counter[str] = Counter()
        for said in self._said():
            if said["event"] == "state_restored":
                told[said["came_from"]] += 1
            elif said["event"] == "identity_rebuilt":
                told["nothing, and had lived"] += 1
        return told

    def _end(self, at_ms: int) -> None:
        self.lives_ms.append((self._began_ms, at_ms))


def _bury_words(connections: Connections) -> int:
    """Write a tombstone for each word of an agent; return how many."""
    entries = list(
        read_ledger_topic(
            connections, client_id="tailrace-storm", is_stopping=lambda: False
        )
    )
    words = {
        key: record
        for key, record in newest_of(entries).records.items()
        if isinstance(record, AgentLedger)
    }
    done: SimpleQueue[SendFailure | None] = SimpleQueue()
    on_done: OnDone = done.put
    producer = Producer.connect(connections, client_id="tailrace-storm")
    try:
        for key, record in words.items():
            producer.send(
                LEDGER.name(connections.namespace),
                value=None,
                key=key,
                partition=ledger_partition(record),
                on_done=on_done,
            )
        for _ in words:
            failure = done.get(timeout=SEND_S_MAX)
            assert failure is None, failure
    finally:
        producer.close(wait_ms_max=SEND_S_MAX * 1_000)
    return len(words)
