"""`python -m tailrace_stream`: a worker with settings from the environment alone."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

from tailrace import log
from tailrace.errors import TailraceError
from tailrace.settings import read_connections, read_role_settings
from tailrace_stream.config import StreamSettings
from tailrace_stream.main import run


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    log.configure()
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    try:
        return run(
            connections=read_connections(),
            settings=read_role_settings(StreamSettings),
            stop=stop,
        )
    except TailraceError as error:
        sys.stderr.write(f"{error}\n-> {error.remedy}\n")
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
