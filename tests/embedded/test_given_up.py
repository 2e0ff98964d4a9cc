"""A start that is given up starts no server any more, and leaves none.

A few lines of Python stand in for the servers; which ones are real is for `test_stack.py`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
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

    def __init__(
        self,
        folder: Path,
        specs: list[ServerSpec],
        monkeypatch: pytest.MonkeyPatch,
        *,
        given_up: threading.Event,
    ) -> None:
        def planned(*_given: object, **_named: object) -> object:
            return ENDPOINTS, specs

        monkeypatch.setattr(stack, "ensure_runtime", lambda **_given: None)  # pyright: ignore[reportUnknownLambdaType]
        monkeypatch.setattr(stack, "plan", planned)
        # Started by root, they need no rights of another here, nor files that it reads.
        monkeypatch.setattr(stack.identity, "run_as", lambda: None)
        self.heard = Heard()
        self._given_up = given_up
        self.ended: list[str] = []
        self._folder = folder
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            Stack.start(
                self._folder, progress=self.heard, given_up=self._given_up
            ).stop()
            self.ended.append("up")
        except CommandFailed as error:
            self.ended.append(str(error))


def has_written(path: Path) -> bool:
    return path.exists() and path.read_text() != ""


def is_gone(witness: Path) -> bool:
    return not psutil.pid_exists(int(witness.read_text()))


@pytest.mark.timeout(120)
def test_p2_one_that_is_being_prepared_is_ended_and_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [spec_of("kafka-1", tmp_path, prepares=True), spec_of("other", tmp_path)]
    given_up = threading.Event()
    start = Start(tmp_path, specs, monkeypatch, given_up=given_up)
    preparing, started = tmp_path / "kafka-1.preparing", tmp_path / "other.started"
    eventually(lambda: has_written(preparing) and has_written(started))
    given_up.set()
    start.thread.join()
    assert "was given up" in start.ended[0]
    assert is_gone(preparing)
    assert is_gone(started)
    assert not (tmp_path / "kafka-1.started").exists()
    assert not any(step.startswith("kafka-1") for step in start.heard.steps)


@pytest.mark.timeout(120)
def test_p2_one_that_is_awaited_is_ended_and_not_said_to_be_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request may come while it is asked whether it is ready."""
    given_up, started = threading.Event(), tmp_path / "kafka-1.started"

    def is_ready() -> bool:
        if not has_written(started):
            return False
        given_up.set()
        return True

    specs = [spec_of("kafka-1", tmp_path, is_ready=is_ready)]
    start = Start(tmp_path, specs, monkeypatch, given_up=given_up)
    start.thread.join()
    assert is_gone(started)
    assert "was given up" in start.ended[0]
    assert start.heard.steps == []


@pytest.mark.timeout(120)
def test_p2_where_one_does_not_come_up_no_other_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> bool:
        raise CommandFailed("It cannot come up.", remedy="look")

    preparing = tmp_path / "kafka-1.preparing"
    specs = [
        spec_of("kafka-1", tmp_path, prepares=True),
        spec_of(
            "other",
            tmp_path,
            is_ready=lambda: has_written(preparing) and fails(),
        ),
    ]
    start = Start(tmp_path, specs, monkeypatch, given_up=threading.Event())
    start.thread.join()
    assert start.ended == ["It cannot come up."]
    assert is_gone(preparing)
    assert not (tmp_path / "kafka-1.started").exists()
