"""Small disks in memory, which can be filled to the last byte and emptied again."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from tailrace.chaos.namespaces import run
from tailrace.errors import CommandFailed

MEBIBYTE = 1_024 * 1_024
_FILLING = "filling"
_STEP_BYTES = MEBIBYTE


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """One mounted folder; the mount is private to this process and its children."""

    folder: Path

    @classmethod
    def mount(cls, folder: Path, *, size_bytes: int) -> SmallDisk:
        """Mount it on a folder, which is made.

        Raises:
            CommandFailed: the kernel refuses.
        """
        folder.mkdir(parents=True, exist_ok=True)
        options = f"size={size_bytes},mode=0755"
        run("mount", "-t", "tmpfs", "-o", options, "tailrace-chaos", str(folder))
        return cls(folder)

    def unmount(self) -> None:
        """Put it away; a file still open keeps the memory until it is closed.

        Raises:
            CommandFailed: the kernel refuses.
        """
        run("umount", "--lazy", str(self.folder))

    def fill(self) -> str:
        """Fill it until the kernel says ENOSPC; return that as the witness.

        Raises:
            CommandFailed: it would not become full.
        """
        block = b"\0" * _STEP_BYTES
        blocks_max = os.statvfs(self.folder).f_blocks
        with (self.folder / _FILLING).open("ab", buffering=0) as file:
            for size in (len(block), 4_096, 1):
                for _ in range(blocks_max):
                    try:
                        file.write(block[:size])
                    except OSError as error:
                        if error.errno != errno.ENOSPC:
                            raise
                        break
                else:
                    raise CommandFailed(
                        f"{self.folder} takes more than it has.",
                        remedy="see what is mounted there",
                    )
        return f"ENOSPC from {self.folder.name}"

    def is_full(self) -> bool:
        """Tell whether nothing more can be written now."""
        return os.statvfs(self.folder).f_bavail == 0

    def empty(self) -> None:
        """Give the room back."""
        (self.folder / _FILLING).unlink(missing_ok=True)
