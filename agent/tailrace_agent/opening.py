"""How a path becomes an open file: as it is, or through its compression."""

from __future__ import annotations

import errno

from tailrace_agent.archives import AnyFile, ArchiveLimits, as_archive
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.door import NotARegularFile
from tailrace_agent.inflating import suffix_of
from tailrace_agent.open_file import OpenFile, open_file
from tailrace_agent.rules import Rules, rules_of
from tailrace_agent.tracked import TrackedFile
from tailrace_agent.whereabouts import FolderAway, in_folder


class Opener:
    """Opens files by the rules of their sources, and within the limits of archives."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._rules: dict[str, Rules] = {}
        self._limits = ArchiveLimits(
            # What one reading asks for, before and behind the position.
            window_bytes=2 * (settings.event_bytes_max + settings.chunk_bytes),
            content_bytes_max=settings.archive_bytes_max,
            ratio_max=settings.archive_ratio_max,
        )

    def open(self, path: str, *, suffix: str | None, source: SourceSettings) -> AnyFile:
        """Open a regular file; `suffix` says what it may be compressed with.

        Raises:
            NotARegularFile: it is something else.
            PathRefused: the rules of the source do not allow to read it.
            OSError: it is gone, or may not be read.
        """
        file = self.open_plain(path, source=source)
        return as_archive(file, suffix, limits=self._limits)

    def open_found(
        self, path: str, *, key: tuple[int, int], source: SourceSettings
    ) -> AnyFile:
        """Open the file that a look found at a path, as its name says.

        Raises:
            FileNotFoundError: it is gone, or renamed, and maybe another stands there.
            NotARegularFile: it is something else.
            PathRefused: the rules of the source do not allow to read it.
            OSError: it may not be read.
        """
        file = self.open(path, suffix=suffix_of(path), source=source)
        if file.facts.key == key:
            return file
        # The next sweep tells which. At another of the names that this one found, its
        # inode may have been a file's that is gone.
        file.close()
        raise FileNotFoundError(errno.ENOENT, "another file stands there", path)

    def open_plain(self, path: str, *, source: SourceSettings | None) -> OpenFile:
        """Open a regular file as it is, of a source or of one that is no more.

        Raises:
            NotARegularFile: it is something else.
            PathRefused: the rules of the source do not allow to read it.
            OSError: it is gone, or may not be read.
        """
        name = source.name if source else ""
        rules = self._rules.get(name)
        if rules is None:
            rules = self._rules[name] = rules_of(self._settings, source)
        return open_file(path, rules=rules)

    def open_in_folder(self, tracked: TrackedFile) -> AnyFile | None:
        """Return a file under the name that its inode has now in its folder, if it has one.

        By its facts it may be another file, which the inode was given to since.

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
            file = self.open(
                found, suffix=tracked.archive_suffix, source=tracked.source
            )
        except (FileNotFoundError, NotARegularFile):
            return None
        if file.facts.key != tracked.key:
            file.close()  # It was renamed once more.
            return None
        return file
