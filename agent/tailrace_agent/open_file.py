"""One file held open for reading: regular files only, and never a call that blocks."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tailrace_agent.door import open_descriptor
from tailrace_agent.facts import FileFacts, facts_of
from tailrace_agent.rules import Rules


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


def open_file(path: str | Path, *, rules: Rules) -> OpenFile:
    """Open a regular file.

    Raises:
        NotARegularFile: it is something else.
        PathRefused: the rules do not allow to read it.
        OSError: it is gone, or may not be read.
    """
    descriptor = open_descriptor(path, rules=rules)
    try:
        return OpenFile(descriptor, facts_of(descriptor))
    except OSError:
        os.close(descriptor)
        raise
