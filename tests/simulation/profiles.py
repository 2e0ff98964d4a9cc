"""What mainly goes wrong in a run: a little of everything, or one thing with all its might."""

from __future__ import annotations

from dataclasses import dataclass

from tailrace_agent.routing import RouteSettings
from tailrace_stream.shaping.rules import Rule, Rules
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
    set_back_chance: float = 0.0
    """How often an agent finds an older copy of its checkpoint in the place of its own."""
    rule_sets: tuple[Rules, ...] = ()
    """Each life of a worker begins with one of them."""
    route_sets: tuple[tuple[RouteSettings, ...], ...] = ()
    """Each life of an agent begins with one of them."""


EVERYTHING = Profile(
    name="whatever_strikes",
    applications=Applications,
    director=Director,
    checkpoint_lost_chance=0.15,
)
_WARN = Rule(name="warn", where={"log.level": ("warn",)})
_SOME_INFO = Rule(name="some-info", keep_one_in=3, where={"log.level": ("info",)})
_HALF = Rule(name="half", keep_one_in=2, where={"log.level": ("info", "err*")})
CHANGING_RULES = Profile(
    name="changing_rules",
    applications=Applications,
    director=Director,
    checkpoint_lost_chance=0.15,
    rule_sets=((), (_WARN,), (_SOME_INFO, _WARN), (_WARN, _HALF)),
)
_WEB = RouteSettings(datasets=("java.*",), index="web")
_SHOP = RouteSettings(datasets=("*",), index="shop")
CHANGING_ROUTES = Profile(
    name="changing_routes",
    applications=Applications,
    director=Director,
    checkpoint_lost_chance=0.4,
    route_sets=((), (_WEB, _SHOP), (_SHOP,)),
)
ROTATION_STORM = Profile(
    name="rotation_storm",
    applications=Rotations,
    director=RotationDirector,
    checkpoint_lost_chance=0.25,
    set_back_chance=0.6,
)
