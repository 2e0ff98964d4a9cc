"""How the windows of a record are counted: how long they are, and by what."""

from __future__ import annotations

import msgspec

LATENESS_MS = 120_000
"""What is not set otherwise: lines of one file are seldom as far out of their order."""


class WindowShape(msgspec.Struct, frozen=True, array_like=True):
    """How a record is counted.

    It stands in the state that the record is counted to, so that a record that comes again
    is counted the same way, whatever was set or installed meanwhile. What is left out is as
    it was before there were shapes.
    """

    has_groups: bool = False
    """Whether windows are counted by status class, too."""
    has_templates: bool = False
    """And by template, where their ids are asked for."""
    values: tuple[str, ...] = ()
    """Fields whose numbers are told by quantiles."""
    top: tuple[str, ...] = ()
    """Fields whose most frequent values are told."""
    top_counters: int = 100
    width_ms: int = 60_000
    lateness_ms: int | None = None
    """How long after its end a window is closed, by the times in its file's lines; None
    leaves it open until there are too many."""

    def ended_ms(self, watermark_ms: int) -> int | None:
        """Return up to which beginning windows are over; None where none ever is."""
        if self.lateness_ms is None:
            return None
        return watermark_ms - self.lateness_ms - self.width_ms


STANDARD = WindowShape(
    has_groups=True,
    has_templates=True,
    values=("event.duration", "http.response.body.bytes"),
    lateness_ms=LATENESS_MS,
)
