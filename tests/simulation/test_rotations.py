"""What a rotation storm may do: only what an agent can tell apart (ARCHITECTURE.md, limits)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.checker import nameless_of
from tests.simulation.cluster import LATE_MS
from tests.simulation.profiles import ROTATION_STORM
from tests.simulation.rotation_director import RotationDirector
from tests.simulation.rotations import STEP_MS, Rotations
from tests.simulation.run import CHAOS_MS, Run, running

COPY = "/one/logs/app.log.1"


@pytest.fixture
def run() -> Iterator[Run]:
    """Give a storm of which nothing has happened yet, but that there are logs."""
    with running(1, profile=ROTATION_STORM) as run:
        run.applications.begin()
        yield run


def test_half_of_a_first_line_tells_its_life_where_copies_are_made_over_others(
    run: Run,
) -> None:
    rotations, log = run.applications, run.applications.logs[0]
    assert isinstance(rotations, Rotations)
    rotations.may_copy_over = True
    for _ in range(50):
        life = run.files.truncate(log.path)
        rotations.append_half(log)
        assert b" L%d.%d " % (life.own_number, log.line_count) in life.content


def test_who_loses_all_starts_when_nothing_that_it_said_is_on_its_way(run: Run) -> None:
    """Also where the storm ends meanwhile, and all who are dead start at once."""
    director, host = run.director, run.hosts[0]
    assert isinstance(director, RotationDirector)
    agent, *others = run.processes
    director.begin_anew(host)
    assert not agent.due_ms, "it never began"
    host.had_life = True
    director.begin_anew(host)
    run.world.advance_to(CHAOS_MS)
    said_at_ms = agent.due_ms
    run.end_faults()
    assert agent.due_ms == said_at_ms > LATE_MS[1]
    assert all(one.due_ms <= run.world.now_ms for one in others)


@pytest.mark.parametrize("is_read", [False, True])
def test_copy_over_another_file_that_went_before_it_was_read_has_no_name(
    run: Run, *, is_read: bool
) -> None:
    files, path = run.files, run.applications.logs[0].path
    life = files.names[path].life
    files.create(COPY, files.new_life("one", "app"))
    descriptor = files.open(COPY)
    files.copy(path, COPY)
    if is_read:
        assert files.pread(descriptor, 1, 0)
    files.unlink(COPY)
    nameless: list[int] = [] if is_read else [life.number]
    assert sorted(nameless_of(files.lives, glob="*.log")) == nameless
    assert not nameless_of(files.lives, glob="*.log*")


@pytest.mark.parametrize("glob", ["*.log", "*.log*"])
def test_lives_that_no_glob_means_are_forgotten_with_all_that_was_known(
    run: Run, *, glob: str
) -> None:
    host, (log, other) = run.hosts[0], run.applications.logs
    host.glob = glob
    before = run.files.names[log.path].life
    run.files.rename(log.path, COPY)
    run.files.create(log.path, run.files.new_life("one", "app"))
    host.folder.mkdir()
    host.is_to_lose_all = True
    host.start().kill()
    assert host.forgotten == ({before.number} if glob == "*.log" else set())
    assert run.files.names[other.path].life.number not in host.forgotten


@pytest.mark.parametrize("is_seen", [False, True])
def test_nothing_is_written_behind_a_copy_of_a_life_that_was_hardly_read(
    run: Run, *, is_seen: bool
) -> None:
    """An agent may read all of it at once, and know no place where the copy ends."""
    rotations, log = run.applications, run.applications.logs[0]
    assert isinstance(rotations, Rotations)
    at_once = 0
    for _ in range(40):
        node = run.files.names[log.path]
        run.files.append(node, b"line\n" * 300)
        life = node.life
        life.seen_bytes = 1_500 if is_seen else 1_000
        rotations.copy_truncate(log)
        at_once += not log.is_rotating
        run.world.advance_to(run.world.now_ms + STEP_MS[1])
        assert run.files.names[log.path].life is not life
    assert (at_once < 40) is is_seen
