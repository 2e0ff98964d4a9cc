"""What a user may set for the agent: which files, how fast, and within which limits."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import SettingsConfigDict

from tailrace.detect import DATASET_OF_CONTAINER
from tailrace.multiline.joining import pattern_problem
from tailrace.settings import RoleSettings
from tailrace.topics import EVENT_BYTES_MAX, KIBIBYTE, MEBIBYTE
from tailrace_agent.forms import Encoding
from tailrace_agent.globs import bracket_problem
from tailrace_agent.redaction import rules as redaction
from tailrace_agent.redaction.tokens import KEY_CHARACTERS_MIN

NAME_PATTERN = re.compile(r"[A-Za-z0-9_.-]{1,64}")
DATASET_PATTERN = re.compile(r"[a-z0-9_.]{1,100}")
DAY_MS = 86_400_000

Rule = Literal["auto", "java", "python", "go", "ruby", "node", "trace", "time"]
Format = Literal["auto", "lines", "docker", "cri"]
Name = Annotated[str, Field(pattern=NAME_PATTERN.pattern)]


class MultilineSettings(BaseModel):
    """Which lines make one event: a built-in rule by its name, or a pattern of one's own.

    What decides where events begin is fixed for a generation at its first sight; a change
    serves new generations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Rule | None = None
    """A language whose stack traces are kept whole, `trace` for any of them, `time` for
    lines that begin with one, or `auto`: the file's first lines tell."""
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


