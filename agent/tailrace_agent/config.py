"""What a user may set for the agent: which files, how fast, and within which limits."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
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
from pydantic_settings import SettingsConfigDict

from tailrace.detect import CSV, INNER_PARSERS, inner_parser
from tailrace.fleet.desired import NAME_PATTERN
from tailrace.identity import index_part_problem
from tailrace.key_files import KEY_CHARACTERS_MIN
from tailrace.multiline.journald import JOURNALD
from tailrace.redaction.config import RedactRule, with_names, with_own_names
from tailrace.settings import RoleSettings
from tailrace.tables import COLUMNS_MAX, is_header
from tailrace.topics import EVENT_BYTES_MAX, KIBIBYTE, MEBIBYTE
from tailrace_agent.event_rules import DAY_MS, MultilineSettings
from tailrace_agent.forms import Encoding
from tailrace_agent.globs import climb_problem, glob_problem
from tailrace_agent.overload_settings import OverloadSettings
from tailrace_agent.routing import ROUTES_MAX, RouteSettings, routing_problem
from tailrace_agent.setting_problems import names_given, with_problems
from tailrace_agent.users import number_of

Format = Literal["auto", "lines", "docker", "cri", "journald"]
FollowLinks = Literal["safe", "always", "never"]
Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN.pattern}$")]


class SourceSettings(BaseModel):
    """One set of files that are read in the same way."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    """Globs with absolute paths; `**` stands for any number of folders."""
    exclude: tuple[str, ...] = ()
    """Globs of what is left out: of a whole path, or of a name where there is no slash."""
    follow_links: FollowLinks = "safe"
    """Which symbolic links are followed: `safe` ones, made by root, the agent's own user
    or one of `owners` where nobody else could plant or move them, or leading to a file of
    the link's own owner; `always` all, `never` none."""
    owners: tuple[str, ...] = ()
    """Users, by name or number, who may choose what is read: whose links are followed,
    and whose files are read though others could have put them there by a hard link."""
    folder_files_max: Annotated[int, Field(ge=1, le=100_000)] = 20_000
    """Files of one folder that are followed; others wait until one of them is gone."""
    files_max: Annotated[int, Field(ge=1, le=1_000_000)] = 100_000
    """Files that are followed in all; where there are more, each folder has its share."""
    dataset: str = "auto"
    routing: Annotated[tuple[RouteSettings, ...], Field(max_length=ROUTES_MAX)] = ()
    """Which datasets go to indices of another name, for files that begin from now on."""
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
    pieces of a long line are joined, `journald` in its export format, or `lines`; `auto`
    asks the first line."""
    inner: str = "none"
    """What reads the text in a container's lines: a parser (`json`, `logfmt`, `log4j`, ...)
    or a dataset of one (`nginx.access`), `auto` for each line by its own shape, `none`."""
    columns: Annotated[tuple[str, ...], Field(max_length=COLUMNS_MAX)] = ()
    """Names of the columns of dataset `csv` in files that do not begin with them, as after a
    rotation; a first line that names columns wins, and without both they are numbered."""
    multiline: MultilineSettings | None = None
    """Which lines make one event; each line is one unless given."""
    overload: OverloadSettings | None = None
    """How fast its files are sent, all together; as fast as Kafka takes it unless given."""
    redact: tuple[RedactRule, ...] = ()
    """What is taken out of events before they leave the host: rules by their names
    (`secrets`, `cards`, `email`), and patterns of one's own with names."""
    tags: tuple[str, ...] = ()
    fields: dict[str, str] = {}

    @field_validator("paths")
    @classmethod
    def _paths_are_absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            expanded = tuple(
                str(Path(path).expanduser()) if path.startswith("~") else path
                for path in value
            )
        except RuntimeError as error:
            raise ValueError(
                f"the home folder of a user is not known: {error}"
            ) from None
        for path in expanded:
            if not path.startswith("/"):
                raise ValueError(f"{path!r} must be an absolute path")
        return expanded

    @field_validator("paths", "exclude")
    @classmethod
    def _globs_are_sound(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for glob in value:
            if problem := glob_problem(glob):
                raise ValueError(problem)
        return value

    @field_validator("owners")
    @classmethod
    def _owners_are_users(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for owner in value:
            try:
                number_of(owner)
            except KeyError:
                raise ValueError(
                    f"{owner!r} is no user of this machine; a number is taken as it is"
                ) from None
        return value

    @field_validator("multiline", mode="before")
    @classmethod
    def _multiline_may_be_a_name(cls, value: object) -> object:
        return {"rule": value} if isinstance(value, str) else value

    @field_validator("redact", mode="before")
    @classmethod
    def _rules_may_be_names(cls, value: object) -> object:
        return with_names(value)

    @field_validator("redact")
    @classmethod
    def _rules_have_own_names(
        cls, value: tuple[RedactRule, ...]
    ) -> tuple[RedactRule, ...]:
        return with_own_names(value)

    @model_validator(mode="after")
    def _entries_have_no_rule(self) -> Self:
        if self.multiline is not None and self.format == JOURNALD:
            raise ValueError(
                "multiline cannot be used with format 'journald', whose events are"
                " entries of fields; leave it out"
            )
        return self

    @field_validator("inner")
    @classmethod
    def _inner_is_known(cls, value: str) -> str:
        if value != "none" and inner_parser(value) is None:
            known = ", ".join(sorted(INNER_PARSERS))
            raise ValueError(
                f"must be `none`, one of {known}, or a dataset of one of them such as"
                f" nginx.access, got {value!r}"
            )
        return value

    @model_validator(mode="after")
    def _only_containers_have_an_inner_line(self) -> Self:
        if self.inner != "none" and self.format in {"lines", JOURNALD}:
            raise ValueError(
                f"inner {self.inner!r} is for containers' logs, and format is"
                f" {self.format!r}: leave it out, or name its parser by `dataset`"
            )
        return self

    @field_validator("dataset")
    @classmethod
    def _dataset_can_name_an_index(cls, value: str) -> str:
        if problem := index_part_problem(value):
            raise ValueError(f"{problem} (or be `auto`), got {value[:100]!r}")
        return value

    @field_validator("columns")
    @classmethod
    def _columns_can_be_told_apart(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) == 1 or (value and not is_header(value)):
            raise ValueError(
                "must be two or more names that are words and differ, such as"
                f" ['time', 'host', 'status'], got {list(value)!r}"
            )
        return value

    @model_validator(mode="after")
    def _only_separated_values_have_columns(self) -> Self:
        if self.columns and self.dataset != CSV:
            raise ValueError(
                f"columns are for dataset 'csv', and dataset is {self.dataset!r}: name"
                " that, or leave them out"
            )
        return self

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
    allowed_folders: tuple[str, ...] = ()
    """The only folders in and below which files are read, whatever globs and links lead
    to; any unless given. For this host alone to say: where they are given, the fleet's
    configuration may add sources within them."""
    fleet_key_file: Path | None = None
    """A file with the key that the fleet's configuration must be signed with; unsigned
    ones are taken unless given."""
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
    catch_up_bytes_per_s: Annotated[int, Field(ge=64 * KIBIBYTE, le=1 << 40)] | None = (
        None
    )
    """How fast what waited is sent, while Kafka or this agent was away: as fast as Kafka
    takes it unless given. Choose more than files grow. Other files' lines do not wait."""
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

    @field_validator("allowed_folders")
    @classmethod
    def _folders_are_absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for folder in value:
            if not folder.startswith("/") or climb_problem(folder) or "\0" in folder:
                raise ValueError(
                    f"{folder!r} must be an absolute path without `..` and NUL"
                )
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
                *_name_problems(names_given(given.get("sources"))),
            ]
            raise with_problems(error, problems) from None
        if problems := relation_problems(settings):
            raise ValueError("; ".join(problems))
        return settings


def relation_problems(settings: AgentSettings) -> list[str]:
    """Return which settings, each right by itself, do not fit together."""
    names = [source.name for source in settings.sources]
    return [*_limit_problems(settings, unknown=()), *_name_problems(names)]


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
    if knows("sources") and (
        problem := routing_problem(r for s in settings.sources for r in s.routing)
    ):
        yield problem
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
