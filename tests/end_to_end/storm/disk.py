"""The simulation's files, on a real disk: what happens to one happens to the other.

So the applications of the simulation write and rotate files that a real agent reads, and
what stands in which life is known as it is there. When each byte was written and when a
file of it first went is noted by the clock of this machine, which is the agent's, too.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from tests.simulation.filesystem import Files, Life, Node


def now_ms() -> int:
    """Return this machine's wall time."""
    return time.time_ns() // 1_000_000


class DiskFiles(Files):
    """All names below one folder; a path of the simulation is one below that."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.sizes: dict[int, list[tuple[int, int]]] = {}
        """By life: when it had grown to how many bytes, in order."""
        self.left_at_ms: dict[int, int] = {}
        """By life: before when all of its files were still there."""
        self.journal: list[tuple[int, str, str]] = []
        """When what was done to a file of which log, in order."""

    def real(self, path: str) -> Path:
        """Return where a path of the simulation is on the disk."""
        return Path(f"{self.root}{path}")

    def create(self, path: str, life: Life) -> Node:
        node = super().create(path, life)
        with self.real(path).open("xb") as file:
            node.inode = os.fstat(file.fileno()).st_ino
        self._tell(life, f"create {path}, inode {node.inode}")
        return node

    def copy(self, path: str, new_path: str) -> Node:
        if new_path in self.names:
            self._leave(self.names[new_path].life)
        node = super().copy(path, new_path)
        shutil.copyfile(self.real(path), self.real(new_path))
        self._tell(node.life, f"copy {path} to {new_path}, {len(node.content)} bytes")
        return node

    def compress(self, path: str, archive: bytes, *, suffix: str) -> Node:
        node = super().compress(path, archive, suffix=suffix)
        self._path_of(node).write_bytes(archive)
        self._tell(node.life, f"compress {path}, {len(archive)} bytes")
        return node

    def complete(self, node: Node, archive: bytes, *, held_bytes: int) -> None:
        """Append the rest; as compressors do, it keeps the original's time."""
        path = self._path_of(node)
        with path.open("ab") as file:
            file.write(archive[len(node.content) :])
        path_of_original = path.with_suffix("")
        if path_of_original.exists():
            shutil.copystat(path_of_original, path)
        self._tell(node.life, f"complete {path.name}, {held_bytes} bytes held")
        super().complete(node, archive, held_bytes=held_bytes)

    def append(self, node: Node, data: bytes) -> None:
        with self._path_of(node).open("ab") as file:
            file.write(data)
        super().append(node, data)
        grown = (now_ms(), len(node.life.content))
        self.sizes.setdefault(node.life.number, []).append(grown)
        self._tell(node.life, f"append to {len(node.life.content)} bytes")

    def rename(self, path: str, new_path: str) -> None:
        self.real(path).rename(self.real(new_path))
        super().rename(path, new_path)
        self._tell(self.names[new_path].life, f"rename {path} to {new_path}")

    def unlink(self, path: str) -> None:
        self._leave(self.names[path].life)
        self._tell(self.names[path].life, f"unlink {path}")
        self.real(path).unlink()
        super().unlink(path)

    def truncate(self, path: str) -> Life:
        self._leave(self.names[path].life)
        os.truncate(self.real(path), 0)
        self._tell(self.names[path].life, f"truncate {path}")
        return super().truncate(path)

    def size_at(self, life: Life, at_ms: int) -> int:
        """Return how much of a life had been written before a moment."""
        grown = [size for when, size in self.sizes.get(life.number, []) if when < at_ms]
        return grown[-1] if grown else 0

    def _tell(self, life: Life, what: str) -> None:
        self.journal.append((now_ms(), life.log, f"life {life.number}: {what}"))

    def _leave(self, life: Life) -> None:
        self.left_at_ms.setdefault(life.number, now_ms())

    def _path_of(self, node: Node) -> Path:
        (path,) = [path for path, one in self.names.items() if one is node]
        return self.real(path)
