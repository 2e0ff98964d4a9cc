"""Where a file went whose name is not there: elsewhere, away for a while, or for good."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from tailrace.log import FilteringBoundLogger
from tailrace.text import path_text
from tailrace.wire import AgentLedger
from tailrace_agent.facts import filesystem_id
from tailrace_agent.families import may_be_copy
from tailrace_agent.known import holder_of
from tailrace_agent.tracked import Stage, TrackedFile

ENTRIES_MAX = 20_000
"""Names of one folder that are looked at: more are no folder of logs."""


class FolderAway(Exception):
    """A folder cannot say what is in it: its volume or a right is missing."""


def find_by_inode(folder: str, *, inode: int, filesystem: str) -> str | None:
    """Return the path of an inode in a folder, or None when it is certainly gone.

    That is so where the folder can be listed, or was removed, and `filesystem` is the one
    that is looked at: the folder under a mount point is not the one that was mounted.

    Raises:
        FolderAway: nobody can tell now.
    """
    standing = folder
    while True:
        try:
            descriptor = os.open(standing, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            standing = os.path.dirname(standing) or "/"  # noqa: PTH120 - may be no UTF-8
        except OSError as error:
            raise FolderAway(f"{standing}: {error.strerror}") from error
        else:
            break
    try:
        if standing == folder:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    if entry.inode() == inode:
                        return f"{folder.rstrip('/')}/{entry.name}"
        found = filesystem_id(descriptor, device=os.fstat(descriptor).st_dev)
    except OSError as error:
        raise FolderAway(f"{standing}: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if found != filesystem:
        raise FolderAway(f"{standing} is on {found} now, and was on {filesystem}")
    return None


@dataclass(slots=True)
class Whereabouts:
    """What became of files of an earlier life that no glob means."""

    renamed: list[tuple[AgentLedger, str]] = field(
        default_factory=list[tuple[AgentLedger, str]]
    )
    """Each with its path in its folder now."""
    gone: list[AgentLedger] = field(default_factory=list[AgentLedger])
    away: list[AgentLedger] = field(default_factory=list[AgentLedger])
    """Nobody can tell, such as before a volume is mounted."""


def whereabouts(
    records: Iterable[AgentLedger], *, log: FilteringBoundLogger
) -> Whereabouts:
    """Look for files in the folders where they were.

    Left out are those that stand where they were, and began there: the user's globs leave
    them out now. A copy that no glob ever meant is read on all the same, and so is a file
    that was found under its new name once, and not read to its end before the next crash.
    """
    found = Whereabouts()
    folders: dict[str, str] = {}
    for record in records:
        folder, _, name = record.path.rpartition("/")
        try:
            path = path_of_record(record)
        except FolderAway as why:
            folders[folder] = str(why)
            found.away.append(record)
            continue
        if path is None:
            found.gone.append(record)
        elif (
            record.is_outside or path.rpartition("/")[2] != name or _was_renamed(record)
        ):
            found.renamed.append((record, path))
    for folder, why in folders.items():
        log.warning("file_away", path=f"{folder}/", why=why)
    return found


def _was_renamed(record: AgentLedger) -> bool:
    return record.first_path not in {"", record.path}


def is_away(tracked: TrackedFile, *, log: FilteringBoundLogger) -> bool:
    """Return whether a file may come back: nobody can tell whether it is gone."""
    try:
        in_folder(tracked)
    except FolderAway as away:
        log.warning("file_away", path=tracked.shown_path, why=str(away))
        return True
    return False


def in_folder(tracked: TrackedFile) -> str | None:
    """Return the path that a file has now in its folder, None when it is gone.

    Raises:
        FolderAway: nobody can tell now.
    """
    return find_by_inode(
        tracked.path.rpartition("/")[0] or "/",
        inode=tracked.facts.inode,
        filesystem=tracked.identity.filesystem_id,
    )


def path_of_record(record: AgentLedger) -> str | None:
    """Return the path that a record's file has now in its folder, None when it is gone.

    Raises:
        FolderAway: nobody can tell now.
    """
    identity = holder_of(record)
    return find_by_inode(
        record.path.rpartition("/")[0] or "/",
        inode=identity.inode,
        filesystem=identity.filesystem_id,
    )


def name_now(tracked: TrackedFile) -> str:
    """Return the name that a file has now, which need not be the one that it was found by.

    One that was renamed out of the globs is read on, and a script may copy over it, as
    over any last copy. Once it is deleted, its last name still tells that.
    """
    if tracked.stage is not Stage.LEAVING or tracked.is_outside:
        return tracked.shown_path
    try:
        found = in_folder(tracked)
    except FolderAway:
        found = None
    if found is not None:
        tracked.left_as = path_text(found)
    return tracked.left_as or tracked.shown_path


def copies_in(
    folder: str, *, names: tuple[str, ...], is_left_out: Callable[[str], bool]
) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the regular files of a folder that bear the name of a copy of these.

    What is left out is not looked at; a folder that cannot be listed has none.
    """
    try:
        with os.scandir(folder or "/") as entries:
            found = [entry.name for entry in islice(entries, ENTRIES_MAX)]
    except OSError:
        return
    for name in found:
        path = f"{folder}/{name}"
        is_named = may_be_copy(path_text(path), original_paths=names)
        if not is_named or is_left_out(path):
            continue
        try:
            status = os.stat(path)  # noqa: PTH116 - the name may be no UTF-8
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield path, status


def has_moved(tracked: TrackedFile) -> bool:
    """Return whether the name of a file does not lead to it, and no sweep has said so."""
    if tracked.stage is Stage.LEAVING or tracked.is_outside:
        return False
    try:
        status = os.stat(tracked.path)  # noqa: PTH116 - may be no UTF-8
    except OSError:
        return True
    return (status.st_dev, status.st_ino) != tracked.key
