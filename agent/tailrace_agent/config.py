"""What a user may set for the agent: which files, how fast, and within which limits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from tailrace.settings import RoleSettings
from tailrace.topics import EVENT_BYTES_MAX, KIBIBYTE, MEBIBYTE
from tailrace_agent.forms import Encoding

NAME_PATTERN = re.compile(r"[A-Za-z0-9_.-]{1,64}")
DATASET_PATTERN = re.compile(r"[a-z0-9_.]{1,100}")
DAY_MS = 86_400_000

Name = Annotated[str, Field(pattern=NAME_PATTERN.pattern)]


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
    stop_ms_max: Annotated[int, Field(ge=0, le=600_000)] = 10_000
    """How long a stop waits for acknowledgements."""
    status_ms: Annotated[int, Field(ge=100, le=60_000)] = 2_000
    use_metrics: bool = True
    """Whether `/metrics` and `/health` are answered, to this machine alone."""
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Where; 0 is a free one, which the log and the status name."""

    @field_validator("host_id", "host_name")
    @classmethod
    def _host_is_a_name(cls, value: str) -> str:
        if value and not re.fullmatch(r"[\x21-\x7e]{1,253}", value):
            raise ValueError("must be 1 to 253 printable ASCII characters, no spaces")
        return value

    @model_validator(mode="after")
    def _settings_fit_together(self) -> Self:
        problems: list[str] = []
        if self.event_bytes_max < self.chunk_bytes:
            problems.append(
                f"event_bytes_max ({self.event_bytes_max}) must be at least chunk_bytes"
                f" ({self.chunk_bytes})"
            )
        if self.in_flight_bytes_max < 2 * self.event_bytes_max:
            problems.append(
                f"in_flight_bytes_max ({self.in_flight_bytes_max}) must be at least"
                f" twice event_bytes_max ({self.event_bytes_max})"
            )
        if self.flush_after_ms < self.linger_ms_max:
            problems.append(
                f"flush_after_ms ({self.flush_after_ms}) must be at least linger_ms_max"
                f" ({self.linger_ms_max})"
            )
        names = [source.name for source in self.sources]
        problems.extend(
            f"sources has {names.count(name)} entries named {name!r}"
            for name in sorted(set(names))
            if names.count(name) > 1
        )
        if problems:
            raise ValueError("; ".join(problems))
        return self
