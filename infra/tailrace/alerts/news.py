"""Which templates were never there before. Pure.

A template is new where no event of it is older than those just looked at. An alert about it
bears no time in its name, so it is one for as long as its record is kept, whoever finds it
and however often.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

SAMPLE_CHARACTERS_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A template among the events that came just now."""

    template_id: str
    first_seen_ms: int
    count: int
    dataset: str = ""
    host_name: str = ""
    message: str = ""


def new_templates(
    sightings: Iterable[Sighting],
    *,
    learnt: Collection[str],
) -> list[Sighting]:
    """Return what is to be told of what was never there before, in the order it came.

    `learnt` are the datasets that have been there for long enough: of another all is new,
    and nothing is told.
    """
    found = [sighting for sighting in sightings if sighting.dataset in learnt]
    return sorted(found, key=lambda one: (one.first_seen_ms, one.template_id))
