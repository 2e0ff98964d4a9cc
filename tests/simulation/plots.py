"""Acts that must follow each other closely to show something, which chance seldom brings about.

A plot has one log to itself while it goes on; storms and the fates of other processes go
on beside it. It yields how many milliseconds pass before its next act.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.simulation.application import Applications, LogFile
from tests.simulation.process import Process
from tests.simulation.world import World

SAFE_MS = 1_300
"""A sweep, a linger, a way to the brokers and a checkpoint: what was written is safe."""
DEATH_MS_MAX = 1_600
"""How long an agent is waited for that is to die; the flush of half a line is within it."""
POLL_MS = 20
"""Less than the shortest time until a dead process starts again."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One log, its application, and the agent that follows it."""

    world: World
    applications: Applications
    log: LogFile
    agent: Process

    def killed_with_a_chunk_on_its_way(self) -> Iterator[int]:
        """Let the agent die when its next chunk is sent, and not yet in the checkpoint."""
        self.agent.arm_at("A2")
        for _ in range(DEATH_MS_MAX // POLL_MS):
            if not self.agent.is_alive:
                return
            yield POLL_MS


Plot = Callable[[Stage], Iterator[int]]


def finished_after_the_flush(stage: Stage) -> Iterator[int]:
    """Flush half a line late in a file's life, kill the agent, and then write the rest.

    Whoever reads it again without the note of the cut takes both halves for one line.
    """
    applications, log = stage.applications, stage.log
    applications.append(log)
    yield SAFE_MS
    applications.append_most_of_a_line(log)
    yield from stage.killed_with_a_chunk_on_its_way()
    if not stage.agent.is_alive:
        stage.world.witness("plot.finished_after_the_flush")
    applications.append(log)


def rewritten_behind_its_back(stage: Stage) -> Iterator[int]:
    """Start an application anew while its agent is down, whose checkpoint knows less.

    All that is known of the file is its first line, and that is the same again. So other
    lines come to stand where the generation's first ones stood, of which some were sent.
    """
    applications, log = stage.applications, stage.log
    applications.start_anew(log)
    yield SAFE_MS
    applications.append(log)
    yield from stage.killed_with_a_chunk_on_its_way()
    if not stage.agent.is_alive:
        stage.world.witness("plot.rewritten_behind_its_back")
        applications.start_anew(log, is_longer=True)


def renamed_between_two_deaths(stage: Stage) -> Iterator[int]:
    """Rename a file while its agent is down, and write to it after one more death.

    The agent of the second life found it under a name that no glob means.
    """
    applications, log = stage.applications, stage.log
    applications.append(log)
    yield from stage.killed_with_a_chunk_on_its_way()
    if stage.agent.is_alive:
        return
    applications.rename(log)
    yield SAFE_MS
    applications.append(log)
    yield from stage.killed_with_a_chunk_on_its_way()
    if not stage.agent.is_alive:
        stage.world.witness("plot.renamed_between_two_deaths")
    applications.append_to_former(log)


PLOTS: tuple[Plot, ...] = (
    finished_after_the_flush,
    rewritten_behind_its_back,
    renamed_between_two_deaths,
)
