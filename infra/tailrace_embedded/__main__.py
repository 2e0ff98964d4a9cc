"""A developer's command: the servers alone, in the foreground, until told to stop."""

from __future__ import annotations

import signal
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tailrace.errors import TailraceError
from tailrace_embedded.config import config_from_environment
from tailrace_embedded.progress import RichProgress
from tailrace_embedded.stack import Stack

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def up(
    data_dir: Annotated[Path, typer.Option(help="Where the servers keep their data.")],
    port: Annotated[
        list[str] | None, typer.Option(help="NAME=PORT, such as zookeeper=2181.")
    ] = None,
    brokers: Annotated[int, typer.Option(help="1 or 3.")] = 1,
    elasticsearch_nodes: Annotated[int, typer.Option(help="1 or 3.")] = 1,
) -> None:
    """Start the servers; stop them on SIGINT or SIGTERM."""
    errors = Console(stderr=True)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    ports = {
        name: int(value) for name, _, value in (p.partition("=") for p in port or ())
    }
    config = config_from_environment(
        brokers=brokers, elasticsearch_nodes=elasticsearch_nodes, ports=ports
    )
    try:
        with Stack.start(
            data_dir, progress=RichProgress(errors), config=config
        ) as stack:
            for name, value in stack.endpoints.as_environment().items():
                typer.echo(f"export {name}={value}")
            stopped.wait()
    except TailraceError as error:
        errors.print(f"{error}\n{error.remedy}", markup=False)
        raise typer.Exit(error.exit_code) from error


@app.command()
def lock() -> None:
    """Resolve the versions in `lockfile.py` anew and write `artifacts.json`."""
    from tailrace_embedded.lockfile import write_manifest

    with tempfile.TemporaryDirectory() as work_dir:
        typer.echo(write_manifest(work_dir=Path(work_dir)))


if __name__ == "__main__":
    app()
