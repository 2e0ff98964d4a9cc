"""The files that are followed now: found by what they are, by family, and by turn."""

from __future__ import annotations

from dataclasses import dataclass, field

from tailrace_agent.archives import AnyFile, ArchiveFile
from tailrace_agent.families import Families
from tailrace_agent.incomplete import is_still_made
from tailrace_agent.tracked import Stage, TrackedFile

ARCHIVES_MAX = 4
"""Archives that are inflated at a time: each keeps a window of its content."""
ARCHIVE_WAIT_MS = 200
MADE_WAIT_MS = 1_000
"""How often the original of an archive that stands still is asked for."""

Key = tuple[int, int]


@dataclass(slots=True)
class Followed:
    """A set of followed files, with its limits on descriptors and windows."""

    descriptors_max: int
    families: Families[TrackedFile]
    files: dict[Key, TrackedFile] = field(default_factory=dict[Key, TrackedFile])
    due: dict[Key, int] = field(default_factory=dict[Key, int])
    """When each file with something to do has its next turn, by the monotonic clock."""
    _opened: dict[Key, TrackedFile] = field(default_factory=dict[Key, TrackedFile])
    _archives: list[ArchiveFile] = field(default_factory=list[ArchiveFile])

    def add(self, tracked: TrackedFile) -> None:
        """Take a file in; its first turn is due at once."""
        self.files[tracked.key] = tracked
        self.due[tracked.key] = 0
        tracked.first_path = tracked.first_path or tracked.shown_path
        self._put(tracked)
        if tracked.file is not None:
            self.note_opened(tracked)

    def remove(self, tracked: TrackedFile) -> None:
        """Follow a file no more, and give its descriptor back."""
        tracked.close()
        self.files.pop(tracked.key, None)
        self.due.pop(tracked.key, None)
        self._opened.pop(tracked.key, None)
        self.families.discard(tracked.key)

    def rename(self, tracked: TrackedFile, path: str) -> None:
        """Note where a file is now."""
        tracked.path = path
        self._put(tracked)

    def reading(self, generation: str) -> TrackedFile | None:
        """Return the file in which a generation is being read."""
        return next(
            (t for t in self.files.values() if t.generation == generation), None
        )

    def note_opened(self, opened: TrackedFile) -> None:
        """Stay within the limit on descriptors: close what was idle longest.

        Never the one just opened, which is about to be read, and never one whose name
        is gone. A tenth is closed at once, so that the search for it is rare.
        """
        self._opened[opened.key] = opened
        limit = self.descriptors_max
        if len(self._opened) <= limit:
            return
        held = [t for t in self._opened.values() if t.file is not None]
        self._close(held, count=len(held) - limit + limit // 10, but=opened)

    def make_room(self) -> None:
        """Close a tenth of the files, where the kernel gives no more descriptors."""
        held = [t for t in self._opened.values() if t.file is not None]
        self._close(held, count=len(held) // 10 + 1)

    def _close(
        self, held: list[TrackedFile], *, count: int, but: TrackedFile | None = None
    ) -> None:
        """Close so many of those that are held open, the longest idle first."""
        spare = [t for t in held if t is not but and t.stage is Stage.FOLLOWED]
        spare.sort(key=lambda t: (t.unread_bytes > 0, t.grew_at_ms))
        for tracked in spare[: max(0, count)]:
            tracked.close()
        self._opened = {t.key: t for t in held if t.file is not None}

    def _put(self, tracked: TrackedFile) -> None:
        path, first_path = tracked.shown_path, tracked.first_path
        self.families.put(tracked.key, tracked, path=path, first_path=first_path)

    def wait_ms(self, tracked: TrackedFile, file: AnyFile, *, now_ms: int) -> int:
        """Return how long a file is not to be read; 0 where it may be now.

        Few archives at a time may. One that is still to be completed is none of them, for
        it may never be: it is closed meanwhile, and nothing is claimed of it that its
        original does not show.
        """
        if not isinstance(file, ArchiveFile):
            return 0
        if is_still_made(tracked, file, followed=self.families, now_ms=now_ms):
            tracked.note_looked()
            tracked.close()
            return MADE_WAIT_MS
        self._archives = [a for a in self._archives if not a.is_closed]
        if any(archive is file for archive in self._archives):
            return 0
        if len(self._archives) >= ARCHIVES_MAX:
            return ARCHIVE_WAIT_MS
        self._archives.append(file)
        return 0
