"""Which setting a person meant whose name is nearly one: the models' own names, by likeness."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

LIKENESS_MIN = 0.7
"""`ignore_older` is 0.9 like `ignore_older_ms`; two names of ours are hardly over 0.7."""
VARIABLE_LIKENESS_MIN = 0.87
"""Of a variable, which may be another program's (Kubernetes sets some by a service's name):
a letter or two of a name that is not short."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" where a name is nearly a known one, else nothing."""
    found = get_close_matches(name, sorted(known), n=1, cutoff=LIKENESS_MIN)
    return f"; did you mean {found[0]}?" if found else ""


def variable_problems(
    variables: Iterable[str], *, prefix: str, names: Iterable[str]
) -> list[str]:
    """Return what is wrong with the variables that nearly name a setting, and do not.

    The others that begin with `prefix` are somebody else's.
    """
    known = sorted(name.upper() for name in names)
    problems: list[str] = []
    for variable in sorted(variables):
        whole = variable.upper().partition("__")[0]
        name = whole.removeprefix(prefix)
        if name == whole or name in known:
            continue
        found = get_close_matches(name, known, n=1, cutoff=VARIABLE_LIKENESS_MIN)
        if found:
            meant = f"{prefix}{found[0]}"
            problems.append(f"{variable} is not a setting; did you mean {meant}?")
    return problems


def setting_names(model: type[BaseModel], parents: Sequence[int | str]) -> set[str]:
    """Return the names that a table may have, which stands at `parents` below a model."""
    models = [model]
    for part in parents:
        fields = (one.model_fields.get(str(part)) for one in models)
        inner = [
            found
            for field in fields
            if field is not None
            for found in _models_in(field.annotation)
        ]
        # The place in a list, or the name of one of several models, leads no deeper.
        models = inner or models
    return {name for one in models for name in one.model_fields}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any type
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
