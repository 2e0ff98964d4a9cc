"""Pieces of a container's line in files that live: waits, restarts and rotations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.harness import AgentHarness, ledger_of
from tests.agent.test_container_chunking import BROKEN, OTHER, WHOLE
from tests.agent.test_multiline_following import stored
from tests.agent.test_restart import forget

PODS: dict[str, object] = {}
"""Nothing is said of the files: their first lines tell."""


@pytest.mark.parametrize("name", ["cri", "docker"])
@pytest.mark.parametrize("is_checkpoint_kept", [True, False])
def test_p1_a_restart_between_pieces_loses_none_and_doubles_none(
    tmp_path: Path, name: str, *, is_checkpoint_kept: bool
) -> None:
    pieces = BROKEN[name].splitlines(keepends=True)
    first = AgentHarness(tmp_path, source=PODS)
    first.write("a.log", WHOLE[name] + pieces[0])
    first.pass_ms(500)
    assert stored(first.sink) == [WHOLE[name][:-1]], "a whole line waits for nothing"
    first.crash()
    if not is_checkpoint_kept:
        forget(first)
    second = AgentHarness(tmp_path, source=PODS, sink=first.sink)
    second.write("a.log", b"".join(pieces[1:]) + OTHER[name])
    second.pass_ms(500)
    expected = [WHOLE[name][:-1], BROKEN[name][:-1], OTHER[name][:-1]]
    assert stored(first.sink) == expected
    assert not any(record.identity_rebuilt for record in ledger_of(first.sink))


@pytest.mark.parametrize("name", ["cri", "docker"])
def test_f29_a_rotation_between_pieces_keeps_them_all(
    tmp_path: Path, name: str
) -> None:
    pieces = BROKEN[name].splitlines(keepends=True)
    agent = AgentHarness(tmp_path, source=PODS)
    agent.write("a.log", pieces[0] + pieces[1])
    agent.pass_ms(500)
    (agent.logs / "a.log").rename(agent.logs / "a.log.1")
    agent.write("a.log", pieces[2] + WHOLE[name])
    agent.pass_ms(30_000)
    found = sorted(stored(agent.sink))
    halves = [(pieces[0] + pieces[1])[:-1], pieces[2][:-1], WHOLE[name][:-1]]
    assert found == sorted(halves)
