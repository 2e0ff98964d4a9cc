"""`python -m tailrace_indexer`: the indexer in the foreground, set up by environment."""

from __future__ import annotations

import signal
import sys
import threading

from tailrace import log
from tailrace.settings import read_connections, read_role_settings
from tailrace_indexer.config import IndexerSettings
from tailrace_indexer.main import run


def main() -> int:
    """Run until SIGTERM or Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    log.configure()
    return run(
        connections=read_connections(),
        settings=read_role_settings(IndexerSettings),
        stop=stop,
    )


if __name__ == "__main__":
    sys.exit(main())
