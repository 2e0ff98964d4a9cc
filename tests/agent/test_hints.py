"""Hints make a sweep sooner, and their loss makes nothing worse."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.utils import BaseThread

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


# The library says so where a folder keeps the watch that it had.
@pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")
def test_f21_folder_that_was_moved_away_and_back_is_heard_again(
    tmp_path: Path, logged: LogCapture, made: list[FileHints]
) -> None:
    base, folder = tmp_path / "logs", tmp_path / "logs" / "app"
    folder.mkdir(parents=True)
    heard = threading.Event()
    log = structlog.wrap_logger(None, processors=[logged])
    hints = FileHints({str(base): True}, wake=heard.set, log=log)
    made.append(hints)
    hints.start()
    eventually(lambda: hints.state == "on")

    def is_quiet() -> bool:
        heard.clear()
        return not heard.wait(0.3)

    away = folder.rename(tmp_path / "away")
    assert heard.wait(10)
    eventually(is_quiet)
    away.rename(folder)
    assert heard.wait(10)
    # All that came with the moves is heard; now of what is in the folder.
    eventually(is_quiet)
    (folder / "a.log").write_bytes(b"x\n")
    assert heard.wait(10)


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


def threads_of(observer: BaseObserver) -> dict[str, BaseThread]:
    """Return the threads that an observer stands on, by what they do."""
    (reader,) = [t for t in vars(observer).values() if isinstance(t, BaseThread)]
    (emitter,) = observer.emitters
    return {"observer": observer, "emitter": emitter, "reader": reader}


@pytest.mark.parametrize("name", ["observer", "emitter", "reader"])
def test_f24_observer_of_which_a_thread_died_is_replaced(
    tmp_path: Path,
    logged: LogCapture,
    made: list[FileHints],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
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
    threads_of(observers[0])[name].stop()
    hints.take()
    eventually(lambda: len(observers) > 1)
    # Whatever happened while nobody heard is found by a sweep at once.
    eventually(hints.take)
    (tmp_path / "a.log").write_bytes(b"x\n")
    eventually(hints.take)
