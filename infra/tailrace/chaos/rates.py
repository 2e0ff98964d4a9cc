"""Whether `tailrace-rates` counts the events that are stored: no more, and no fewer.

Pure. A window is of one minute and one group of one generation, and may be told in parts;
added up, those of a generation must be its events, and none of its minutes may count fewer
than it has. A line that bears no time has that at which it was read, and one that an agent
reads again after a kill another one: which of the two is stored need not be the one that
was counted, so such lines are held to the sum alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, cast

from tailrace.answers import field

Minutes = Counter[tuple[str, str]]
"""How many events by generation and minute, such as `2026-11-24T10:03`; where the minute
is empty, those whose lines bear no time."""
NO_MINUTE = ""
COUNT = "tailrace.rate.count"
FIELDS = ("tailrace.generation", "@timestamp", COUNT, "tailrace.rate.window_ms")
WINDOW_MS = 60_000
"""As chaos has its roles count; no setting of it changes that."""
EXAMPLES_MAX = 5


def minute_of(timestamp: str) -> str:
    """Return the minute of an ISO 8601 time in UTC."""
    return timestamp[:16]


def counted_minutes(documents: Iterable[Mapping[str, Any]]) -> Minutes:
    """Return what the documents of `tailrace-rates` count, their parts added up.

    Raises:
        ValueError: a window has another width than a minute.
    """
    counted: Minutes = Counter()
    for document in documents:
        count = field(document, COUNT)
        if count is None:
            continue  # Of a spread, or of the most frequent values: no count of events.
        width_ms = field(document, "tailrace.rate.window_ms")
        if width_ms != WINDOW_MS:
            raise ValueError(f"a window is {width_ms!r} ms wide, not {WINDOW_MS}")
        generation = str(field(document, "tailrace.generation"))
        minute = minute_of(str(field(document, "@timestamp")))
        counted[generation, minute] += int(cast("int", count))
    return counted


def differences(stored: Minutes, counted: Minutes) -> tuple[int, tuple[str, ...]]:
    """Return how many minutes and sums are counted wrongly, and the first of them."""
    wrong = [
        _words(f"{generation}, {minute}", counted[generation, minute], count)
        for (generation, minute), count in sorted(stored.items())
        if minute and counted[generation, minute] < count
    ]
    sums, counted_sums = _by_generation(stored), _by_generation(counted)
    wrong += [
        _words(generation, counted_sums[generation], sums[generation])
        for generation in sorted(sums.keys() | counted_sums.keys())
        if sums[generation] != counted_sums[generation]
    ]
    return len(wrong), tuple(wrong[:EXAMPLES_MAX])


def _by_generation(minutes: Minutes) -> Counter[str]:
    sums: Counter[str] = Counter()
    for (generation, _minute), count in minutes.items():
        sums[generation] += count
    return sums


def _words(what: str, counted: int, stored: int) -> str:
    return f"generation {what}: {counted} counted, {stored} stored"
