"""Serve the dashboard in the foreground: `python -m tailrace_dashboard`."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

from tailrace import log
from tailrace.errors import TailraceError
from tailrace.settings import read_connections, read_role_settings
from tailrace_dashboard.config import DashboardSettings
from tailrace_dashboard.main import run


def main() -> int:
    """Read the environment, serve until a signal, and say what went wrong."""
    log.configure()
    stop = threading.Event()

    def leave(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    try:
        return run(
            connections=read_connections(),
            settings=read_role_settings(DashboardSettings),
            stop=stop,
        )
    except TailraceError as error:
        sys.stderr.write(f"{error}\n  -> {error.remedy}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
