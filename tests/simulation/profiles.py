"""What mainly goes wrong in a run: a little of everything, or one thing with all its might."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.application import Applications
from tests.simulation.director import Director
from tests.simulation.rotation_director import RotationDirector
from tests.simulation.rotations import Rotations


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Who writes, who lets things go wrong, and how often an agent's folder is lost."""

    name: str
    """The word by which its test is chosen."""
    applications: type[Applications]
    director: type[Director]
    checkpoint_lost_chance: float


EVERYTHING = Profile(
    name="whatever_strikes",
    applications=Applications,
    director=Director,
    checkpoint_lost_chance=0.15,
)
ROTATION_STORM = Profile(
    name="rotation_storm",
    applications=Rotations,
    director=RotationDirector,
    checkpoint_lost_chance=0.25,
)
