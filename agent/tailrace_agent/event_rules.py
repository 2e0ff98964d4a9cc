"""What a user may say of events: which lines make one."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tailrace.multiline.joining import pattern_problem
from tailrace.topics import KIBIBYTE, MEBIBYTE

DAY_MS = 86_400_000

Rule = Literal[
    "auto", "java", "python", "go", "ruby", "node", "trace", "time", "slowlog"
]


class MultilineSettings(BaseModel):
    """Which lines make one event: a built-in rule by its name, or a pattern of one's own.

    What decides where events begin is fixed for a generation at its first sight; a change
    serves new generations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Rule | None = None
    """A language whose stack traces are kept whole, `trace` for any of them, `time` for
    lines that begin with one, `slowlog` for entries of MySQL's slow log (theirs without
    being named), or `auto`: the file's first lines tell."""
    start: str | None = None
    """A line that matches begins an event; every other one belongs to the line before."""
    continuation: str | None = None
    """A line that matches belongs to the line before; every other one begins an event."""
    max_lines: Annotated[int, Field(ge=2, le=10_000)] = 500
    """With so many lines an event ends, and is marked."""
    max_bytes: Annotated[int, Field(ge=KIBIBYTE, le=MEBIBYTE)] = 256 * KIBIBYTE
    """A line that would make an event longer begins the next one."""
    flush_after_ms: Annotated[int, Field(ge=100, le=DAY_MS)] = 2_000
    """After this long without growth, an event whose lines are whole is sent."""

    @field_validator("start", "continuation")
    @classmethod
    def _pattern_is_one(cls, value: str | None) -> str | None:
        problem = None if value is None else pattern_problem(value)
        if problem is not None:
            raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _one_rule_is_given(self) -> Self:
        given = [self.rule, self.start, self.continuation]
        if sum(one is not None for one in given) != 1:
            raise ValueError("needs exactly one of `rule`, `start` and `continuation`")
        return self
