"""The agent's folder of state: private, held by one agent at a time, with its name."""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from tailrace.errors import CommandFailed, DataDirInUse
from tailrace.whole_files import PRIVATE, replace_file

LOCK_NAME = "lock"
AGENT_ID_NAME = "agent-id"
LIFE_NAME = "has-shipped"


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The folder, locked for as long as its descriptor is open."""

    path: Path
    agent_id: str
    had_life: bool
    """Whether an agent here has come so far that it may have shipped."""
    lock_descriptor: int

    def mark_life(self) -> None:
        """Note, before the first chunk of all, that from now on there is a past.

        Raises:
            OSError: the disk does not take it.
        """
        if not self.had_life:
            replace_file(self.path / LIFE_NAME, b"", mode=PRIVATE, is_durable=True)

    def release(self) -> None:
        """Let another agent have the folder."""
        os.close(self.lock_descriptor)


def take_folder(path: Path) -> StateFolder:
    """Make the folder if it is not there, and lock it.

    The lock is the kernel's, on an open descriptor: a crash leaves none behind.

    Raises:
        DataDirInUse: another agent holds it.
        CommandFailed: it cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(path / LOCK_NAME, flags, 0o600)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise DataDirInUse(path, holder=f"the agent with pid {holder}") from None
    try:
        with contextlib.suppress(OSError):  # On a full disk nobody reads whose it is.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        agent_id = _agent_id(path / AGENT_ID_NAME)
        had_life = (path / LIFE_NAME).exists()
    except OSError as error:
        os.close(descriptor)
        raise _unusable(path, error) from error
    return StateFolder(path, agent_id, had_life, descriptor)


def _agent_id(path: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return str(uuid.UUID(path.read_text("ascii").strip()))
    agent_id = str(uuid.uuid4())
    replace_file(path, f"{agent_id}\n".encode(), mode=PRIVATE, is_durable=True)
    return agent_id


def _unusable(path: Path, error: OSError) -> CommandFailed:
    return CommandFailed(
        f"The agent's folder {path} cannot be used: {error.strerror}.",
        remedy="give this user the right to write there, or name another data folder",
    )
