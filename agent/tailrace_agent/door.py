"""The one door to files: entered folder by folder, past no link that others could plant.

An agent reads what other users may not. Whoever can put a name where a glob looks could
point it at a secret, and would read that in the index. So a path is walked a component at
a time, each held open while its next is looked up: what was looked at is what is entered,
whatever becomes of the names meanwhile. `rules.py` says whose links are followed.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from tailrace.text import path_text
from tailrace_agent.rules import Rules

# O_PATH asks for no more than the right to pass through a folder, as the kernel's own
# walk does; where there is none, the right to list it is needed, too.
_FOLDER = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | os.O_DIRECTORY
    | os.O_NOFOLLOW
    | os.O_NONBLOCK
    | os.O_CLOEXEC
)
# O_NONBLOCK: a FIFO put there just now would otherwise hold the thread for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
LINKS_MAX = 40
"""As the kernel's own limit; more lead round in a circle."""
FOLDERS_MAX = 256
"""Folders on the way, each of which is held open until the file is."""
SWAPS_MAX = 8
"""How often a name may be another file by the time that it is opened: a rotation does
that once, and whoever does it all the time is up to no good."""


class NotARegularFile(OSError):
    """A FIFO, socket, device or folder has a name that a glob matches."""


class PathRefused(OSError):
    """A file that could be opened is not to be: others may have put its name there."""

    def __init__(self, why: str, *, path: str, remedy: str) -> None:
        super().__init__(errno.EPERM, why, path)
        self.remedy = remedy


def open_descriptor(path: str | Path, *, rules: Rules) -> int:
    """Open a regular file for reading, and return its descriptor.

    Raises:
        NotARegularFile: it is something else, which was not opened.
        PathRefused: the rules do not allow to read it, or to go there.
        OSError: it is gone, or may not be read.
    """
    walk = _Walk(os.fspath(path), rules)
    try:
        return walk.open()
    finally:
        walk.close()


