"""Which topics of the user's own are read, and what is known of them: `[[stream.foreign]]`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tailrace.errors import ConfigError
from tailrace.identity import RESERVED_DATASETS

TOPICS_MAX = 64
SHAPES = ("auto", "filebeat", "fluent_bit", "vector", "rsyslog", "otlp")
Shape = Literal["auto", "filebeat", "fluent_bit", "vector", "rsyslog", "otlp"]


class ForeignSettings(BaseModel):
    """One topic that another collector writes to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
    shape: Shape = "auto"
    """Who writes its records; `auto` looks at each by itself."""
    dataset: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.]{0,99}$")] = "generic"
    """A part of the index name, and which parser reads the messages; `generic` looks at
    each by itself."""
    time_zone: str = "UTC"
    """IANA zone of times that name none."""

    @field_validator("dataset")
    @classmethod
    def _dataset_is_free(cls, value: str) -> str:
        if value in RESERVED_DATASETS:
            raise ValueError(f"{value!r} names indices of Tailrace's own")
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"{value!r} is no time zone, such as Europe/Vienna"
            ) from None
        return value


def twice_named(sources: Iterable[ForeignSettings]) -> list[str]:
    """Return the topics that more than one table names."""
    counts = Counter(source.topic for source in sources)
    return sorted(topic for topic, count in counts.items() if count > 1)


def check_topics_are_foreign(
    sources: Iterable[ForeignSettings], *, namespace: str
) -> None:
    """Refuse topics of ours: what the stream writes it would read again, for ever.

    Raises:
        ConfigError: a topic is in our namespace.
    """
    ours = [s.topic for s in sources if s.topic.startswith(f"{namespace}.")]
    if ours:
        raise ConfigError(
            [
                f"stream.foreign: {topic!r} is a topic of Tailrace's own; name the topic"
                " that the other collector writes to"
                for topic in ours
            ]
        )
