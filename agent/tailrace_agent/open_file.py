"""One file held open for reading: regular files only, and never a call that blocks."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tailrace_agent.facts import FileFacts, facts_of

# O_NONBLOCK: a FIFO whose name matches would otherwise hold the thread for ever.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class NotARegularFile(OSError):
    """A FIFO, socket, device or folder has a name that a glob matches."""


@dataclass(slots=True)
class OpenFile:
    """An open descriptor, and the facts of the file behind it."""

    descriptor: int
    facts: FileFacts

    def read_into(self, buffers: Sequence[memoryview], *, offset: int) -> int:
        """Fill the buffers from `offset` on; return the bytes read, fewer at the end.

        Raises:
            OSError: the file cannot be read.
        """
        return os.preadv(self.descriptor, buffers, offset)

    def data_offset(self, offset: int = 0) -> int:
        """Return where the hole at `offset` ends; the file's size if no data follows.

        Raises:
            OSError: the file cannot be read.
        """
        try:
            return os.lseek(self.descriptor, offset, os.SEEK_DATA)
        except OSError as error:
            # Nothing but hole, or a filesystem that knows of none.
            return self.status().st_size if error.errno == errno.ENXIO else offset

    def status(self) -> os.stat_result:
        """Return what stat knows of the file now, wherever its name went.

        Raises:
            OSError: the file system fails.
        """
        return os.fstat(self.descriptor)

    def close(self) -> None:
        """Give the descriptor back; the disk space of a deleted file returns with it."""
        os.close(self.descriptor)


def open_file(path: str | Path) -> OpenFile:
    """Open a regular file.

    Raises:
        NotARegularFile: it is something else.
        OSError: it is gone, or may not be read.
    """
    descriptor = os.open(path, _FLAGS)
    file = OpenFile(descriptor, facts_of(descriptor))
    if not stat.S_ISREG(file.status().st_mode):
        file.close()
        raise NotARegularFile(f"{path} is not a regular file")
    return file
