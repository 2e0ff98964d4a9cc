"""What every command shares: its options, how it fails, and how it prints."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from tailrace.entry import EXIT_INTERRUPTED
from tailrace.errors import RoleNotInstalled, TailraceError
from tailrace.extras import extra_of
from tailrace.text import printable

if TYPE_CHECKING:
    from rich.console import Console

ParamsT = ParamSpec("ParamsT")

EXIT_TERMINATED = 143
EXIT_READER_GONE = 141
"""128 + SIGPIPE: what a shell shows for any filter whose reader went away."""

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="TAILRACE_DATA_DIR",
        help="Where the embedded servers and the roles keep their state.",
        show_default="this user's data folder",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="TAILRACE_CONFIG",
        help="A TOML file: a table `connections`, and one for each role.",
        show_default="none",
    ),
]
FileFormat = Annotated[
    str, typer.Option("--format", help="What wrote it: docker, cri, lines; or auto.")
]
Multiline = Annotated[
    str | None,
    typer.Option(help="Which lines make one event: java, python, ..., time; or auto."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def shows_errors(command: Callable[ParamsT, None]) -> Callable[ParamsT, None]:
    """Let a command show a user's error as what happened and what to do."""

    @functools.wraps(command)
    def shown(*args: ParamsT.args, **kwargs: ParamsT.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except TailraceError as error:
            typer.echo(error_text(error), err=True)
            raise typer.Exit(error.exit_code) from None
        except ModuleNotFoundError as error:
            # Commands that only ask a server import its client when they are used.
            module = (error.name or "").partition(".")[0]
            extra = extra_of(module)
            if extra is None:
                raise
            missing = RoleNotInstalled(extra, missing_module=module)
            typer.echo(error_text(missing), err=True)
            raise typer.Exit(missing.exit_code) from None
        except BrokenPipeError:
            forget_standard_output()
            raise typer.Exit(EXIT_READER_GONE) from None
        except KeyboardInterrupt:
            typer.echo("Interrupted.", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None

    return shown


def error_text(error: TailraceError) -> str:
    """Return an error as two parts: what, with which value; then what to do."""
    return f"{escaped(str(error))}\n-> {escaped(error.remedy)}"


def escaped(text: str) -> str:
    """Return several lines with whatever could steer a terminal escaped."""
    return "\n".join(map(printable, text.split("\n")))


def console() -> Console:
    """Return where people read: standard error, so that output stays for programs."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True)


def write_line(text: str) -> None:
    """Write one line of output, flushed, so that a reader sees it at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def write_json(value: object) -> None:
    """Write one JSON object as one line."""
    import orjson

    write_line(orjson.dumps(value).decode())


@contextmanager
def stop_on_signals() -> Generator[threading.Event]:
    """Yield an event that SIGTERM or Ctrl-C sets; asked twice, the process ends at once.

    Twice by the same signal, or by Ctrl-C after another: a terminal that closes sends
    several at a time, and they are one request.
    """
    stop = threading.Event()
    asked: set[int] = set()

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked and number == signal.SIGINT:
            os._exit(EXIT_INTERRUPTED)
        if number in asked and number == signal.SIGTERM:
            os._exit(EXIT_TERMINATED)
        asked.add(number)
        stop.set()

    former = {
        number: signal.signal(number, ask)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    }
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def ended_by_signals() -> Generator[None]:
    """Let SIGTERM, and a terminal that closes, end a block as Ctrl-C does.

    What the block began is put away first; asked twice, the process ends at once.

    Raises:
        SystemExit: a signal came, in the block.
    """
    numbers = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        # As `nohup` has it.
        if signal.getsignal(number) is not signal.SIG_IGN
    ]

    def end(_number: int, _frame: FrameType | None) -> None:
        restore()
        raise SystemExit(EXIT_TERMINATED)

    former = {number: signal.signal(number, end) for number in numbers}

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    try:
        yield
    finally:
        restore()


def forget_standard_output() -> None:
    """Send what is printed from now on nowhere."""
    # What Python still holds would be flushed at exit, and fail once more.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
