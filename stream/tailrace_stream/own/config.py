"""What a user may set of parsers of their own: `[[stream.parsers]]`, one a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from tailrace.extras import missing_modules

PARSERS_MAX = 256
PATTERNS_MAX = 64
FIELDS_MAX = 500
FORMATS_MAX = 16
CHARACTERS_MAX = 8_192

Place = tuple[str | int, ...]
Pattern = Annotated[str, Field(min_length=1, max_length=CHARACTERS_MAX)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]{0,63}$")]
Columns = Annotated[tuple[str, ...], Field(min_length=1)]


class PatternSettings(BaseModel):
    """One pattern, of one of the kinds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name | None = None
    """What `tailrace parse --explain` calls it; its number unless given."""
    regex: Pattern | None = None
    """With named groups, in the words of Rust's `regex`, found anywhere in the line."""
    grok: Pattern | None = None
    """Named patterns, `%{NUMBER:took:int}`, found anywhere in the line."""
    dissect: Pattern | None = None
    """Names between the texts that part them, from the line's beginning."""
    csv: Columns | None = None
    """The columns' names, each with a type where it has one: `took:int`."""
    tsv: Columns | None = None
    """Likewise, parted by tabs, and without quotes unless `quote` is given."""
    separator: str | None = None
    """Between the columns of `csv`; a comma unless given."""
    quote: str | None = None
    """Around a cell that holds what it must not; `"` for `csv` unless given."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return of which kinds it is; one is right."""
        kinds = ("regex", "grok", "dissect", "csv", "tsv")
        return tuple(kind for kind in kinds if getattr(self, kind) is not None)


class FieldSettings(BaseModel):
    """Where a value goes, and as what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = None
    """The field of ECS, or the name among the attributes; the pattern's unless given."""
    type: Literal["text", "int", "float", "bool", "ip"] | None = None
    unit: Literal["ns", "us", "ms", "s"] | None = None
    """What `event.duration` is counted in by the line."""


class TimeSettings(BaseModel):
    """Which value is the event's time, and how it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str
    """Its name in the patterns."""
    formats: Annotated[tuple[str, ...], Field(min_length=1, max_length=FORMATS_MAX)] = (
        "iso8601",
    )
    """As `strptime` has them, or `iso8601`, `unix`, `unix_ms`, `unix_us`, `unix_ns`; the
    first that fits is taken."""
    zone: str | None = None
    """IANA zone of times that name none; the source's unless given."""

    @field_validator("formats", mode="before")
    @classmethod
    def _one_may_stand_alone(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class ParserSettings(BaseModel):
    """What reads the lines of a dataset: the first of its patterns that fits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.]{0,99}$")]
    """As a source of the agent names it."""
    patterns: Annotated[
        tuple[PatternSettings, ...], Field(min_length=1, max_length=PATTERNS_MAX)
    ]
    fields: Annotated[dict[str, FieldSettings], Field(max_length=FIELDS_MAX)] = {}
    """By names in the patterns; a name that is not here is itself the field."""
    time: TimeSettings | None = None
    definitions: Annotated[dict[str, Pattern], Field(max_length=FIELDS_MAX)] = {}
    """Patterns by their names, for `grok`, before those of the library."""
    nothing: Annotated[tuple[str, ...], Field(max_length=16)] = ("", "-")
    """What is written where there is no value."""

    @field_validator("fields", mode="before")
    @classmethod
    def _field_may_be_a_name(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        given = cast("dict[object, object]", value)
        return {
            name: {"name": one} if isinstance(one, str) else one
            for name, one in given.items()
        }

    @model_validator(mode="wrap")
    @classmethod
    def _can_be_built(
        cls, given: object, handler: ModelWrapValidatorHandler[Self]
    ) -> Self:
        """Build it too where a key is wrong: of what is right beside that."""
        if missing_modules("stream"):
            # A host of agents alone has the same file, and what reads columns is not there.
            return handler(given)
        from tailrace_stream.own.build import problems_of

        try:
            settings = handler(given)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            kept = _without_wrong(given, errors)
            if kept is None:
                raise
            problems = problems_of(handler(kept[0]), numbers=kept[1])
            details = [*_as_details(errors), *_details(problems)]
            raise ValidationError.from_exception_data(error.title, details) from None
        problems = problems_of(settings)
        if problems:
            raise ValidationError.from_exception_data(
                cls.__name__, list(_details(problems))
            )
        return settings


def twice_named(given: Sequence[ParserSettings]) -> list[str]:
    """Return the datasets that more than one parser is for."""
    datasets = [one.dataset for one in given]
    return sorted({one for one in datasets if datasets.count(one) > 1})


def _without_wrong(
    given: object, errors: Sequence[Any]
) -> tuple[dict[str, Any], list[int]] | None:
    """Return what is right beside errors, and which of the patterns those are."""
    if not isinstance(given, dict):
        return None
    values = cast("dict[str, Any]", given)
    wrong = {error["loc"][0] for error in errors if error["loc"]}
    indices = {
        error["loc"][1]
        for error in errors
        if len(error["loc"]) > 1 and error["loc"][0] == "patterns"
    }
    patterns: object = values.get("patterns")
    if "dataset" in wrong or not isinstance(patterns, list | tuple):
        return None
    if "patterns" in wrong and not indices:
        return None
    many = cast("list[Any]", patterns)
    numbers = [number for number in range(len(many)) if number not in indices]
    kept = {key: value for key, value in values.items() if key not in wrong}
    kept["patterns"] = [many[number] for number in numbers]
    return (kept, numbers) if numbers else None


def _details(problems: Sequence[tuple[Place, str]]) -> Iterator[InitErrorDetails]:
    for place, problem in problems:
        kind = PydanticCustomError("value_error", cast("Any", problem))
        yield InitErrorDetails(type=kind, loc=place, input=None)


def _as_details(errors: Sequence[Any]) -> Iterator[InitErrorDetails]:
    for error in errors:
        kind = PydanticCustomError(error["type"], error["msg"])
        yield InitErrorDetails(type=kind, loc=error["loc"], input=error["input"])
