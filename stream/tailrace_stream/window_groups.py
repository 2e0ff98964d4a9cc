"""Which groups the events of a chunk belong to: by window, level, status class and template.

Levels and status classes are few by themselves. Templates are not: each window names so
many, and each record, and the events of all others stand together in the group `other` of
their level and status class. So nothing is left out of a count, and what is not named is
seen to be so. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

OTHER = "other"
WINDOW_GROUPS_MAX = 64
"""Groups of one window of one generation that bear the name of a template."""
RECORD_GROUPS_MAX = 128
"""Such groups that one raw record changes. It may span hours of a quiet file that is read
at once; each group is a document, and there must not be as many as there are events."""
KNOWN_LEVELS = frozenset(
    {
        "trace", "debug", "finest", "finer", "fine", "verbose", "info", "information",
        "informational", "notice", "warn", "warning", "error", "err", "severe", "fatal",
        "critical", "crit", "alert", "emergency", "emerg", "panic",
    }
)  # fmt: skip
"""A level is one key of a window, so what lines call a level must not be without end."""
_STATUS_CLASSES = {n: f"{n}xx" for n in range(1, 6)}


class Group(NamedTuple):
    """What is counted together."""

    start_ms: int
    level: str = ""
    status_class: str = ""
    template_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupColumns:
    """What tells events' groups: columns of equal length, None where no event has any."""

    times_ns: pl.Series
    levels: pl.Series
    statuses: pl.Series | None = None
    """Codes of HTTP, whole numbers."""
    template_ids: pl.Series | None = None


def grouped(
    events: GroupColumns,
    is_new: pl.Series | None,
    *,
    observed_at_ms: int,
    window_ms: int,
    has_all: bool,
) -> Counter[Group]:
    """Return how many new events each group has; all are new where `is_new` is None.

    Where not `has_all`, windows and levels alone tell groups.
    """
    # Whatever stands in a column is grouped as it is: of the few rows that are left each
    # is then named at no cost.
    time_ns = pl.col("time").fill_null(observed_at_ms * 1_000_000)
    keys = [time_ns.floordiv(window_ms * 1_000_000).alias("window"), pl.col("level")]
    columns = [events.times_ns.alias("time"), events.levels.alias("level")]
    if has_all and events.statuses is not None:
        columns.append(events.statuses.alias("status"))
        keys.append(pl.col("status").floordiv(100))
    if has_all and events.template_ids is not None:
        columns.append(events.template_ids.alias("template"))
        keys.append(pl.col("template"))
    frame = pl.DataFrame(columns)
    if is_new is not None:
        frame = frame.filter(is_new)
    names = ["window", *(column.name for column in columns[1:])]
    counts: Counter[Group] = Counter()
    for *values, count in frame.select(keys).group_by(names).len().iter_rows():
        found = dict(zip(names, values, strict=True))
        group = Group(
            found["window"] * window_ms,
            _level(found["level"]),
            _status_class(found.get("status")),
            found.get("template") or "",
        )
        counts[group] += count
    return counts


def folded(
    counts: Counter[Group], *, open_groups: Collection[Group]
) -> dict[Group, int]:
    """Return the counts with templates beyond the bounds under `other`, in a fixed order.

    The greatest are named first, and what a window has named already has its place.
    """
    named_of = Counter(one.start_ms for one in open_groups if _is_named(one))
    record_named = 0
    found: Counter[Group] = Counter()
    for group, count in sorted(counts.items(), key=_greatest_first):
        if _is_named(group):
            is_open = group in open_groups
            is_room = is_open or named_of[group.start_ms] < WINDOW_GROUPS_MAX
            if not is_room or record_named >= RECORD_GROUPS_MAX:
                found[group._replace(template_id=OTHER)] += count
                continue
            record_named += 1
            named_of[group.start_ms] += not is_open
        found[group] += count
    return dict(sorted(found.items()))


def _is_named(group: Group) -> bool:
    return group.template_id not in {"", OTHER}


def _greatest_first(item: tuple[Group, int]) -> tuple[int, Group]:
    group, count = item
    return -count, group


def _level(found: str | None) -> str:
    if not found or found in KNOWN_LEVELS:
        return found or ""
    return OTHER


def _status_class(hundreds: int | None) -> str:
    return "" if hundreds is None else _STATUS_CLASSES.get(hundreds, OTHER)
