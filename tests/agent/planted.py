"""A tree of files that belong to several users, and what one of them would like to read."""

from __future__ import annotations

import os
from pathlib import Path

MALLORY = 54_321
SECRET = b"root:$6$secret\n"


class Host:
    """A tree in which files, folders and links belong to whom a test says."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, name: str, *, owner: int = 0, mode: int = 0o755) -> Path:
        path = self.root / name
        path.mkdir(parents=True)
        path.chmod(mode)
        os.chown(path, owner, -1)
        return path

    def file(self, name: str, content: bytes = SECRET, *, owner: int = 0) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.chown(path, owner, -1)
        return path

    def link(self, name: str, target: Path | str, *, owner: int = 0) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
        os.chown(path, owner, -1, follow_symlinks=False)
        return path
