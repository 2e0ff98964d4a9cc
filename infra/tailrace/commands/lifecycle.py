"""`tailrace up`, `tailrace down` and `tailrace servers`: from nothing to all, and back."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.commands.common import (
    AsJson,
    ConfigFile,
    DataDir,
    console,
    escaped,
    stop_on_signals,
    write_json,
    write_line,
)
from tailrace.commands.roles import ROLES, SHOP, check_settings
from tailrace.errors import CommandFailed
from tailrace.extras import require

if TYPE_CHECKING:
    from tailrace.supervision import UpPlan

Detach = Annotated[
    bool,
    typer.Option("--detach", "-d", help="Return when it is up; it runs on."),
]


def up(
    detach: Detach = False,
    demo: Annotated[
        bool | None,
        typer.Option(
            "--demo/--no-demo",
            help="With or without the demonstration, a small shop that logs.",
            show_default="with it, unless --watch or the configuration names files",
        ),
    ] = None,
    watch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Watch these files instead of /var/log; may be repeated.",
        ),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Run everything on this machine, and print the dashboard's URL."""
    from tailrace.settings import read_document
    from tailrace.watched import names_files

    globs = tuple(watch or ())
    # Who names files of their own wants to see those, and no made-up ones among them.
    has_shop = (
        not names_files(read_document(config), watch=globs) if demo is None else demo
    )
    _run(
        [
            "up",
            "--demo" if has_shop else "--no-demo",
            *(f"--watch={glob}" for glob in globs),
        ],
        watch=globs,
        config=config,
        data_dir=data_dir,
        has_roles=True,
        has_shop=has_shop,
        is_detached=detach,
    )


def servers_up(
    detach: Detach = False, config: ConfigFile = None, data_dir: DataDir = None
) -> None:
    """Run Kafka, ZooKeeper and Elasticsearch alone."""
    _run(
        ["servers", "up"],
        watch=(),
        config=config,
        data_dir=data_dir,
        has_roles=False,
        is_detached=detach,
    )


def servers_env(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Print where the running servers are, as variables that every role reads."""
    require("embedded")
    from tailrace_embedded.stack import read_endpoints

    folder = folder_of(data_dir)
    endpoints = read_endpoints(folder)
    if endpoints is None:
        raise CommandFailed(
            f"No servers run on the data folder {folder}.",
            remedy="`tailrace servers up --detach` starts them",
        )
    environment = endpoints.as_environment()
    if as_json:
        write_json(environment)
        return
    for name, value in environment.items():
        write_line(f"export {name}={value}")


def down(data_dir: DataDir = None) -> None:
    """Stop everything that `tailrace up` or `tailrace servers up` started."""
    from tailrace.take_down import take_down

    folder = folder_of(data_dir)
    stopped = take_down(folder, progress=console())
    write_line(
        f"Stopped {stopped} processes; the data is kept in {folder}."
        if stopped
        else f"Nothing was running on the data folder {folder}."
    )


def folder_of(data_dir: Path | None) -> Path:
    """Return the data folder that a command is about.

    Raises:
        CommandFailed: its name is no UTF-8.
    """
    from tailrace.data_folder import require_text
    from tailrace.settings import default_data_dir

    # Without `..`: the globs of the servers' logs are below it.
    folder = os.path.normpath((data_dir or default_data_dir()).expanduser().absolute())
    require_text(folder)
    return Path(folder)


def say_ready(url: str, *, plan: UpPlan) -> None:
    """Say that all is up, and what of the files that are to be watched is not."""
    from tailrace.status_facts import role_notes

    if plan.has_roles:
        if url:
            write_line(f"Tailrace is up: {url}")
        else:
            write_line(
                "Tailrace is up, and its dashboard does not answer yet: `tailrace"
                " status` says why, and where it will be."
            )
        for note in role_notes(plan.data_dir):
            typer.echo(f"note: {escaped(note)}", err=True)
    else:
        own = f" --data-dir {shlex.quote(str(plan.data_dir))}"
        own = "" if _is_usual(plan.data_dir) else own
        write_line(f"The servers are up: `tailrace servers env{own}` says where.")


def _run(
    arguments: list[str],
    *,
    watch: tuple[str, ...],
    config: Path | None,
    data_dir: Path | None,
    has_roles: bool,
    is_detached: bool,
    has_shop: bool = False,
) -> None:
    require(
        "embedded",
        *(ROLES if has_roles else ()),
        *((SHOP,) if has_shop else ()),
    )
    if has_roles:
        check_settings(config)
    from tailrace.data_folder import take_data_folder
    from tailrace.supervision import UpPlan

    globs = _globs_of(watch) if has_roles else ()
    folder = folder_of(data_dir)
    take_data_folder(folder)
    plan = UpPlan(
        data_dir=folder,
        watch=globs,
        config_file=config,
        has_roles=has_roles,
        has_shop=has_shop,
    )
    if is_detached:
        arguments += ["--data-dir", str(folder)]
        if config is not None:
            arguments += ["--config", str(config.absolute())]
        _run_detached(arguments, plan=plan)
    else:
        _run_here(plan)


def _globs_of(watch: tuple[str, ...]) -> tuple[str, ...]:
    from tailrace.errors import ConfigError
    from tailrace.watched import absolute
    from tailrace_agent.globs import glob_problem

    globs = tuple(map(absolute, watch))
    problems = [
        f"--watch {problem}" for each in globs if (problem := glob_problem(each))
    ]
    if problems:
        raise ConfigError(problems, source="the command line")
    return globs


def _run_here(plan: UpPlan) -> None:
    from tailrace import up as up_
    from tailrace.clock import SystemClock
    from tailrace.detached import Told, progress_from_environment
    from tailrace.errors import TailraceError
    from tailrace_embedded.progress import RichProgress

    pipe = progress_from_environment()

    def ready(url: str) -> None:
        if pipe is not None:
            pipe.tell(Told(is_ready=True, url=url))
        else:
            say_ready(url, plan=plan)
            write_line("Ctrl-C stops everything.")

    with stop_on_signals() as stop:
        try:
            up_.run(
                plan,
                progress=pipe or RichProgress(console()),
                ready=ready,
                stop=stop,
                clock=SystemClock(),
            )
        except TailraceError as error:
            if pipe is None:
                raise
            pipe.failed(error)
            raise


def _run_detached(arguments: list[str], *, plan: UpPlan) -> None:
    from tailrace.detached import SUPERVISOR_LOG, start_detached
    from tailrace.supervision import LOGS_DIR
    from tailrace_embedded.progress import RichProgress

    with stop_on_signals() as stop:
        told = start_detached(
            arguments,
            data_dir=plan.data_dir,
            log_path=plan.data_dir / LOGS_DIR / SUPERVISOR_LOG,
            progress=RichProgress(console()),
            stop=stop,
        )
    say_ready(told.url, plan=plan)


def _is_usual(folder: Path) -> bool:
    return "TAILRACE_DATA_DIR" in os.environ or folder == folder_of(None)