class _Walk:
    """A way through folders, from the root to where it stands now."""

    def __init__(self, path: str, rules: Rules) -> None:
        self._path = path
        self._rules = rules
        self._ahead = _parts(path)
        """The names that are left, the next one last."""
        self._folders = [os.open("/", _FOLDER)]
        self._names = [""]
        self._links_count = 0
        self._links: list[tuple[str, int]] = []
        """Links of owners who are not trusted: where each is, and whose."""

    def close(self) -> None:
        for descriptor in self._folders:
            os.close(descriptor)

    def open(self) -> int:
        while self._ahead:
            name = self._ahead.pop()
            if name == "..":
                self._leave(1)
            elif self._ahead:
                self._enter(name)
            else:
                descriptor = self._open_file(name)
                if descriptor is not None:
                    return descriptor
        raise NotARegularFile(f"{path_text(self._path)} is not a regular file")

    def _enter(self, name: str) -> None:
        """Go into a folder, or take the way that a link in its place shows."""
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=self._folders[-1])
        except OSError as error:
            # What is said of a link depends on the system.
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            self._follow(name)
            return
        self._folders.append(descriptor)
        self._names.append(name)
        if len(self._folders) > FOLDERS_MAX:
            raise self._refusal(
                f"it is below more than {FOLDERS_MAX} folders",
                remedy="move it up, or exclude it",
            )

    def _leave(self, count: int) -> None:
        """Go back to a folder that was entered before; there is nothing above the root."""
        for _ in range(min(count, len(self._folders) - 1)):
            os.close(self._folders.pop())
            self._names.pop()

    def _open_file(self, name: str) -> int | None:
        """Open the file; None where a link stands there, whose way is now ahead."""
        for _ in range(SWAPS_MAX):
            before = os.stat(name, dir_fd=self._folders[-1], follow_symlinks=False)
            if stat.S_ISLNK(before.st_mode):
                self._follow(name)
                return None
            if not stat.S_ISREG(before.st_mode):
                break
            self._check_place(name)
            try:
                descriptor = os.open(name, _FILE, dir_fd=self._folders[-1])
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                continue  # A link took its place.
            try:
                after = os.fstat(descriptor)
                is_same = (after.st_dev, after.st_ino) == (before.st_dev, before.st_ino)
                # A FIFO may have been given the inode of the file that was there.
                if is_same and stat.S_ISREG(after.st_mode):
                    self._check_file(after, name=name)
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
        else:
            raise self._refusal(
                f"{SWAPS_MAX} times it was another file by the time that it was opened",
                remedy="see who renames files there all the time",
            )
        raise NotARegularFile(f"{path_text(self._path)} is not a regular file")

    def _follow(self, name: str) -> None:
        """Put the way that a link shows ahead, if the rules let it be followed."""
        holder = self._folders[-1]
        before = os.stat(name, dir_fd=holder, follow_symlinks=False)
        if not stat.S_ISLNK(before.st_mode):
            raise NotADirectoryError(
                errno.ENOTDIR, os.strerror(errno.ENOTDIR), self._path
            )
        self._links_count += 1
        if self._links_count > LINKS_MAX:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._path)
        self._check_link(name, before)
        target = os.readlink(name, dir_fd=holder)
        after = os.stat(name, dir_fd=holder, follow_symlinks=False)
        if _marks(before) != _marks(after):
            self._ahead.append(name)  # Pointed elsewhere meanwhile: look again.
            return
        if target.startswith("/"):
            self._leave(len(self._folders))
        self._ahead += _parts(target)

    def _check_link(self, name: str, link: os.stat_result) -> None:
        rules, shown = self._rules, self._shown(name)
        if rules.follow_links == "always":
            return
        if rules.follow_links == "never":
            raise self._refusal(
                f"{shown} is a symbolic link, and this source follows none",
                remedy="name the file that it leads to in `paths`, or set"
                ' `follow_links` of the source to "safe"',
            )
        if link.st_uid not in rules.owners:
            self._links.append((shown, link.st_uid))
            return
        last = len(self._folders) - 1
        for position, descriptor in enumerate(self._folders):
            whose = rules.stranger_in(os.fstat(descriptor), is_holder=position == last)
            if whose:
                folder = "/".join(self._names[: position + 1]) or "/"
                raise self._refusal(
                    f"the symbolic link {shown} is reached through"
                    f" {path_text(folder)}, which {whose} may change",
                    remedy="take that right from the folder, name the file that the"
                    " link leads to in `paths`, or name whom you trust in `owners`"
                    " of the source",
                )

    def _check_place(self, name: str) -> None:
        """See that the place to which the links led is one that this host allows."""
        if not self._rules.allows("/".join((*self._names, name))):
            raise self._refusal(
                f"it is {self._shown(name)}, and `allowed_folders` has no folder above"
                " that",
                remedy="add one to `allowed_folders` of the agent, or exclude the file",
            )

    def _check_file(self, status: os.stat_result, *, name: str) -> None:
        for shown, owner in self._links:
            if owner != status.st_uid:
                raise self._refusal(
                    f"the symbolic link {shown} belongs to user {owner}, and the file"
                    f" that it leads to, {self._shown(name)}, to user {status.st_uid}",
                    remedy=f"name user {owner} in `owners` of the source, if they may"
                    " choose what this agent reads",
                )
        if not self._rules.suspects(status):
            return
        whose = self._rules.stranger_to(status, folder=os.fstat(self._folders[-1]))
        if whose:
            raise self._refusal(
                f"it may be a hard link to another file of user {status.st_uid}:"
                f" {whose} may put names into its folder",
                remedy=f"name user {status.st_uid} in `owners` of the source, if all"
                " their files may be read, or take that right from the folder",
            )

    def _shown(self, name: str) -> str:
        return path_text("/".join((*self._names, name)))

    def _refusal(self, why: str, *, remedy: str) -> PathRefused:
        return PathRefused(why, path=self._path, remedy=remedy)


def _parts(path: str) -> list[str]:
    """Return the names in a path, the last one first."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _marks(status: os.stat_result) -> tuple[int, ...]:
    """Return what tells one link from another, and from itself put back."""
    return (status.st_dev, status.st_ino, status.st_uid, status.st_ctime_ns)
