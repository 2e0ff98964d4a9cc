"""A process that ends, and a disk that forgets: what is safe was written in its order."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tailrace.identity import generation_of
from tailrace.whole_files import replace_file
from tailrace_agent.checkpoint import FILE_NAME, PREVIOUS_NAME
from tailrace_agent.host import host_id_of
from tailrace_agent.known import identity_of
from tailrace_agent.open_file import open_file
from tailrace_agent.protocols import Outcome
from tailrace_agent.state_folder import take_folder
from tests.agent.harness import (
    DEFAULT_RULES,
    AgentHarness,
    RecordingSink,
    SteppedClock,
    events_of,
    unique_lines,
)

TEN = b"".join(b"line %d\n" % n for n in range(10))


class LateSink(RecordingSink):
    """Acknowledges what it held when it is asked for the third time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_count = 0

    def outcomes(self) -> Sequence[Outcome]:
        self.asked_count += self.is_holding
        if self.asked_count == 3:
            self.release()
        return super().outcomes()


@dataclass(slots=True)
class HurryingClock(SteppedClock):
    """A clock on which a second passes with every look."""

    is_hurrying: bool = False

    def monotonic_ms(self) -> int:
        self.at_ms += 1_000 * self.is_hurrying
        return self.at_ms


def test_p2_stop_reads_no_more_awaits_acknowledgements_and_saves_them(
    tmp_path: Path,
) -> None:
    sink = LateSink()
    first = AgentHarness(tmp_path, sink=sink)
    first.write("a.log", b"first\n")
    first.pass_ms()
    sink.is_holding, sink.asked_count = True, -1_000
    first.write("a.log", TEN)
    first.pass_ms()
    first.write("a.log", b"too late\n")
    sink.asked_count = 0
    first.stop()
    assert len(events_of(sink)) == 11
    sink.is_holding = False
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms()
    # What was acknowledged within the stop is not sent again.
    assert len(events_of(sink)) == 12
    assert not first.said("stopped_before_acknowledgement")


def test_p2_stop_waits_no_longer_than_its_deadline(tmp_path: Path) -> None:
    sink, clock = RecordingSink(), HurryingClock()
    first = AgentHarness(tmp_path, sink=sink, clock=clock)
    first.write("a.log", b"first\n")
    first.pass_ms()
    sink.is_holding = True
    first.write("a.log", TEN)
    first.pass_ms()
    clock.is_hurrying = True
    first.stop()
    (said,) = first.said("stopped_before_acknowledgement")
    assert said["records"]
    sink.renew()
    sink.is_holding = False
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms()
    assert unique_lines(sink) == sorted([b"first", *TEN.splitlines()])


def test_p6_every_commit_of_the_checkpoint_waits_for_the_disk(tmp_path: Path) -> None:
    """SQLite's FULL: its log is on the disk when a commit returns."""
    agent = AgentHarness(tmp_path)
    agent.write("a.log", TEN)
    agent.pass_ms()
    database = agent.checkpoint._database  # pyright: ignore[reportPrivateUsage]
    assert database is not None
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


class Disk:
    """Notes what is made durable, and what gets its name, in the order of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        replace, fsync = Path.replace, os.fsync

        def noted_fsync(descriptor: int) -> None:
            name = Path(f"/proc/self/fd/{descriptor}").readlink().name
            self.steps.append(f"fsync {name}")
            fsync(descriptor)

        def noted_replace(path: Path, target: Path) -> Path:
            self.steps.append(f"rename {path.name} {target.name}")
            return replace(path, target)

        monkeypatch.setattr(os, "fsync", noted_fsync)
        monkeypatch.setattr(Path, "replace", noted_replace)


def test_p6_a_name_is_given_to_durable_bytes_and_is_made_durable_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", TEN)
    agent.pass_ms()
    disk = Disk(monkeypatch)
    agent.checkpoint.keep_copy()
    temporary = Path(PREVIOUS_NAME).with_suffix(".tmp").name
    assert disk.steps == [
        f"fsync {temporary}",
        f"rename {temporary} {PREVIOUS_NAME}",
        "fsync state",
    ]
    disk.steps.clear()
    replace_file(agent.state / "agent-id", b"x", mode=0o600, is_durable=True)
    temporary = f"agent-id.{os.getpid()}.tmp"
    assert disk.steps == [
        f"fsync {temporary}",
        f"rename {temporary} agent-id",
        "fsync state",
    ]
    assert (agent.state / FILE_NAME).exists()


def test_p10_another_host_name_changes_neither_agent_nor_host_nor_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container comes back under a new name: its files are the same files."""
    log = tmp_path / "a.log"
    log.write_bytes(TEN)
    names: set[tuple[str, str, str]] = set()
    for host_name in ("pod-abc12", "pod-xyz99"):
        monkeypatch.setattr(socket, "gethostname", lambda name=host_name: name)
        folder = take_folder(tmp_path / "state")
        host_id = host_id_of("", state_folder=folder.path, machine_id_paths=())
        file = open_file(log, rules=DEFAULT_RULES)
        identity = identity_of(
            file.facts, host_id=host_id, filesystem_id="f", first_seen_at_ms=1
        )
        names.add((folder.agent_id, host_id, generation_of(identity)))
        file.close()
        folder.release()
    assert len(names) == 1
