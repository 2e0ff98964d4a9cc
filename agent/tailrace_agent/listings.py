"""What is in each folder: listed again when it has changed, and large ones less often."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Container
from dataclasses import dataclass, replace

from tailrace.clock import Clock
from tailrace_agent.globs import Entry

RELIST_MS = 30_000
"""Even folders that look unchanged are listed again: not every filesystem keeps mtime."""
FRESH_NS = 2_000_000_000
"""A folder changed this recently may change again without its mtime showing it."""
ENTRIES_MAX = 100_000
"""Names of one folder that are looked at, beside those of followed files; others are
counted. They take 20 MB, and to match them 50 ms."""
REST_FACTOR = 10
"""For so many times as long as a listing took, the folder is not listed again: one with a
million names costs a tenth of a core, and the others are seen as soon as without it."""


@dataclass(frozen=True, slots=True)
class _Listing:
    entries: tuple[Entry, ...]
    modified_at_ns: int
    """0 where the folder is gone or closed to us."""
    unlisted_count: int = 0
    is_fresh: bool = False
    rests_until_ms: int = 0


class Listings:
    """Lists folders for one expansion of all globs after the other."""

    def __init__(
        self,
        *,
        clock: Clock,
        followed: Container[str],
        note_closed: Callable[[str, OSError], None],
    ) -> None:
        """Note to `note_closed` the folders that cannot be listed, and why."""
        self.followed = followed
        """Paths whose names are kept, however many there are."""
        self._clock = clock
        self._note_closed = note_closed
        self._listings: dict[str, _Listing] = {}
        self._before: dict[str, _Listing] = {}

    @property
    def folders(self) -> Collection[str]:
        """Return those that were asked for since `begin`, be they there or not."""
        return self._listings.keys()

    @property
    def unlisted(self) -> dict[str, int]:
        """Return by folder how many names were not looked at."""
        listings = self._listings.items()
        return {f: one.unlisted_count for f, one in listings if one.unlisted_count}

    def have_changed(self) -> bool:
        """Return whether to list anew what was listed since `begin`."""
        now_ms = self._clock.monotonic_ms()
        for folder, listing in self._listings.items():
            if now_ms < listing.rests_until_ms:
                continue
            if listing.is_fresh:
                return True
            try:
                if os.stat(folder).st_mtime_ns != listing.modified_at_ns:  # noqa: PTH116
                    return True
            except OSError:
                if listing.modified_at_ns:
                    return True
        return False

    def begin(self) -> None:
        """Forget what is in the folders, except in those that rest."""
        self._before, self._listings = self._listings, {}

    def entries(self, folder: str) -> tuple[Entry, ...]:
        """Return what is in a folder; nothing when it is gone or closed to us.

        Where the disk does not tell, it is what was there before: what is not known is
        not taken for gone.
        """
        listing = self._listings.get(folder)
        if listing is None:
            listing = self._before.get(folder)
            if listing is None or self._clock.monotonic_ms() >= listing.rests_until_ms:
                listing = self._listed(folder)
            self._listings[folder] = listing
        return listing.entries

    def _listed(self, folder: str) -> _Listing:
        begun_ms = self._clock.monotonic_ms()
        found: list[Entry] = []
        unlisted_count = 0
        try:
            modified_at_ns = os.stat(folder).st_mtime_ns  # noqa: PTH116
            with os.scandir(folder) as entries:
                for entry in entries:
                    if (
                        len(found) < ENTRIES_MAX
                        or f"{folder}/{entry.name}" in self.followed
                    ):
                        found.append(_entry(entry))
                    else:
                        unlisted_count += 1
        except (FileNotFoundError, NotADirectoryError):
            return _Listing((), 0)
        except OSError as error:
            self._note_closed(folder, error)
            before = self._before.get(folder)
            if before is None or isinstance(error, PermissionError):
                return _Listing((), 0)
            return replace(before, modified_at_ns=0, is_fresh=True)
        age_ns = self._clock.now_ms() * 1_000_000 - modified_at_ns
        now_ms = self._clock.monotonic_ms()
        return _Listing(
            tuple(found),
            modified_at_ns,
            unlisted_count,
            is_fresh=-FRESH_NS < age_ns < FRESH_NS,
            rests_until_ms=now_ms + REST_FACTOR * (now_ms - begun_ms),
        )


def _entry(entry: os.DirEntry[str]) -> Entry:
    """Return a name, and whether a folder stands there.

    A link that leads round in a circle, through a file or into a closed folder is none,
    and hides no other name of its folder.
    """
    try:
        return Entry(entry.name, entry.is_dir(), entry.is_symlink())
    except OSError:
        return Entry(entry.name, is_folder=False, is_link=True)
