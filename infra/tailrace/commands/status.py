"""`tailrace status`: whether all is well, and what lags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from tailrace.commands.common import (
    AsJson,
    ConfigFile,
    DataDir,
    console,
    escaped,
    write_json,
    write_line,
)
from tailrace.errors import EXIT_FAILURE

if TYPE_CHECKING:
    from tailrace.status import MemberStatus, Status


def status(
    config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Say what runs, what lags, and whether all is well; exit 0 only if it is."""
    import msgspec

    from tailrace.commands.lifecycle import folder_of
    from tailrace.settings import read_connections
    from tailrace.status import judge
    from tailrace.status_facts import gather

    connections = read_connections(config, data_dir=folder_of(data_dir))
    judged = judge(gather(connections))
    if as_json:
        write_json(msgspec.to_builtins(judged))
    else:
        _show(judged)
    if not judged.ok:
        raise typer.Exit(EXIT_FAILURE)


def _show(judged: Status) -> None:
    for member in judged.members:
        write_line(_member_line(member))
        if member.last_lines:
            write_line(f"    the end of {member.log_path}:")
        for line in member.last_lines:
            write_line(f"    | {line}")
    for role, records in judged.lag_records.items():
        write_line(f"{role} has {records:,} records still to read")
    if backlog := _backlog_text(judged):
        write_line(backlog)
    if judged.documents is not None:
        write_line(f"{judged.documents:,} events can be searched")
    if judged.dashboard_url:
        write_line(f"dashboard: {judged.dashboard_url}")
    for warning in judged.warnings:
        write_line(f"note: {escaped(warning)}")
    if judged.ok:
        write_line("All is well.")
    else:
        _show_reasons(judged)


def _show_reasons(judged: Status) -> None:
    errors = console()
    errors.print("Not all is well:", markup=False)
    for reason in judged.reasons:
        errors.print(f"  - {escaped(reason)}", markup=False, highlight=False)
    remedy = (
        "`tailrace up --detach` starts everything"
        if judged.phase == "stopped"
        else "`tailrace doctor` checks this machine and the servers"
    )
    errors.print(f"-> {remedy}", markup=False, highlight=False)


def _backlog_text(judged: Status) -> str:
    """Return what is not to be searched yet, empty where nothing waits."""
    parts: list[str] = []
    if judged.waiting_lines:
        noun = "line waits" if judged.waiting_lines == 1 else "lines wait"
        parts.append(f"{judged.waiting_lines:,} {noun} in Kafka")
    if judged.unread_bytes:
        parts.append(f"{judged.unread_bytes:,} bytes of files are not sent yet")
    return ", ".join(parts)


def _member_line(member: MemberStatus) -> str:
    process = f"pid {member.pid}" if member.pid else "no process"
    again = f", started again {member.restarts} x" if member.restarts else ""
    state = member.state.replace("_", " ")
    return f"{member.name:<16} {state:<12} {process:<12} {member.since_s} s{again}"
