"""Whether a command may write its data folder: asked before anything starts."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tailrace.errors import CommandFailed

ROLE_FOLDERS = ("dashboard", "indexer", "logs", "stream")
"""Beside the agent's, which the agent closes itself: names of files, parts of lines."""
REMEDY = "name one that you may write to with --data-dir"


def take_data_folder(folder: Path) -> None:
    """Make the data folder where there is none, and see that files can be made in it.

    The folders of the roles in it are closed to other users, new or not. Of the data
    folder itself only a new one is: one that exists may hold what is for others.

    Only the attempt tells: the mode says nothing of a disk that is mounted read-only.

    Raises:
        CommandFailed: it cannot be made, or not be written, or not be told to the servers.
    """
    require_text(str(folder))
    if any("," in str(path) for path in (folder, folder.resolve())):
        # It would keep its data in the folder before the comma, open to everybody.
        raise CommandFailed(
            f"The data folder {folder} has a comma in its name, which Kafka takes for two"
            " folders.",
            remedy="name another one with --data-dir",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CommandFailed(
            f"The data folder {folder} cannot be made: {error.strerror}.", remedy=REMEDY
        ) from None
    with writing_data(folder), tempfile.TemporaryFile(dir=folder):
        for name in ROLE_FOLDERS:
            (folder / name).mkdir(exist_ok=True, mode=0o700)
            (folder / name).chmod(0o700)


def require_text(path: str) -> None:
    """See that a path can be written down: in a configuration, a record, a message.

    Raises:
        CommandFailed: it holds bytes that are no UTF-8.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise CommandFailed(
            f"The path {path!a} is no UTF-8, and cannot be written down.",
            remedy="name another one; a glob may have `?` or `*` for such bytes",
        ) from None


@contextmanager
def writing_data(folder: Path) -> Generator[None]:
    """Let whatever cannot be written in the data folder be a user's error.

    Raises:
        CommandFailed: something in it belongs to somebody else, or the disk refuses.
    """
    try:
        yield
    except OSError as error:
        what = f" ({error.filename})" if error.filename else ""
        raise CommandFailed(
            f"The data folder {folder} cannot be written: {error.strerror}{what}.",
            remedy=REMEDY,
        ) from None
