"""A fleet's configuration on real servers, through the commands that a person runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tailrace.fleet.nodes import AgentNode
from tailrace_embedded.stack import Endpoints
from tests.agent.test_agent_on_kafka import Setup, stored_events
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


class Fleet(Setup):
    """An agent of the group `web` that lets its fleet add files of two folders."""

    def __init__(self, stack: Endpoints, *, namespace: str, folder: Path) -> None:
        self.shared = folder / "shared"
        self.shared.mkdir()
        self.secret = folder / "secret"
        self.secret.mkdir()
        self.zookeeper_hosts = stack.zookeeper_hosts
        super().__init__(
            stack,
            namespace=namespace,
            folder=folder,
            extra=(
                "status_ms = 100\ngroup = 'web'\nhost_name = 'web-1'\n"
                f"allowed_folders = ['{folder}/logs', '{self.shared}']"
            ),
        )

    def command(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tailrace", "fleet", *arguments],
            env={
                **os.environ,
                "TAILRACE_NAMESPACE": self.connections.namespace,
                "TAILRACE_DATA_DIR": str(self.data_dir),
                "TAILRACE_ZOOKEEPER_HOSTS": self.zookeeper_hosts,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def config(self, glob: str, *, name: str = "remote") -> str:
        path = self.data_dir.parent / f"{name}.toml"
        path.write_text(f"[[agent.sources]]\nname = '{name}'\npaths = ['{glob}']\n")
        return str(path)

    def node(self) -> AgentNode | None:
        said = self.command("list", "--json")
        nodes = [json.loads(line) for line in said.splitlines()]
        return msgspec.convert(nodes[0], AgentNode) if nodes else None

    def lines(self) -> list[bytes]:
        return sorted(event.line for event in stored_events(self.connections))

    def has_lines(self, *wanted: bytes) -> None:
        eventually(lambda: self.lines() == sorted(wanted), 60, what=str(wanted))


@pytest.fixture
def fleet(stack: Endpoints, namespace: str, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(stack, namespace=namespace, folder=tmp_path)
    yield made
    made.role.stop()


def test_x1_fleet_adds_sources_within_the_allowed_folders_and_no_others(
    fleet: Fleet,
) -> None:
    (fleet.logs / "own.log").write_bytes(b"own\n")
    (fleet.shared / "a.log").write_bytes(b"shared\n")
    (fleet.secret / "key.log").write_bytes(b"secret\n")
    (fleet.shared / "planted.log").symlink_to(fleet.secret / "key.log")
    fleet.role.start()
    eventually(lambda: fleet.node() is not None, 60)
    fleet.has_lines(b"own")
    told = fleet.command("set", "--group", "web", fleet.config(f"{fleet.shared}/*.log"))
    assert "web-1: works by it" in told
    fleet.has_lines(b"own", b"shared")

    out = fleet.config(f"{fleet.secret}/*.log", name="out")
    told = fleet.command("set", "--agent", "web-1", out, code=1)
    assert "leads out of the folders that the host allows" in told
    node = fleet.node()
    assert node is not None
    assert node.sources == ("test", "remote")
    assert len(node.config_refusals) == 1

    with (fleet.shared / "a.log").open("ab") as file:
        file.write(b"more\n")
    fleet.role.kill()
    fleet.role.start()
    fleet.has_lines(b"own", b"shared", b"more")
    told = fleet.command("set", "--group", "web", "--clear")
    assert "web-1: works by it" in told
    with (fleet.shared / "a.log").open("ab") as file:
        file.write(b"of no interest\n")
    (fleet.logs / "later.log").write_bytes(b"later\n")
    fleet.has_lines(b"own", b"shared", b"more", b"later")
    assert b"secret" not in fleet.lines()


def test_rollout_reaches_the_group_or_leaves_it_as_it_was(fleet: Fleet) -> None:
    (fleet.shared / "a.log").write_bytes(b"shared\n")
    fleet.role.start()
    eventually(lambda: fleet.node() is not None, 60)
    good = fleet.config(f"{fleet.shared}/*.log")
    told = fleet.command("rollout", "--group", "web", good)
    assert "group web has it" in told
    fleet.has_lines(b"shared")
    out = fleet.config(f"{fleet.secret}/*.log", name="out")
    told = fleet.command("rollout", "--group", "web", out, code=1)
    assert "was not rolled out to group 'web'" in told
    assert "remote" in fleet.command("show", "--group", "web")
    node = fleet.node()
    assert node is not None
    assert node.sources == ("test", "remote")


def test_wrong_configuration_is_told_before_it_is_set(fleet: Fleet) -> None:
    path = fleet.data_dir.parent / "wrong.toml"
    path.write_text("[agent]\nhost_id = 'x'\n[[agent.sources]]\nname = 'a b'\n")
    told = fleet.command("set", "--group", "web", str(path), code=2)
    assert "agent.host_id is for the host alone to say" in told
    assert "agent.sources.0.name" in told
    assert "agent.sources.0.paths: is required" in told
    assert "Nothing is set" in fleet.command("show", "--group", "web", code=1)
    assert "No agent is registered" in fleet.command(
        "set", "--agent", "nobody", fleet.config("/x/*.log"), code=1
    )
    assert "name `--group`, or `--agent`" in fleet.command("show", code=2)
