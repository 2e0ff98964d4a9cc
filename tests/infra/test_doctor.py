"""Each thing that can be wrong with a machine is found, and comes with its remedy."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tailrace import server_facts
from tailrace.doctor import (
    GIBIBYTE,
    MEBIBYTE,
    Facts,
    Finding,
    FolderDisk,
    Level,
    ServerFacts,
    examine,
)
from tailrace.doctor_facts import PACKAGES, folder_disks
from tailrace.errors import NoAnswer, ServiceUnavailable
from tailrace.extras import MODULES
from tailrace.kafka_admin import KafkaAdmin
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints

GOOD = Facts(
    python=(3, 11, 2),
    memory_bytes=16 * GIBIBYTE,
    memory_free_bytes=8 * GIBIBYTE,
    data_dir="/data",
    disk_free_bytes=50 * GIBIBYTE,
    is_data_dir_writable=True,
    open_files_max=sys.maxsize,
    watches_max=60_000,
    instances_max=128,
    root_problem="",
    missing_modules={"agent": (), "stream": ()},
    versions={"kafka-python": "3.0.12"},
    has_fast_checksum=True,
    taken_ports={},
    folder_disks=(
        FolderDisk(name="agent", path="/data/agent", free_bytes=GIBIBYTE),
        FolderDisk(name="servers", path="/data/servers", free_bytes=9 * GIBIBYTE),
    ),
    servers=(
        ServerFacts(
            name="Elasticsearch",
            address="http://127.0.0.1:9200",
            is_expected=True,
            version=(8, 12, 0),
        ),
    ),
    live_hosts=(("h1", "one"), ("h2", "two")),
)
AWAY = ServerFacts(
    name="Kafka", address="127.0.0.1:9092", is_expected=True, problem="refused"
)


def with_disk(name: str, *, free_bytes: int) -> Facts:
    disk = FolderDisk(name=name, path=f"/data/{name}", free_bytes=free_bytes)
    return replace(GOOD, folder_disks=(disk,))


def bad(facts: Facts) -> list[Finding]:
    return [finding for finding in examine(facts) if finding.level is not Level.OK]


def test_an_extra_whose_versions_nobody_names_is_merely_installed() -> None:
    """And each extra of ours has a package that is named."""
    facts = replace(GOOD, missing_modules={"redaction": (), "agent": ()})
    said = {each.name: each.what for each in examine(facts)}
    assert said["redaction"] == "installed"
    assert said["agent"] == "installed (kafka-python 3.0.12)"

    versions = dict.fromkeys(PACKAGES, "1")
    missing: dict[str, tuple[str, ...]] = dict.fromkeys(MODULES, ())
    named = examine(replace(GOOD, missing_modules=missing, versions=versions))
    assert [each.name for each in named if each.what == "installed"] == []


def with_broker_disk(free_bytes: int) -> ServerFacts:
    disks = tuple(
        FolderDisk(name=name, path="/kafka", free_bytes=free)
        for name, free in (("broker 1", 9 * GIBIBYTE), ("broker 2", free_bytes))
    )
    return replace(AWAY, problem="", disks=disks)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (
            NoAnswer("Elasticsearch", address="http://a:1", wait_s=10),
            "it may be busy or stand still: try again, and look at its log",
        ),
        (
            ServiceUnavailable("Elasticsearch", address="http://a:1", reason="gone"),
            "start it, or correct its address; `tailrace up` runs one here",
        ),
        (
            ServiceUnavailable(
                "Elasticsearch", address="a", reason="401", remedy="give it a key"
            ),
            "give it a key",
        ),
    ],
)
def test_a_server_that_runs_is_not_to_be_started(
    error: ServiceUnavailable, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_connections: Connections) -> object:
        raise error

    monkeypatch.setattr(server_facts, "_elasticsearch", answer)

    def lack_nothing(_connections: Connections) -> object:
        return server_facts.Found()

    for other in ("_kafka", "_zookeeper"):
        monkeypatch.setattr(server_facts, other, lack_nothing)
    connections = Connections().model_copy(update={"elasticsearch_url": "http://a:1"})

    found = replace(GOOD, servers=server_facts.server_facts(connections))

    (finding,) = bad(found)
    assert finding.remedy == remedy
    assert finding.what.startswith("Elasticsearch at http://a:1 cannot be reached: ")


@pytest.mark.timeout(60)
def test_a_server_that_stands_still_is_told_from_one_that_is_not_there() -> None:
    """What was frozen still has its port, and takes connections that it never answers."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        address = f"127.0.0.1:{frozen.getsockname()[1]}"
        update = {"kafka_bootstrap": address}
        connections = Connections().model_copy(update=update)
        with pytest.raises(NoAnswer, match=r"no answer within 0\.5 s") as still:
            KafkaAdmin(connections, connect_ms_max=500)
    with pytest.raises(ServiceUnavailable) as away:
        KafkaAdmin(connections, connect_ms_max=500)

    assert "busy or stand still" in still.value.remedy
    assert not isinstance(away.value, NoAnswer)
    assert "start it" in away.value.remedy


def test_a_good_machine_has_nothing_to_say_against_it() -> None:
    assert bad(GOOD) == []


