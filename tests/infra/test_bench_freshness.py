"""A line's delay is measured from its writing to the first look that finds it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tailrace.bench.freshness import Mark, percentiles


def test_every_line_of_a_batch_counts() -> None:
    written = [Mark(0, 100)]
    found = [Mark(10, 0), Mark(100, 50), Mark(200, 94), Mark(300, 95), Mark(900, 100)]

    result = percentiles(written=written, found=found)

    assert (result.p50, result.p95, result.p99) == (100, 300, 900)
    assert result.resolution == 600


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 100)), min_size=1),
    st.integers(0, 5_000),
    st.integers(1, 100),
)
def test_a_constant_delay_is_found_to_within_the_time_between_looks(
    batches: list[tuple[int, int]], delay_ms: int, look_ms: int
) -> None:
    at_ms, lines = 0, 0
    written: list[Mark] = []
    for wait_ms, count in batches:
        at_ms, lines = at_ms + wait_ms, lines + count
        written.append(Mark(at_ms, lines))
    found = [
        Mark(
            now_ms,
            max(
                (mark.lines for mark in written if mark.at_ms + delay_ms <= now_ms),
                default=0,
            ),
        )
        for now_ms in range(0, at_ms + delay_ms + look_ms, look_ms)
    ]

    result = percentiles(written=written, found=found)

    for value in (result.p50, result.p95, result.p99):
        assert delay_ms <= value < delay_ms + look_ms
