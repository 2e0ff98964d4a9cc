"""Hints make a sweep sooner, and their loss makes nothing worse."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from tailrace_agent.hints import FileHints
from tests.support.waiting import eventually


@pytest.fixture
def logged() -> LogCapture:
    return LogCapture()


@pytest.fixture
def made() -> Iterator[list[FileHints]]:
    hints: list[FileHints] = []
    yield hints
    for one in hints:
        one.close()


def test_file_that_comes_or_is_closed_is_heard(
    tmp_path: Path, logged: LogCapture, made: list[FileHints]
) -> None:
    log = structlog.wrap_logger(None, processors=[logged])
    hints = FileHints({str(tmp_path): True}, wake=lambda: None, log=log)
    made.append(hints)
    hints.start()
    eventually(lambda: hints.state == "on")
    hints.take()
    (tmp_path / "a.log").write_bytes(b"x\n")
    eventually(hints.take)


def test_folder_that_comes_later_is_watched(
    tmp_path: Path,
    logged: LogCapture,
    made: list[FileHints],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tailrace_agent.hints.SUPERVISE_S", 0.05)
    folder = tmp_path / "later"
    log = structlog.wrap_logger(None, processors=[logged])
    hints = FileHints({str(folder): False}, wake=lambda: None, log=log)
    made.append(hints)
    hints.start()
    folder.mkdir()
    eventually(lambda: hints.state == "on")


def test_f22_kernel_without_watches_left_is_told_and_survived(
    tmp_path: Path, logged: LogCapture, made: list[FileHints]
) -> None:
    def no_watch() -> BaseObserver:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    log = structlog.wrap_logger(None, processors=[logged])
    hints = FileHints(
        {str(tmp_path): True}, wake=lambda: None, log=log, make_observer=no_watch
    )
    made.append(hints)
    hints.start()
    eventually(lambda: hints.state.startswith("off: "))
    (said,) = [e for e in logged.entries if e["event"] == "hints_off"]
    assert "max_user_watches" in said["remedy"]


def test_f24_observer_that_died_is_replaced(
    tmp_path: Path,
    logged: LogCapture,
    made: list[FileHints],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tailrace_agent.hints.SUPERVISE_S", 0.05)
    observers: list[BaseObserver] = []

    def make() -> BaseObserver:
        observers.append(Observer())
        return observers[-1]

    log = structlog.wrap_logger(None, processors=[logged])
    hints = FileHints(
        {str(tmp_path): True}, wake=lambda: None, log=log, make_observer=make
    )
    made.append(hints)
    hints.start()
    eventually(lambda: hints.state == "on")
    observers[0].stop()
    eventually(lambda: len(observers) > 1)
    hints.take()
    (tmp_path / "a.log").write_bytes(b"x\n")
    eventually(hints.take)
