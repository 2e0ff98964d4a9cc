"""A rollout ends where an agent refuses, and gives back what it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import pytest

from tailrace.commands.fleet import answer_text
from tailrace.fleet.desired import agent_scope, group_scope
from tailrace.fleet.nodes import AgentNode, read_node
from tailrace.fleet.rollout import Outcome, answer_of, roll_out
from tests.infra.audit.builders import SteppingClock

GROUP = group_scope("web")


@dataclass
class Agents:
    """A fleet in memory whose agents answer at the next look."""

    count: int
    refusing: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    texts: dict[str, str] = field(default_factory=dict[str, str])
    versions: dict[str, int] = field(default_factory=dict[str, int])
    order: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def agents(self) -> Mapping[str, AgentNode]:
        others = {
            "elsewhere": AgentNode(agent_id="elsewhere", group="db", takes_config=True),
            "closed": AgentNode(agent_id="closed", group="web"),
        }
        return {f"a{n}": self._node(f"a{n}") for n in range(self.count)} | others

    def _node(self, agent_id: str) -> AgentNode:
        scope = agent_scope(agent_id)
        version = self.versions.get(scope, 0)
        is_new = self.texts.get(scope) == "new"
        refuses = agent_id in self.refusing and is_new
        hears = agent_id not in self.silent
        return AgentNode(
            agent_id=agent_id,
            host_name=f"host-{agent_id}",
            group="web",
            takes_config=True,
            config_versions={scope: version} if hears and not refuses else {},
            config_refusals={scope: "no"} if hears and refuses else {},
        )

    def text(self, scope: str) -> str:
        return self.texts.get(scope, "")

    def set(self, scope: str, text: str) -> int:
        self.order.append((scope, text))
        self.texts[scope] = text
        self.versions[scope] = self.versions.get(scope, 0) + 1
        return self.versions[scope]


def rolled(agents: Agents, *, batch_size: int = 2) -> Outcome:
    return roll_out(
        agents,
        "new",
        group="web",
        batch_size=batch_size,
        wait_ms_max=1_000,
        clock=SteppingClock(),
        tell=lambda _said: None,
    )


def test_group_has_it_once_every_agent_does_and_their_own_is_given_back() -> None:
    agents = Agents(5, texts={agent_scope("a3"): "its own"})
    outcome = rolled(agents)
    assert outcome.is_done
    assert [one.agent_id for one in outcome.answers] == [f"a{n}" for n in range(5)]
    assert agents.texts[GROUP] == "new"
    assert agents.text(agent_scope("a3")) == "its own"
    assert agents.text(agent_scope("a0")) == ""
    assert "elsewhere" not in str(agents.order)
    assert "closed" not in str(agents.order)
    last = [scope for scope, _ in agents.order].index(GROUP)
    assert all(text == "new" for _, text in agents.order[:last])


def test_z7_refusal_ends_it_and_the_group_keeps_what_it_has() -> None:
    agents = Agents(6, refusing=frozenset({"a2"}), texts={GROUP: "old"})
    outcome = rolled(agents)
    assert not outcome.is_done
    assert [one.agent_id for one in outcome.answers if one.refusal] == ["a2"]
    assert agents.texts[GROUP] == "old"
    assert all(agents.text(agent_scope(f"a{n}")) == "" for n in range(6))
    assert (agent_scope("a4"), "new") not in agents.order


def test_silence_ends_it_likewise() -> None:
    agents = Agents(2, silent=frozenset({"a1"}))
    outcome = rolled(agents, batch_size=1)
    assert not outcome.is_done
    assert outcome.answers[1].refusal == ""
    assert not outcome.answers[1].is_applied
    assert GROUP not in agents.texts


def test_z7_strange_registration_is_no_agent() -> None:
    assert read_node(b"\xff") is None
    assert read_node(b'{"host_id": 5}') is None
    node = read_node(b'{"host_id": "h", "more": 1}')
    assert node is not None
    assert node.host_id == "h"
    assert read_node(msgspec.json.encode(AgentNode(agent_id="a"))) is not None


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (AgentNode(), "has not answered"),
        (AgentNode(config_versions={GROUP: 2}, held_up="Kafka"), "works by it"),
        (AgentNode(config_refusals={GROUP: "no such key"}), "no such key"),
        (
            AgentNode(held_up="Kafka at k:1 cannot be reached"),
            "takes it once it has begun; until then it waits: Kafka at k:1 cannot be",
        ),
    ],
)
def test_an_agent_that_has_not_begun_is_told_from_one_that_is_silent(
    node: AgentNode, said: str
) -> None:
    answer = answer_of("a1", node, scope=GROUP, version=2)

    assert answer_text(answer).startswith(said)
