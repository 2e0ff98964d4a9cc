"""How many events a minute: counts by level that stay exact however often chunks come.

Documents are sent again without harm, because an id says what they are; a count has no
id. So each generation remembers the *intervals* of offsets that were counted, and an event
counts only where its first byte lies in none of them. Its open windows are absolute
values, and whoever stores them keeps the newest: a window sent twice is the same window.

A window is sent each time it changes, so closing one only forgets it. What comes for it
later opens a new *part*, named after the raw record that opened it: the sum over the parts
is right whichever were closed early, and a part never takes another one's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from tailrace.wire import WIRE_VERSION
from tailrace_stream.figures import Figures

WINDOW_MS = 60_000
OPEN_WINDOWS_MAX = 128
"""The ones touched longest ago are closed; some 60 bytes each in the state."""
INTERVALS_MAX = 1_000
"""Beyond, the narrowest gap is taken for counted: it is the smallest possible mistake."""
OTHER = "other"
KNOWN_LEVELS = frozenset(
    {
        "trace", "debug", "finest", "finer", "fine", "verbose", "info", "information",
        "informational", "notice", "warn", "warning", "error", "err", "severe", "fatal",
        "critical", "crit", "alert", "emergency", "emerg", "panic",
    }
)  # fmt: skip
"""A level is one key of a window, so what lines call a level must not be without end."""


class Window(msgspec.Struct, frozen=True, array_like=True):
    """One open window of one generation, as an absolute value."""

    start_ms: int
    level: str
    """Empty where the lines have none."""
    part: int
    """Kafka offset of the raw record that opened it."""
    count: int


class GenerationState(msgspec.Struct, frozen=True, kw_only=True):
    """What has been counted of one generation; a function of the records read so far."""

    wire_version: int = WIRE_VERSION
    generation: str
    revision: int = 0
    """Events counted so far; grows with each change, so the newest is the truth."""
    counted: tuple[tuple[int, int], ...] = ()
    """Offsets `[from, to)`, in order, that do not touch."""
    windows: tuple[Window, ...] = ()
    """The one touched last stands last."""
    figures: Figures = Figures()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventColumns:
    """What of a chunk's events is counted: columns of equal length."""

    offsets: npt.NDArray[np.int64]
    times_ns: pl.Series
    levels: pl.Series


def count_events(
    state: GenerationState,
    events: EventColumns,
    *,
    span: tuple[int, int],
    observed_at_ms: int,
    part: int,
) -> tuple[GenerationState, list[Window]]:
    """Count what was not counted before; return the new state and the windows changed.

    `span` is all that the chunk covers, `[from, to)`, its holes included. Where nothing
    is new the state comes back as it was.
    """
    counted = add_interval(state.counted, span)
    is_new = ~within_intervals(events.offsets, intervals=state.counted)
    new_count = int(is_new.sum())
    if not new_count:
        if counted == state.counted:
            return state, []
        return msgspec.structs.replace(state, counted=counted), []
    groups = grouped(events, is_new, observed_at_ms=observed_at_ms)
    open_windows = {(w.start_ms, w.level): w for w in state.windows}
    changed: list[Window] = []
    for start_ms, level, count in groups:
        before = open_windows.pop((start_ms, level), None)
        window = Window(
            start_ms,
            level,
            before.part if before else part,
            count + (before.count if before else 0),
        )
        open_windows[start_ms, level] = window
        changed.append(window)
    new_state = msgspec.structs.replace(
        state,
        revision=state.revision + new_count,
        counted=counted,
        windows=tuple(open_windows.values())[-OPEN_WINDOWS_MAX:],
    )
    return new_state, changed


def grouped(
    events: EventColumns, is_new: npt.NDArray[np.bool_], *, observed_at_ms: int
) -> list[tuple[int, str, int]]:
    """Return start, level and count of each window that the new events lie in."""
    at_ms = pl.col("time").floordiv(1_000_000).fill_null(observed_at_ms)
    level = pl.col("level").fill_null("")
    is_known = level.is_in(KNOWN_LEVELS) | (level == "")
    grouped = (
        pl.DataFrame(
            [events.times_ns.alias("time"), events.levels.alias("level")],
        )
        .filter(pl.Series(is_new))
        .select(
            (at_ms.floordiv(WINDOW_MS) * WINDOW_MS).alias("start"),
            pl.when(is_known).then(level).otherwise(pl.lit(OTHER)).alias("level"),
        )
        .group_by("start", "level")
        .len()
        .sort("start", "level")
    )
    return [(int(start), str(level), int(n)) for start, level, n in grouped.rows()]


def within_intervals(
    offsets: npt.NDArray[np.int64], *, intervals: Sequence[tuple[int, int]]
) -> npt.NDArray[np.bool_]:
    """Tell which offsets lie in one of the intervals."""
    if not intervals:
        return np.zeros(len(offsets), np.bool_)
    edges = np.array(intervals, np.int64)
    index = np.searchsorted(edges[:, 0], offsets, side="right") - 1
    return (index >= 0) & (offsets < edges[np.maximum(index, 0), 1])


def add_interval(
    intervals: Sequence[tuple[int, int]], new: tuple[int, int]
) -> tuple[tuple[int, int], ...]:
    """Return the intervals with `new` among them, joined where they touch."""
    first, last = new
    if last <= first:
        return tuple(intervals)
    before = [i for i in intervals if i[1] < first]
    after = [i for i in intervals if i[0] > last]
    touching = intervals[len(before) : len(intervals) - len(after)]
    for start, end in touching:
        first, last = min(first, start), max(last, end)
    joined = [*before, (first, last), *after]
    while len(joined) > INTERVALS_MAX:
        gaps = [joined[n + 1][0] - joined[n][1] for n in range(len(joined) - 1)]
        narrowest = gaps.index(min(gaps))
        joined[narrowest : narrowest + 2] = [
            (joined[narrowest][0], joined[narrowest + 1][1])
        ]
    return tuple(joined)


def window_id(generation: str, window: Window) -> str:
    """Return the `_id` of a window's part."""
    name = f"{generation}\0{window.start_ms}\0{window.level}\0{window.part}"
    return blake2b(name.encode(), digest_size=16).hexdigest()
