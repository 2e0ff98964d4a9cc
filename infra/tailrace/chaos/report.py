"""What a run of chaos says at its end: one object for programs, some lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from tailrace.chaos.checks import CheckResult
from tailrace.chaos.lane_run import Struck


class StruckReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault: when, how long with recovery, and by which witness."""

    name: str
    family: str
    began_s: float
    took_s: float
    witness: str
    problem: str = ""


class ChaosReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run; `is_exact` decides the exit code."""

    is_exact: bool
    seed: int
    minutes: float | None
    """What was asked for; None: each fault once."""
    lines: int
    lines_per_s: float
    """What was really written, over the time of writing."""
    documents: int
    """What was to be stored: some files are read by two hosts."""
    renamed: int
    moved_away: int
    copied_and_truncated: int
    deleted: int
    inodes_reused: int
    drain_s: float
    """From the last fault's end until the last line was stored."""
    unplanned_ends: dict[str, list[str]]
    """Roles that ended where no fault explains it, and were started again."""
    memory_mb: dict[str, float]
    """The most that was seen, of servers and roles."""
    left_out: list[str]
    """Faults that this machine or this user cannot do, and why."""
    faults: list[StruckReport]
    checks: list[CheckResult]


def struck_reports(struck: Sequence[Struck]) -> list[StruckReport]:
    """Return the faults in the order in which they began."""
    return [
        StruckReport(
            name=each.name,
            family=each.family,
            began_s=round(each.began_ms / 1_000, 1),
            took_s=round(each.took_ms / 1_000, 1),
            witness=each.witness,
            problem=each.problem,
        )
        for each in sorted(struck, key=lambda each: each.began_ms)
    ]


def report_lines(report: ChaosReport) -> Iterator[str]:
    """Yield what a person wants to know."""
    yield (
        f"{report.lines} lines written at {report.lines_per_s:.0f}/s;"
        f" files: {report.renamed} renamed, {report.moved_away} moved away, {report.copied_and_truncated} copied and"
        f" truncated, {report.deleted} deleted, {report.inodes_reused} inodes reused"
    )
    families = Counter(each.family for each in report.faults if not each.problem)
    for family, count in sorted(families.items()):
        yield f"  {count:4} {family}"
    for reason in report.left_out:
        yield f"  left out: {reason}"
    for name, ends in report.unplanned_ends.items():
        for end in ends:
            yield f"  {name} ended by itself: {end}"
    yield f"Stored {report.drain_s:.1f} s after the last fault."
    sizes = ", ".join(f"{kind} {mb:.0f}" for kind, mb in report.memory_mb.items())
    yield f"Memory at most, in MB: {sizes}."
    for check in report.checks:
        verdict = "ok    " if check.is_passed else "FAILED"
        yield f"{verdict} {check.name}: {check.detail}"
        for problem in check.problems:
            yield f"       {problem}"
    if report.is_exact:
        yield f"Exact (seed {report.seed})."
    else:
        length = "--once" if report.minutes is None else f"--minutes {report.minutes:g}"
        yield (
            f"NOT exact; the same faults in the same order: --seed {report.seed}"
            f" {length}"
        )