class SourceSettings(BaseModel):
    """One set of files that are read in the same way."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    """Globs with absolute paths; `**` stands for any number of folders."""
    exclude: tuple[str, ...] = ()
    """Globs of what is left out: of a whole path, or of a name where there is no slash."""
    dataset: str = "auto"
    start_at: Literal["beginning", "end"] = "beginning"
    """Where to begin in files that are there when the source is first seen."""
    ignore_older_ms: Annotated[int, Field(ge=0, le=3_650 * DAY_MS)] | None = None
    """Files not written for this long are left alone until they are written again."""
    time_zone: str | None = None
    """IANA zone of times that carry none; the host's unless given."""
    encoding: Encoding = "auto"
    """How lines are written: `utf-8`, `utf-16` with a byte order mark, `utf-16le`,
    `utf-16be`; `auto` is UTF-8 unless a mark says otherwise."""
    format: Format = "auto"
    """What wrote the lines: a container's runtime (`docker`'s json-file, `cri`), whose
    pieces of a long line are joined, or `lines`; `auto` asks the first line."""
    multiline: MultilineSettings | None = None
    """Which lines make one event; each line is one unless given."""
    redact: tuple[RedactRule, ...] = ()
    """What is taken out of events before they leave the host: rules by their names
    (`secrets`, `cards`, `email`), and patterns of one's own with names."""
    tags: tuple[str, ...] = ()
    fields: dict[str, str] = {}

    @field_validator("paths")
    @classmethod
    def _paths_are_absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        expanded = tuple(
            str(Path(path).expanduser()) if path.startswith("~") else path
            for path in value
        )
        for path in expanded:
            if not path.startswith("/"):
                raise ValueError(f"{path!r} must be an absolute path")
        return expanded

    @field_validator("paths", "exclude")
    @classmethod
    def _brackets_are_closed(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for glob in value:
            if problem := bracket_problem(glob):
                raise ValueError(problem)
        return value

    @field_validator("multiline", mode="before")
    @classmethod
    def _multiline_may_be_a_name(cls, value: object) -> object:
        return {"rule": value} if isinstance(value, str) else value

    @field_validator("redact", mode="before")
    @classmethod
    def _rules_may_be_names(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            return value
        rules = cast("list[object]", value)
        return [{"name": one} if isinstance(one, str) else one for one in rules]

    @field_validator("redact")
    @classmethod
    def _rules_have_own_names(
        cls, value: tuple[RedactRule, ...]
    ) -> tuple[RedactRule, ...]:
        names = [rule.name for rule in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"names more than one rule {', '.join(twice)}")
        return value

    @model_validator(mode="after")
    def _container_lines_have_no_named_rule(self) -> Self:
        rule = None if self.multiline is None else self.multiline.rule
        if rule is not None and self.format in DATASET_OF_CONTAINER:
            raise ValueError(
                f"multiline rule {rule!r} cannot be used with format {self.format!r},"
                " whose lines begin with the runtime's own words; leave it out, or give"
                " `start` or `continuation` for the lines as the runtime writes them"
            )
        return self

    @field_validator("dataset")
    @classmethod
    def _dataset_can_name_an_index(cls, value: str) -> str:
        if not DATASET_PATTERN.fullmatch(value):
            raise ValueError("must be `auto`, or lower-case letters, digits, _ and .")
        return value

    @field_validator("time_zone")
    @classmethod
    def _time_zone_is_known(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError("must be an IANA zone such as Europe/Berlin") from None
        return value


class AgentSettings(RoleSettings):
    """The agent's settings; every limit has its range, and relations are checked too."""

    model_config = SettingsConfigDict(env_prefix="TAILRACE_AGENT_")
    table: ClassVar[str] = "agent"

    sources: tuple[SourceSettings, ...] = ()
    host_id: str = ""
    """Names this host for ever; the machine's own id unless given."""
    host_name: str = ""
    group: Name = "default"
    labels: dict[str, str] = Field(default_factory=dict[str, str])

    sweep_ms: Annotated[int, Field(ge=50, le=60_000)] = 1_000
    """How long a change can stay unseen when the kernel's hint is lost."""
    use_hints: bool = True
    """Whether the kernel is asked to tell of changes; the sweep stays on either way."""
    linger_ms_max: Annotated[int, Field(ge=0, le=10_000)] = 150
    """How long a line may wait for company before its chunk is sent."""
    chunk_bytes: Annotated[int, Field(ge=4 * KIBIBYTE, le=MEBIBYTE)] = 512 * KIBIBYTE
    event_bytes_max: Annotated[int, Field(ge=4 * KIBIBYTE, le=4 * MEBIBYTE)] = (
        EVENT_BYTES_MAX
    )
    flush_after_ms: Annotated[int, Field(ge=100, le=DAY_MS)] = 5_000
    """After this long without growth, a last line without its newline is sent."""
    rotated_grace_ms: Annotated[int, Field(ge=0, le=3_600_000)] = 10_000
    """How long a file that was renamed away is still read after its last growth."""
    in_flight_bytes_max: Annotated[int, Field(ge=MEBIBYTE, le=256 * MEBIBYTE)] = (
        12 * MEBIBYTE
    )
    """Bytes sent and not yet acknowledged; beyond it the files are the buffer."""
    checkpoint_ms: Annotated[int, Field(ge=1, le=10_000)] = 200
    """How long acknowledged positions may wait to be written together."""
    ledger_ms: Annotated[int, Field(ge=100, le=600_000)] = 5_000
    """How often a generation that moves is reported to the ledger."""
    heartbeat_ms: Annotated[int, Field(ge=1_000, le=600_000)] = 5_000
    """How often the agent says that it lives, and up to when its files are looked at."""
    descriptors_max: Annotated[int, Field(ge=8, le=65_536)] = 512
    """Files held open; those that were idle longest are closed first."""
    archive_bytes_max: Annotated[int, Field(ge=MEBIBYTE, le=1 << 46)] = 64 << 30
    """The most content of one `.gz` or `.zst`; what is beyond it is refused."""
    archive_ratio_max: Annotated[int, Field(ge=10, le=1_000_000)] = 500
    """Bytes of content in a byte of archive; beyond it, it is a bomb and refused."""
    redact_key: SecretStr = SecretStr("")
    """What tokens of redaction are made with, for installations that share them; unless
    given, one is made and kept in the data folder."""
    redact_key_file: Path | None = None
    """A file that holds that key."""
    stop_ms_max: Annotated[int, Field(ge=0, le=600_000)] = 10_000
    """How long a stop waits for acknowledgements."""
    status_ms: Annotated[int, Field(ge=100, le=60_000)] = 2_000
    use_metrics: bool = True
    """Whether `/metrics` and `/health` are answered, to this machine alone."""
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Where; 0 is a free one, which the log and the status name."""

    @field_validator("redact_key")
    @classmethod
    def _key_cannot_be_tried_out(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value().encode()) < KEY_CHARACTERS_MIN:
            raise ValueError(f"must have at least {KEY_CHARACTERS_MIN} characters")
        return value

    @field_validator("host_id", "host_name")
    @classmethod
    def _host_is_a_name(cls, value: str) -> str:
        if value and not re.fullmatch(r"[\x21-\x7e]{1,253}", value):
            raise ValueError("must be 1 to 253 printable ASCII characters, no spaces")
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _settings_fit_together(
        cls, given: dict[str, Any], handler: ModelWrapValidatorHandler[Self]
    ) -> Self:
        """Check relations too where a field is wrong: on what is valid beside it."""
        try:
            settings = handler(given)
        except ValidationError as error:
            wrong = {str(item["loc"][0]) for item in error.errors() if item["loc"]}
            kept = {key: value for key, value in given.items() if key not in wrong}
            problems = [
                *_limit_problems(handler(kept), unknown=wrong),
                *_name_problems(_names_given(given.get("sources"))),
            ]
            raise _with_problems(error, problems) from None
        names = [source.name for source in settings.sources]
        problems = [*_limit_problems(settings, unknown=()), *_name_problems(names)]
        if problems:
            raise ValueError("; ".join(problems))
        return settings


def _limit_problems(
    settings: AgentSettings, *, unknown: Collection[str]
) -> Iterator[str]:
    """Yield which limits do not fit together, of those that are not `unknown`."""

    def knows(*names: str) -> bool:
        return not set(names) & set(unknown)

    event_bytes_max = settings.event_bytes_max
    if knows("event_bytes_max", "chunk_bytes") and (
        event_bytes_max < settings.chunk_bytes
    ):
        yield (
            f"event_bytes_max ({event_bytes_max}) must be at least chunk_bytes"
            f" ({settings.chunk_bytes})"
        )
    if knows("event_bytes_max", "in_flight_bytes_max") and (
        settings.in_flight_bytes_max < 2 * event_bytes_max
    ):
        yield (
            f"in_flight_bytes_max ({settings.in_flight_bytes_max}) must be at least"
            f" twice event_bytes_max ({event_bytes_max})"
        )
    if knows("flush_after_ms", "linger_ms_max") and (
        settings.flush_after_ms < settings.linger_ms_max
    ):
        yield (
            f"flush_after_ms ({settings.flush_after_ms}) must be at least linger_ms_max"
            f" ({settings.linger_ms_max})"
        )
    if knows("redact_key", "redact_key_file") and (
        settings.redact_key.get_secret_value() and settings.redact_key_file is not None
    ):
        yield "redact_key and redact_key_file are both given; give one"
    if knows("event_bytes_max", "sources"):
        for index, source in enumerate(settings.sources):
            rule = source.multiline
            if rule and rule.max_bytes > event_bytes_max:
                yield (
                    f"sources.{index}.multiline.max_bytes ({rule.max_bytes}) must be"
                    f" at most event_bytes_max ({event_bytes_max})"
                )


def _name_problems(names: list[str]) -> Iterator[str]:
    for name in sorted(set(names)):
        if names.count(name) > 1:
            yield f"sources has {names.count(name)} entries named {name!r}"


def _names_given(sources: object) -> list[str]:
    """Return the names in what a user wrote, where other parts of it are wrong."""
    if not isinstance(sources, list | tuple):
        return []
    entries: list[Any] = [
        one if isinstance(one, dict) else vars(one)
        for one in cast("list[Any]", sources)
        if isinstance(one, dict | SourceSettings)
    ]
    names = [entry.get("name") for entry in entries]
    return [name for name in names if isinstance(name, str)]


def _with_problems(error: ValidationError, problems: list[str]) -> ValidationError:
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
