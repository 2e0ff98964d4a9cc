"""Whatever is killed and rotated, Elasticsearch holds the written lines: none is missing,
none is there twice, none is altered."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tests.support.documents import stored_count, stored_events
from tests.support.roles import KilledRole, PlannedKill, started_roles
from tests.support.waiting import eventually, within
from tests.support.written import Writer, assert_exactly

LINES = 100_000
FILES = 5
ROTATIONS = 2
BATCHES = 50
EXTRA_BATCHES_MAX = 400
EXTRA_BATCH_LINES = 100
DRAIN_WAIT_S_MAX = 240
POINTS: Mapping[str, tuple[str, ...]] = {
    "agent": ("A1", "A2", "A3", "A4", "A5", "A6"),
    "stream": ("S1", "S2", "S3", "S4"),
    "indexer": ("I1", "I2", "I4", "I6"),
}
KILLS_PER_ROLE = 3


def planned_kills(role: str, *, seed: int) -> list[PlannedKill]:
    chance = random.Random(f"{role}{seed}")
    points = chance.sample(POINTS[role], KILLS_PER_ROLE)
    return [PlannedKill(point, chance.randint(1, 3)) for point in points]


@pytest.fixture
def roles(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> Iterator[list[KilledRole]]:
    with started_roles(
        stack,
        namespace=namespace,
        folder=tmp_path,
        plans={name: planned_kills(name, seed=1) for name in POINTS},
    ) as roles:
        yield roles


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_p1_every_written_line_is_stored_once_whatever_is_killed(
    stack: Endpoints,
    namespace: str,
    roles: list[KilledRole],
    tmp_path: Path,
) -> None:
    writer = Writer(tmp_path / "logs", random.Random(1), FILES)
    writer.open_all()

    write_until_every_kill_has_struck(writer, roles)

    assert [len(role.witnessed) for role in roles] == [KILLS_PER_ROLE] * len(roles)
    client = Elastic(Connections(elasticsearch_url=stack.elasticsearch_url))
    alias = f"{namespace}-events"

    def is_drained() -> bool:
        for role in roles:
            role.tend()
        return stored_count(client, index=alias) >= writer.sequence

    try:
        eventually(is_drained, wait_s_max=DRAIN_WAIT_S_MAX)
        assert_exactly(list(stored_events(client, index=alias)), writer.lives)
        dead = stored_count(client, index=f"{namespace}-dead-*")
        assert dead == 0
    finally:
        client.close()


def write_until_every_kill_has_struck(writer: Writer, roles: list[KilledRole]) -> None:
    def tended() -> bool:
        for role in roles:
            role.tend()
        return all(role.armed is None for role in roles)

    rotate_at = {BATCHES * (k + 1) // (ROTATIONS + 1) for k in range(ROTATIONS)}
    for batch in range(BATCHES):
        writer.write(LINES // BATCHES)
        if batch in rotate_at:
            for number in range(FILES):
                writer.rotate(number)
        within(tended, wait_s_max=0.2)
    for _ in range(EXTRA_BATCHES_MAX):
        if within(tended, wait_s_max=0.5):
            return
        writer.write(EXTRA_BATCH_LINES)
    left = {role.name: role.armed for role in roles}
    pytest.fail(f"these kills never struck: {left}")
