"""How fast agent and stream are, each with its input ready before it is measured.

A role's figures begin when its input does, not when it starts: importing libraries is no
cost of a line. Where a role's input comes from the roles before it, it is stopped
(SIGSTOP) while they fill its topic, so that it has the machine to itself when measured,
beside the servers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tailrace.bench.alone import lines_of
from tailrace.bench.backlog import GIGABYTE, measure_backlog
from tailrace.bench.crowd import REST_MS, measure_crowd
from tailrace.bench.measure import machine
from tailrace.bench.progress import (
    corpus_of,
    cpu_us_by_role,
    frozen,
    memory_by_role,
    rate,
    read_to_end_at,
    require_all,
    running,
    settled_at,
    shipped_at,
)
from tailrace.bench.records import events_in, values_of
from tailrace.bench.recovery import measure_recovery
from tailrace.bench.report import Report
from tailrace.bench.stand import Stand
from tailrace.topics import DOCS, RAW

IDLE_FILES = 1_000
IDLE_MS = 10_000

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLoad:
    """What the agent is measured with, beside the lines in a few files."""

    files: int
    """As many are watched at once; 0 leaves that part out."""
    busy_files: int
    backlog_bytes: int
    """So much waits for it; 0 leaves that part out."""


def bench_agent(stand: Stand, *, lines: int, say: Say, load: AgentLoad) -> Report:
    """Measure files to Kafka, then the agent at rest, in a crowd and with a backlog."""
    raw_bytes = stand.write_corpus(corpus_of(stand, lines=lines))
    say(f"{lines:,} lines written; the agent ships them")
    with running(stand.round("agent"), "agent") as one:
        role = one.role("agent")
        role.begin()
        began_ms = one.pour()
        ended_ms = shipped_at(one, events=lines)
        role.end()
        require_all(events_in(one.connections, RAW), lines=lines, what="shipped")
    say(f"at rest on {IDLE_FILES:,} files")
    idle_percent = _idle_percent(stand)
    crowd = backlog = None
    if load.files:
        say(f"{load.busy_files:,} busy files among {load.files:,}")
        crowd = measure_crowd(
            stand, lines=lines, files=load.files, busy_files=load.busy_files
        )
    if load.backlog_bytes:
        say(f"a backlog of {load.backlog_bytes / GIGABYTE:g} GB")
        backlog = measure_backlog(stand, size_bytes=load.backlog_bytes)
    return Report(
        name="agent",
        lines=lines,
        raw_bytes=raw_bytes,
        lines_per_s=rate(lines, began_ms=began_ms, ended_ms=ended_ms),
        cpu_us_per_line=cpu_us_by_role(one.roles, lines=lines),
        rss_mb=memory_by_role(one.roles),
        idle_cpu_percent=idle_percent,
        idle_files=IDLE_FILES,
        crowd=crowd,
        backlog=backlog,
        machine=machine(),
    )


def bench_stream(stand: Stand, *, lines: int, say: Say, generations: int = 0) -> Report:
    """Measure chunks to documents, then a start with the states of many generations."""
    raw_bytes = stand.write_corpus(corpus_of(stand, lines=lines))
    with running(stand.round("stream"), "agent", "stream") as one:
        role = one.role("stream")
        with frozen(role):
            one.pour()
            settled_at(one, RAW)
            say(f"{lines:,} lines are in Kafka; the stream parses them")
            role.begin()
            began_ms = float(stand.clock.monotonic_ms())
        ended_ms = read_to_end_at(one, "stream", source=RAW, output=DOCS)
        role.end()
        documents = sum(lines_of([value]) for value in values_of(one.connections, DOCS))
        require_all(documents, lines=lines, what="parsed")
    recovery = None
    if generations:
        say(f"a worker dies that has the states of {generations:,} files")
        recovery = measure_recovery(stand, generations=generations)
    return Report(
        name="stream",
        lines=lines,
        raw_bytes=raw_bytes,
        lines_per_s=rate(lines, began_ms=began_ms, ended_ms=ended_ms),
        cpu_us_per_line=cpu_us_by_role([role], lines=lines),
        rss_mb=memory_by_role([role]),
        recovery=recovery,
        machine=machine(),
    )


def _idle_percent(stand: Stand) -> float:
    """Return the part of a core that the agent takes while nothing grows."""
    one = stand.round("idle")
    for number in range(IDLE_FILES):
        (one.watched / f"idle-{number}.log").write_text("one line\n")
    with running(one, "agent"):
        role = one.role("agent")
        shipped_at(one, events=IDLE_FILES)
        stand.clock.sleep_ms(REST_MS)
        role.begin()
        stand.clock.sleep_ms(IDLE_MS)
        role.end()
    return round(role.cpu_s / (IDLE_MS / 1_000) * 100, 2)
