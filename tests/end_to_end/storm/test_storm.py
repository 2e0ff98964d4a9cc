"""A storm of rotations on real servers and a real disk: nothing is lost undeclared, and
nothing is there twice that no agent declared."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.settings import Connections
from tailrace_agent.main import FOLDER_NAME
from tailrace_embedded.stack import Endpoints
from tests.end_to_end.storm.agent import StruckAgent
from tests.end_to_end.storm.disk import DiskFiles
from tests.end_to_end.storm.verdict import Verdict, judge
from tests.end_to_end.storm.weather import HOST, Storm
from tests.simulation.application import EVENT_BYTES_MAX
from tests.support.lags import group_lags
from tests.support.roles import KilledRole, PlannedKill, started_roles
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
SEED = 1
"""A failure is not the same again: the script is, and what meets it is the machine's."""
STORM_MS = 60_000
UNSTRUCK_MS = 25_000
"""Then the last life claims more than once, and of files that go between two claims what it
saw has to be there: amid rotations some claims come only after ten seconds."""
SHORT_MS = 12_000
PASSES = (15, 60)
"""Of a point in the agent's life, before it is killed there."""
REST_MS = 4_000
"""The flush, the grace of a renamed file and some sweeps, once writing has ended."""
DRAIN_S_MAX = 150
FORGOTTEN_WAIT_S = 20
"""Where the ledger forgot, some of it is never settled."""
MUST_STRIKE = frozenset(
    {
        "file.truncated",
        "file.truncated_and_regrown",
        "file.written_after_rename",
        "storm.compressed.gz",
        "storm.compressed.zst",
        "storm.copied_and_truncated",
        "storm.copied_over",
        "storm.deleted",
        "storm.renamed_by_date",
        "storm.renamed_by_number",
    }
)
SETTINGS = """
[agent]
host_id = "id-{host}"
host_name = "{host}"
sweep_ms = 400
linger_ms_max = 100
chunk_bytes = {event_bytes_max}
event_bytes_max = {event_bytes_max}
flush_after_ms = 700
rotated_grace_ms = 900
ledger_ms = 500
heartbeat_ms = 1000

[[agent.sources]]
name = "storm"
paths = ["{folder}/{host}/logs/*.log*"]
dataset = "java.log"
"""


class Stage:
    """One storm's roles, and the commands of whoever looks at what they did."""

    def __init__(
        self, roles: list[KilledRole], connections: Connections, folder: Path
    ) -> None:
        self.roles = roles
        self.connections = connections
        self.agent = StruckAgent(
            roles[0], connections.data_dir / FOLDER_NAME, connections
        )
        self.storm = Storm(SEED, DiskFiles(folder), self.agent)

    def drained(self, *, wait_s: int) -> dict[str, Any]:
        """Let all come to rest, and return what an audit that compares all says of it.

        It waits so long for what is in flight.
        """
        rested_at_ms = self.storm.abate() + REST_MS
        eventually(
            lambda: self._claimed_ms() > rested_at_ms,
            DRAIN_S_MAX,
            what="the agent claims to have looked at everything",
        )
        eventually(
            lambda: group_lags(self.connections) == [0, 0],
            DRAIN_S_MAX,
            what="what the agent sent is processed and stored",
        )
        done = self.run("audit", "--json", "--deep", "--wait", str(wait_s))
        assert done.stdout, done.stderr
        return {"exit_code": done.returncode, **json.loads(done.stdout)}

    def judged(self) -> Verdict:
        """Stop all roles, and return the oracle's verdict."""
        for role in self.roles:
            assert role.stop() == 0, role.last_lines()
        self.agent.end()
        return judge(self.storm.files, self.agent, connections=self.connections)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.roles[0].run(*arguments, wait_s_max=DRAIN_S_MAX + 120)

    def _claimed_ms(self) -> int:
        """Return up to when the newest heartbeat claims that all was looked at."""
        self.agent.tend()
        index = f"{self.connections.namespace}-ledger"
        body = {
            "query": {"term": {"tailrace.hop": "heartbeat"}},
            "size": 10,
        }
        with Elastic(self.connections) as elastic:
            try:
                elastic.refresh(index)
                hits = elastic.search(index, body=body)["hits"]["hits"]
            except ServiceUnavailable:
                return 0
        return max((hit["_source"]["tailrace.swept_at_ms"] for hit in hits), default=0)


