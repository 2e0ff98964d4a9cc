"""Real roles as processes, killed where a plan says and started again after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tailrace.chaos.roles import PlannedKill
from tailrace.kill_points import POINT_VARIABLE, WITNESS_VARIABLE
from tailrace_embedded.stack import Endpoints

__all__ = ["KilledRole", "PlannedKill", "started_roles"]

STOP_WAIT_S_MAX = 30
SESSION_MS = 10_000
"""How long a group waits for a stream worker that was killed before the next one gets its
partitions: as long as for an indexer, and not half a minute for each kill."""
TAILRACE = str(Path(sys.executable).with_name("tailrace"))


@dataclass(slots=True)
class KilledRole:
    """One role that dies at each planned kill and is started again, as by `tailrace up`.

    After the last planned kill it runs unarmed. A death that no plan explains, or one
    that leaves no witness, fails the test: a run without its faults proves nothing.
    """

    name: str
    config_file: Path
    environment: dict[str, str]
    folder: Path
    plan: Sequence[PlannedKill] = ()
    witnessed: list[PlannedKill] = field(default_factory=list[PlannedKill])
    _process: subprocess.Popen[bytes] | None = None
    _starts: int = 0

    def start(self) -> None:
        """Start the role, armed with the next planned kill, if one is left."""
        environment = {**os.environ, **self.environment}
        if self.armed is not None:
            environment[POINT_VARIABLE] = f"{self.armed.point}:{self.armed.count}"
            environment[WITNESS_VARIABLE] = str(self._witness_path)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [TAILRACE, self.name, "--config", str(self.config_file)],
                env=environment,
                stdout=log,
                stderr=log,
            )
        self._starts += 1

    @property
    def armed(self) -> PlannedKill | None:
        """The kill that comes next, or None when all have struck."""
        index = len(self.witnessed)
        return self.plan[index] if index < len(self.plan) else None

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """Where the role's own log goes, over all its lives."""
        return self.folder / f"{self.name}.out"

    @property
    def _witness_path(self) -> Path:
        return self.folder / f"{self.name}-{len(self.witnessed)}.witness"

    def tend(self) -> None:
        """Start the role again if its planned kill has struck."""
        assert self._process is not None
        code = self._process.poll()
        if code is None:
            return
        kill = self.armed
        assert kill is not None, f"{self.name} died with {code}: {self.last_lines()}"
        assert code == -signal.SIGKILL, f"{self.name}: {code}: {self.last_lines()}"
        assert self._witness_path.read_text().startswith(f"{kill.point} ")
        self.witnessed.append(kill)
        self.start()

    def stop(self) -> int:
        """Ask the role to drain, and return its exit code; kill it if it will not."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(STOP_WAIT_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def disarm(self) -> None:
        """Start the role anew, if a planned kill is left that nobody would tend it after.

        How often a point is met depends on how records were bundled: the last one of a
        plan may strike minutes later than thought, or never.
        """
        self.tend()
        if self.armed is not None:
            self.stop()
            self.plan = tuple(self.witnessed)
            self.start()

    def kill(self) -> int:
        """End the role as a crash does, with no plan, and return its exit code."""
        assert self._process is not None
        self._process.kill()
        return self._process.wait()

    def run(
        self,
        *arguments: str,
        wait_s_max: float,
        config: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Return what a command gave that a person types beside the role.

        It has the role's environment and more, and its settings unless others are given.
        """
        return subprocess.run(
            [TAILRACE, *arguments, "--config", str(config or self.config_file)],
            env={**os.environ, **self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=wait_s_max,
        )

    def last_lines(self) -> str:
        """Return the end of its log, for a failure's message."""
        return "\n".join(
            self.log_path.read_text("utf-8", "backslashreplace").splitlines()[-15:]
        )


@contextmanager
def started_roles(
    stack: Endpoints,
    *,
    namespace: str,
    folder: Path,
    plans: Mapping[str, Sequence[PlannedKill]],
    settings: str = "",
) -> Generator[list[KilledRole]]:
    """Yield the named roles, running on `stack` in a namespace of their own.

    Topics and templates are there. The agent watches `folder / "logs"`, unless the text
    of other `settings` is given; the roles are stopped at the end, the last of the data
    flow first.
    """
    logs = folder / "logs"
    logs.mkdir()
    config_file = folder / "tailrace.toml"
    config_file.write_text(
        settings
        or f'[[agent.sources]]\nname = "app"\n'
        f'paths = ["{logs}/*.log", "{logs}/*.log.*"]\n'
    )
    environment = {
        **stack.as_environment(),
        "TAILRACE_NAMESPACE": namespace,
        "TAILRACE_DATA_DIR": str(folder / "data"),
        "TAILRACE_STREAM_SESSION_TIMEOUT_MS": str(SESSION_MS),
    }
    subprocess.run(
        [TAILRACE, "provision"],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    with ExitStack() as running:
        started: list[KilledRole] = []
        for name, plan in plans.items():
            role = KilledRole(
                name=name,
                config_file=config_file,
                environment=environment,
                folder=folder,
                plan=plan,
            )
            role.start()
            running.callback(role.stop)
            started.append(role)
        yield started
