"""What an agent with very many files costs: at rest, and with a few busy ones among them.

1. Nothing grows: the part of a core that it takes to know so.
2. The lines are there at once, in the busy files: how fast they are shipped.
3. The busy files grow at a steady rate, as files do: what a line costs then, when chunks
   are small and each file is looked at again and again.

During 2 and 3 a line is written to one quiet file after the other: how long it takes to
Kafka says whether the busy ones hide it.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tailrace.bench.corpus import BLOCK_LINES
from tailrace.bench.progress import (
    corpus_of,
    rate,
    require_all,
    running,
    shipped_at,
)
from tailrace.bench.records import Arrival, arrivals
from tailrace.bench.stand import Round, Stand
from tailrace.clock import Clock
from tailrace.errors import CommandFailed
from tailrace.topics import RAW

REST_MS = 6_000
"""A file that grew is looked at now and then for five seconds more: that is no rest."""
IDLE_MS = 10_000
STEADY_MS = 10_000
STEADY_LINES_PER_S = 50_000
STEADY_BATCH_MS = 100
QUIET_EACH_MS = 100
"""How often one of the quiet files gets a line."""
QUIET_LINE = b"one line\n"


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's figures on very many files."""

    files: int
    busy_files: int
    lines: int
    idle_cpu_percent: float
    """Of one core, while none of the files grows."""
    idle_rss_mb: float
    """What it held then."""
    lines_per_s: float
    """Of lines that are there at once, in the busy files."""
    cpu_us_per_line: float
    quiet_ms_p50: float
    """From a line's writing to a quiet file to the broker's having it, meanwhile."""
    quiet_ms_max: float
    steady_lines_per_s: int
    """At how steady a rate the busy files then grow."""
    steady_cpu_us_per_line: float
    steady_quiet_ms_p50: float
    steady_quiet_ms_max: float
    rss_mb: float
    """The most it ever held."""


@dataclass(slots=True)
class _QuietLines:
    """Writes a line to one quiet file after the other, and notes when."""

    clock: Clock
    written_at_ms: dict[str, int] = field(default_factory=dict[str, int])
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def written(self, paths: Sequence[Path]) -> Generator[None]:
        """Write while the block runs, at most one line a file."""
        self._stop.clear()
        thread = threading.Thread(target=self._write, args=(paths,))
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def delays_ms(self, found: Sequence[Arrival], among: Sequence[Path]) -> list[int]:
        """Return how long each line took: the last chunk of a quiet file has it."""
        last = {one.path: one.appended_at_ms for one in found}
        names = [str(path) for path in among if str(path) in self.written_at_ms]
        return [last[name] - self.written_at_ms[name] for name in names]

    def _write(self, paths: Sequence[Path]) -> None:
        for path in paths:
            if self._stop.wait(QUIET_EACH_MS / 1_000):
                return
            with path.open("ab") as file:
                self.written_at_ms[str(path)] = self.clock.now_ms()
                file.write(QUIET_LINE)


def measure_crowd(stand: Stand, *, lines: int, files: int, busy_files: int) -> Crowd:
    """Measure an agent on `files` files, of which `busy_files` have all the lines.

    Raises:
        CommandFailed: lines were lost or doubled, or it did not come to rest.
    """
    if not 0 < busy_files < files:
        raise CommandFailed(
            f"{busy_files:,} busy files of {files:,} leave no quiet one.",
            remedy="give fewer by --busy-files, or more by --files",
        )
    stand.write_corpus(corpus_of(stand, lines=lines), files_count=busy_files)
    one = stand.round("crowd")
    quiet = [one.watched / f"quiet-{n:06}.log" for n in range(files - busy_files)]
    for path in quiet:
        path.write_bytes(QUIET_LINE)
    clock = stand.clock
    lines_quiet = _QuietLines(clock)
    half = len(quiet) // 2
    with running(one, "agent"):
        role = one.role("agent")
        shipped_at(one, events=len(quiet))
        clock.sleep_ms(REST_MS)
        role.begin()
        clock.sleep_ms(IDLE_MS)
        role.end()
        idle_percent = round(role.cpu_s / (IDLE_MS / 1_000) * 100, 2)
        idle_rss_mb = role.meter.rss_mb()
        role.begin()
        began_at_ms = clock.now_ms()
        with lines_quiet.written(quiet[:half]):
            one.pour()
            shipped_at(one, events=len(quiet) + lines)
        shipped_at(one, events=len(quiet) + lines + len(lines_quiet.written_at_ms))
        role.end()
        burst_cpu_s = role.cpu_s
        burst = list(arrivals(one.connections, RAW))
        role.begin()
        with lines_quiet.written(quiet[half:]):
            steady_lines = _grow(one)
        written = len(quiet) + lines + steady_lines + len(lines_quiet.written_at_ms)
        shipped_at(one, events=written)
        role.end()
        found = list(arrivals(one.connections, RAW))
    require_all(sum(c.event_count for c in found), lines=written, what="shipped")
    busy_at_ms = [c.appended_at_ms for c in burst if "/access-" in c.path]
    delays_ms = lines_quiet.delays_ms(burst, quiet[:half]) or [0]
    steady_delays_ms = lines_quiet.delays_ms(found, quiet[half:]) or [0]
    return Crowd(
        files=files,
        busy_files=busy_files,
        lines=lines,
        idle_cpu_percent=idle_percent,
        idle_rss_mb=round(idle_rss_mb, 1),
        lines_per_s=rate(lines, began_ms=began_at_ms, ended_ms=max(busy_at_ms)),
        cpu_us_per_line=round(burst_cpu_s * 1e6 / lines, 2),
        quiet_ms_p50=statistics.median(delays_ms),
        quiet_ms_max=max(delays_ms),
        steady_lines_per_s=STEADY_LINES_PER_S,
        steady_cpu_us_per_line=round(role.cpu_s * 1e6 / steady_lines, 2),
        steady_quiet_ms_p50=statistics.median(steady_delays_ms),
        steady_quiet_ms_max=max(steady_delays_ms),
        rss_mb=round(role.rss_mb_max, 1),
    )


def _grow(one: Round) -> int:
    """Let the busy files grow for a while; return by how many lines."""
    clock = one.stand.clock
    busy = sorted(one.watched.glob("access-*.log"))
    lines = next(iter(corpus_of(one.stand, lines=BLOCK_LINES).blocks())).splitlines(
        keepends=True
    )
    each = max(STEADY_LINES_PER_S * STEADY_BATCH_MS // 1_000 // len(busy), 1)
    batch = b"".join(lines[:each])
    rounds = STEADY_MS // STEADY_BATCH_MS
    files = [path.open("ab", buffering=0) for path in busy]
    began_ms = clock.monotonic_ms()
    try:
        for number in range(rounds):
            wait_ms = began_ms + number * STEADY_BATCH_MS - clock.monotonic_ms()
            if wait_ms > 0:
                clock.sleep_ms(wait_ms)
            for file in files:
                file.write(batch)
    finally:
        for file in files:
            file.close()
    return rounds * each * len(busy)
