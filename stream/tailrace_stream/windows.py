"""How many events a window has: counts that stay exact however often chunks come.

Documents are sent again without harm, because an id says what they are; a count has no
id. So each generation remembers the *intervals* of offsets that were counted, and an event
counts only where its first byte lies in none of them. Its open windows are absolute
values, and whoever stores them keeps the newest: a window sent twice is the same window.

A window is counted by groups, of level, status class and template together, so that a sum
over any of them is exact. A group is sent each time it changes, so closing one only forgets
it. What comes for it later opens a new *part*, named after the raw record that opened it:
the sum over the parts is right whichever were closed early, and a part never takes another
one's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from tailrace.wire import WIRE_VERSION
from tailrace_stream.figures import Figures
from tailrace_stream.window_groups import OTHER, Group, GroupColumns, folded, grouped
from tailrace_stream.window_shape import STANDARD, WindowShape
from tailrace_stream.window_spreads import Spread, column_of, with_values
from tailrace_stream.window_times import Times, times_of
from tailrace_stream.window_tops import Top, with_texts

ItemT = TypeVar("ItemT", "Window", Spread, Top)

OPEN_WINDOWS_MAX = 512
"""Groups of all open windows, some 70 bytes each; closed is what was touched longest ago."""
INTERVALS_MAX = 1_000
"""Beyond, the narrowest gap is taken for counted: it is the smallest possible mistake."""


class Window(msgspec.Struct, frozen=True, array_like=True):
    """One group of one open window of one generation, as an absolute value."""

    start_ms: int
    level: str
    """Empty where the lines have none."""
    part: int
    """Kafka offset of the raw record that opened it."""
    count: int
    status_class: str = ""
    """Such as `2xx`; empty where the lines have none."""
    template_id: str = ""
    """`other` where a window or a record had too many; empty where they are not asked for."""
    late_count: int = 0
    """Of them those that came when their file was past the window and its lateness."""

    @property
    def key(self) -> Group:
        """What it is the count of."""
        return Group(self.start_ms, self.level, self.status_class, self.template_id)


class GenerationState(msgspec.Struct, frozen=True, kw_only=True):
    """What has been counted of one generation; a function of the records read so far."""

    wire_version: int = WIRE_VERSION
    generation: str
    revision: int = 0
    """Events counted so far; grows with each change, so the newest is the truth."""
    counted: tuple[tuple[int, int], ...] = ()
    """Offsets `[from, to)`, in order, that do not touch."""
    older_windows: tuple[Window, ...] = msgspec.field(name="windows", default=())
    """Those that a worker of before there were groups left open. It would take a group for
    all of its level, so what is open now stands under another name: such a worker, beside
    this one while versions change, finds none open, and begins other parts."""
    windows: tuple[Window, ...] = msgspec.field(name="groups", default=())
    """The one touched last stands last."""
    figures: Figures = Figures()
    rule_marks: tuple[tuple[int, int], ...] = ()
    """From which event number on which rules were (`shaping/editions.py`)."""
    edges: tuple[tuple[int, int], ...] = ()
    """By offsets at the edges of gaps the number of the first event behind (`unsent.py`)."""
    spreads: tuple[Spread, ...] = ()
    """Likewise."""
    tops: tuple[Top, ...] = ()
    """Likewise."""
    watermark_ms: int = 0
    """The latest time of an event that was counted, none that had yet to come."""
    shape: WindowShape | None = None
    """How the next record is counted; None before anything was, and in older states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventColumns:
    """What of a chunk's events is counted: columns of equal length."""

    offsets: npt.NDArray[np.int64]
    groups: GroupColumns
    values: Mapping[str, pl.Series] = field(default_factory=dict[str, pl.Series])
    """By field numbers, null where an event has none; left out where no event has."""
    texts: Mapping[str, pl.Series] = field(default_factory=dict[str, pl.Series])
    """Likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What of a generation's windows is to be told anew."""

    windows: list[Window] = field(default_factory=list[Window])
    spreads: list[Spread] = field(default_factory=list[Spread])
    tops: list[Top] = field(default_factory=list[Top])
    width_ms: int = 60_000
    """How long each of these windows is."""
    late_count: int = 0
    """Events that were late, of those that were counted now."""

    @property
    def count(self) -> int:
        """How many documents tell it."""
        return len(self.windows) + len(self.spreads) + len(self.tops)


