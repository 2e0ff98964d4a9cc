"""What can be set of the stream, and within which bounds."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from tailrace.settings import RoleSettings
from tailrace_stream.enrich.config import EnrichmentSettings
from tailrace_stream.foreign.config import TOPICS_MAX, ForeignSettings
from tailrace_stream.foreign.config import twice_named as topics_twice_named
from tailrace_stream.own.config import PARSERS_MAX, ParserSettings, twice_named
from tailrace_stream.redact.config import RedactionSettings
from tailrace_stream.shaping.config import RULES_MAX, ShapingSettings, shaping_problem
from tailrace_stream.window_config import WindowSettings

MEBIBYTE = 1_024 * 1_024


class StreamSettings(RoleSettings):
    """The frozen settings of one stream worker: `[stream]`, or `TAILRACE_STREAM_…`."""

    model_config = SettingsConfigDict(env_prefix="TAILRACE_STREAM_")
    table: ClassVar[str] = "stream"

    in_flight_bytes_max: int = Field(
        default=64 * MEBIBYTE, ge=8 * MEBIBYTE, le=4_096 * MEBIBYTE
    )
    """Of records not yet delivered; when full, no further raw record is taken."""
    fetch_bytes_max: int = Field(default=2 * MEBIBYTE, ge=64 * 1_024, le=64 * MEBIBYTE)
    """Of one partition in one fetch; a larger record comes all the same."""
    commit_interval_ms: int = Field(default=500, ge=50, le=60_000)
    """How often positions are committed; after a crash as much is done again."""
    compression: Literal["none", "lz4", "zstd", "gzip"] = "zstd"
    """Of what is sent. Measured on documents: zstd packs twice as well as lz4, for a
    third of the processor time, since aiokafka asks lz4 for its slowest level."""
    request_timeout_ms: int = Field(default=30_000, ge=1_000, le=600_000)
    """After which a send without an answer is sent again."""
    session_timeout_ms: int = Field(default=15_000, ge=6_000, le=300_000)
    """After which a worker that went silent loses its partitions; whoever takes over from
    one that was killed, or starts in its place, waits for as long."""
    drain_ms_max: int = Field(default=8_000, ge=0, le=600_000)
    """How long a stopping worker waits for what is in flight."""
    stuck_ms_max: int = Field(default=120_000, ge=5_000, le=86_400_000)
    """How long there may be work without any of it getting done, before the worker
    ends with an error for its supervisor to start it again."""
    parsers: Annotated[tuple[ParserSettings, ...], Field(max_length=PARSERS_MAX)] = ()
    """Of one's own, for datasets that sources of the agent name."""
    attribute_keys_max: int = Field(default=1_000, ge=10, le=100_000)
    """So many keys of its own a source may bring to `attributes`; what comes later stands
    together under `attributes._rest`."""
    enrichment: EnrichmentSettings = Field(default_factory=EnrichmentSettings)
    """What is added to the fields of lines."""
    windows: WindowSettings = Field(default_factory=WindowSettings)
    """What is counted of events by the minute."""
    use_metrics: bool = True
    """Whether `/metrics` and `/health` are answered, to this machine alone."""
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Where; 0 is a free one, which the log names."""
    shaping: Annotated[tuple[ShapingSettings, ...], Field(max_length=RULES_MAX)] = ()
    """Which events become no document, or one in so many; all are counted."""
    redaction: RedactionSettings = Field(default_factory=RedactionSettings)
    """What is taken out of events, for those whose agent does not."""
    foreign: Annotated[tuple[ForeignSettings, ...], Field(max_length=TOPICS_MAX)] = ()
    """Topics of the user's own that other collectors write to."""

    @field_validator("shaping")
    @classmethod
    def _rules_are_told_apart(
        cls, value: tuple[ShapingSettings, ...]
    ) -> tuple[ShapingSettings, ...]:
        if problem := shaping_problem(value):
            raise ValueError(problem)
        return value

    @field_validator("foreign")
    @classmethod
    def _a_topic_is_named_once(
        cls, value: tuple[ForeignSettings, ...]
    ) -> tuple[ForeignSettings, ...]:
        if twice := topics_twice_named(value):
            raise ValueError(f"more than one table is for {', '.join(twice)}")
        return value

    @field_validator("parsers")
    @classmethod
    def _a_dataset_has_one_parser(
        cls, value: tuple[ParserSettings, ...]
    ) -> tuple[ParserSettings, ...]:
        if twice := twice_named(value):
            raise ValueError(
                f"more than one parser is for {', '.join(twice)}: put all patterns of a"
                " dataset into one"
            )
        return value
