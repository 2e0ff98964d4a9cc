"""A copy of an agent's checkpoint, kept aside while it lives and put back later."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tailrace_agent.checkpoint import (
    COMPLETE_NAME,
    FILE_NAME,
    PREVIOUS_NAME,
    Checkpoint,
)
from tailrace_agent.protocols import CheckpointUnwritable
from tests.simulation.world import HostClock, World


@dataclass(slots=True)
class Backup:
    """What somebody keeps of an agent's folder: one copy, which is whole."""

    folder: Path
    """The agent's; the copy stands beside it."""
    world: World
    clock: HostClock
    chance: float
    """At a restart: someone puts it back."""

    _jumped_ms: int = 0

    @property
    def _path(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}-backup")

    def keep(self, checkpoint: Checkpoint, *, chance: float) -> None:
        """Make a copy of what is committed now, if it so happens.

        Where the clock is set, the copy is worth nothing any more: the ledger's words are
        found by their times (ARCHITECTURE.md, limits).
        """
        if self.clock.jumped_ms != self._jumped_ms:
            self.forget()
            self._jumped_ms = self.clock.jumped_ms
        if not self.chance or self.world.is_calm or not self.world.has_luck(chance):
            return
        try:
            checkpoint.keep_copy()
        except CheckpointUnwritable:
            return
        self.forget()
        self._path.mkdir()
        shutil.copy(self.folder / PREVIOUS_NAME, self._path / FILE_NAME)
        if (self.folder / COMPLETE_NAME).exists():
            (self._path / COMPLETE_NAME).touch()

    def put_back(self) -> None:
        """Let the next start find the copy, if there is one and it so happens."""
        if not self._path.exists() or self.clock.jumped_ms != self._jumped_ms:
            return
        if not self.world.has_luck(self.chance):
            return
        shutil.rmtree(self.folder)
        shutil.copytree(self._path, self.folder)
        self.world.witness("checkpoint.set_back")

    def forget(self) -> None:
        """Keep nothing any more."""
        shutil.rmtree(self._path, ignore_errors=True)
