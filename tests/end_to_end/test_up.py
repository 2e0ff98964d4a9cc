"""One command brings everything up, looks after it, and takes all of it down again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.waiting import eventually, within

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

UP_S_MAX = 180
FOUND_S_MAX = 60
IDLE_S = 20
ENVIRONMENT = {
    # Servers log in a zone of their own, wherever the user is.
    "TZ": "Asia/Kathmandu",
    # What the leader does at each turn comes often enough to be seen by `IDLE_S`.
    "TAILRACE_INDEXER_RETENTION_CHECK_MS": "2000",
}

SERVERS_VARIABLES = frozenset({"TAILRACE_CACHE_DIR", "TAILRACE_JAVA_FLAGS"})


@dataclass(frozen=True, slots=True)
class Machine:
    """A data folder and a watched folder, and the command line about them."""

    data_dir: Path
    watched: Path

    def tailrace(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("TAILRACE_") or name in SERVERS_VARIABLES
        }
        return subprocess.run(
            [str(Path(sys.executable).with_name("tailrace")), *arguments],
            env={
                **environment,
                **ENVIRONMENT,
                "TAILRACE_DATA_DIR": str(self.data_dir),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=UP_S_MAX,
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.tailrace("up", "--detach", "--watch", f"{self.watched}/*.log")

    def append(self, line: str) -> None:
        with (self.watched / "app.log").open("a") as file:
            file.write(f"{line}\n")

    def found(self, words: str) -> list[dict[str, Any]]:
        done = self.tailrace("search", words, "--json")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def status(self) -> dict[str, Any]:
        return json.loads(self.tailrace("status", "--json").stdout)

    def member(self, name: str) -> dict[str, Any]:
        (member,) = [one for one in self.status()["members"] if one["name"] == name]
        return member

    def processes(self) -> list[psutil.Process]:
        """Return everything that runs for this data folder."""
        status = self.status()
        down = [one for one in status["members"] if one["pid"] is None]
        assert not down, (down, status["reasons"], status["warnings"])
        pids = [int(status["pid"]), *(int(one["pid"]) for one in status["members"])]
        found: list[psutil.Process] = []
        for process in map(psutil.Process, pids):
            found += [process, *process.children(recursive=True)]
        return found


def is_living(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def machine() -> Iterator[Machine]:
    # Not pytest's own folder, which is closed to the user that the servers run as.
    with tempfile.TemporaryDirectory(prefix="tailrace-up-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = Machine(folder / "data", folder / "watched")
        made.watched.mkdir()
        try:
            yield made
        finally:
            done = made.tailrace("down")
            assert done.returncode == 0, done.stderr


def test_everything_comes_up_is_looked_after_and_goes_down(machine: Machine) -> None:
    began_s = time.monotonic()
    up = machine.up()
    print(f"up after {time.monotonic() - began_s:.1f} s")  # noqa: T201 - shown by -s
    assert up.returncode == 0, up.stderr
    url = up.stdout.split()[-1]
    with urllib.request.urlopen(url, timeout=10) as page:
        assert page.status == 200

    machine.append("a needle in the haystack")
    began_s = time.monotonic()
    eventually(lambda: machine.found("needle"), FOUND_S_MAX)
    print(f"found after {time.monotonic() - began_s:.2f} s")  # noqa: T201 - likewise
    (document,) = machine.found("needle")
    assert document["message"] == "a needle in the haystack"
    assert document["log.file.path"] == str(machine.watched / "app.log")
    assert document["_index"].startswith("tailrace-")
    assert document["_id"]
    status = machine.status()
    assert status["ok"], status["reasons"]
    assert status["dashboard_url"] == url
    for dataset in ("kafka.log", "zookeeper.log", "elasticsearch.server"):
        # Of the last quarter of an hour, by their own word.
        assert machine.found(f"event.dataset:{dataset}"), dataset

    again = machine.up()
    assert again.returncode == 1
    assert "already running" in again.stderr
    assert url in again.stderr

    for name in ("agent", "stream", "indexer", "zookeeper"):
        psutil.Process(machine.member(name)["pid"]).kill()
    for name in ("agent", "stream", "indexer", "zookeeper"):
        eventually(lambda n=name: machine.member(n)["restarts"] == 1, 30)
        assert machine.member(name)["last_exit"] == -signal.SIGKILL
    eventually(lambda: machine.status()["ok"], 60)
    assert any("started again" in one for one in machine.status()["warnings"])
    machine.append("another needle")
    eventually(lambda: len(machine.found("needle")) == 2, 60)

    processes = machine.processes()
    assert len(processes) > 8
    down = machine.tailrace("down")
    assert down.returncode == 0, down.stderr
    assert not list(filter(is_living, processes))
    assert machine.tailrace("status").returncode == 1

    # What was indexed is kept, and nothing is indexed again.
    assert machine.up().returncode == 0
    eventually(lambda: len(machine.found("needle")) == 2, FOUND_S_MAX)


def test_an_idle_system_stays_idle_and_a_killed_one_leaves_nothing(
    machine: Machine,
) -> None:
    """Its own logs never make more of themselves."""
    assert machine.up().returncode == 0

    def stands_still() -> bool:
        before = machine.status()["documents"]
        return not within(
            lambda: machine.status()["documents"] != before, wait_s_max=IDLE_S
        )

    eventually(stands_still, 200)

    processes = machine.processes()
    psutil.Process(machine.status()["pid"]).kill()
    eventually(lambda: not list(filter(is_living, processes)), 30)
    assert not machine.status()["ok"]


def test_the_shop_runs_beside_everything_and_its_traces_cross_services(
    machine: Machine,
) -> None:
    """Asked for, as own files are named; and an incident in it is found."""
    up = machine.tailrace(
        "up", "--detach", "--demo", "--watch", f"{machine.watched}/*.log"
    )
    assert up.returncode == 0, up.stderr
    eventually(lambda: machine.member("shop")["state"] == "running", FOUND_S_MAX)

    def loaded() -> bool:
        return machine.tailrace("shop", "load", "orders", "--count=1").returncode == 0

    eventually(loaded, FOUND_S_MAX)

    def services_of_an_order() -> set[str]:
        orders = machine.found("tags:shop AND service.name:fulfilment")
        if not orders:
            return set()
        found = machine.found(f"trace.id:{orders[-1]['trace.id']}")
        return {Path(one["log.file.path"]).stem for one in found}

    crossed = {"access", "orders", "inventory", "fulfilment"}
    eventually(lambda: services_of_an_order() == crossed, FOUND_S_MAX)

    assert machine.tailrace("shop", "incident", "bad-deploy").returncode == 0
    eventually(lambda: machine.found("tags:shop AND service.version:1.4.1"), 60)
    psutil.Process(machine.member("shop")["pid"]).kill()
    eventually(lambda: machine.member("shop")["restarts"] == 1, 30)
    eventually(lambda: machine.tailrace("shop", "status").returncode == 0, 60)
