"""How the process `tailrace` begins: a Ctrl-C amid its imports ends it in a word.

Nothing was begun then that would have to be ended, and no library that is being imported
can make something else of it, as it could of an exception.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

EXIT_INTERRUPTED = 130
STANDARD_ERROR = 2


def main() -> None:
    """Import the commands, and run the one that the arguments name."""
    # Where a shell has it ignored, as for what runs in the background, it is left so.
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_heard:
        signal.signal(signal.SIGINT, _end)
    from tailrace.cli import main as run

    if is_heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _end(_number: int, _frame: FrameType | None) -> None:
    os.write(STANDARD_ERROR, b"Interrupted.\n")
    os._exit(EXIT_INTERRUPTED)
