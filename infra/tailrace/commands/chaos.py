"""`tailrace chaos`: faults on a real stack of its own, and the proof that all came through."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.commands.common import (
    EXIT_INTERRUPTED,
    AsJson,
    console,
    write_json,
    write_line,
)
from tailrace.errors import EXIT_FAILURE
from tailrace.extras import require

if TYPE_CHECKING:
    from tailrace.chaos.run import ChaosOptions

LINES_PER_S = 2_000
SMALL_LINES_PER_S = 500


Seed = Annotated[int, typer.Option(help="Which faults, in which order.")]
Minutes = Annotated[
    float, typer.Option(min=0.1, max=1_440, help="How long faults strike.")
]
Once = Annotated[
    bool,
    typer.Option(
        "--once",
        help="Each fault strikes once, however long that takes, in place of --minutes.",
    ),
]
LinesPerS = Annotated[
    int | None,
    typer.Option(
        "--lines-per-s",
        min=10,
        max=50_000,
        help="How fast lines are written.",
        show_default="2000; 500 with --small",
    ),
]
Brokers = Annotated[int | None, typer.Option(help="1 or 3.", show_default="3")]
Nodes = Annotated[
    int | None,
    typer.Option(help="Of Elasticsearch, 1 or 3 (two hold data).", show_default="3"),
]
Small = Annotated[
    bool, typer.Option("--small", help="One broker and one Elasticsearch node.")
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        help="Only faults with this in their names; may be repeated.",
        show_default="every fault",
    ),
]
OwnDataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="An empty folder, kept afterwards with all logs.",
        show_default="temporary",
    ),
]


def chaos(
    seed: Seed = 1,
    minutes: Minutes = 5.0,
    once: Once = False,
    lines_per_s: LinesPerS = None,
    brokers: Brokers = None,
    nodes: Nodes = None,
    small: Small = False,
    only: Only = None,
    data_dir: OwnDataDir = None,
    as_json: AsJson = False,
) -> None:
    """Kill, freeze, fill, cut off and refuse, on servers of its own, while lines flow.

    At the end every line written is compared with every document stored. Exit code 0
    only when none is missing, none is there twice, none is altered, every counter adds
    up, and every fault left a witness that it struck. Network partitions and full disks
    need root, and are left out without it. Ctrl-C ends it early and puts everything
    away, with exit code 130; only the third one ends it at once.
    """
    require("embedded", "agent", "stream", "indexer")
    from tailrace.chaos.run import ChaosOptions

    count = 1 if small else 3
    options = ChaosOptions(
        seed=seed,
        minutes=None if once else minutes,
        lines_per_s=lines_per_s or (SMALL_LINES_PER_S if small else LINES_PER_S),
        brokers=brokers or count,
        nodes=nodes or count,
        folder=data_dir,
        only=only or (),
    )
    if not _is_exact(options, as_json=as_json):
        raise typer.Exit(EXIT_FAILURE)


def _is_exact(options: ChaosOptions, *, as_json: bool) -> bool:
    """Run, report, and tell whether all came through."""
    import msgspec

    from tailrace.chaos.arena import Interrupted
    from tailrace.chaos.asked import asked_by_signals
    from tailrace.chaos.report import report_lines
    from tailrace.chaos.run import run_chaos
    from tailrace.clock import SystemClock
    from tailrace_embedded.progress import RichProgress

    progress = RichProgress(console())
    with asked_by_signals() as asked:
        try:
            report = run_chaos(
                options, progress=progress, clock=SystemClock(), asked=asked
            )
        except Interrupted:
            progress.step("Interrupted: everything is stopped and put away.")
            raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        write_json(msgspec.to_builtins(report))
    else:
        for line in report_lines(report):
            write_line(line)
    return report.is_exact
