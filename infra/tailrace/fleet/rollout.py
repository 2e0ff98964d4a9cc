"""A configuration for a group, a few agents at a time: it ends where one refuses it.

Each batch gets it under the agents' own names, and has to report it as in use before the
next one does. Only then the group's own configuration is set, and what stood under the
agents' names before is set again. Where one refuses it or is silent, the batches that
have it get back what they had, and the group keeps what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tailrace.clock import Clock
from tailrace.fleet.desired import agent_scope, group_scope
from tailrace.fleet.nodes import AgentNode

LOOK_MS = 250


class Fleet(Protocol):
    """Where configurations are set, and what agents report."""

    def agents(self) -> Mapping[str, AgentNode]:
        """Return those that are alive, by id."""
        ...

    def text(self, scope: str) -> str:
        """Return what is set for a scope; "" for nothing."""
        ...

    def set(self, scope: str, text: str) -> int:
        """Set it; return its version, greater than every one before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one agent says of one version of a scope."""

    agent_id: str
    host_name: str
    is_applied: bool
    refusal: str = ""
    """Why it was not taken; empty where nothing was heard yet."""
    held_up: str = ""
    """What it waits for before it takes any; empty where that is not it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a rollout ended."""

    answers: tuple[Answer, ...]
    is_done: bool
    """Whether the group has the new configuration."""


def answer_of(
    agent_id: str, node: AgentNode | None, *, scope: str, version: int
) -> Answer:
    """Return what an agent says; it is silent where it is not registered."""
    node = node or AgentNode()
    has = node.config_versions.get(scope, 0)
    return Answer(
        agent_id=agent_id,
        host_name=node.host_name,
        is_applied=has >= version,
        refusal="" if has >= version else node.config_refusals.get(scope, ""),
        held_up="" if has >= version else node.held_up,
    )


def await_answers(
    fleet: Fleet,
    versions: Mapping[str, tuple[str, int]],
    *,
    clock: Clock,
    wait_ms_max: int,
) -> tuple[Answer, ...]:
    """Return what each agent says in the end: applied, refused, or nothing in time.

    `versions` are, by agent, the scope and the version that it is to have.
    """
    deadline_ms = clock.monotonic_ms() + wait_ms_max
    while True:
        nodes = fleet.agents()
        answers = tuple(
            answer_of(one, nodes.get(one), scope=scope, version=version)
            for one, (scope, version) in versions.items()
        )
        if all(one.is_applied or one.refusal for one in answers):
            return answers
        if clock.monotonic_ms() >= deadline_ms:
            return answers
        clock.sleep_ms(LOOK_MS)


def roll_out(
    fleet: Fleet,
    text: str,
    *,
    group: str,
    batch_size: int,
    wait_ms_max: int,
    clock: Clock,
    tell: Callable[[str], None],
) -> Outcome:
    """Give a group a configuration, `batch_size` agents at a time."""
    chosen = sorted(
        agent_id
        for agent_id, node in fleet.agents().items()
        if node.group == group and node.takes_config
    )
    before: dict[str, str] = {}
    said: list[Answer] = []
    for batch in _batches(chosen, batch_size):
        versions: dict[str, tuple[str, int]] = {}
        for agent_id in batch:
            scope = agent_scope(agent_id)
            before[agent_id] = fleet.text(scope)
            versions[agent_id] = scope, fleet.set(scope, text)
        answers = await_answers(fleet, versions, clock=clock, wait_ms_max=wait_ms_max)
        said += answers
        tell(f"{len(said)} of {len(chosen)} agents were given it")
        if not all(one.is_applied for one in answers):
            _set_back(fleet, before)
            return Outcome(answers=tuple(said), is_done=False)
    fleet.set(group_scope(group), text)
    _set_back(fleet, before)
    return Outcome(answers=tuple(said), is_done=True)


def _set_back(fleet: Fleet, before: Mapping[str, str]) -> None:
    for agent_id, text in before.items():
        fleet.set(agent_scope(agent_id), text)


def _batches(agents: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(agents), size):
        yield agents[start : start + size]
