"""Log files in memory, and the part of `os` that the agent reads them with.

A *life* is what one file held between two truncations. The names of a file change, and a
copy holds the same life: what was written is known by its life, whatever became of names.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.simulation.world import EPOCH_MS, HostClock

DEVICE = 0x7A11
"""No device of the machine that runs this, so that no UUID of its disks is found."""
FILESYSTEM = 0x51_4D
FIRST_INODE = 100
SCAN_MS = 800
"""From one look to the next that also counts: a sweep, a linger and a step's delay."""


@dataclass(slots=True, eq=False)
class Life:
    """What an application wrote to one file until that was emptied or deleted."""

    number: int
    host: str
    log: str
    """Which of the host's logs it belongs to, whatever its files are called."""
    content: bytearray = field(default_factory=bytearray)
    is_gone: bool = False
    """No file holds it any more."""
    was_copied: bool = False
    """A copy held it, too, so that its agent could not know at once what was lost."""
    written_over_bytes: int = 0
    """Of copies of it that another copy was written over: they were lost there, too."""
    halves: set[int] = field(default_factory=set[int])
    """Where a line was written in two parts: the first may have been flushed before."""
    unseen_copies: set[str] = field(default_factory=set[str])
    """Names of copies of it that were made over other files, and deleted before the
    agent had read of them."""
    seen_bytes: int = 0
    """How much of it the agent that runs now has seen, and seen again a scan later."""
    first_seen_at_ms: dict[int, int] = field(default_factory=dict[int, int])
    """When that agent first saw each size."""
    born_at_s: float | None = None
    """Birth of the file that it was written to, which copies of it do not have."""
    number_in_log: int | None = None
    """Told where lines are to be the same on both hosts."""

    @property
    def own_number(self) -> int:
        """Return which of its log's lives it is: the same on hosts that do the same."""
        return self.number if self.number_in_log is None else self.number_in_log

    def see(self, *, now_ms: int) -> None:
        """Note that the agent looks, and what it now had a whole scan's time to read."""
        self.first_seen_at_ms.setdefault(len(self.content), now_ms)
        for size_bytes, at_ms in list(self.first_seen_at_ms.items()):
            if now_ms - at_ms >= SCAN_MS:
                self.seen_bytes = max(self.seen_bytes, size_bytes)
                if size_bytes < len(self.content):
                    del self.first_seen_at_ms[size_bytes]

    def forget_sights(self) -> None:
        """The agent that saw it is gone."""
        self.seen_bytes = 0
        self.first_seen_at_ms.clear()


@dataclass(slots=True, eq=False)
class Node:
    """One inode."""

    inode: int
    born_at_s: float
    life: Life
    changed_at_ns: int
    names: int = 1
    held_bytes: int | None = None
    """How much of the life a copy holds; None for the file that the life is written to."""
    archive: bytes | None = None
    """What stands in it, where that is compressed."""
    is_unseen_copy: bool = False
    """A copy was made over it, and nobody has read of it since."""

    @property
    def content(self) -> bytes | bytearray:
        if self.archive is not None:
            return self.archive
        if self.held_bytes is None:
            return self.life.content
        return self.life.content[: self.held_bytes]

    @property
    def safe_bytes(self) -> int:
        """Return how much of its life can be read here."""
        return len(self.life.content) if self.held_bytes is None else self.held_bytes


class Status(NamedTuple):
    """What `stat` says, as far as the agent asks."""

    st_mode: int
    st_ino: int
    st_dev: int
    st_nlink: int
    st_size: int
    st_mtime_ns: int
    st_birthtime: float
    st_uid: int = 0
    st_gid: int = 0


class VolumeStatus(NamedTuple):
    f_fsid: int


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """One name in a folder, as `scandir` gives it."""

    name: str
    path: str
    node: Node

    def inode(self) -> int:
        return self.node.inode

    def is_dir(self) -> bool:
        return False

    def is_symlink(self) -> bool:
        return False


def is_meant(path: str, *, glob: str) -> bool:
    """Return whether a glob of the agents, `*.log` or `*.log*`, means a name."""
    return path.endswith(".log") or glob.endswith("*")


class Folder:
    """An open listing."""

    def __init__(self, entries: Sequence[FolderEntry]) -> None:
        self._entries = entries

    def __enter__(self) -> Iterator[FolderEntry]:
        return iter(self._entries)

    def __exit__(self, *_: object) -> None:
        return


