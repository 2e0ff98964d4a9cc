"""A start that is given up starts no server any more, and leaves none.

A few lines of Python stand in for the servers; which ones are real is for `test_stack.py`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tailrace.errors import CommandFailed
from tailrace_embedded import stack
from tailrace_embedded.progress import SilentProgress
from tailrace_embedded.server import ServerSpec
from tailrace_embedded.stack import Endpoints, Stack
from tests.support.waiting import eventually

ENDPOINTS = Endpoints(
    kafka_bootstrap="127.0.0.1:1",
    zookeeper_hosts="127.0.0.1:1",
    elasticsearch_url="http://127.0.0.1:1",
)
STAYS = """
import os, pathlib, signal, sys
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
signal.pause()
"""


class Heard(SilentProgress):
    """Remembers each step that is told."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, message: str) -> None:
        self.steps.append(message)


def spec_of(
    name: str,
    folder: Path,
    *,
    prepares: bool = False,
    is_ready: Callable[[], bool] = lambda: True,
) -> ServerSpec:
    """Return a server that stays, and that says in a file when it is there."""

    def command(witness: Path) -> tuple[str, ...]:
        return sys.executable, "-c", STAYS, str(witness)

    return ServerSpec(
        name=name,
        command=command(folder / f"{name}.started"),
        prepare=command(folder / f"{name}.preparing") if prepares else (),
        prepared_mark=folder / f"{name}.never" if prepares else None,
        environment={},
        working_dir=folder,
        log_path=folder / f"{name}.log",
        output_path=folder / f"{name}.out",
        is_ready=is_ready,
        ports={"client": 1},
    )


class Start:
    """A start of servers in a thread, and how it ended."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard = Heard()
        self.given_up = threading.Event()
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._ended: list[str] = []
        self._thread = threading.Thread(target=self._run)

    def begin(self, *specs: ServerSpec) -> None:
        def planned(*_given: object, **_named: object) -> object:
            return ENDPOINTS, list(specs)

        def nothing(**_named: object) -> None:
            return None

        self._monkeypatch.setattr(stack, "ensure_runtime", nothing)
        self._monkeypatch.setattr(stack, "plan", planned)
        # Started by root, they need no rights of another here, nor files that it reads.
        self._monkeypatch.setattr(stack.identity, "run_as", nothing)
        self._thread.start()

    def outcome(self) -> str:
        """Return how it ended, once it has."""
        eventually(lambda: self._ended)
        self._thread.join()
        return self._ended[0]

    def end(self) -> None:
        """Leave nothing behind, also where a test found that something would be."""
        self.given_up.set()

        def is_over() -> bool:
            for witness in (
                *self._folder.glob("*.preparing"),
                *self._folder.glob("*.started"),
            ):
                with suppress(ProcessLookupError, ValueError):
                    os.kill(int(witness.read_text()), signal.SIGKILL)
            return not self._thread.is_alive()

        eventually(is_over)

    def _run(self) -> None:
        try:
            started = Stack.start(
                self._folder, progress=self.heard, given_up=self.given_up
            )
            started.stop()
            self._ended.append("up")
        except CommandFailed as error:
            self._ended.append(str(error))


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    made = Start(tmp_path, monkeypatch)
    yield made
    made.end()


def has_written(path: Path) -> bool:
    return path.exists() and path.read_text() != ""


def is_gone(witness: Path) -> bool:
    return not psutil.pid_exists(int(witness.read_text()))


@pytest.mark.timeout(120)
def test_p2_one_that_is_being_prepared_is_ended_and_not_started(
    tmp_path: Path, start: Start
) -> None:
    preparing, started = tmp_path / "kafka-1.preparing", tmp_path / "other.started"
    start.begin(spec_of("kafka-1", tmp_path, prepares=True), spec_of("other", tmp_path))
    eventually(lambda: has_written(preparing) and has_written(started))
    start.given_up.set()
    assert "was given up" in start.outcome()
    assert is_gone(preparing)
    assert is_gone(started)
    assert not (tmp_path / "kafka-1.started").exists()
    assert not any(step.startswith("kafka-1") for step in start.heard.steps)


@pytest.mark.timeout(120)
def test_p2_one_that_is_awaited_is_ended_and_not_said_to_be_up(
    tmp_path: Path, start: Start
) -> None:
    """The request may come while it is asked whether it is ready."""
    started = tmp_path / "kafka-1.started"

    def is_ready() -> bool:
        if not has_written(started):
            return False
        start.given_up.set()
        return True

    start.begin(spec_of("kafka-1", tmp_path, is_ready=is_ready))
    assert "was given up" in start.outcome()
    assert is_gone(started)
    assert start.heard.steps == []


@pytest.mark.timeout(120)
def test_p2_where_one_does_not_come_up_no_other_is_begun(
    tmp_path: Path, start: Start
) -> None:
    preparing = tmp_path / "kafka-1.preparing"

    def fails_once_both_are_there() -> bool:
        if has_written(preparing):
            raise CommandFailed("It cannot come up.", remedy="look")
        return False

    start.begin(
        spec_of("kafka-1", tmp_path, prepares=True),
        spec_of("other", tmp_path, is_ready=fails_once_both_are_there),
    )
    assert start.outcome() == "It cannot come up."
    assert is_gone(preparing)
    assert not (tmp_path / "kafka-1.started").exists()


@pytest.mark.timeout(120)
def test_p2_one_that_was_not_begun_is_not_begun(tmp_path: Path, start: Start) -> None:
    """As after a download that ends when nobody waits for it any more."""
    spec = spec_of("zookeeper", tmp_path)
    start.given_up.set()
    start.begin(spec)
    assert "was given up" in start.outcome()
    assert not spec.output_path.exists(), "nothing was begun that prints"
