"""How a path becomes an open file: as it is, or through its compression."""

from __future__ import annotations

from tailrace_agent.archives import AnyFile, ArchiveLimits, as_archive
from tailrace_agent.config import AgentSettings
from tailrace_agent.open_file import NotARegularFile, open_file
from tailrace_agent.tracked import TrackedFile
from tailrace_agent.whereabouts import FolderAway, in_folder


class Opener:
    """Opens files within the limits that the settings give to archives."""

    def __init__(self, settings: AgentSettings) -> None:
        self._limits = ArchiveLimits(
            # What one reading asks for, before and behind the position.
            window_bytes=2 * (settings.event_bytes_max + settings.chunk_bytes),
            content_bytes_max=settings.archive_bytes_max,
            ratio_max=settings.archive_ratio_max,
        )

    def open(self, path: str, *, suffix: str | None) -> AnyFile:
        """Open a regular file; `suffix` says what it may be compressed with.

        Raises:
            NotARegularFile: it is something else.
            OSError: it is gone, or may not be read.
        """
        return as_archive(open_file(path), suffix, limits=self._limits)

    def open_in_folder(self, tracked: TrackedFile) -> AnyFile | None:
        """Return a file under the name that it has now in its folder, if it has one.

        Raises:
            OSError: it is there, and cannot be opened now.
        """
        try:
            found = in_folder(tracked)
        except FolderAway:
            return None
        if found is None:
            return None
        try:
            file = self.open(found, suffix=tracked.archive_suffix)
        except (FileNotFoundError, NotARegularFile):
            return None
        if file.facts != tracked.facts:
            file.close()
            return None
        return file
