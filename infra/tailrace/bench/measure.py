"""What a process has used so far, and what machine it ran on."""

from __future__ import annotations

import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

MEBIBYTE = 1_024 * 1_024
STEPS = 200_000
STEP_TRIES = 7


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures were measured on."""

    cpu: str
    cores: int
    memory_mb: int
    system: str
    python: str
    step_ns: float
    """Processor time of one step of `step_ns`: compare figures at equal ones only."""


@dataclass(frozen=True, slots=True)
class Meter:
    """Reads what one process, and the children it has, used since it began."""

    pid: int

    def cpu_s(self) -> float:
        """Return user and system time, that of ended and of living children included."""
        process = psutil.Process(self.pid)
        times = process.cpu_times()
        total = times.user + times.system + times.children_user + times.children_system
        for child in process.children(recursive=True):
            try:
                of_child = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += of_child.user + of_child.system
        return total

    def rss_mb(self) -> float:
        """Return how much memory it holds now."""
        return psutil.Process(self.pid).memory_info().rss / MEBIBYTE

    def rss_mb_max(self) -> float:
        """Return the most memory it ever held at once; now's, where no system says."""
        try:
            for line in (
                Path(f"/proc/{self.pid}/status").read_text("ascii").splitlines()
            ):
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1_024
        except OSError:
            pass
        return self.rss_mb()


def machine() -> Machine:
    """Return what this machine is."""
    return Machine(
        cpu=_cpu_name(),
        cores=psutil.cpu_count() or 1,
        memory_mb=psutil.virtual_memory().total // MEBIBYTE,
        system=f"{platform.system()} {platform.release()}",
        python=".".join(map(str, sys.version_info[:3])),
        step_ns=round(step_ns(), 1),
    )


def step_ns() -> float:
    """Return what one step of a fixed, small loop in Python costs here and now.

    A shared machine may be four times slower than it was the day before: this is what
    tells a slow machine from a slow program. The least of several tries, as whatever
    disturbs a try only lengthens it.
    """
    tries: list[int] = []
    for _ in range(STEP_TRIES):
        began_ns = time.process_time_ns()
        total = 0
        for number in range(STEPS):
            total += number
        tries.append(time.process_time_ns() - began_ns)
    return min(tries) / STEPS


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