NOTHING_CHANGED = Changed()


def count_events(
    state: GenerationState,
    events: EventColumns,
    *,
    span: tuple[int, int],
    observed_at_ms: int,
    part: int,
    shape: WindowShape = STANDARD,
) -> tuple[GenerationState, Changed]:
    """Count what was not counted before; return the new state and what changed.

    `span` is all that the chunk covers, `[from, to)`, its holes included. Where nothing
    is new the state comes back as it was. `shape` is for the records after this one: how
    this one is counted, its state tells, unless it is the generation's first.
    """
    counted = add_interval(state.counted, span)
    is_new = ~within_intervals(events.offsets, intervals=state.counted)
    new_count = int(is_new.sum())
    if not new_count:
        if counted == state.counted:
            return state, NOTHING_CHANGED
        return msgspec.structs.replace(state, counted=counted), NOTHING_CHANGED
    now = _shape_now(state, shape)
    after, changed = _with_events(
        state, events, is_new, now, observed_at_ms=observed_at_ms, part=part
    )
    after = _shaped(after, shape, width_ms=now.width_ms)
    return (
        msgspec.structs.replace(
            after, revision=state.revision + new_count, counted=counted
        ),
        changed,
    )


def count_unsent(
    state: GenerationState,
    count: int,
    *,
    observed_at_ms: int,
    part: int,
    shape: WindowShape = STANDARD,
) -> tuple[GenerationState, Changed]:
    """Count events of which nothing is known but when they were read.

    They have no level and move no watermark; the caller remembers which they are.
    """
    now = _shape_now(state, shape)
    start_ms = observed_at_ms // now.width_ms * now.width_ms
    windows, changed = _with_counts(
        (*state.older_windows, *state.windows),
        Counter({Group(start_ms): count}),
        Counter(),
        part=part,
    )
    ended_ms = now.ended_ms(state.watermark_ms)
    opened = _open(windows, len(changed), ended_ms)
    after = msgspec.structs.replace(state, older_windows=(), windows=opened)
    told = Changed(windows=changed, width_ms=now.width_ms)
    return _shaped(after, shape, width_ms=now.width_ms), told


def _shaped(
    state: GenerationState, shape: WindowShape, *, width_ms: int
) -> GenerationState:
    """Return the state for records after this one, whose windows are `width_ms` long."""
    if shape.width_ms != width_ms:
        # Windows of the one width are none of the other.
        state = msgspec.structs.replace(state, windows=(), spreads=(), tops=())
    return msgspec.structs.replace(state, shape=shape)


def _with_events(
    state: GenerationState,
    events: EventColumns,
    is_new: npt.NDArray[np.bool_],
    shape: WindowShape,
    *,
    observed_at_ms: int,
    part: int,
) -> tuple[GenerationState, Changed]:
    """Return the state with the windows of new events, and what changed."""
    groups = events.groups
    if not shape.has_templates:
        groups = replace(groups, template_ids=None)
    count = partial(
        grouped,
        groups,
        observed_at_ms=observed_at_ms,
        window_ms=shape.width_ms,
        has_all=shape.has_groups,
    )
    chosen = None if is_new.all() else pl.Series(is_new)
    times = times_of(
        events.groups.times_ns,
        is_new,
        observed_at_ms=observed_at_ms,
        watermark_ms=state.watermark_ms,
    )
    starts_ms = times.at_ms // shape.width_ms * shape.width_ms
    is_late = _are_late(is_new, times, starts_ms, shape)
    late = Counter[Group]() if is_late is None else count(is_late)
    windows, changed = _with_counts(
        (*state.older_windows, *state.windows), count(chosen), late, part=part
    )
    values = _chosen(events.values, shape.values, chosen)
    columns = [column_of(n, v, starts_ms=starts_ms) for n, v in values.items()]
    spreads, spreads_changed = with_values(
        state.spreads, [c for c in columns if c is not None], part=part
    )
    tops, tops_changed = with_texts(
        state.tops,
        _chosen(events.texts, shape.top, chosen),
        starts_ms=starts_ms,
        part=part,
        counters_max=shape.top_counters,
    )
    ended_ms = shape.ended_ms(times.watermark_ms)
    after = msgspec.structs.replace(
        state,
        older_windows=(),
        windows=_open(windows, len(changed), ended_ms),
        spreads=_open(spreads, len(spreads_changed), ended_ms),
        tops=_open(tops, len(tops_changed), ended_ms),
        watermark_ms=times.watermark_ms,
    )
    return after, Changed(
        windows=changed,
        spreads=spreads_changed,
        tops=tops_changed,
        width_ms=shape.width_ms,
        late_count=late.total(),
    )


