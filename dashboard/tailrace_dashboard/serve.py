"""What the child process does: Streamlit, for as long as the pipe from its parent is open."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from streamlit.web import cli

SCRIPT = Path(__file__).with_name("script") / "app.py"


def serve(flags: list[str]) -> None:
    """Run Streamlit with `flags` until it is signalled or the parent is gone."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    cli.main(["run", str(SCRIPT), *flags], prog_name="streamlit")


def _leave_with_parent() -> None:
    # Nothing is ever written to the pipe: a read returns when the other end is closed.
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    serve(sys.argv[1:])