@contextmanager
def staged(
    stack: Endpoints,
    namespace: str,
    folder: Path,
    *,
    kills: list[PlannedKill],
) -> Generator[Stage]:
    settings = SETTINGS.format(
        host=HOST, folder=folder, event_bytes_max=EVENT_BYTES_MAX
    )
    with started_roles(
        stack,
        namespace=namespace,
        folder=folder,
        plans={"agent": kills, "stream": (), "indexer": ()},
        settings=settings,
    ) as roles:
        environment = roles[0].environment
        connections = Connections(
            kafka_bootstrap=stack.kafka_bootstrap,
            zookeeper_hosts=stack.zookeeper_hosts,
            elasticsearch_url=stack.elasticsearch_url,
            namespace=namespace,
            data_dir=Path(environment["TAILRACE_DATA_DIR"]),
        )
        yield Stage(roles, connections, folder)


def planned_kills(*points: str) -> list[PlannedKill]:
    chance = random.Random(SEED)
    return [PlannedKill(point, chance.randint(*PASSES)) for point in points]


def lose_checkpoint(agent: StruckAgent) -> None:
    agent.kill()
    agent.lose_checkpoint()


def test_f1_f4_f20_p1_p5_storm_of_rotations_loses_nothing_undeclared(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    """Not with the agent killed time and again, nor its checkpoint deleted amid it."""
    kills = planned_kills("A2", "A3", "A5")
    blows = (
        StruckAgent.kill,
        StruckAgent.stop,
        lose_checkpoint,
        StruckAgent.kill,
        StruckAgent.kill,
    )
    with staged(stack, namespace, tmp_path, kills=kills) as stage:
        stage.storm.rage(STORM_MS, blows=blows, then_ms=UNSTRUCK_MS)
        audit = stage.drained(wait_s=DRAIN_S_MAX)
        verdict = stage.judged()

    assert not verdict.problems, verdict.evidence
    assert audit["exit_code"] == 0, json.dumps([audit["in_flight"], audit["problems"]])
    assert audit["totals"]["in_flight"] == 0
    assert audit["compared_documents"] == verdict.event_count
    assert audit["totals"]["lost_bytes"] == verdict.lost_bytes
    assert not verdict.repeated_generations
    assert not audit["duplicates_possible"]
    # Each blow struck, and files went that the agent was bound to.
    assert stage.agent.witnesses == {
        "killed": 4,
        "stopped": 1,
        "checkpoint.deleted": 1,
        "started": len(blows),
        **{f"kill.{kill.point}": 1 for kill in kills},
    }
    assert stage.agent.restored_from["ledger"] == 1
    assert stage.storm.world.witnesses.keys() >= MUST_STRIKE
    assert verdict.demanded_bytes > 0
    assert verdict.lost_bytes > 0


def test_p5_storm_that_takes_checkpoint_and_ledger_loses_nothing_undeclared(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    """All is sent again, and of each file of which a line is there twice that is said."""

    def lose_all(agent: StruckAgent) -> None:
        agent.kill()
        agent.lose_all()

    with staged(stack, namespace, tmp_path, kills=[]) as stage:
        stage.storm.rage(SHORT_MS, blows=(lose_all,))
        audit = stage.drained(wait_s=FORGOTTEN_WAIT_S)
        verdict = stage.judged()

    assert not verdict.problems, verdict.evidence
    assert stage.agent.witnesses["ledger.words_deleted"] > 0
    assert stage.agent.restored_from["nothing, and had lived"] == 1
    # Lines did come twice, and the audit names each file of which they may have.
    assert verdict.repeated_generations
    declared = {one["generation"] for one in audit["duplicates_possible"]}
    assert declared == verdict.rebuilt_generations
    # A life that came to bear the name of a forgotten one has two contents in a place.
    assert {one["generation"] for one in audit["generations"]} <= declared
    assert not audit["problems"]
