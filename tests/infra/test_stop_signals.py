"""How a command is asked to stop: once to drain, twice to end at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NEVER_DRAINED = """
import threading
from tailrace.commands.common import stop_on_signals

with stop_on_signals() as stop:
    print("started", flush=True)
    stop.wait()
    print("asked", flush=True)
    threading.Event().wait()
"""


@pytest.fixture
def stuck() -> Iterator[subprocess.Popen[str]]:
    """Give a process whose drain has no end."""
    with subprocess.Popen(
        [sys.executable, "-c", NEVER_DRAINED], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (signal.SIGTERM, signal.SIGTERM, 143),
        (signal.SIGINT, signal.SIGINT, 130),
        (signal.SIGTERM, signal.SIGINT, 130),
    ],
)
def test_p2_a_second_request_to_stop_ends_what_does_not_drain(
    stuck: subprocess.Popen[str],
    first: signal.Signals,
    second: signal.Signals,
    code: int,
) -> None:
    assert stuck.stdout is not None
    stuck.send_signal(first)
    assert stuck.stdout.readline() == "asked\n"
    stuck.send_signal(second)
    assert stuck.wait(10) == code


PUT_AWAY = """
import signal, sys, threading
from tailrace.commands.common import ended_by_signals

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # These tests may run below `nohup`.
try:
    with ended_by_signals():
        print("started", flush=True)
        threading.Event().wait()
finally:
    print("putting away", flush=True)
    threading.Event().wait(float(sys.argv[1]))
    print("put away", flush=True)
"""


@contextmanager
def putting_away(*, takes_s: int) -> Generator[subprocess.Popen[str]]:
    """Give a process that has begun what it will put away; it is killed in any case."""
    with subprocess.Popen(
        [sys.executable, "-c", PUT_AWAY, str(takes_s)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_p2_what_was_begun_is_put_away_before_a_signal_ends_it(
    number: signal.Signals,
) -> None:
    with putting_away(takes_s=0) as process:
        process.send_signal(number)
        told, _ = process.communicate(timeout=15)
    assert (process.returncode, told) == (143, "putting away\nput away\n")


def test_p2_a_second_request_ends_what_is_not_put_away() -> None:
    with putting_away(takes_s=600) as process:
        assert process.stdout is not None
        process.terminate()
        assert process.stdout.readline() == "putting away\n"
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM


SLOW_LIBRARY = """
import threading
print("importing", flush=True)
try:
    threading.Event().wait()
except BaseException as error:
    raise ImportError("a library that is interrupted says what it likes") from error
"""

AS_IN_THE_FOREGROUND = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("tailrace", run_name="__main__", alter_sys=True)
"""
"""These tests may run in the background of a shell, which has Ctrl-C ignored there."""


def test_p2_ctrl_c_amid_the_imports_ends_in_a_word(tmp_path: Path) -> None:
    """As in the first half of a second of every command, on a slow disk for longer."""
    (tmp_path / "typer.py").write_text(SLOW_LIBRARY)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    with subprocess.Popen(
        [sys.executable, "-P", "-c", AS_IN_THE_FOREGROUND, "status"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "Interrupted.\n")


IGNORED = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.argv = ["tailrace", "--version"]
from tailrace.entry import main
try:
    main()
finally:
    print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
"""


def test_p2_ctrl_c_is_left_ignored_where_a_shell_has_it_so() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IGNORED], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("True\n")
