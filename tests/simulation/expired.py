"""Which lines are missing by right: of a day whose index is below its floor, or by rules.

Read off the lines themselves. A line without a time is of its generation's birth, and that
is today in every run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tailrace.floors import Floors
from tests.simulation.application import TODAY
from tests.simulation.cluster import NAMESPACE
from tests.simulation.filesystem import Life

DATASET = "java.log"
_DATED = re.compile(
    rb"(2026-11-(\d\d) \d\d:\d\d):\d\d(?: (INFO|WARN|ERROR)(?:[ \n\r]|$))?"
)


@dataclass(frozen=True, slots=True)
class ExpiredEvent:
    """One line of which nothing is kept."""

    start: int
    end: int
    """Behind its newline, where it has one."""
    minute: str
    level: str
    is_one: bool
    """Not a line that was written in two parts, of which the first may have been flushed,
    and then is an event of its own."""


@dataclass(frozen=True, slots=True)
class Expired:
    """What the floors of a run say of its lines."""

    floors: Floors
    has_rules: bool = False
    """Rules may have left out what begins with a year; how many, the ledger says."""

    @property
    def may_be_missing(self) -> bool:
        """Whether anything may be missing by right."""
        return bool(self.floors) or self.has_rules

    def is_missing_by_right(self, content: bytes) -> bool:
        """Tell whether of a line nothing need be there."""
        is_of_rule = self.has_rules and content.startswith(b"2026-")
        return is_of_rule or self.is_expired(content)

    @property
    def is_today_expired(self) -> bool:
        """Whether lines without a time are, too: how they were cut then shows nowhere."""
        return self._is_below(TODAY)

    def is_expired(self, content: bytes) -> bool:
        """Tell whether the index of a line is taken away."""
        if not self.floors:
            return False
        dated = _DATED.match(content)
        return self._is_below(int(dated.group(2)) if dated else TODAY)

    def events(self, gaps: list[tuple[int, int]], life: Life) -> list[ExpiredEvent]:
        """Return the lines in gaps of a life that are missing by right."""
        found: list[ExpiredEvent] = []
        if not self.may_be_missing:
            return found
        for start, end in gaps:
            at = start
            while at < end:
                newline = life.content.find(b"\n", at, end)
                stop = end if newline < 0 else newline + 1
                content = bytes(life.content[at:stop])
                if self.is_missing_by_right(content):
                    dated = _DATED.match(content)
                    minute = dated.group(1).decode().replace(" ", "T") if dated else ""
                    level = (dated.group(3) or b"") if dated else b""
                    found.append(
                        ExpiredEvent(
                            at,
                            stop,
                            minute,
                            level.decode().lower(),
                            is_one=not any(at < half < stop for half in life.halves),
                        )
                    )
                at = stop
        return found

    def without(
        self, gaps: list[tuple[int, int]], *, life: Life
    ) -> list[tuple[int, int]]:
        """Return the gaps of a life without the lines that are missing by right."""
        left: list[tuple[int, int]] = []
        by_right = {event.start: event.end for event in self.events(gaps, life)}
        for start, end in gaps:
            at = start
            while at < end:
                stop = by_right.get(at)
                if stop is None:
                    newline = life.content.find(b"\n", at, end)
                    stop = end if newline < 0 else newline + 1
                    if left and left[-1][1] == at:
                        left[-1] = (left[-1][0], stop)
                    else:
                        left.append((at, stop))
                at = stop
        return left

    def _is_below(self, day: int) -> bool:
        index = f"{NAMESPACE}-{DATASET}-2026.11.{day}"
        return self.floors.is_expired(index, namespace=NAMESPACE)
