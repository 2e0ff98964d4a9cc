"""What a user may set of windows: `[stream.windows]`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tailrace_stream.window_shape import LATENESS_MS, STANDARD, WindowShape

HOUR_MS = 3_600_000
SILENT_MS = HOUR_MS
FIELDS_MAX = 8
COUNTERS_MAX = 1_000
_NAME = re.compile(r"[A-Za-z@][A-Za-z0-9_.@-]{0,127}")
_NO_COLUMN = re.compile(r"(?:attributes|labels)(?:\.|$)|.*\.(?:geo|as)\.")
"""What documents have beside the fields of their lines."""

Fields = Annotated[tuple[str, ...], Field(max_length=FIELDS_MAX)]


class WindowSettings(BaseModel):
    """What is counted of each window beside its events."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width_ms: Annotated[int, Field(ge=10_000, le=HOUR_MS)] = STANDARD.width_ms
    """How long a window is: a whole part of an hour, so that hours are whole windows."""
    lateness_ms: Annotated[int, Field(ge=0, le=24 * HOUR_MS)] = LATENESS_MS
    """How long after its end a window stays open, by the times in its file's lines. What
    comes later is late: it is counted all the same, as another part of the window."""
    silent_ms: Annotated[int, Field(ge=600_000, le=24 * HOUR_MS)] = SILENT_MS
    """How long a file may be silent before what is open of it is closed, so that states
    take no more room than they need. It changes no sum. Far longer than any worker's session,
    as one that slept through it would count on what is closed."""
    templates: bool = True
    """Whether events are counted by template. Each that a chunk changes is a document, so
    that small chunks, of slow files, add many: a hundred lines of an access log some 15."""
    values: Fields = STANDARD.values
    """Fields of numbers that are told by quantiles; none costs nothing."""
    top: Fields = ()
    """Fields whose most frequent values are told."""
    top_counters: Annotated[int, Field(ge=10, le=COUNTERS_MAX)] = 100
    """So many values of a window are told, exactly where it has no more. With more, a count
    is too low by at most a share of `1 / (top_counters + 1)` of the window's events."""

    @field_validator("width_ms")
    @classmethod
    def _hours_are_whole_windows(cls, value: int) -> int:
        if HOUR_MS % value:
            raise ValueError(f"an hour is no whole number of windows of {value} ms")
        return value

    @field_validator("values", "top")
    @classmethod
    def _fields_stand_in_lines(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        strays = [n for n in value if not _NAME.fullmatch(n) or _NO_COLUMN.match(n)]
        if strays:
            raise ValueError(
                f"windows know the fields that a parser reads out of lines, such as"
                f" url.path, and not {strays[0]!r}"
            )
        if twice := sorted({name for name in value if value.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} is named more than once")
        return value

    def shape(self) -> WindowShape:
        """Return how records are counted by these settings."""
        return WindowShape(
            has_groups=True,
            has_templates=self.templates,
            values=self.values,
            top=self.top,
            top_counters=self.top_counters,
            width_ms=self.width_ms,
            lateness_ms=self.lateness_ms,
        )