def _are_late(
    is_new: npt.NDArray[np.bool_],
    times: Times,
    starts_ms: npt.NDArray[np.int64],
    shape: WindowShape,
) -> pl.Series | None:
    """Tell which events came when their file was past their windows and the lateness.

    None where none did, as nearly always.
    """
    if shape.lateness_ms is None:
        return None
    late = starts_ms <= times.watermarks_ms - shape.lateness_ms - shape.width_ms
    if not late.any():
        return None
    found = is_new.copy()
    found[is_new] = late
    return pl.Series(found)


def _open(
    items: tuple[ItemT, ...], changed_count: int, ended_ms: int | None
) -> tuple[ItemT, ...]:
    """Return the ones that stay open: those that are not over, and the last, just changed.

    What comes too late again and again is then told in one place.
    """
    if ended_ms is None:
        return items
    before = max(len(items) - changed_count, 0)
    return (
        *(item for item in items[:before] if item.start_ms > ended_ms),
        *items[before:],
    )


def _chosen(
    columns: Mapping[str, pl.Series], names: Sequence[str], chosen: pl.Series | None
) -> dict[str, pl.Series]:
    """Return the columns of these names, of the events that are counted."""
    return {
        name: columns[name] if chosen is None else columns[name].filter(chosen)
        for name in names
        if name in columns
    }


def _with_counts(
    windows: Sequence[Window],
    counts: Counter[Group],
    late_counts: Counter[Group],
    *,
    part: int,
) -> tuple[tuple[Window, ...], list[Window]]:
    """Return the open windows with new counts, and those that changed."""
    open_windows = {window.key: window for window in windows}
    changed: list[Window] = []
    found = folded(counts, open_groups=open_windows.keys())
    late: Counter[Group] = Counter()
    for group, count in late_counts.items():
        # Where it has no name of its own, it was folded as a whole.
        named = group if group in found else group._replace(template_id=OTHER)
        late[named] += count
    for group, count in found.items():
        before = open_windows.pop(group, None)
        window = Window(
            group.start_ms,
            group.level,
            before.part if before else part,
            count + (before.count if before else 0),
            group.status_class,
            group.template_id,
            late[group] + (before.late_count if before else 0),
        )
        open_windows[group] = window
        changed.append(window)
    return tuple(open_windows.values())[-OPEN_WINDOWS_MAX:], changed


def _shape_now(state: GenerationState, configured: WindowShape) -> WindowShape:
    if state.shape is not None:
        return state.shape
    return WindowShape() if state.revision else configured


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


def spread_id(generation: str, spread: Spread) -> str:
    """Return the `_id` of a spread's part."""
    name = f"{generation}\0{spread.start_ms}\0spread\0{spread.field}\0{spread.part}"
    return blake2b(name.encode(), digest_size=16).hexdigest()


def top_id(generation: str, top: Top) -> str:
    """Return the `_id` of a top's part."""
    name = f"{generation}\0{top.start_ms}\0top\0{top.field}\0{top.part}"
    return blake2b(name.encode(), digest_size=16).hexdigest()


def window_id(generation: str, window: Window) -> str:
    """Return the `_id` of a window's part."""
    name = f"{generation}\0{window.start_ms}\0{window.level}\0{window.part}"
    if window.status_class or window.template_id:
        name = f"{name}\0{window.status_class}\0{window.template_id}"
    return blake2b(name.encode(), digest_size=16).hexdigest()
