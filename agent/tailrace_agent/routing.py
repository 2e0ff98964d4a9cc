"""Which datasets of a source go to indices of another name: `[[agent.sources.routing]]`.

A rule is asked once for each file, at first sight, and its answer is a part of the placement:
what it is asked about must not change while the file grows.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tailrace.identity import index_part_problem

ROUTES_MAX: Final = 20
"""Of one source."""
INDICES_MAX: Final = 50
"""Names of indices in all sources of an agent: each is an index a day, with its shards."""
_GLOB = r"^[a-z0-9_.*?\[\]!-]{1,100}$"


class RouteSettings(BaseModel):
    """One rule; of several that mean a dataset the first counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datasets: Annotated[
        tuple[Annotated[str, Field(pattern=_GLOB)], ...],
        Field(min_length=1, max_length=100),
    ]
    """Datasets, or globs of some, such as `nginx.*`."""
    index: str
    """What stands in the dataset's place in the names of their indices."""

    @field_validator("datasets", mode="before")
    @classmethod
    def _one_dataset_is_enough(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("index")
    @classmethod
    def _an_index_can_be_called_so(cls, value: str) -> str:
        if problem := index_part_problem(value):
            raise ValueError(problem)
        return value


def index_for(dataset: str, routes: Iterable[RouteSettings]) -> str:
    """Return the name that stands in a dataset's place; empty where it stands itself."""
    for route in routes:
        if any(fnmatchcase(dataset, glob) for glob in route.datasets):
            return "" if route.index == dataset else route.index
    return ""


def routing_problem(routes: Iterable[RouteSettings]) -> str:
    """Return what is wrong with the rules of all sources together; empty where nothing is."""
    count = len({route.index for route in routes})
    if count > INDICES_MAX:
        return f"sources route to {count} indices, of at most {INDICES_MAX}"
    return ""
