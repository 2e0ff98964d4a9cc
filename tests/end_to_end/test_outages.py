"""Each server goes away while lines are written; when it is back, every line is there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.settings import Connections
from tailrace_embedded.progress import SilentProgress
from tailrace_embedded.stack import Stack
from tests.support.documents import stored_count, stored_events
from tests.support.roles import KilledRole, started_roles
from tests.support.stack import temporary_data_dir
from tests.support.waiting import eventually, within
from tests.support.written import Writer, assert_exactly

LINES = 2_000
OUTAGE_S = 6
DRAIN_WAIT_S_MAX = 120
# What a role must say of a server that is away, and which role must say it.
SPEAKERS = {
    "zookeeper": ("agent", "ZooKeeper"),
    "kafka-1": ("agent", "Kafka"),
    "elasticsearch-1": ("indexer", "Elasticsearch"),
}


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """Servers that this test alone may stop."""
    with (
        temporary_data_dir() as data_dir,
        Stack.start(data_dir, progress=SilentProgress()) as stack,
    ):
        yield stack


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_k1_e3_z3_nothing_is_lost_while_a_server_is_away(
    own_stack: Stack, namespace: str, tmp_path: Path
) -> None:
    plans = {"agent": (), "stream": (), "indexer": ()}
    with started_roles(
        own_stack.endpoints, namespace=namespace, folder=tmp_path, plans=plans
    ) as roles:
        writer = Writer(tmp_path / "logs", random.Random(2), 2)
        writer.open_all()
        writer.write(LINES)
        url = own_stack.endpoints.elasticsearch_url
        client = Elastic(Connections(elasticsearch_url=url))
        alias = f"{namespace}-events"

        def is_drained() -> bool:
            try:
                return stored_count(client, index=alias) == writer.sequence
            except ServiceUnavailable:
                # A node that has just come back still recovers its shards.
                return False

        eventually(is_drained, wait_s_max=DRAIN_WAIT_S_MAX, what="the first lines")
        for server_name, (speaker_name, service) in SPEAKERS.items():
            speaker = {role.name: role for role in roles}[speaker_name]
            said_before = speaker.log_path.read_text().count(service)
            server = own_stack.server(server_name)
            server.stop()
            writer.write(LINES)

            assert within(
                lambda role=speaker, name=service, before=said_before: (
                    role.log_path.read_text().count(name) > before
                ),
                wait_s_max=60,
            ), f"the {speaker_name} did not say that {service} is away"
            stay_alive(roles)
            server.start()
            server.wait_until_ready()
            writer.write(LINES)

            eventually(
                is_drained, wait_s_max=DRAIN_WAIT_S_MAX, what=f"after {server_name}"
            )
        assert_exactly(list(stored_events(client, index=alias)), writer.lives)
        assert stored_count(client, index=f"{namespace}-dead-*") == 0
        client.close()
        stay_alive(roles)


def stay_alive(roles: list[KilledRole]) -> None:
    """Fail if a role ends within the outage: it must wait, whatever is away."""

    def has_ended() -> bool:
        for role in roles:
            role.tend()
        return False

    within(has_ended, wait_s_max=OUTAGE_S)
