"""What the child process does: Streamlit, for as long as the pipe from its parent is open."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from streamlit.web import cli

from tailrace.log import configure, logger

FAILURES_LOGGER = "streamlit.error_util"
"""Where Streamlit says what a page raised."""
SCRIPT = Path(__file__).with_name("script") / "app.py"


def serve(flags: list[str]) -> None:
    """Run Streamlit with `flags` until it is signalled or the parent is gone."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    configure()
    logging.getLogger(FAILURES_LOGGER).addFilter(say_that_a_page_failed)
    cli.main(["run", str(SCRIPT), *flags], prog_name="streamlit")


def say_that_a_page_failed(record: logging.LogRecord) -> bool:
    """Say it as an event of the role's log, instead of Streamlit.

    What was raised may hold text of a log, which Streamlit would write as it is.
    """
    logger("dashboard").error("page_failed", exc_info=record.exc_info)
    return False


def _leave_with_parent() -> None:
    # Nothing is ever written to the pipe: a read returns when the other end is closed.
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    serve(sys.argv[1:])
