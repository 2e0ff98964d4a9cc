"""`tailrace fleet list|show|set|rollout`: the agents and what they are to collect."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.commands.common import (
    AsJson,
    ConfigFile,
    DataDir,
    console,
    escaped,
    write_json,
    write_line,
)
from tailrace.errors import CommandFailed, ConfigError
from tailrace.extras import require
from tailrace.text import printable

if TYPE_CHECKING:
    from tailrace.fleet.nodes import AgentNode
    from tailrace.fleet.rollout import Answer
    from tailrace.fleet.setting import ZooKeeperConfigs

CONNECT_MS_MAX = 10_000
NOBODY = "no agent that takes it is registered now; one that comes will"

GroupName = Annotated[str | None, typer.Option("--group", help="A group of agents.")]
AgentName = Annotated[
    str | None, typer.Option("--agent", help="One agent: its id, or its host's name.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", help="The key that the agents' `fleet_key_file` holds."),
]
Wait = Annotated[
    float,
    typer.Option(min=0, max=3_600, metavar="SECONDS", help="For the agents' answers."),
]


def list_agents(
    as_json: AsJson = False, config: ConfigFile = None, data_dir: DataDir = None
) -> None:
    """List the agents that are alive, and by which configuration they work."""
    import msgspec

    with _configs(config, data_dir) as configs:
        agents = configs.agents()
    if as_json:
        for agent_id, node in agents.items():
            write_json({**msgspec.structs.asdict(node), "agent_id": agent_id})
        return
    for agent_id, node in agents.items():
        parts = (node.host_name, agent_id, node.group, node.version, _state(node))
        write_line(printable("  ".join(part or "-" for part in parts)))


def show(
    group: GroupName = None,
    agent: AgentName = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Show what is set for a group or an agent, as it was set."""
    with _configs(config, data_dir) as configs:
        scope = _scope(configs, group=group, agent=agent)
        desired = configs.desired(scope)
    if as_json:
        found = None if desired is None else {"version": desired.version}
        text = "" if desired is None else desired.text
        write_json({"scope": scope, "text": text, **(found or {})})
        return
    if desired is None or not desired.text:
        raise CommandFailed(
            f"Nothing is set for {scope}.",
            remedy="`tailrace fleet set` sets it; `tailrace fleet list` names agents",
        )
    write_line(escaped(desired.text.rstrip("\n")))


def set_config(
    file: Annotated[
        str, typer.Argument(help="TOML with `[[agent.sources]]`; `-` is the input.")
    ] = "",
    group: GroupName = None,
    agent: AgentName = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Take back what is set.")
    ] = False,
    key_file: KeyFile = None,
    wait: Wait = 10.0,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Set what a group or an agent collects beside its own sources; exit 1 if refused.

    Agents take it only where their own settings name `allowed_folders`, and only within
    these; whatever is wrong is told here before it is set, as far as no host is needed.
    """
    from tailrace.clock import SystemClock
    from tailrace.fleet.desired import group_scope
    from tailrace.fleet.rollout import await_answers

    text = "" if clear else _checked(file)
    with _configs(config, data_dir, key_file=key_file) as configs:
        scope = _scope(configs, group=group, agent=agent)
        version = configs.set(scope, text)
        write_line(f"set {scope}, version {version}")
        concerned = {
            agent_id: (scope, version)
            for agent_id, node in configs.agents().items()
            if node.takes_config
            and (scope.endswith(f"/{agent_id}") or scope == group_scope(node.group))
        }
        if not concerned:
            write_line(NOBODY)
            return
        answers = await_answers(
            configs, concerned, clock=SystemClock(), wait_ms_max=round(wait * 1_000)
        )
    _tell_answers(answers)
    if not all(one.is_applied for one in answers):
        raise typer.Exit(1)


def rollout(
    file: Annotated[str, typer.Argument(help="TOML with `[[agent.sources]]`.")],
    group: Annotated[str, typer.Option("--group", help="A group of agents.")],
    batch: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many agents at a time.")
    ] = 1,
    key_file: KeyFile = None,
    wait: Wait = 60.0,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Set a group's configuration a few agents at a time; take it back if one refuses."""
    from tailrace.clock import SystemClock
    from tailrace.fleet.rollout import roll_out

    text = _checked(file)
    with _configs(config, data_dir, key_file=key_file) as configs:
        outcome = roll_out(
            configs,
            text,
            group=group,
            batch_size=batch,
            wait_ms_max=round(wait * 1_000),
            clock=SystemClock(),
            tell=lambda said: console().print(said, markup=False),
        )
    _tell_answers(outcome.answers)
    if not outcome.is_done:
        raise CommandFailed(
            f"The configuration was not rolled out to group {group!r}.",
            remedy="those that had it got back what they had; mend what was refused, or"
            " wait longer for who did not answer",
        )
    write_line(NOBODY if not outcome.answers else f"group {group} has it")


