"""How relations between settings that do not hold are told beside what is wrong in form."""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


def with_problems(error: ValidationError, problems: list[str]) -> ValidationError:
    """Return the error with relations that do not hold after its own problems."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError(
                cast("Any", item["type"]), cast("Any", item["msg"])
            ),
            loc=item["loc"],
            input=item["input"],
        )
        for item in error.errors(include_url=False)
    ]
    details += [
        InitErrorDetails(
            type=PydanticCustomError("value_error", cast("Any", problem)),
            loc=(),
            input=None,
        )
        for problem in problems
    ]
    return ValidationError.from_exception_data(error.title, details)


def names_given(sources: object) -> list[str]:
    """Return the names in what a user wrote, where other parts of it are wrong."""
    if not isinstance(sources, list | tuple):
        return []
    entries: list[Any] = [
        one if isinstance(one, dict) else vars(one)
        for one in cast("list[Any]", sources)
        if isinstance(one, dict | BaseModel)
    ]
    names = [entry.get("name") for entry in entries]
    return [name for name in names if isinstance(name, str)]
