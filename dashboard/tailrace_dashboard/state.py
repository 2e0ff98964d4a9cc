"""What a search page shows, as one value that a URL can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import cast

from tailrace.errors import QueryInvalid
from tailrace.moments import LATEST_MS, TimeRange, moment_text, parse_moment
from tailrace.query import Filter, SearchRequest

DEFAULT_SINCE = "15m"
DEFAULT_UNTIL = "now"
REFRESH_S = (0, 5, 15, 60)
FILTERS_MAX = 32
TEXT_MAX = 4_000
"""A longer query or value is cut: a URL has to pass through proxies."""

QUICK_RANGES = {
    "15m": "Last 15 minutes",
    "1h": "Last hour",
    "6h": "Last 6 hours",
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchState:
    """The words, the range as the person wrote it, the filters, the refreshing."""

    query: str = ""
    since: str = DEFAULT_SINCE
    until: str = DEFAULT_UNTIL
    filters: tuple[Filter, ...] = ()
    refresh_s: int = 0

    def time_range(self, *, now_ms: int) -> TimeRange:
        """Return the moments that the range means now.

        Raises:
            QueryInvalid: an end is not a moment, or the range holds nothing.
        """
        return TimeRange(
            parse_moment(self.since, now_ms=now_ms),
            parse_moment(self.until, now_ms=now_ms),
        )

    def request(self, time_range: TimeRange, *, size_max: int) -> SearchRequest:
        """Return the search for one page of rows."""
        return SearchRequest(
            query=self.query,
            since_ms=time_range.since_ms,
            until_ms=time_range.until_ms,
            filters=self.filters,
            size_max=size_max,
        )

    def narrowed(self, time_range: TimeRange) -> SearchState:
        """Return the same search within `time_range`."""
        return replace(
            self,
            since=exact_text(time_range.since_ms),
            until=exact_text(time_range.until_ms),
            refresh_s=0,
        )

    def with_filter(self, added: Filter) -> SearchState:
        """Return the same search with `added`, which replaces its own opposite."""
        kept = tuple(
            one
            for one in self.filters
            if (one.field, one.value) != (added.field, added.value)
        )
        return replace(self, filters=(*kept, added)[-FILTERS_MAX:])

    def without_filter(self, removed: Filter) -> SearchState:
        """Return the same search without `removed`."""
        kept = tuple(one for one in self.filters if one != removed)
        return replace(self, filters=kept)

    def toggled_filter(self, toggled: Filter) -> SearchState:
        """Return the same search with `toggled` turned from must to must not, or back."""
        return replace(
            self,
            filters=tuple(
                replace(one, is_excluded=not one.is_excluded) if one == toggled else one
                for one in self.filters
            ),
        )

    def range_text(self, *, zone: tzinfo, now_ms: int) -> str:
        """Return the range as a person in `zone` would say it."""
        if self.until == DEFAULT_UNTIL and is_relative(self.since):
            return QUICK_RANGES.get(self.since, f"Last {self.since}")
        try:
            shown = self.time_range(now_ms=now_ms)
        except QueryInvalid:
            return f"{self.since} to {self.until}"
        begin, end = (
            datetime.fromtimestamp(at_ms / 1_000, tz=zone)
            for at_ms in (shown.since_ms, shown.until_ms)
        )
        ends = (
            f"{end:%H:%M:%S}" if begin.date() == end.date() else f"{end:%b %d %H:%M:%S}"
        )
        return f"{begin:%b %d %H:%M:%S} – {ends}"


def typed_range(
    since: str, until: str, *, now_ms: int, zone: tzinfo
) -> tuple[str, str]:
    """Return the ends of a range typed by a person in `zone`, as a state keeps them.

    What is relative stays so; a time on the clock becomes exact, so that a URL means
    the same to everyone.

    Raises:
        QueryInvalid: an end is not a moment, or the range holds nothing.
    """
    TimeRange(
        parse_moment(since, now_ms=now_ms, zone=zone),
        parse_moment(until, now_ms=now_ms, zone=zone),
    )
    ends = [
        end.strip()
        if is_relative(end)
        else exact_text(parse_moment(end, now_ms=now_ms, zone=zone))
        for end in (since, until)
    ]
    return ends[0], ends[1]


def is_relative(moment: str) -> bool:
    """Return whether a moment means another one a little later."""
    try:
        early, late = (
            parse_moment(moment, now_ms=now_ms)
            for now_ms in (LATEST_MS // 2, LATEST_MS // 2 + 1)
        )
    except QueryInvalid:
        return False
    return early != late


def to_params(state: SearchState) -> dict[str, list[str]]:
    """Return the state as URL parameters; what is as usual is left out."""
    params: dict[str, list[str]] = {}
    if state.query:
        params["q"] = [state.query]
    if (state.since, state.until) != (DEFAULT_SINCE, DEFAULT_UNTIL):
        params["since"], params["until"] = [state.since], [state.until]
    if state.filters:
        params["f"] = [_filter_text(one) for one in state.filters]
    if state.refresh_s:
        params["refresh"] = [str(state.refresh_s)]
    return params


def from_params(params: Mapping[str, Sequence[str]]) -> SearchState:
    """Return the state that a URL holds; what cannot be read is as usual."""

    def last(name: str, default: str) -> str:
        values = params.get(name) or (default,)
        return values[-1][:TEXT_MAX]

    filters = tuple(
        one
        for one in map(_read_filter, params.get("f", ())[:FILTERS_MAX])
        if one is not None
    )
    refresh = last("refresh", "0")
    refresh_s = int(refresh) if refresh.isascii() and refresh.isdigit() else 0
    return SearchState(
        query=last("q", ""),
        since=last("since", DEFAULT_SINCE) or DEFAULT_SINCE,
        until=last("until", DEFAULT_UNTIL) or DEFAULT_UNTIL,
        filters=tuple(dict.fromkeys(filters)),
        refresh_s=refresh_s if refresh_s in REFRESH_S else 0,
    )


def exact_text(at_ms: int) -> str:
    """Return a moment such that it means the same everywhere."""
    return moment_text(at_ms).replace(" ", "T") + "Z"


def selected_range(
    selection: Mapping[str, object], *, interval_ms: int, within: TimeRange
) -> TimeRange | None:
    """Return the range that a brush or a click on the histogram chose, if any.

    `selection` is what the chart reports: `{"brush": {"at_ms": [start, end]}}` in epoch
    milliseconds, or `{"bar": [{"at_ms": start}]}` for one bar of `interval_ms`.
    """
    chosen = _brushed(selection.get("brush")) or _clicked(
        selection.get("bar"), interval_ms=interval_ms
    )
    if chosen is None:
        return None
    # Whole milliseconds that hold all that was touched, and never beyond what is shown.
    since_ms = max(int(chosen[0]), within.since_ms)
    until_ms = min(-int(-chosen[1] // 1), within.until_ms)
    try:
        return TimeRange(since_ms, until_ms)
    except QueryInvalid:
        return None


def _brushed(brush: object) -> tuple[float, float] | None:
    match brush:
        case {"at_ms": [int() | float() as start, int() | float() as end]}:
            return (min(start, end), max(start, end))
        case _:
            return None


def _clicked(bars: object, *, interval_ms: int) -> tuple[float, float] | None:
    if not isinstance(bars, list) or not bars:
        return None
    match cast("list[object]", bars)[0]:
        case {"at_ms": int() | float() as start}:
            return (start, start + interval_ms)
        case _:
            return None


def _filter_text(one: Filter) -> str:
    """Write `host.name:web-1`, with `-` before what must not be."""
    name = one.field.replace("\\", "\\\\").replace(":", "\\:")
    return f"{'-' if one.is_excluded else '+'}{name}:{one.value}"


def _read_filter(text: str) -> Filter | None:
    if not text or text[0] not in "+-":
        return None
    name: list[str] = []
    position = 1
    while position < len(text):
        character = text[position]
        if character == ":":
            value = text[position + 1 :]
            found = "".join(name)
            is_good = bool(found) and len(text) <= TEXT_MAX
            return Filter(found, value, text[0] == "-") if is_good else None
        if character == "\\" and position + 1 < len(text):
            position += 1
            character = text[position]
        name.append(character)
        position += 1
    return None
