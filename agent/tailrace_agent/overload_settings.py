"""What a user may set for a source that writes more than is wanted of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailrace.topics import KIBIBYTE

RATE_MIN = KIBIBYTE
RATE_MAX = 1 << 40


class OverloadSettings(BaseModel):
    """How fast a source may be sent, and what is done with what is beyond that."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes_per_s: Annotated[int, Field(ge=RATE_MIN, le=RATE_MAX)]
    """Of all its files together, as their bytes stand in their chunks."""
    burst_bytes: Annotated[int, Field(ge=0, le=RATE_MAX)] | None = None
    """What it may send at once of what it did not use before; ten seconds' unless given.
    But for `block` it is one second's at least: so much of a file may be met at once."""
    policy: Literal["block", "drop", "redirect"] = "block"
    """What is beyond the rate waits in its file (`block`), is told to the stream by its
    event numbers alone (`drop`), or so and sent to the topic `overflow` (`redirect`)."""

    @property
    def burst(self) -> int:
        """Return the burst that holds, in bytes."""
        if self.burst_bytes is None:
            return 10 * self.bytes_per_s
        return self.burst_bytes
