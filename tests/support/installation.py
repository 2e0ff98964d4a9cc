"""Three roles on the tests' servers, and the commands of a person who looks at what they did."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailrace.elasticsearch import Elastic
from tailrace.kafka_admin import KafkaAdmin
from tailrace.settings import Connections
from tailrace.topics import Topic
from tailrace_embedded.stack import Endpoints
from tests.support.roles import KilledRole, started_roles

COMMAND_S_MAX = 360


@dataclass(frozen=True, slots=True)
class Installation:
    """Roles that run, and the commands of a person who looks at what they did."""

    folder: Path
    roles: dict[str, KilledRole]
    connections: Connections
    elastic: Elastic

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.roles["agent"].run(*arguments, wait_s_max=COMMAND_S_MAX)

    def audit(self, *options: str) -> tuple[int, dict[str, Any]]:
        done = self.run("audit", "--json", *options)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def ends(self, topic: Topic) -> dict[int, int]:
        with KafkaAdmin(self.connections) as admin:
            ends = admin.end_offsets([topic.name(self.connections.namespace)])
        return {partition: end for (_, partition), end in ends.items()}


@contextmanager
def installed(
    stack: Endpoints, folder: Path, *, settings: str = ""
) -> Generator[Installation]:
    """Yield an agent, a stream worker and an indexer of a namespace of their own.

    The agent watches `folder / "logs"`, unless the text of other `settings` is given.
    """
    namespace = f"t{secrets.token_hex(3)}"
    connections = Connections(
        kafka_bootstrap=stack.kafka_bootstrap,
        elasticsearch_url=stack.elasticsearch_url,
        namespace=namespace,
    )
    with (
        started_roles(
            stack,
            namespace=namespace,
            folder=folder,
            plans={"agent": (), "stream": (), "indexer": ()},
            settings=settings,
        ) as roles,
        Elastic(connections) as elastic,
    ):
        named = {role.name: role for role in roles}
        yield Installation(folder, named, connections, elastic)
