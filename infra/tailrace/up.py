"""Everything on this machine: the servers, the roles, and their supervision.

1. hold the data folder; 2. start the servers, all at once; 3. as soon as it is known
where they will be, the dashboard; 4. as soon as Kafka answers, topics, agent and stream;
5. as soon as Elasticsearch answers, templates and the indexer; 6. wait for a first line
to be searchable, and say where; 7. from the first start on, start again whatever dies;
8. when asked to stop: roles first, so that they drain, then the servers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from tailrace import watched
from tailrace.clock import Clock
from tailrace.dashboard_port import DashboardPort
from tailrace.data_folder import writing_data
from tailrace.errors import CommandFailed, DataDirInUse
from tailrace.settings import CONFIG_FILE, read_document
from tailrace.supervision import Supervision, UpPlan
from tailrace.up_record import (
    SUPERVISOR_DIR,
    read_record,
)
from tailrace.whole_files import PRIVATE, replace_file
from tailrace_embedded import lock
from tailrace_embedded.progress import Progress


def run(
    plan: UpPlan,
    *,
    progress: Progress,
    ready: Callable[[str], None],
    stop: threading.Event,
    clock: Clock,
) -> None:
    """Bring everything up, call `ready` with the URL, and supervise until `stop`.

    Raises:
        DataDirInUse: another supervisor holds the data folder.
        CommandFailed: the data folder cannot be written, a server did not come up, or
            it was interrupted before; nothing is left running.
        ConfigError: a setting is wrong; nothing was started.
    """
    given = read_document(plan.config_file)
    configured = watched.configuration(
        given, watch=plan.watch, data_dir=plan.data_dir, has_shop=plan.has_shop
    )
    former = read_record(plan.data_dir)
    held = hold_supervision(plan.data_dir, clock=clock)
    try:
        kept = former.dashboard_port if former else 0
        port = DashboardPort.of(given, kept=kept) if plan.has_roles else None
        supervision = Supervision(
            plan,
            port=port,
            watched_globs=watched.watched_globs(configured) if plan.has_roles else [],
            progress=progress,
            stop=stop,
            clock=clock,
        )
        with writing_data(plan.data_dir):
            write_config(plan.data_dir / CONFIG_FILE, watched.toml_text(configured))
        _supervise(supervision, ready=ready, stop=stop)
    finally:
        held.release()


def _supervise(
    supervision: Supervision, *, ready: Callable[[str], None], stop: threading.Event
) -> None:
    try:
        supervision.bring_up(ready)
        if stop.is_set():
            raise CommandFailed(
                "Interrupted before it was up; everything is stopped again.",
                remedy="start again; what was downloaded is kept",
            )
        supervision.tend_until_stopped()
    finally:
        supervision.take_down()


def hold_supervision(data_dir: Path, *, clock: Clock) -> lock.FolderLock:
    """Hold the right to supervise a data folder.

    Raises:
        DataDirInUse: another process has it; its dashboard is named.
        CommandFailed: it cannot be written.
    """
    try:
        with writing_data(data_dir):
            return lock.hold(data_dir / SUPERVISOR_DIR, clock=clock)
    except DataDirInUse as error:
        running = read_record(data_dir)
        if running is None:
            raise
        what = (
            f"Tailrace is already running on the data folder {data_dir}"
            f" (process {running.pid})"
        )
        where = (
            f"; its dashboard is {running.dashboard_url}"
            if running.dashboard_url
            else ""
        )
        raise CommandFailed(
            f"{what}{where}.",
            remedy="`tailrace down` stops it; --data-dir names another folder",
        ) from error


def write_config(path: Path, text: str) -> None:
    """Write the roles' configuration, which may hold secrets, for its owner alone."""
    head = "# Written by `tailrace up` with each start; change --config's.\n"
    replace_file(path, (head + text).encode(), mode=PRIVATE, is_durable=False)
