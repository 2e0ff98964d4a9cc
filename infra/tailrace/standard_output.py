"""Standard output whose disk may be full: the refusal is an error that a user can act on.

A refusal comes wherever a buffer happens to be written out, at the latest when the
interpreter ends, where nobody could catch it. So it is made where the bytes leave, and
`main` writes out what is left before the end.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.errors import CommandFailed

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class OutputRefused(CommandFailed):
    """Standard output takes no more, and not because its reader went away."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"Standard output{_name_of_output()} cannot be written:"
            f" {error.strerror or error}.",
            remedy=(
                "make room there, or write to another place; what is there now may end"
                " anywhere"
            ),
        )


class _Output(io.FileIO):
    """Descriptor 1, which is left open for whoever else has it."""

    is_refused = False

    def write(self, data: ReadableBuffer, /) -> int | None:
        """Write, once refused nothing more: the first refusal is told, and is enough.

        Raises:
            OutputRefused: the disk, or whatever is there, does not take it.
            BrokenPipeError: its reader went away.
        """
        if self.is_refused:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            # What is still buffered would be refused once more at the interpreter's end.
            self.is_refused = True
            raise OutputRefused(error) from error


def tell_of_refusals() -> None:
    """Let this process's standard output raise `OutputRefused`, from now on.

    Where it was closed (`>&-`), what is printed goes nowhere, and no file that is opened
    later gets its descriptor; where it is no file of the system's it is left as it is.
    """
    # The type does not know that it can be missing.
    former: io.TextIOBase | None = getattr(sys, "stdout", None)
    if former is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open to the end
        return
    if not isinstance(former, io.TextIOWrapper):
        return
    try:
        descriptor = former.fileno()
    except OSError:
        return
    raw = _Output(descriptor, "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=former.encoding,
        errors=former.errors,
        line_buffering=former.line_buffering,
        write_through=former.write_through,
    )


def flush_output() -> None:
    """Write out what is left in the buffer.

    Raises:
        OutputRefused: the disk, or whatever is there, does not take it.
        BrokenPipeError: its reader went away.
    """
    if not sys.stdout.closed:
        sys.stdout.flush()


def _name_of_output() -> str:
    """Return what it is, where the system tells: ` (/srv/full/out.json)`."""
    try:
        name = str(Path("/proc/self/fd/1").readlink())
    except OSError:
        return ""
    return f" ({name})" if name.startswith("/") else ""
