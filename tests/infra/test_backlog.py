"""A lag is no ill as long as it is read, and one that nobody reads is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tailrace.backlog import LOOK_MS, MOVES_WAIT_MS, Lags, standing_still
from tailrace.partition_lag import PartitionLag
from tests.support.standing_clock import StandingClock


def lags(*, stream: int, indexer: int = 9, end: int = 9) -> Lags:
    """Return what two groups read next, where both topics end at `end`."""
    return {
        role: (
            PartitionLag(
                topic=role,
                partition=0,
                next_offset=read_to,
                end_offset=end,
                has_committed=True,
            ),
        )
        for role, read_to in (("stream", stream), ("indexer", indexer))
    }


def watched(*looks: Lags) -> tuple[dict[str, int], int]:
    clock, left = StandingClock(), iter(looks)
    first = next(left)
    last = [first]

    def ask(left: Iterator[Lags] = left) -> Lags:
        last[0] = next(left, last[0])
        return last[0]

    return standing_still(first, ask=ask, clock=clock), clock.now_ms()


@pytest.mark.parametrize(
    ("looks", "took_ms"),
    [
        ([lags(stream=9)], 0),
        ([lags(stream=2), lags(stream=3)], LOOK_MS),
        ([lags(stream=2), lags(stream=2), lags(stream=9)], 2 * LOOK_MS),
        # Both lag, and one takes longer.
        ([lags(stream=2, indexer=1), lags(stream=3, indexer=1), lags(stream=3)], 1_000),
    ],
)
def test_who_reads_on_stands_not_still(looks: list[Lags], took_ms: int) -> None:
    assert watched(*looks) == ({}, took_ms)


def test_who_commits_nothing_of_a_growing_backlog_stands_still() -> None:
    found = watched(lags(stream=2), lags(stream=2, end=50))

    assert found == ({"stream": MOVES_WAIT_MS}, MOVES_WAIT_MS)
