"""What a user may set of rules that leave events out: `[[stream.shaping]]`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, Self, cast

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tailrace_stream.shaping.rules import Rule, Rules

RULES_MAX: Final = 50
RULES_BYTES_MAX: Final = 8 * 1_024
"""Of all rules together, as they are kept with the states: 16 editions of them must fit."""
KEEP_ONE_IN_MAX: Final = 1_000_000
FIELDS_MAX: Final = 8
VALUES_MAX: Final = 100
_NAME = r"^[a-z0-9][a-z0-9-]{0,63}$"
_FIELD = re.compile(r"[A-Za-z@][A-Za-z0-9_.@-]{0,127}")
_NO_COLUMN = re.compile(r"(?:attributes|labels|tags)(?:\.|$)|.*\.(?:geo|as)\.")
"""What documents have beside the fields of their lines."""


class ShapingSettings(BaseModel):
    """One rule; of several that mean an event the first counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=_NAME)]
    """By which ledger, audit and `tailrace why` say what it left out."""
    action: Literal["sample", "drop"]
    """`sample` keeps one event in `keep_one_in`, which then bears `tailrace.sample_weight`;
    `drop` keeps none."""
    keep_one_in: Annotated[int, Field(ge=2, le=KEEP_ONE_IN_MAX)] | None = None
    """Of a sample: which ones are kept, their places in their files tell."""
    where: Annotated[
        dict[str, tuple[str, ...]], Field(min_length=1, max_length=FIELDS_MAX)
    ]
    """By field the value that it must have, or several of which it must have one; all
    fields must fit. A `*` at the end of a value stands for whatever follows."""

    @field_validator("where", mode="before")
    @classmethod
    def _one_value_is_enough(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        given = cast("Mapping[str, object]", value)
        return {name: _texts(values) for name, values in given.items()}

    @field_validator("where")
    @classmethod
    def _conditions_can_be_asked(
        cls, value: dict[str, tuple[str, ...]]
    ) -> dict[str, tuple[str, ...]]:
        for name, texts in value.items():
            if not _FIELD.fullmatch(name) or _NO_COLUMN.match(name):
                raise ValueError(
                    "rules know the fields that a parser reads out of lines, such as"
                    " url.path, message, event.dataset, host.name, log.file.path and"
                    f" tailrace.template.id, and not {name!r}"
                )
            if not 1 <= len(texts) <= VALUES_MAX:
                raise ValueError(f"{name} needs 1 to {VALUES_MAX} values")
            if any("*" in text[:-1] for text in texts):
                raise ValueError(
                    f"{name}: a * stands for what follows, and only at the end of a value"
                )
        return value

    @model_validator(mode="after")
    def _a_sample_has_a_rate(self) -> Self:
        if (self.action == "sample") != (self.keep_one_in is not None):
            raise ValueError(
                f"{self.name}: keep_one_in is for a sample, and a sample needs it"
            )
        return self

    def rule(self) -> Rule:
        """Return what workers judge events by."""
        return Rule(name=self.name, keep_one_in=self.keep_one_in or 0, where=self.where)


def _texts(values: object) -> object:
    """Return one value as a tuple of one, and numbers as they stand in a document."""
    if isinstance(values, (str, int)):
        values = (values,)
    if not isinstance(values, Sequence):
        return values
    listed = cast("Sequence[object]", values)
    return tuple(
        str(one) if isinstance(one, int) and not isinstance(one, bool) else one
        for one in listed
    )


def shaping_problem(settings: Sequence[ShapingSettings]) -> str:
    """Return what is wrong with all rules together; empty where nothing is."""
    names = [each.name for each in settings]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        return f"more than one rule is named {', '.join(twice)}"
    size = len(msgspec.json.encode(rules_of(settings)))
    if size > RULES_BYTES_MAX:
        return f"all rules together have {size} bytes, of at most {RULES_BYTES_MAX}"
    return ""


def rules_of(settings: Sequence[ShapingSettings]) -> Rules:
    """Return the rules in their order."""
    return tuple(each.rule() for each in settings)
