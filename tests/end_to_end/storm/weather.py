"""A storm on the real stack: who writes and rotates, what strikes the agent, and when.

All of it is the seed's: the acts of the simulation's applications, the moments at which
they are due, and the blows. The real time only follows that plan.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.end_to_end.storm.agent import StruckAgent
from tests.end_to_end.storm.disk import DiskFiles, now_ms
from tests.simulation.application import LogFile
from tests.simulation.filesystem import Volume
from tests.simulation.rotations import STEP_MS, Rotations
from tests.simulation.world import HostClock, World

HOST = "one"
FILES = 20
ACTS_MS = (15, 85)
DOWN_MS = (0, 2_500)
"""How long the agent is away after a blow: what is rotated meanwhile it has not seen."""
LATE_MS_MAX = 120_000
"""How long all of the agent's starts may take together."""

Blow = Callable[[StruckAgent], None]
"""What befalls the agent; it is down after it."""


@dataclass(slots=True)
class Storm:
    """Logs of one host that are written and rotated while their agent is struck."""

    seed: int
    files: DiskFiles
    agent: StruckAgent
    world: World = field(init=False)
    rotations: Rotations = field(init=False)

    def __post_init__(self) -> None:
        """Give every log its first lines."""
        self.world = World(self.seed)
        self.files.volumes[HOST] = Volume(HOST, HostClock(self.world))
        self.files.real(f"/{HOST}/logs").mkdir(parents=True, exist_ok=True)
        logs = [LogFile(HOST, f"app{number}") for number in range(FILES)]
        self.rotations = Rotations(self.world, self.files, logs)
        # There is but one host, and the disk gives inodes as it likes.
        self.rotations.are_twins = False
        self.files.volumes[HOST].is_image = False
        self.files.volumes[HOST].reuses_inodes = False
        self.rotations.begin()

    def rage(self, lasts_ms: int, *, blows: Sequence[Blow], then_ms: int = 0) -> None:
        """Write and rotate for so long, with the blows spread over it in their order.

        And for `then_ms` more, in which nothing strikes the agent.

        While the agent comes up the storm goes on, but that time does not count: where
        the machine is busy, the agent would be struck before it had told anything.
        """
        random = self.world.random
        began_ms, starts_at_ms = self.world.now_ms, None
        share_ms = lasts_ms // (len(blows) + 1)
        due = [
            (began_ms + share_ms * (n + 1) - random.randint(0, share_ms // 3), blow)
            for n, blow in enumerate(blows)
        ]
        origin_ms, late_ms = now_ms() - began_ms, 0
        while self.world.now_ms < began_ms + lasts_ms + then_ms + late_ms:
            pause_ms = random.randint(*ACTS_MS)
            act_at_ms = self.world.now_ms + pause_ms
            self._wait_until(origin_ms + act_at_ms)
            self.world.advance_to(act_at_ms)
            self.rotations.act()
            self.agent.tend()
            if not self.agent.is_down and not self.agent.is_up():
                late_ms += pause_ms
                assert late_ms < LATE_MS_MAX, "the agent does not come up"
            elif due and act_at_ms >= due[0][0] + late_ms and not self.agent.is_down:
                due.pop(0)[1](self.agent)
                starts_at_ms = act_at_ms + random.randint(*DOWN_MS)
            elif starts_at_ms is not None and act_at_ms >= starts_at_ms:
                self.agent.start()
                starts_at_ms = None
        assert not due, f"{len(due)} blows had no time"
        if self.agent.is_down:
            self.agent.start()

    def abate(self) -> int:
        """Let each rotation end, and each log with a whole line; return the time."""
        self.world.is_calm = True
        self.world.advance_to(self.world.now_ms + 2 * STEP_MS[1] + 1)
        self.rotations.finish_lines()
        for log in self.rotations.logs:
            self.rotations.append(log)
        return now_ms()

    def _wait_until(self, at_ms: int) -> None:
        """Wait for the plan's next moment; where the machine is behind, not at all."""
        wait_ms = at_ms - now_ms()
        if wait_ms > 0:
            threading.Event().wait(wait_ms / 1_000)
