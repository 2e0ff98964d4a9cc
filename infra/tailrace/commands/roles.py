"""`tailrace agent|stream|indexer|dashboard`: one role in the foreground."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, cast

import typer

from tailrace.commands.common import ConfigFile, DataDir, stop_on_signals
from tailrace.errors import ConfigError
from tailrace.extras import require
from tailrace.lean_imports import NOT_NEEDED, barred

if TYPE_CHECKING:
    from tailrace.settings import Connections, RoleSettings
    from tailrace_agent.config import AgentSettings

ROLES = ("agent", "stream", "indexer", "dashboard")
SHOP = "shop"
"""The demonstration, which is started and set up as a role is."""


class RoleMain(Protocol):
    """What each role's `main.py` offers."""

    def __call__(
        self,
        *,
        connections: Connections,
        settings: RoleSettings,
        stop: threading.Event,
    ) -> int:
        """Run until `stop` is set; return the exit code."""
        ...


def _is_no_option(value: Path | None) -> Path | None:
    """Refuse an option's name where --check wants its file, which would be lost."""
    if value is not None and str(value).startswith("-"):
        raise typer.BadParameter(
            f"{str(value)!r} is an option, and no file: --check is followed by the file"
            " itself, as in `tailrace agent --check tailrace.toml`"
        )
    return value


def agent(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    check: Annotated[
        Path | None,
        typer.Option(
            "--check",
            metavar="FILE",
            callback=_is_no_option,
            help="Say whether this configuration is good.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show which files match, and first events."),
    ] = False,
    fsck: Annotated[
        bool, typer.Option("--fsck", help="Show what the checkpoint holds.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="With --fsck: save what is whole.")
    ] = False,
) -> None:
    """Ship the files of this host to Kafka, in the foreground; or look before."""
    if check is None and not (dry_run or fsck or repair):
        run_role("agent", config=config, data_dir=data_dir)
        return
    from tailrace import log
    from tailrace.commands import agent_checks
    from tailrace.settings import read_settings

    _run, model = load_role("agent")
    if check is not None:
        # The file is every role's: a key that `up` would refuse is wrong here too.
        check_settings(check)
    connections, settings = read_settings(
        model, config_file=check or config, data_dir=data_dir
    )
    log.configure()
    agent_settings = cast("AgentSettings", settings)
    if fsck or repair:
        agent_checks.fsck(connections.data_dir, is_repair=repair)
    elif dry_run:
        agent_checks.show_dry_run(agent_settings)
    else:
        agent_checks.check(agent_settings, name=str(check))


def stream(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Parse, enrich and count what agents ship, in the foreground."""
    run_role("stream", config=config, data_dir=data_dir)


def indexer(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Write documents to Elasticsearch, in the foreground."""
    run_role("indexer", config=config, data_dir=data_dir)


def dashboard(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Serve the dashboard, in the foreground."""
    run_role("dashboard", config=config, data_dir=data_dir)


def run_role(role: str, *, config: ConfigFile, data_dir: DataDir) -> None:
    """Run `role` until it is asked to stop, and exit with its code.

    Raises:
        RoleNotInstalled: the extra that brings the role is missing.
        ConfigError: a setting is wrong; all are listed.
    """
    from tailrace import log
    from tailrace.settings import read_settings

    with barred(NOT_NEEDED.get(role, ())):
        run, model = load_role(role)
    connections, settings = read_settings(model, config_file=config, data_dir=data_dir)
    log.configure()
    with stop_on_signals() as stop:
        code = run(connections=connections, settings=settings, stop=stop)
    raise typer.Exit(code)


def load_role(role: str) -> tuple[RoleMain, type[RoleSettings]]:
    """Import a role by name, when it is needed and not before.

    Raises:
        RoleNotInstalled: a module that its extra brings is missing.
    """
    require(role)
    main = importlib.import_module(f"tailrace_{role}.main")
    return cast("RoleMain", main.run), settings_model(role)


def check_settings(config: Path | None) -> None:
    """Return if every role could start with `config`; no role is imported for that.

    Raises:
        ConfigError: settings are wrong; those of all roles are listed.
    """
    from tailrace.settings import Connections, read_role_settings

    problems: list[str] = []
    models = [Connections, *(settings_model(name) for name in (*ROLES, SHOP))]
    for model in models:
        try:
            read_role_settings(model, config_file=config)
        except ConfigError as error:
            problems += [one for one in error.problems if one not in problems]
    if problems:
        source = str(config) if config else "the environment"
        raise ConfigError(problems, source=source)


def settings_model(role: str) -> type[RoleSettings]:
    """Return the model of a role's settings, without the role itself."""
    config = importlib.import_module(f"tailrace_{role}.config")
    return cast("type[RoleSettings]", getattr(config, f"{role.capitalize()}Settings"))
