"""Hints make a sweep sooner, and their loss makes nothing worse."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyObserver
from watchdog.observers.inotify_c import InotifyEvent, InotifyFD
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


QUEUED_MAX = Path("/proc/sys/fs/inotify/max_queued_events")
QUEUED_BOUND = 100_000
"""Where the kernel has more room than this, to use it up would take too long."""


def observer_behind(gate: threading.Event) -> BaseObserver:
    """Return one that reads nothing from the kernel while the gate is shut.

    Of what came meanwhile it hears only whether the queue overflowed, as to tell of tens
    of thousands of files takes its time.
    """
    observer = InotifyObserver()
    (reader,) = [t for t in vars(observer).values() if isinstance(t, InotifyFD)]
    read = reader.read_events

    def read_when_open() -> list[InotifyEvent]:
        events = read()
        is_late = not gate.is_set()
        gate.wait()
        if is_late or len(events) > 1_000:
            return [event for event in events if event.is_queue_overflow]
        return events

    setattr(reader, "read_events", read_when_open)  # noqa: B010
    return observer


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")
def test_f23_overflow_of_the_kernels_queue_is_counted_told_and_all_is_looked_at(
    tmp_path: Path, logged: LogCapture, made: list[FileHints]
) -> None:
    queued_max = int(QUEUED_MAX.read_text())
    if queued_max > QUEUED_BOUND:
        pytest.skip(f"the kernel's queue has room for {queued_max} events")
    gate = threading.Event()
    gate.set()
    log = structlog.wrap_logger(None, processors=[logged])
    hints = FileHints(
        {str(tmp_path): True},
        wake=lambda: None,
        log=log,
        make_observer=lambda: observer_behind(gate),
    )
    made.append(hints)
    hints.start()
    eventually(lambda: hints.state == "on")
    hints.take()
    # The observer's own thread asks the kernel to watch, a moment later.
    eventually(lambda: (tmp_path / "first.log").write_bytes(b"x\n") and hints.take())
    gate.clear()
    # In turns: of two like ones after each other the kernel keeps one.
    names = [str(tmp_path / name) for name in ("a.log", "b.log")]
    for number in range(queued_max + 4_000):
        os.close(os.open(names[number % 2], os.O_WRONLY | os.O_CREAT))
    late = tmp_path / "late"
    late.mkdir()
    assert hints.overflows_count == 0
    hints.take()
    gate.set()
    eventually(lambda: hints.overflows_count == 1, 30)
    assert hints.take()
    (said,) = [e for e in logged.entries if e["event"] == "hints_overflowed"]
    assert "max_queued_events" in said["remedy"]
    # Of a folder that came when there was no room the next news is heard.
    eventually(lambda: not hints.take(), 30)
    (late / "c.log").write_bytes(b"x\n")
    eventually(hints.take, 30)


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
