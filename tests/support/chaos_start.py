"""`tailrace chaos --small` as a process, up to a moment of its start: MOMENT FOLDER.

A few lines of Python stand in for the servers; nothing is downloaded, and nothing needs
root. In the folder a file `reached` says that the moment has come, and `stopping` that
the server was asked to stop; it stops once there is a file `release`.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from tailrace.chaos import namespaces, stage
from tailrace.commands.chaos import chaos
from tailrace.commands.common import shows_errors
from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace_embedded import runtime, stack
from tailrace_embedded.plan import Endpoints
from tailrace_embedded.server import ServerSpec

SLOW_TO_STOP = """
import pathlib, signal, sys, threading
folder = pathlib.Path(sys.argv[1])

def stop(*_given):
    (folder / "stopping").touch()
    while not (folder / "release").exists():
        threading.Event().wait(0.02)
    sys.exit()

signal.signal(signal.SIGTERM, stop)
(folder / "serving").touch()
while True:
    signal.pause()
"""
WAIT_S_MAX = 60.0
NOWHERE = "127.0.0.1:1"
ENDPOINTS = Endpoints(
    kafka_bootstrap=NOWHERE,
    zookeeper_hosts=NOWHERE,
    elasticsearch_url=f"http://{NOWHERE}",
)


@dataclass(frozen=True)
class StandIn:
    """What takes the place of servers, downloads and namespaces."""

    folder: Path
    moment: str

    def is_ready(self) -> bool:
        """Be up, but for the moment that is amid the start of the servers."""
        if not (self.folder / "serving").exists():
            return False
        if self.moment == "start":
            (self.folder / "reached").touch()
        return self.moment != "start"

    def plan(self, *_given: object, **_named: object) -> object:
        """Plan one server."""
        spec = ServerSpec(
            name="elasticsearch-1",
            command=(sys.executable, "-c", SLOW_TO_STOP, str(self.folder)),
            environment={},
            working_dir=self.folder,
            log_path=self.folder / "server.log",
            output_path=self.folder / "server.out",
            is_ready=self.is_ready,
            ports={"client": 1},
        )
        return ENDPOINTS, [spec]

    def fetch(self, **_named: object) -> None:
        """Take long in the moment that is amid the download."""
        if self.moment == "fetch":
            (self.folder / "reached").touch()
            while not (self.folder / "release").exists():
                threading.Event().wait(0.02)

    def why_not(self) -> str | None:
        """Have namespaces where the fetch comes before them."""
        return None if self.moment == "fetch" else "not here"

    def leave(self) -> None:
        """Say that the run went on into them, and end it."""
        (self.folder / "left").touch()
        raise CommandFailed("It went on.", remedy="end")

    def provision(self, _connections: object) -> None:
        """Make of whatever is raised in it what clients of servers make of it."""
        (self.folder / "reached").touch()
        try:
            threading.Event().wait(WAIT_S_MAX)
        except Exception as error:
            raise ServiceUnavailable(
                "Elasticsearch", address=NOWHERE, reason=repr(error)
            ) from error


def nothing(**_named: object) -> None:
    """Need no files, and no other user."""


def main(moment: str, folder: Path) -> None:
    """Replace what would need servers, and run the command."""
    stand_in = StandIn(folder, moment)
    patch = pytest.MonkeyPatch()
    patch.setattr(stack, "plan", stand_in.plan)
    patch.setattr(stack, "ensure_runtime", nothing)
    patch.setattr(stack.identity, "run_as", nothing)
    patch.setattr(runtime, "ensure_runtime", stand_in.fetch)
    patch.setattr(namespaces, "why_not", stand_in.why_not)
    patch.setattr(namespaces, "leave_the_machine", stand_in.leave)
    patch.setattr(stage, "provision", stand_in.provision)
    try:
        shows_errors(lambda: chaos(small=True))()
    except typer.Exit as ended:
        sys.exit(ended.exit_code)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
