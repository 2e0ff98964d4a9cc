"""What is huge stays within bounds: long lines, many files, limits of the kernel."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tailrace.framing import FLAG_CUT
from tailrace_agent import descriptors
from tests.agent.harness import AgentHarness, events_of, ledger_of, unique_lines

MEBIBYTE = 1 << 20
LONG_BYTES = 100 * MEBIBYTE
# The process reports its own peak: what other tests left behind must not count.
LONG_LINE = """
import resource, sys, pathlib
from crc32c import crc32c
from tailrace.framing import decode_mapped
from tests.agent.harness import AgentHarness, ledger_of
folder = pathlib.Path(sys.argv[1])
agent = AgentHarness(folder)
agent.write("warm.log", b"one\\n")
agent.pass_ms()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
agent.write("a.log", b"first\\n")
with (agent.logs / "a.log").open("ab") as file:
    for _ in range(100):
        file.write(b"x" * (1 << 20))
    file.write(b"\\nlast\\n")
agent.pass_ms()
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
(long,) = [r for r in agent.sink.stored if len(r.value) > 1 << 20]
(event,) = decode_mapped(long.value)
checksum = 0
for _ in range(100):
    checksum = crc32c(b"x" * (1 << 20), checksum)
assert event.checksum == checksum
print(grown, event.original_size_bytes, len(event.stored), event.flags,
      agent.table.files and max(t.position.offset for t in agent.table.files.values()))
"""
MANY_FILES = """
import resource, sys, pathlib
from tests.agent.harness import AgentHarness, events_of
folder = pathlib.Path(sys.argv[1])
agent = AgentHarness(folder, descriptors_max=256)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for number in range(3_000):
    agent.write(f"{number}.log", b"line of %d\\n" % number)
agent.pass_ms(800, step_ms=200)
opened = len(list(pathlib.Path("/proc/self/fd").iterdir()))
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown, len({e.stored for e in events_of(agent.sink)}), opened)
"""


def run(program: str, folder: Path) -> list[int]:
    """Run a program in a process of its own; return the numbers that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return [int(number) for number in done.stdout.split()]


@pytest.mark.timeout(120)
def test_f27_line_of_100_megabytes_takes_bounded_memory(tmp_path: Path) -> None:
    grown_kib, size, stored, flags, offset = run(LONG_LINE, tmp_path)
    assert size == LONG_BYTES
    assert stored == MEBIBYTE
    assert flags == FLAG_CUT
    assert offset == 6 + LONG_BYTES + 1 + 5
    assert grown_kib < 24 * 1_024


@pytest.mark.timeout(180)
def test_f35_thousands_of_files_take_bounded_memory_and_descriptors(
    tmp_path: Path,
) -> None:
    grown_kib, lines, opened = run(MANY_FILES, tmp_path)
    assert lines == 3_000
    assert opened < 300
    # Their records in the test's own sink are among it.
    assert grown_kib < 64 * 1_024


def test_f35_quiet_file_has_its_turn_beside_a_busy_one(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, chunk_bytes=4_096, linger_ms_max=0)
    agent.write("busy.log", b"of many\n" * 20_000)
    agent.write("quiet.log", b"of one\n")
    agent.pass_ms(2_000)
    order = [e.stored for e in events_of(agent.sink)]
    assert order.index(b"of one") < 2_000
    assert len(order) == 20_001


def test_f22_descriptors_that_the_kernel_refuses_are_waited_for(tmp_path: Path) -> None:
    """EMFILE: nothing is skipped, and nothing dies."""
    agent = AgentHarness(tmp_path)
    for number in range(30):
        agent.write(f"{number}.log", b"line of %d\n" % number)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 10, hard))
    try:
        agent.pass_ms(3_000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    refused = agent.said("file_unreadable")
    assert refused, "the limit was never met"
    assert {said["why"] for said in refused} == {os.strerror(24)}
    agent.pass_ms(200_000, step_ms=1_000)
    assert len(unique_lines(agent.sink)) == 30


@pytest.mark.parametrize("is_known", [False, True])
def test_f22_f35_every_file_is_read_where_few_descriptors_are_given(
    tmp_path: Path, *, is_known: bool
) -> None:
    """Idle files are closed for others, whether the limit was known or is met."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = len(list(Path("/proc/self/fd").iterdir()))
    limit = taken + 24
    agent = AgentHarness(
        tmp_path, descriptors_max=descriptors.FILES_MIN if is_known else 512
    )
    for number in range(100):
        agent.write(f"{number}.log", b"line of %d\n" % number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        agent.pass_ms(120_000, step_ms=500)
        for number in range(100):
            agent.write(f"{number}.log", b"next of %d\n" % number)
        agent.pass_ms(120_000, step_ms=500)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(unique_lines(agent.sink)) == len(events_of(agent.sink)) == 200
    refused = agent.said("file_unreadable")
    assert is_known == (not refused)
    assert all("open files" in str(said["remedy"]) for said in refused)


def test_f22_the_soft_limit_is_raised_and_the_hard_one_is_kept_to() -> None:
    """In a process of its own, whose limits nobody needs afterwards."""
    asked = (
        "import resource; from tailrace_agent.descriptors import files_open_max;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, {hard}));"
        "print(files_open_max(512), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", asked.format(hard=hard)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for hard in (1_024, 256, 50)
    ]
    assert told == [["512", "560"], ["208", "256"], ["8", "50"]]


def test_f26_devices_sockets_and_folders_hold_nothing_up(tmp_path: Path) -> None:
    import socket

    agent = AgentHarness(tmp_path)
    os.mkfifo(agent.logs / "fifo.log")
    (agent.logs / "folder.log").mkdir()
    (agent.logs / "null.log").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(agent.logs)  # The name of a socket may be only so long.
        try:
            listener.bind("socket.log")
        finally:
            os.chdir(here)
        agent.write("a.log", b"one\n")
        agent.pass_ms()
    assert unique_lines(agent.sink) == [b"one"]
    names = {
        str(said["path"]).rpartition("/")[2]
        for said in agent.said("not_a_regular_file")
    }
    assert names == {"fifo.log", "null.log", "socket.log"}


def test_f34_clock_that_goes_backwards_changes_nothing(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"one\n")
    agent.pass_ms()
    agent.clock.wall_ms -= 86_400_000
    os.utime(path, (0, 0))
    agent.write("a.log", b"two\n")
    os.utime(path, (4_000_000_000, 4_000_000_000))
    agent.pass_ms()
    agent.crash()
    agent.clock.wall_ms -= 86_400_000
    again = AgentHarness(tmp_path, sink=agent.sink, clock=agent.clock)
    again.write("a.log", b"three\n")
    os.utime(path, (5, 5))
    again.pass_ms()
    assert [e.stored for e in events_of(agent.sink)] == [b"one", b"two", b"three"]
    newest = {r.generation: r for r in ledger_of(agent.sink)}
    assert len(newest) == 1
