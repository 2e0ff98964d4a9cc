"""What a compressor writes under a name that does not say so: left alone until one does.

Who compresses a rotated log writes it under another name first, and renames it when it is
whole: a kubelet, say, writes `0.log.20261127-101500.tmp`. Its lines stand in the log that
it is made of. Only the first bytes tell it from text: a name such as `.tmp` tells nothing.
"""

from __future__ import annotations

import errno
import os

from tailrace.archive_kinds import HEAD_BYTES, archive_kind
from tailrace_agent.archives import AnyFile, ArchiveFile


class NamelessArchive(OSError):
    """A file's bytes are compressed, and its name is not that of an archive."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            errno.EILSEQ, f"{kind} wrote it, and its name does not say so yet"
        )
        self.remedy = (
            "end its name with `.gz` or `.zst` to have it read, or exclude it; one that"
            " is being made is left alone until it is renamed"
        )


def require_text(file: AnyFile) -> None:
    """Return where a file can be read as its name says.

    Raises:
        NamelessArchive: what a compressor wrote would be read as lines.
        OSError: the file cannot be read.
    """
    if isinstance(file, ArchiveFile):
        return
    kind = archive_kind(os.pread(file.descriptor, HEAD_BYTES, 0))
    if kind is not None:
        raise NamelessArchive(kind.name)


def is_nameless_archive(file: AnyFile) -> bool:
    """Return whether a file that had no name yet has turned out to be compressed.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        require_text(file)
    except NamelessArchive:
        return True
    return False
