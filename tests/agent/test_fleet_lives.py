"""Z7: what a fleet set and no check foresaw ends no agent, and is not tried twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import msgspec
import pytest

from tailrace import log
from tailrace.clock import SystemClock
from tailrace.fleet.desired import Desired, group_scope
from tailrace.settings import Connections
from tailrace_agent import globs
from tailrace_agent.checkpoint import Checkpoint
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.fleet_config import FILE_NAME, Kept
from tailrace_agent.globs import Listing
from tailrace_agent.main import FOLDER_NAME, run
from tests.support.waiting import eventually

GROUP = group_scope("web")


@dataclass
class Host:
    """An agent without servers that knows of a life before, and what its fleet set."""

    folder: Path
    said: StringIO = field(default_factory=StringIO)

    def __post_init__(self) -> None:
        (self.folder / "logs").mkdir()
        state = self.folder / "data" / FOLDER_NAME
        state.mkdir(parents=True)
        # So that no ledger is waited for.
        checkpoint = Checkpoint(state, clock=SystemClock())
        checkpoint.load()
        checkpoint.note_sources(["own"])
        checkpoint.close()
        log.configure(stream=self.said)

    @property
    def kept(self) -> Kept:
        raw = (self.folder / "data" / FOLDER_NAME / FILE_NAME).read_bytes()
        return msgspec.json.decode(raw, type=Kept)

    def keep(self, kept: Kept) -> None:
        path = self.folder / "data" / FOLDER_NAME / FILE_NAME
        path.write_bytes(msgspec.json.encode(kept))

    def desired(self, name: str, *, version: int = 1) -> Desired:
        text = f"[[agent.sources]]\nname = '{name}'\npaths = ['{self.folder}/logs/{name}']\n"
        return Desired(version=version, text=text)

    def run(self, stop: threading.Event) -> int:
        connections = Connections().model_copy(
            update={
                "kafka_bootstrap": "127.0.0.1:1",
                "zookeeper_hosts": "127.0.0.1:1",
                "data_dir": self.folder / "data",
            }
        )
        own = SourceSettings(name="own", paths=(f"{self.folder}/logs/own",))
        settings = AgentSettings(
            sources=(own,),
            group="web",
            allowed_folders=(str(self.folder),),
            use_metrics=False,
        )
        return run(connections=connections, settings=settings, stop=stop)

    @contextmanager
    def running(self) -> Generator[None]:
        stop, codes = threading.Event(), list[int]()
        thread = threading.Thread(target=lambda: codes.append(self.run(stop)))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(15)
        assert codes == [0]

    def told(self, event: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.said.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]

    def lives(self) -> list[object]:
        return [line["sources"] for line in self.told("agent_started")]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def failing_at(word: str) -> Callable[..., Iterator[str]]:
    """Return how globs are expanded by code with a fault, which `word` brings out."""

    def expand(glob: str, *, listing: Listing) -> Iterator[str]:
        if word in glob:
            raise IndexError("list index out of range")
        return globs.expand(glob, listing=listing)

    return expand


def test_z7_what_cannot_be_listed_is_refused_before_a_life_begins(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace_agent.rehearsal.expand", failing_at("bad"))
    host.keep(Kept({GROUP: host.desired("bad")}))
    with host.running():
        eventually(lambda: host.lives() == [["own"]])
    (refused,) = host.told("fleet_config_refused")
    assert "cannot be used: IndexError: list index" in str(refused["why"])


def test_z7_a_life_that_fails_by_what_is_new_goes_on_by_what_was_proven(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passed the listing before its life, and fails in its first sweep."""
    monkeypatch.setattr("tailrace_agent.discovery.expand", failing_at("bad"))
    good, bad = host.desired("good"), host.desired("bad", version=2)
    host.keep(Kept({GROUP: bad}, lived={GROUP: good}))
    with host.running():
        eventually(lambda: host.lives() == [["bad", "own"], ["good", "own"]])
    (refused,) = host.told("fleet_config_refused")
    assert "a life by version 2 ended in IndexError" in str(refused["why"])
    assert host.kept.desired == {GROUP: good}
    assert host.kept.failed[GROUP].desired == bad
    with host.running():
        eventually(lambda: len(host.lives()) == 3)
    assert host.lives()[2:] == [["good", "own"]]


def test_z7_what_a_life_swept_by_is_proven_and_blamed_for_nothing_later(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is another's then, and is seen as one."""
    good = host.desired("good")
    host.keep(Kept({GROUP: good}))
    with host.running():
        eventually(lambda: host.kept.lived == {GROUP: good})
    monkeypatch.setattr("tailrace_agent.discovery.expand", failing_at("own"))
    with pytest.raises(IndexError):
        host.run(threading.Event())
    assert host.kept.desired == {GROUP: good}
    assert not host.told("fleet_config_refused")
