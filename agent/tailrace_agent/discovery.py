"""Which files there are: the globs of all sources, expanded cheaply and often."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.text import path_text
from tailrace_agent.config import SourceSettings
from tailrace_agent.globs import Entry, excluder, expand

RELIST_MS = 30_000
"""Even folders that look unchanged are listed again: not every filesystem keeps mtime."""
FRESH_NS = 2_000_000_000
"""A folder changed this recently may change again without its mtime showing it."""
WARN_AGAIN_MS = 3_600_000
COMPRESSED = (
    *("*.bz2", "*.xz", "*.lz4", "*.lzma", "*.zip", "*.Z"),
    *("*.tar", "*.tar.gz", "*.tar.zst", "*.tgz"),
)
"""Never read as lines. `.gz` and `.zst` of a single log are read through."""


@dataclass(frozen=True, slots=True)
class Found:
    """A name that a source means, and what stands there now."""

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
    ) -> None:
        self._sources = [
            (source, excluder((*source.exclude, *COMPRESSED))) for source in sources
        ]
        self._clock = clock
        self._log = log
        self._folders: dict[str, int] = {}
        self._is_fresh = True
        self._listed_at_ms = -RELIST_MS
        self._paths: dict[str, SourceSettings] = {}
        self._warned_at_ms: dict[str, int] = {}

    def sweep(self) -> list[Found]:
        """Return every file that a source means now, each path once.

        A path that several sources mean belongs to the first of them.
        """
        now_ms = self._clock.monotonic_ms()
        is_due = now_ms - self._listed_at_ms >= RELIST_MS
        if is_due or self._is_fresh or self._has_changed():
            self._list(now_ms)
        found: list[Found] = []
        for path, source in self._paths.items():
            try:
                found.append(Found(path, source, os.stat(path)))  # noqa: PTH116
            except OSError:
                continue  # Gone, or a link that leads nowhere.
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

    def _has_changed(self) -> bool:
        for folder, modified_at_ns in self._folders.items():
            try:
                if os.stat(folder).st_mtime_ns != modified_at_ns:  # noqa: PTH116
                    return True
            except OSError:
                if modified_at_ns:
                    return True
        return False

    def _list(self, now_ms: int) -> None:
        self._folders = {}
        self._is_fresh = False
        self._listed_at_ms = now_ms
        listings: dict[str, tuple[Entry, ...]] = {}

        def listing(folder: str) -> tuple[Entry, ...]:
            if folder not in listings:
                listings[folder] = self._entries(folder)
            return listings[folder]

        paths: dict[str, SourceSettings] = {}
        for source, is_excluded in self._sources:
            for glob in source.paths:
                count = 0
                for path in expand(glob, listing=listing):
                    if path in paths:
                        count += 1
                    elif not is_excluded(path):
                        paths[path] = source
                        count += 1
                self._note_matches(glob, count, source=source, now_ms=now_ms)
        # In the order of their names: an original is met before its copies.
        self._paths = dict(sorted(paths.items(), key=lambda item: item[0]))

    def _entries(self, folder: str) -> tuple[Entry, ...]:
        try:
            modified_at_ns = os.stat(folder).st_mtime_ns  # noqa: PTH116
            with os.scandir(folder) as entries:
                found = tuple(
                    Entry(entry.name, entry.is_dir(), entry.is_symlink())
                    for entry in entries
                )
        except PermissionError:
            self._folders[folder] = 0
            self._warn(
                f"folder {folder}",
                "folder_unreadable",
                folder=path_text(folder),
                remedy="give this user the right to list it",
            )
            return ()
        except OSError:
            self._folders[folder] = 0
            return ()
        self._folders[folder] = modified_at_ns
        age_ns = self._clock.now_ms() * 1_000_000 - modified_at_ns
        self._is_fresh = self._is_fresh or -FRESH_NS < age_ns < FRESH_NS
        return found

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
