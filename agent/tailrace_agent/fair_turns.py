"""Whose turn it is: each folder in its turn, and in it each file, so that none hides another."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from tailrace_agent.followed import Key

FOLDERS_MAX = 10_000
"""Folders of which it is known when they had their last turn; older ones had none."""


class FairTurns:
    """Remembers who was served last, over the rounds."""

    def __init__(self) -> None:
        self._served: dict[str, int] = {}
        """By folder, the number of its last turn; the oldest first."""
        self._turns_count = 0

    def round(self, ready: Iterable[tuple[str, Key]]) -> Round:
        """Begin a round of files, each with its folder, that are asked in this order.

        A folder comes before all that had a turn since its own last one.
        """
        files: dict[str, deque[Key]] = {}
        for folder, key in ready:
            files.setdefault(folder, deque()).append(key)
        served = self._served
        folders = sorted(files, key=lambda folder: served.get(folder, -1))
        return Round(self, {folder: files[folder] for folder in folders})

    def note(self, folder: str) -> None:
        """Note that a file in a folder has its turn."""
        self._turns_count += 1
        self._served.pop(folder, None)
        self._served[folder] = self._turns_count
        if len(self._served) > FOLDERS_MAX:
            del self._served[next(iter(self._served))]


class Round:
    """Hands out turns until no file wants one more; it may be left before that."""

    def __init__(self, turns: FairTurns, files: dict[str, deque[Key]]) -> None:
        self._turns = turns
        self._files = files
        self._last = ""

    def next(self) -> Key | None:
        """Return the file whose turn it is; None when all had theirs."""
        if not self._files:
            return None
        folder = next(iter(self._files))
        files = self._files.pop(folder)
        key = files.popleft()
        if files:
            self._files[folder] = files  # Behind all other folders.
        self._last = folder
        self._turns.note(folder)
        return key

    def again(self, key: Key) -> None:
        """Let the file that had the last turn have one more, behind the others."""
        self._files.setdefault(self._last, deque()).append(key)
