"""Which files there are: the globs of all sources, expanded cheaply and often."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.text import path_text
from tailrace_agent.config import SourceSettings
from tailrace_agent.globs import excluder, expand
from tailrace_agent.listings import RELIST_MS, Listings
from tailrace_agent.quotas import admitted
from tailrace_agent.waiting_files import WaitingFiles

WARN_AGAIN_MS = 3_600_000
COMPRESSED = (
    *("*.bz2", "*.xz", "*.lz4", "*.lzma", "*.zip", "*.Z"),
    *("*.tar", "*.tar.gz", "*.tar.zst", "*.tgz"),
)
"""Never read as lines. `.gz` and `.zst` of a single log are read through."""


class Found(NamedTuple):
    """A name that a source means, and what stands there now.

    A tuple, as one is made of every file at every sweep: a frozen dataclass takes thrice
    the time.
    """

    path: str
    source: SourceSettings
    status: os.stat_result


class Discovery:
    """Expands the globs; lists a folder again only when it has changed."""

    def __init__(
        self,
        sources: Sequence[SourceSettings],
        *,
        clock: Clock,
        log: FilteringBoundLogger,
        remembered: Iterable[str] = (),
    ) -> None:
        """Take in the sources; files `remembered` from an earlier life come first."""
        self._sources = [
            (source, excluder((*source.exclude, *COMPRESSED))) for source in sources
        ]
        self._clock = clock
        self._log = log
        self._followed: frozenset[str] = frozenset(remembered)
        self._listings = Listings(
            clock=clock, followed=self._followed, note_closed=self._note_closed
        )
        self.waiting = WaitingFiles(log)
        self._listed_at_ms = -RELIST_MS
        self._paths: dict[str, SourceSettings] = {}
        self._warned_at_ms: dict[str, int] = {}

    def sweep(self) -> list[Found]:
        """Return every file that a source means now, each path once.

        A path that several sources mean belongs to the first of them.
        """
        now_ms = self._clock.monotonic_ms()
        is_due = now_ms - self._listed_at_ms >= RELIST_MS
        if is_due or self._listings.have_changed():
            self._list(now_ms)
        found: list[Found] = []
        for path, source in self._paths.items():
            try:
                found.append(Found(path, source, os.stat(path)))  # noqa: PTH116
            except FileNotFoundError:
                continue  # Gone, or a link that leads nowhere.
            except OSError as error:
                self._warn(
                    f"path {path}",
                    "path_unreadable",
                    path=path_text(path),
                    why=str(error.strerror),
                    remedy="correct the link, or give this user the right to follow it",
                )
        return found

    @property
    def unmatched_globs(self) -> tuple[str, ...]:
        """Return the globs that matched no file at the last sweep."""
        prefix = "glob "
        warned = (one for one in self._warned_at_ms if one.startswith(prefix))
        return tuple(one.removeprefix(prefix) for one in warned)

    def source_of(self, path: str) -> SourceSettings | None:
        """Return the source of a path that the last sweep listed."""
        return self._paths.get(path)

    def _list(self, now_ms: int) -> None:
        self._listed_at_ms = now_ms
        self._listings.begin()
        paths: dict[str, SourceSettings] = {}
        waiting: list[str] = []
        for source, is_excluded in self._sources:
            mine: dict[str, None] = {}
            for glob in source.paths:
                count = 0
                for path in expand(glob, listing=self._listings.entries):
                    if path in paths or path in mine:
                        count += 1
                    elif not is_excluded(path):
                        mine[path] = None
                        count += 1
                self._note_matches(glob, count, source=source, now_ms=now_ms)
            chosen, late = admitted(
                sorted(mine),
                followed=self._followed,
                folder_files_max=source.folder_files_max,
                files_max=source.files_max,
            )
            paths |= dict.fromkeys(chosen, source)
            waiting += late
        # What an earlier source lets wait may be followed for a later one.
        self._note_waiting([p for p in waiting if p not in paths], paths, now_ms=now_ms)
        # In the order of their names: an original is met before its copies.
        self._paths = dict(sorted(paths.items(), key=lambda item: item[0]))
        self._followed = frozenset(paths)
        self._listings.followed = self._followed
        self._forget_gone()

    def _forget_gone(self) -> None:
        """Remember no warning of what is gone: others may make new names all the time."""
        if not self._warned_at_ms:
            return  # As nearly always, and of very many files a sweep looks each second.
        here = {f"path {path}" for path in self._paths}
        here |= {f"folder {folder}" for folder in self._listings.folders}
        self._warned_at_ms = {
            about: at_ms
            for about, at_ms in self._warned_at_ms.items()
            if about in here or not about.startswith(("path ", "folder "))
        }

    def _note_waiting(
        self, waiting: list[str], followed: dict[str, SourceSettings], *, now_ms: int
    ) -> None:
        """Take in which files wait, and say once of each folder that some do."""
        unlisted = self._listings.unlisted
        self.waiting.take_in(
            waiting,
            followed=followed,
            followed_before=self._followed,
            unlisted=unlisted,
            now_ms=now_ms,
        )
        folders = Counter(path.rpartition("/")[0] for path in waiting)
        folders.update(unlisted)
        for folder in self.waiting.folders.keys() - folders.keys():
            self._warned_at_ms.pop(f"waiting {folder}", None)
            self._log.info("files_wait_no_more", folder=path_text(folder))
        for folder, count in folders.items():
            self._warn(
                f"waiting {folder}",
                "files_waiting",
                folder=path_text(folder),
                files=str(count),
                remedy="raise `folder_files_max` or `files_max` of the source, exclude"
                " what is no log, or remove what is old: they are read when there is"
                " room",
            )
        self.waiting.folders = dict(folders)

    def _note_closed(self, folder: str, error: OSError) -> None:
        is_closed = isinstance(error, PermissionError)
        self._warn(
            f"folder {folder}",
            "folder_unreadable",
            folder=path_text(folder),
            why=str(error.strerror),
            remedy="give this user the right to list it"
            if is_closed
            else "look at its disk: what was known of it is followed meanwhile",
        )

    def _note_matches(
        self, glob: str, count: int, *, source: SourceSettings, now_ms: int
    ) -> None:
        if count:
            if self._warned_at_ms.pop(f"glob {glob}", None) is not None:
                self._log.info("glob_matched", source=source.name, glob=glob)
            return
        del now_ms
        self._warn(
            f"glob {glob}",
            "glob_matched_nothing",
            source=source.name,
            glob=glob,
            remedy="correct it, or leave it: the agent goes on looking",
        )

    def _warn(self, about: str, event: str, **fields: str) -> None:
        """Say it once, and again each hour while it lasts."""
        now_ms = self._clock.monotonic_ms()
        last_ms = self._warned_at_ms.get(about)
        if last_ms is None or now_ms - last_ms >= WARN_AGAIN_MS:
            self._warned_at_ms[about] = now_ms
            self._log.warning(event, **fields)
