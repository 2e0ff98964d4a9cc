"""Whether sources can be listed: each glob expanded once, before a life begins by them."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.clock import Clock
from tailrace_agent.config import SourceSettings
from tailrace_agent.globs import excluder, expand
from tailrace_agent.listings import Listings


def list_once(sources: Sequence[SourceSettings], *, clock: Clock) -> int:
    """Return how many files the sources mean, listed as a sweep lists them.

    Whatever a sweep would raise is raised here. That folders are closed is no news yet.
    """
    listings = Listings(
        clock=clock, followed=frozenset[str](), note_closed=lambda _folder, _error: None
    )
    count = 0
    for source in sources:
        is_excluded = excluder(source.exclude)
        for glob in source.paths:
            count += sum(
                not is_excluded(path) for path in expand(glob, listing=listings.entries)
            )
    return count
