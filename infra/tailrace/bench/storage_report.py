"""What the benchmark of storage found: one object for programs, a table for people."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tailrace.bench.corpus import Kind
from tailrace.bench.measure import Machine

FIELDS_SHOWN = 8
"""Of the form in use, those that take most."""


class FormFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One form of the index, with the same documents as every other."""

    name: str
    is_for_report: bool
    """It cannot be chosen: it needs a licence, or gives up what something stands on."""
    lines_per_s: float
    cpu_us_per_line: float
    """Elasticsearch's own user and system time until all is flushed."""
    cpu_us_per_line_of_merge: float
    """The same of the merge to one segment behind that."""
    bytes_per_raw_byte: float
    """What the fields take on disk (`_disk_usage`), flushed."""
    bytes_per_raw_byte_merged: float
    fields_merged: dict[str, float]
    """Of that, by field."""


class StorageReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every form with one corpus, the form in use first."""

    name: str
    corpus: Kind
    lines: int
    raw_bytes: int
    document_bytes: int
    """With their action lines, as they are sent."""
    forms: list[FormFigures]
    machine: Machine


def storage_lines(report: StorageReport) -> Iterator[str]:
    """Yield the report as lines for people."""
    machine, lines = report.machine, max(report.lines, 1)
    yield (
        f"storage: {report.lines:,} lines ({report.corpus}) of"
        f" {report.raw_bytes / lines:.0f} bytes, documents of"
        f" {report.document_bytes / lines:.0f}"
    )
    yield f"  on {machine.cpu}, {machine.cores} cores, {machine.memory_mb:,} MB"
    yield f"  speed             {machine.step_ns:.0f} ns a step of a fixed Python loop"
    yield f"  {'':<28}{'bytes/raw':>10}{'merged':>8}{'us/line':>9}{'merge':>7}{'lines/s':>9}"
    for form in report.forms:
        mark = " *" if form.is_for_report else ""
        yield (
            f"  {form.name + mark:<28}{form.bytes_per_raw_byte:>10.3f}"
            f"{form.bytes_per_raw_byte_merged:>8.3f}{form.cpu_us_per_line:>9.1f}"
            f"{form.cpu_us_per_line_of_merge:>7.1f}{form.lines_per_s:>9,.0f}"
        )
    yield "  * for the report only: needs a licence, or gives something up"
    chosen = report.forms[0]
    largest = sorted(chosen.fields_merged.items(), key=lambda each: -each[1])
    shown = ", ".join(f"{name} {part:.3f}" for name, part in largest[:FIELDS_SHOWN])
    yield f"  {chosen.name}, merged, by field: {shown}"
