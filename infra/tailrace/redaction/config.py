"""What a user may set of a rule: a built-in one by its name, or a pattern of one's own."""

from __future__ import annotations

from typing import Annotated, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from tailrace.redaction import rules as redaction


class RedactRule(BaseModel):
    """What is taken out of events: a built-in rule by its name, or a pattern of one's own.

    A pattern is RE2's. Where it has a group, what the group takes is replaced.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    """Its tokens begin with it, and it is counted by it."""
    pattern: Annotated[str, Field(min_length=1, max_length=4_096)] | None = None

    @field_validator("pattern")
    @classmethod
    def _pattern_is_one(cls, value: str | None) -> str | None:
        problem = None if value is None else redaction.pattern_problem(value)
        if problem is not None:
            raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _name_and_pattern_fit(self) -> Self:
        has_pattern = self.pattern is not None
        problem = redaction.rule_problem(self.name, has_pattern=has_pattern)
        if problem is not None:
            raise ValueError(problem)
        return self


def with_names(value: object) -> object:
    """Return rules as tables, where a user gave some by their name alone."""
    if not isinstance(value, list | tuple):
        return value
    given = cast("list[object]", value)
    return [{"name": one} if isinstance(one, str) else one for one in given]


def with_own_names(value: tuple[RedactRule, ...]) -> tuple[RedactRule, ...]:
    """Return the rules if each has a name of its own.

    Raises:
        ValueError: some have the same.
    """
    names = [rule.name for rule in value]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"names more than one rule {', '.join(twice)}")
    return value
