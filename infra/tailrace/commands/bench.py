"""`tailrace bench`: what each role costs and how fast it is, on this machine."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.commands.common import AsJson, console, write_json, write_line
from tailrace.commands.roles import ROLES
from tailrace.extras import require

if TYPE_CHECKING:
    from tailrace.bench.report import Report


class Bench(StrEnum):
    """What can be measured."""

    AGENT = "agent"
    STREAM = "stream"
    INDEXER = "indexer"
    PIPELINE = "pipeline"


LINES = {
    Bench.AGENT: 2_000_000,
    Bench.STREAM: 500_000,
    Bench.INDEXER: 300_000,
    Bench.PIPELINE: 300_000,
}
"""Enough that each takes several seconds."""


def bench(
    name: Annotated[Bench, typer.Argument(help="What to measure.")],
    lines: Annotated[
        int | None,
        typer.Option(min=10_000, help="Of a seeded access log.", show_default="enough"),
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
    backlog_gb: Annotated[
        float,
        typer.Option(min=0, max=1_000, help="So much waits for the agent (0: not)."),
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure a role, or all of them, on servers of its own; takes a few minutes."""
    require("embedded", *ROLES)
    from tailrace.bench.backlog import GIGABYTE
    from tailrace.bench.compared import bench_indexer, bench_pipeline
    from tailrace.bench.report import table_lines
    from tailrace.bench.runs import AgentLoad, bench_agent, bench_stream
    from tailrace.bench.stand import Stand
    from tailrace.clock import SystemClock
    from tailrace_embedded.progress import RichProgress

    measure: dict[Bench, Callable[..., Report]] = {
        Bench.AGENT: partial(
            bench_agent,
            load=AgentLoad(
                files=files,
                busy_files=busy_files,
                backlog_bytes=round(backlog_gb * GIGABYTE),
            ),
        ),
        Bench.STREAM: bench_stream,
        Bench.INDEXER: bench_indexer,
        Bench.PIPELINE: bench_pipeline,
    }
    import msgspec

    progress = RichProgress(console())
    with Stand.set_up(progress=progress, clock=SystemClock(), parent=folder) as stand:
        report = measure[name](stand, lines=lines or LINES[name], say=progress.step)
    if as_json:
        write_json(msgspec.to_builtins(report))
        return
    for line in table_lines(report):
        write_line(line)
