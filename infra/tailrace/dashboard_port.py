"""On which port the dashboard listens: the configured one, or one that is free each time."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailrace.role_process import RoleProcess
from tailrace_embedded.ports import choose_ports

NAME = "dashboard"
VARIABLE = "TAILRACE_DASHBOARD_PORT"
PREFERRED = 8501


@dataclass(slots=True)
class DashboardPort:
    """A port that is kept while it is free, and is another one when it is not."""

    number: int
    is_configured: bool

    @classmethod
    def of(cls, given: Mapping[str, Any], *, kept: int) -> DashboardPort:
        """Choose it by the configuration; `kept` is that of the last run, 0 without one.

        Raises:
            CommandFailed: the configured port is taken, or none is free.
        """
        from_file = str(given.get(NAME, {}).get("port", ""))
        configured = os.environ.get(VARIABLE, from_file)
        wanted = int(configured) if configured.isdecimal() else 0
        port = cls(wanted or kept or PREFERRED, is_configured=wanted > 0)
        if wanted:
            port._choose(configured={NAME: wanted})
        else:
            port.look_again()
        return port

    def look_again(self) -> int:
        """Return the port for the next start: another process may have taken it.

        Raises:
            CommandFailed: no port is free.
        """
        if not self.is_configured:
            self._choose(configured={})
        return self.number

    def _choose(self, *, configured: Mapping[str, int]) -> None:
        self.number = choose_ports(
            [NAME],
            recorded={NAME: self.number},
            configured=configured,
            rng=random.Random(),  # noqa: S311 - a port is no secret
        )[NAME]


class DashboardProcess(RoleProcess):
    """The dashboard as a child, which finds its port anew at each start."""

    def __init__(
        self,
        name: str,
        *,
        port: DashboardPort,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log_path: Path,
        watched_fd: int,
    ) -> None:
        super().__init__(
            name,
            arguments=arguments,
            environment=environment,
            log_path=log_path,
            watched_fd=watched_fd,
        )
        self._port = port

    def start(self) -> None:
        """Start it on a port that is free now.

        Raises:
            CommandFailed: no port is free, or the process or its log cannot be made.
        """
        self.environment[VARIABLE] = str(self._port.look_again())
        super().start()
