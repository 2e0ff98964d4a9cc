"""What a benchmark found: one object for programs, a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tailrace.bench.backlog import GIGABYTE, Backlog
from tailrace.bench.crowd import Crowd
from tailrace.bench.freshness import Percentiles
from tailrace.bench.measure import Machine
from tailrace.bench.recovery import Recovery


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every figure that applies to the benchmark; others are left out."""

    name: str
    lines: int
    raw_bytes: int
    lines_per_s: float
    cpu_us_per_line: dict[str, float]
    """User and system time by role, from the first line to the last."""
    rss_mb: dict[str, float]
    """The most memory that each role ever held."""
    ratio_to_elasticsearch_alone: float | None = None
    """The median over rounds of rates with and without Tailrace, in the same run."""
    elasticsearch_alone_lines_per_s: float | None = None
    index_bytes_per_raw_byte: float | None = None
    """Segments of primary shards, merged as Elasticsearch did by itself."""
    index_bytes_per_raw_byte_merged: float | None = None
    """The same after a merge to one segment."""
    freshness_ms: Percentiles | None = None
    freshness_lines_per_s: int | None = None
    idle_cpu_percent: float | None = None
    """Of one core, the agent's, while it watches `idle_files` that do not grow."""
    idle_files: int | None = None
    crowd: Crowd | None = None
    backlog: Backlog | None = None
    recovery: Recovery | None = None
    rounds: list[dict[str, float]] = []
    machine: Machine


TARGETS: Mapping[str, str] = {
    "agent": "<= 1.5 us/line, >= 500,000 lines/s",
    "stream": "<= 10 us/line, >= 100,000 lines/s, recovery <= 30 s",
    "indexer": "<= 2.5 us/line, >= 0.9 of Elasticsearch alone",
    "pipeline": ">= 0.75 of Elasticsearch alone",
}


def table_lines(report: Report) -> Iterator[str]:
    """Yield the report as lines for people."""
    machine = report.machine
    yield f"{report.name}: {report.lines:,} lines of {_mean_size(report)} bytes"
    yield f"  on {machine.cpu}, {machine.cores} cores, {machine.memory_mb:,} MB"
    yield f"  speed             {machine.step_ns:.0f} ns a step of a fixed Python loop"
    yield f"  target            {TARGETS[report.name]}"
    yield f"  rate              {report.lines_per_s:,.0f} lines/s"
    for role, cpu_us in report.cpu_us_per_line.items():
        memory = report.rss_mb.get(role, 0.0)
        yield f"  {role:<17} {cpu_us:.2f} us/line of processor, {memory:.0f} MB"
    if report.elasticsearch_alone_lines_per_s is not None:
        alone = report.elasticsearch_alone_lines_per_s
        yield f"  alone             {alone:,.0f} lines/s by Elasticsearch alone"
    if report.ratio_to_elasticsearch_alone is not None:
        ratios = ", ".join(
            f"{one['ratio']:.2f}" for one in report.rounds if "ratio" in one
        )
        ratio = report.ratio_to_elasticsearch_alone
        yield f"  ratio             {ratio:.2f} (median of {ratios})"
    if report.index_bytes_per_raw_byte is not None:
        merged = report.index_bytes_per_raw_byte_merged or 0.0
        size = report.index_bytes_per_raw_byte
        yield f"  index             {size:.2f} of the raw bytes, merged {merged:.2f}"
    if report.freshness_ms is not None:
        fresh = report.freshness_ms
        yield (
            f"  freshness         p50 {fresh.p50:.0f}, p95 {fresh.p95:.0f},"
            f" p99 {fresh.p99:.0f} ms at {report.freshness_lines_per_s:,} lines/s"
            f" (looked each {fresh.resolution:.0f} ms at most)"
        )
    if report.idle_cpu_percent is not None:
        idle = report.idle_cpu_percent
        yield f"  idle              {idle:.2f} % of a core on {report.idle_files:,} files"
    if report.crowd is not None:
        yield from _crowd_lines(report.crowd)
    if report.backlog is not None:
        yield from _backlog_lines(report.backlog)
    if report.recovery is not None:
        yield _recovery_line(report.recovery)


def _crowd_lines(crowd: Crowd) -> Iterator[str]:
    yield (
        f"  idle              {crowd.idle_cpu_percent:.2f} % of a core and"
        f" {crowd.idle_rss_mb:.0f} MB on {crowd.files:,} files"
    )
    yield (
        f"  {crowd.busy_files:,} busy of them   {crowd.lines_per_s:,.0f} lines/s,"
        f" {crowd.cpu_us_per_line:.2f} us/line, {crowd.rss_mb:.0f} MB; a line in a quiet"
        f" one took {crowd.quiet_ms_p50:.0f} ms, {crowd.quiet_ms_max:.0f} at most"
    )
    yield (
        f"  growing steadily  {crowd.steady_cpu_us_per_line:.2f} us/line at"
        f" {crowd.steady_lines_per_s:,} lines/s; a line in a quiet one took"
        f" {crowd.steady_quiet_ms_p50:.0f} ms, {crowd.steady_quiet_ms_max:.0f} at most"
    )


def _backlog_lines(backlog: Backlog) -> Iterator[str]:
    yield (
        f"  backlog           {backlog.size_bytes / GIGABYTE:.1f} GB at"
        f" {backlog.lines_per_s:,.0f} lines/s ({backlog.mb_per_s:,.0f} MB/s),"
        f" {backlog.cpu_us_per_line:.2f} us/line"
    )
    yield (
        f"  its memory        {backlog.rss_mb_at_rest:.0f} MB at rest,"
        f" {backlog.rss_mb_first_tenth:.0f} in the first tenth, {backlog.rss_mb:.0f} at"
        " most"
    )


def _recovery_line(recovery: Recovery) -> str:
    return (
        f"  recovery          {recovery.after_kill_s:.1f} s after a kill,"
        f" {recovery.after_stop_s:.1f} s after a stop, with {recovery.generations:,}"
        f" states of {recovery.state_bytes:,} bytes; {recovery.rss_mb:.0f} MB"
    )


def _mean_size(report: Report) -> int:
    return round(report.raw_bytes / max(report.lines, 1))
