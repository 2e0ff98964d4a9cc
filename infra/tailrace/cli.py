"""The command `tailrace`: which commands there are, with an example for each.

What a command does is in `tailrace.commands`. Nothing heavy is imported before the
command that needs it runs, so that `tailrace --help` answers at once, and a role whose
extra is missing hinders no other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from tailrace.commands import (
    alerts,
    audit,
    bench,
    chaos,
    dead,
    doctor,
    fleet,
    guess,
    lifecycle,
    parse,
    patterns,
    provision,
    replay,
    roles,
    search,
    shop,
    status,
    templates,
    why,
)
from tailrace.commands.common import (
    EXIT_READER_GONE,
    error_text,
    forget_standard_output,
    shows_errors,
    write_line,
)
from tailrace.errors import EXIT_FAILURE
from tailrace.standard_output import OutputRefused, flush_output, tell_of_refusals

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Collect, stream, index and look at logs; and prove that none is missing.",
    epilog="Example: `tailrace up --detach`, then `tailrace search 'log.level:error'`",
)
servers = typer.Typer(
    no_args_is_help=True,
    help="Kafka, ZooKeeper and Elasticsearch on this machine, without the roles.",
    epilog='Example: eval "$(tailrace servers env)"',
)
fleet_app = typer.Typer(
    no_args_is_help=True,
    help="The agents that are alive, and what they are to collect.",
    epilog="Example: tailrace fleet set --group web sources.toml",
)

alerts_app = typer.Typer(
    no_args_is_help=True,
    help="What the rules have found, and what a rule would have.",
    epilog="Example: tailrace alerts list",
)
dead_letters = typer.Typer(
    no_args_is_help=True,
    help="What could not be stored: grouped, mended in a preview, and sent again.",
    epilog="Example: tailrace dead list",
)
shop_app = typer.Typer(
    no_args_is_help=True,
    help="The demonstration: a small shop on the same Kafka, and what happens to it.",
    epilog="Example: tailrace shop incident bad-deploy",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        write_line(f"tailrace {version('tailrace')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Hold what stands before a command's name."""
    del version


def _add(
    group: typer.Typer, name: str, command: Callable[..., None], *, example: str
) -> None:
    group.command(name, epilog=f"Example: {example}")(shows_errors(command))


_add(app, "up", lifecycle.up, example="tailrace up --detach --watch '/srv/app/*.log'")
_add(app, "down", lifecycle.down, example="tailrace down --data-dir ~/tailrace")
_add(app, "status", status.status, example="tailrace status --json")
_add(app, "doctor", doctor.doctor, example="tailrace doctor --config tailrace.toml")
_add(servers, "up", lifecycle.servers_up, example="tailrace servers up --detach")
_add(servers, "down", lifecycle.down, example="tailrace servers down")
_add(servers, "env", lifecycle.servers_env, example='eval "$(tailrace servers env)"')
app.add_typer(servers, name="servers")
_add(
    app,
    "provision",
    provision.provision,
    example="tailrace provision --config tailrace.toml",
)
for _role in (roles.agent, roles.stream, roles.indexer, roles.dashboard):
    _name = _role.__name__
    _add(app, _name, _role, example=f"tailrace {_name} --config tailrace.toml")
_add(
    app,
    "parse",
    parse.parse,
    example="tailrace parse --dataset nginx.access access.log",
)
_add(app, "guess", guess.guess, example="tailrace guess /srv/app/app.log > app.toml")
_add(
    app,
    "patterns",
    patterns.patterns,
    example="tailrace patterns /var/log/syslog",
)
_add(
    app,
    "search",
    search.search,
    example="tailrace search 'log.level:error AND kafka' --since 1h",
)
_add(
    app,
    "templates",
    templates.templates,
    example="tailrace templates --dataset nginx.access",
)
_add(
    app,
    "replay",
    replay.replay,
    example="tailrace replay --since 2h --dataset nginx.access",
)
_add(app, "audit", audit.audit, example="tailrace audit --wait 30 --deep")
_add(app, "why", why.why, example="tailrace why /var/log/nginx/access.log:1042")
_add(fleet_app, "list", fleet.list_agents, example="tailrace fleet list --json")
_add(fleet_app, "show", fleet.show, example="tailrace fleet show --group web")
_add(
    fleet_app,
    "set",
    fleet.set_config,
    example="tailrace fleet set --group web sources.toml",
)
_add(
    fleet_app,
    "rollout",
    fleet.rollout,
    example="tailrace fleet rollout --group web --batch 5 sources.toml",
)
app.add_typer(fleet_app, name="fleet")
_add(alerts_app, "list", alerts.list_, example="tailrace alerts list --all --json")
_add(
    alerts_app,
    "test",
    alerts.rehearse_rule,
    example="tailrace alerts test many-errors --since 24h --config tailrace.toml",
)
app.add_typer(alerts_app, name="alerts")
_add(dead_letters, "list", dead.list_, example="tailrace dead list --json")
_add(
    dead_letters,
    "show",
    dead.show,
    example="tailrace dead show 1f2e3d4c --fix move:user.id",
)
_add(
    dead_letters,
    "retry",
    dead.retry,
    example="tailrace dead retry 1f2e3d4c --fix proposed",
)
app.add_typer(dead_letters, name="dead")
_add(shop_app, "run", shop.run, example="tailrace shop run")
_add(shop_app, "incident", shop.incident, example="tailrace shop incident slow-gateway")
_add(shop_app, "load", shop.load, example="tailrace shop load sale --stock 500")
_add(shop_app, "status", shop.status, example="tailrace shop status --json")
app.add_typer(shop_app, name="shop")
_add(app, "bench", bench.bench, example="tailrace bench pipeline --json")
_add(app, "chaos", chaos.chaos, example="tailrace chaos --seed 7 --minutes 10")


def main() -> None:
    """Run the command that the arguments name, to the last byte of what it prints."""
    tell_of_refusals()
    try:
        try:
            app()
        finally:
            flush_output()
    except OutputRefused as refused:
        # What no command prints itself, such as its help, or only now leaves the buffer.
        typer.echo(error_text(refused), err=True)
        sys.exit(EXIT_FAILURE)
    except BrokenPipeError:
        forget_standard_output()
        sys.exit(EXIT_READER_GONE)