@dataclass(slots=True)
class Volume:
    """The filesystem of one host; each begins with the same inodes."""

    host: str
    clock: HostClock
    reuses_inodes: bool = False
    is_image: bool = False
    """Its files' births are those of another host's, which was made of the same image."""
    free: list[int] = field(default_factory=list[int])
    _next_inode: int = FIRST_INODE
    _births: int = 0

    def new_inode(self) -> int:
        if self.reuses_inodes and self.free:
            return self.free.pop()
        self._next_inode += 1
        return self._next_inode

    def new_birth_s(self) -> float:
        """Return a birth that no other file here has."""
        self._births += 1
        if self.is_image:
            return (EPOCH_MS + self._births) / 1_000
        return (self.clock.now_ms() + self._births) / 1_000


class Files:
    """All names and inodes of all hosts; paths begin with the host's name."""

    def __init__(self) -> None:
        self.volumes: dict[str, Volume] = {}
        self.names: dict[str, Node] = {}
        self.lives: list[Life] = []
        self._folder_changed_ns: dict[str, int] = {}
        self._open: dict[int, Node] = {}
        self._open_folders: dict[int, str] = {}
        self._next_descriptor = 1_000

    def new_life(self, host: str, log: str) -> Life:
        life = Life(len(self.lives), host, log)
        if self.volumes[host].is_image:
            earlier = (one for one in self.lives if (one.host, one.log) == (host, log))
            life.number_in_log = sum(1 for _ in earlier)
        self.lives.append(life)
        return life

    def create(self, path: str, life: Life) -> Node:
        """Make a file of a life; a copy has that of its original."""
        volume = self.volumes[life.host]
        life.was_copied = bool(life.content)
        node = Node(
            volume.new_inode(), volume.new_birth_s(), life, self._now_ns(life.host)
        )
        if life.born_at_s is None:
            life.born_at_s = node.born_at_s
        self.names[path] = node
        self._note(path)
        return node

    def copy(self, path: str, new_path: str) -> Node:
        """Copy what a file holds now; what comes to the original does not come here.

        A script may copy over an earlier copy: then that is written anew, and stays the
        same file.
        """
        original = self.names[path]
        node, size_bytes = self.names.get(new_path), original.safe_bytes
        if node is None:
            node = self.create(new_path, original.life)
        else:
            before = node.life
            before.written_over_bytes += len(node.content)
            node.life = original.life
            node.life.was_copied = node.is_unseen_copy = True
            node.changed_at_ns = self._now_ns(node.life.host)
            self._note_gone(before)
        node.held_bytes = size_bytes
        return node

    def compress(self, path: str, archive: bytes, *, suffix: str) -> Node:
        """Begin an archive beside a file, with the first bytes of what it will hold."""
        original = self.names[path]
        node = self.create(f"{path}{suffix}", original.life)
        node.changed_at_ns = original.changed_at_ns
        node.archive, node.held_bytes = archive, 0
        return node

    def complete(self, node: Node, archive: bytes, *, held_bytes: int) -> None:
        """Write the rest of an archive: all of it, with so much of the life."""
        node.archive, node.held_bytes = archive, held_bytes

    def append(self, node: Node, data: bytes) -> None:
        content = node.life.content
        if content and not content.endswith(b"\n"):
            node.life.halves.add(len(content))
        content += data
        node.changed_at_ns = self._now_ns(node.life.host)

    def rename(self, path: str, new_path: str) -> None:
        assert new_path not in self.names, "nothing is renamed over another file here"
        self.names[new_path] = self.names.pop(path)
        self._note(path)
        self._note(new_path)

    def unlink(self, path: str) -> None:
        node = self.names.pop(path)
        node.names -= 1
        if node.is_unseen_copy:
            node.life.unseen_copies.add(path)
        self._note(path)
        self._forget(node)

    def truncate(self, path: str) -> Life:
        """Empty a file in place: a new life begins in the same inode."""
        node = self.names[path]
        old = node.life
        node.life = self.new_life(old.host, old.log)
        node.life.born_at_s = node.born_at_s
        node.changed_at_ns = self._now_ns(old.host)
        self._note_gone(old)
        return node.life

    def close_all_of(self, host: str) -> None:
        """Close what a process of a host held open: it is dead."""
        for descriptor, node in list(self._open.items()):
            if node.life.host == host:
                del self._open[descriptor]
                self._forget(node)
        for life in self.lives:
            if life.host == host:
                life.forget_sights()

    # What the agent asks of `os`.

    def stat(
        self, path: str, *, dir_fd: int | None = None, follow_symlinks: bool = True
    ) -> Status:
        del follow_symlinks  # There are no links.
        path = self._whole(path, dir_fd)
        if path in self._folder_changed_ns:
            return self._folder_status(path)
        return self._status(self._named(path))

    def scandir(self, folder: str | int) -> Folder:
        if isinstance(folder, int):
            folder = self._open_folders[folder]
        prefix = f"{folder}/"
        return Folder(
            [
                FolderEntry(path.removeprefix(prefix), path, node)
                for path, node in self.names.items()
                if path.startswith(prefix)
            ]
        )

    def open(self, path: str, flags: int = 0, *, dir_fd: int | None = None) -> int:
        path = self._whole(path, dir_fd)
        self._next_descriptor += 1
        if flags & os.O_DIRECTORY and self._is_folder(path):
            self._open_folders[self._next_descriptor] = path
        else:
            self._open[self._next_descriptor] = self._named(path)
        return self._next_descriptor

    def close(self, descriptor: int) -> None:
        if self._open_folders.pop(descriptor, None) is None:
            self._forget(self._open.pop(descriptor))

    def fstat(self, descriptor: int) -> Status:
        if descriptor in self._open_folders:
            return self._folder_status(self._open_folders[descriptor])
        return self._status(self._open[descriptor])

    def fstatvfs(self, descriptor: int) -> VolumeStatus:
        del descriptor
        return VolumeStatus(FILESYSTEM)

    def lseek(self, descriptor: int, offset: int, whence: int) -> int:
        assert whence == os.SEEK_DATA
        if offset >= len(self._open[descriptor].content):
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        return offset

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], offset: int
    ) -> int:
        content = self._read_by(descriptor)
        read = 0
        for buffer in buffers:
            piece = content[offset + read : offset + read + len(buffer)]
            buffer[: len(piece)] = piece
            read += len(piece)
            if len(piece) < len(buffer):
                break
        return read

    def pread(self, descriptor: int, size_bytes: int, offset: int) -> bytes:
        return bytes(self._read_by(descriptor)[offset : offset + size_bytes])

    def _read_by(self, descriptor: int) -> bytes | bytearray:
        node = self._open[descriptor]
        node.is_unseen_copy = False
        return node.content

    def _whole(self, path: str, folder: int | None) -> str:
        if folder is None:
            return path
        return f"{self._open_folders[folder].rstrip('/')}/{path}"

    def _is_folder(self, path: str) -> bool:
        below = f"{path.rstrip('/')}/"
        return any(f"{folder}/".startswith(below) for folder in self._folder_changed_ns)

    def _folder_status(self, folder: str) -> Status:
        changed_ns = self._folder_changed_ns.get(folder, 0)
        return Status(0o40755, 1, DEVICE, 2, 0, changed_ns, 0.0)

    def _status(self, node: Node) -> Status:
        life = node.life
        if node.held_bytes is None:
            life.see(now_ms=self.volumes[life.host].clock.monotonic_ms())
        return Status(
            0o100644, node.inode, DEVICE, node.names, len(node.content),
            node.changed_at_ns, node.born_at_s,
        )  # fmt: skip

    def _named(self, path: str) -> Node:
        node = self.names.get(path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return node

    def _note(self, path: str) -> None:
        folder = path.rpartition("/")[0]
        host = path.split("/")[1]
        before_ns = self._folder_changed_ns.get(folder, 0)
        self._folder_changed_ns[folder] = max(before_ns + 1, self._now_ns(host))

    def _now_ns(self, host: str) -> int:
        return self.volumes[host].clock.now_ms() * 1_000_000

    def _forget(self, node: Node) -> None:
        """Give an inode back when no name and no descriptor holds it."""
        if node.names or node in self._open.values():
            return
        self.volumes[node.life.host].free.append(node.inode)
        self._note_gone(node.life)

    def _note_gone(self, life: Life) -> None:
        held = [*self.names.values(), *self._open.values()]
        life.is_gone = all(node.life is not life for node in held)