@pytest.mark.parametrize(
    ("facts", "level", "what"),
    [
        (replace(GOOD, python=(3, 10, 9)), Level.FAILURE, "Python 3.10.9"),
        (replace(GOOD, memory_bytes=2 * GIBIBYTE), Level.FAILURE, "of 2.0 GB"),
        (replace(GOOD, memory_free_bytes=GIBIBYTE), Level.WARNING, "1.0 GB free"),
        (replace(GOOD, disk_free_bytes=GIBIBYTE // 2), Level.FAILURE, "0.5 GB free"),
        (replace(GOOD, disk_free_bytes=3 * GIBIBYTE), Level.WARNING, "3.0 GB free"),
        (replace(GOOD, is_data_dir_writable=False), Level.FAILURE, "/data cannot be"),
        (
            with_disk("agent", free_bytes=MEBIBYTE),
            Level.FAILURE,
            "1 MB free at /data/agent",
        ),
        (
            with_disk("agent", free_bytes=200 * MEBIBYTE),
            Level.WARNING,
            "200 MB free at /data/agent",
        ),
        (
            with_disk("servers", free_bytes=200 * MEBIBYTE),
            Level.FAILURE,
            "200 MB free at /data/servers",
        ),
        (replace(GOOD, open_files_max=256), Level.FAILURE, "256"),
        (replace(GOOD, open_files_max=4_096), Level.WARNING, "4,096"),
        (replace(GOOD, watches_max=100), Level.WARNING, "100"),
        (replace(GOOD, instances_max=1), Level.WARNING, "1"),
        (replace(GOOD, root_problem="no user"), Level.FAILURE, "no user"),
        (
            replace(GOOD, missing_modules={"agent": ("kazoo",)}),
            Level.WARNING,
            "kazoo missing",
        ),
        (replace(GOOD, has_fast_checksum=False), Level.FAILURE, "crc32c"),
        (replace(GOOD, taken_ports={"dashboard": 8501}), Level.WARNING, "port 8501"),
        (replace(GOOD, servers=(AWAY,)), Level.FAILURE, "127.0.0.1:9092"),
        (
            replace(GOOD, servers=(replace(GOOD.servers[0], version=(8, 11, 4)),)),
            Level.FAILURE,
            "8.11.4",
        ),
        (
            replace(GOOD, servers=(replace(AWAY, problem="", missing=("t.raw",)),)),
            Level.WARNING,
            "t.raw",
        ),
        (
            replace(GOOD, servers=(replace(AWAY, problem="", is_nameless=True),)),
            Level.WARNING,
            "asks nobody for a name",
        ),
        (
            replace(GOOD, servers=(with_broker_disk(GIBIBYTE // 2),)),
            Level.FAILURE,
            "0.5 GB free at /kafka of broker 2",
        ),
        (
            replace(GOOD, servers=(with_broker_disk(3 * GIBIBYTE),)),
            Level.WARNING,
            "3.0 GB free at /kafka of broker 2",
        ),
        (
            replace(GOOD, live_hosts=(("h1", "one"), ("h1", "two"))),
            Level.FAILURE,
            "2 live agents have the host id h1 (one, two)",
        ),
    ],
)
def test_a_fault_is_found_with_its_value_and_a_remedy(
    facts: Facts, level: Level, what: str
) -> None:
    (finding,) = bad(facts)

    assert finding.level is level
    assert what in finding.what
    assert finding.remedy


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second disk is known")
def test_a_folder_on_another_disk_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "agent").symlink_to("/dev/shm")
    (tmp_path / "servers").mkdir()

    if (tmp_path / "agent").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("both are one disk here")
    (disk,) = folder_disks(tmp_path)
    assert (disk.name, disk.path) == ("agent", f"{tmp_path}/agent")
    assert disk.free_bytes == pytest.approx(
        os.statvfs("/dev/shm").f_bavail * os.statvfs("/dev/shm").f_frsize, abs=GIBIBYTE
    )


def test_a_server_that_nobody_asked_for_may_be_away() -> None:
    facts = replace(GOOD, servers=(replace(AWAY, is_expected=False),))

    assert bad(facts) == []


def test_where_there_is_no_inotify_nothing_is_said_of_it() -> None:
    facts = replace(GOOD, watches_max=None, instances_max=None)

    assert not any("inotify" in finding.name for finding in examine(facts))


@pytest.mark.stack
@pytest.mark.timeout(60)
def test_k14_the_room_that_a_broker_has_is_told_before_it_has_none(
    stack: Endpoints,
) -> None:
    connections = Connections(kafka_bootstrap=stack.kafka_bootstrap)
    kafka, *_rest = server_facts.server_facts(connections)

    (disk,) = kafka.disks
    usable = os.statvfs(disk.path).f_bavail * os.statvfs(disk.path).f_frsize
    assert disk.name.startswith("broker ")
    assert disk.free_bytes == pytest.approx(usable, abs=GIBIBYTE)
    little = replace(kafka, missing=(), disks=(replace(disk, free_bytes=MEBIBYTE),))
    (finding,) = bad(replace(GOOD, servers=(little,)))
    assert finding.level is Level.FAILURE
    assert "wait in their files" in finding.remedy