def _checked(file: str) -> str:
    """Return a document if a host could take it; what only one can know is not asked.

    Raises:
        ConfigError: it cannot be read, or is wrong; everything is listed.
    """
    require("agent")
    from tailrace_agent.config import AgentSettings
    from tailrace_agent.narrowing import narrowed

    source = "the input" if file == "-" else file
    if not file:
        raise ConfigError(
            ["name a file with the configuration, or `--clear`"], source="the command"
        )
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"cannot be read: {error}"], source=source) from None
    if not text.strip():
        raise ConfigError(["is empty; `--clear` takes back what is set"], source=source)
    everywhere = AgentSettings.model_construct(sources=(), allowed_folders=("/",))
    try:
        narrowed(everywhere, {"": text})
    except ConfigError as error:
        problems = [one.removeprefix(": ") for one in error.problems]
        raise ConfigError(problems, source=source) from None
    return text


@contextmanager
def _configs(
    config: Path | None, data_dir: Path | None, *, key_file: Path | None = None
) -> Generator[ZooKeeperConfigs]:
    """Yield where configurations stand, connected.

    Raises:
        ServiceUnavailable: no ZooKeeper answers.
        CommandFailed: the key cannot be read.
    """
    from tailrace.clock import SystemClock
    from tailrace.fleet.setting import ZooKeeperConfigs
    from tailrace.key_files import chosen_key
    from tailrace.own_stack import names_own_stack
    from tailrace.settings import read_connections
    from tailrace.zookeeper import ZooKeeper
    from tailrace.zookeeper_probe import require_zookeeper
    from tailrace.zookeeper_rights import login_of

    connections = read_connections(config, data_dir=data_dir)
    key = None if key_file is None else chosen_key(key_file, name="--key-file")
    with names_own_stack(connections):
        # A client says only that there is no session, and waits for a frozen server.
        require_zookeeper(connections.zookeeper_hosts, clock=SystemClock())
        zookeeper = ZooKeeper.connect(
            connections.zookeeper_hosts, login=login_of(connections)
        )
        try:
            # Where none answers, the first question says so, and why.
            zookeeper.wait_connected(wait_ms_max=CONNECT_MS_MAX)
            yield ZooKeeperConfigs(
                zookeeper,
                namespace=connections.namespace,
                key=key,
                clock=SystemClock(),
            )
        finally:
            zookeeper.close()


def _scope(configs: ZooKeeperConfigs, *, group: str | None, agent: str | None) -> str:
    """Return which configuration is meant.

    Raises:
        ConfigError: neither is named, or both, or a name is none.
        CommandFailed: no agent of that name is registered, or several are.
    """
    from tailrace.fleet.desired import NAME_PATTERN, agent_scope, group_scope

    if (group is None) == (agent is None):
        raise ConfigError(["name `--group`, or `--agent`"], source="the command")
    if group is not None:
        if not NAME_PATTERN.fullmatch(group):
            raise ConfigError([f"{group!r} is no group's name"], source="the command")
        return group_scope(group)
    assert agent is not None
    found = [
        agent_id
        for agent_id, node in configs.agents().items()
        if agent in {agent_id, node.host_name}
    ]
    if len(found) != 1:
        many = f"{len(found)} agents are" if found else "No agent is"
        raise CommandFailed(
            f"{many} registered as {agent!r}.",
            remedy="`tailrace fleet list` names those that are alive by their ids",
        )
    return agent_scope(found[0])


def _state(node: AgentNode) -> str:
    if not node.takes_config:
        return "its own sources alone (no allowed_folders)"
    if node.config_refusals:
        return "refused: " + "; ".join(node.config_refusals.values())
    versions = ", ".join(f"{k} {v}" for k, v in sorted(node.config_versions.items()))
    return f"{len(node.sources)} sources; {versions or 'nothing set'}"


def _tell_answers(answers: Sequence[Answer]) -> None:
    for one in answers:
        write_line(
            f"{printable(one.host_name or one.agent_id)}: {escaped(answer_text(one))}"
        )


def answer_text(answer: Answer) -> str:
    """Return what one agent says of a configuration, in words."""
    if answer.is_applied:
        return "works by it"
    if answer.refusal:
        return answer.refusal
    if answer.held_up:
        return f"takes it once it has begun; until then it waits: {answer.held_up}"
    return "has not answered"
