"""`tailrace bench`: what each role costs and how fast it is, on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tailrace.bench.corpus import Kind
from tailrace.commands.common import (
    AsJson,
    console,
    ended_by_signals,
    write_json,
    write_line,
)
from tailrace.commands.roles import ROLES
from tailrace.extras import require

if TYPE_CHECKING:
    from tailrace.bench.report import Report
    from tailrace.bench.runs import AgentLoad, Say
    from tailrace.bench.stand import Stand

Measured = tuple[msgspec.Struct, Iterable[str]]
"""What was found, for programs; and the lines that say it to people."""


class Bench(StrEnum):
    """What can be measured."""

    AGENT = "agent"
    STREAM = "stream"
    INDEXER = "indexer"
    PIPELINE = "pipeline"
    STORAGE = "storage"


LINES = {
    Bench.AGENT: 2_000_000,
    Bench.STREAM: 500_000,
    Bench.INDEXER: 300_000,
    Bench.PIPELINE: 300_000,
    Bench.STORAGE: 100_000,
}
"""Enough that each takes several seconds."""


def bench(
    name: Annotated[Bench, typer.Argument(help="What to measure.")],
    lines: Annotated[
        int | None,
        typer.Option(min=10_000, help="Of a seeded log.", show_default="enough"),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where files lie meanwhile.", show_default="temporary"),
    ] = None,
    files: Annotated[
        int,
        typer.Option(min=0, max=100_000, help="The agent watches so many (0: not)."),
    ] = 10_000,
    busy_files: Annotated[
        int, typer.Option(min=1, max=10_000, help="So many of them grow.")
    ] = 100,
    corpus: Annotated[
        Kind, typer.Option(help="Whose lines the forms of the index are filled with.")
    ] = Kind.ACCESS,
    backlog_gb: Annotated[
        float,
        typer.Option(min=0, max=1_000, help="So much waits for the agent (0: not)."),
    ] = 0,
    generations: Annotated[
        int,
        typer.Option(
            min=0, max=1_000_000, help="The stream recovers so many states (0: not)."
        ),
    ] = 100_000,
    as_json: AsJson = False,
) -> None:
    """Measure a role, all of them, or what documents take in an index; takes minutes."""
    require("embedded", *ROLES)
    from tailrace.bench.backlog import GIGABYTE
    from tailrace.bench.runs import AgentLoad
    from tailrace.bench.stand import Stand
    from tailrace.clock import SystemClock
    from tailrace_embedded.progress import RichProgress

    load = AgentLoad(
        files=files,
        busy_files=busy_files,
        backlog_bytes=round(backlog_gb * GIGABYTE),
    )
    measure = _measures(load=load, generations=generations, kind=corpus)[name]
    progress = RichProgress(console())
    with (
        ended_by_signals(),
        Stand.set_up(progress=progress, clock=SystemClock(), parent=folder) as stand,
    ):
        report, shown = measure(stand, lines=lines or LINES[name], say=progress.step)
    if as_json:
        write_json(msgspec.to_builtins(report))
        return
    for line in shown:
        write_line(line)


def _measures(
    *, load: AgentLoad, generations: int, kind: Kind
) -> dict[Bench, Callable[..., Measured]]:
    """Return by name what measures a stand, and tells it to programs and to people."""
    from tailrace.bench.compared import bench_indexer, bench_pipeline
    from tailrace.bench.report import table_lines
    from tailrace.bench.runs import bench_agent, bench_stream
    from tailrace.bench.storage import bench_storage
    from tailrace.bench.storage_report import storage_lines

    def told(bench_role: Callable[..., Report]) -> Callable[..., Measured]:
        def measure(stand: Stand, *, lines: int, say: Say) -> Measured:
            report = bench_role(stand, lines=lines, say=say)
            return report, table_lines(report)

        return measure

    def storage(stand: Stand, *, lines: int, say: Say) -> Measured:
        report = bench_storage(stand, kind=kind, lines=lines, say=say)
        return report, storage_lines(report)

    return {
        Bench.AGENT: told(partial(bench_agent, load=load)),
        Bench.STREAM: told(partial(bench_stream, generations=generations)),
        Bench.INDEXER: told(bench_indexer),
        Bench.PIPELINE: told(bench_pipeline),
        Bench.STORAGE: storage,
    }
