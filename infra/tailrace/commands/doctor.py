"""`tailrace doctor`: what is wrong with this machine, each with its remedy."""

from __future__ import annotations

from dataclasses import asdict

import typer

from tailrace.commands.common import (
    AsJson,
    ConfigFile,
    DataDir,
    escaped,
    write_json,
    write_line,
)
from tailrace.errors import EXIT_FAILURE

MARKS = {"ok": "ok     ", "warning": "WARNING", "failure": "FAILURE"}


def doctor(
    config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Check this machine and the servers; say what to do about each problem."""
    from tailrace.doctor import Level, examine
    from tailrace.doctor_facts import gather
    from tailrace.settings import read_connections

    findings = examine(gather(read_connections(config, data_dir=data_dir)))
    is_ok = all(finding.level is not Level.FAILURE for finding in findings)
    if as_json:
        shown = [asdict(finding) for finding in findings]
        write_json({"ok": is_ok, "findings": shown})
    else:
        for finding in findings:
            write_line(
                f"{MARKS[finding.level]}  {finding.name}: {escaped(finding.what)}"
            )
            if finding.remedy:
                write_line(f"         -> {escaped(finding.remedy)}")
    if not is_ok:
        raise typer.Exit(EXIT_FAILURE)
