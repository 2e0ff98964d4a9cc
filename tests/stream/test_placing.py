"""The columns say the same as the functions of the contract."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tailrace import identity
from tailrace.wire import Placement
from tailrace_stream.placing import document_ids, index_names

GENERATIONS = st.binary(min_size=16, max_size=16).map(bytes.hex)
TIMES_MS = st.integers(min_value=0, max_value=2**42)


@given(
    st.lists(st.tuples(st.integers(0, 2**47), st.integers(0, 2**32 - 1)), max_size=9),
    GENERATIONS,
    st.integers(min_value=-(10**12), max_value=2**43),
)
def test_ids_are_those_of_the_contract(
    events: list[tuple[int, int]], generation: str, born_at_ms: int
) -> None:
    found = document_ids(
        np.array([offset for offset, _ in events], np.int64),
        checksums=np.array([checksum for _, checksum in events], np.uint32),
        generation=generation,
        born_at_ms=born_at_ms,
    )
    assert found.to_list() == [
        identity.document_id(
            generation=generation,
            born_at_ms=born_at_ms,
            offset=offset,
            checksum=checksum,
        )
        for offset, checksum in events
    ]


@given(
    st.lists(st.none() | st.integers(0, 2**62), max_size=9),
    TIMES_MS,
    TIMES_MS,
    TIMES_MS,
    st.sampled_from(["event", "generation"]),
    st.sampled_from(["", "web"]),
)
def test_e9_e13_indices_are_those_of_the_contract(
    times_ns: list[int | None],
    born_at_ms: int,
    one_ms: int,
    other_ms: int,
    rule: str,
    index: str,
) -> None:
    placement = Placement(
        dataset="a.b",
        index=index,
        parser="plain",
        time_rule="event" if rule == "event" else "generation",
        time_zone="UTC",
        anchor_ms=0,
        earliest_ms=min(one_ms, other_ms),
        latest_ms=max(one_ms, other_ms),
    )
    found = index_names(
        pl.Series(times_ns, dtype=pl.Int64),
        namespace="ns",
        placement=placement,
        born_at_ms=born_at_ms,
    )
    assert {name.split("-")[1] for name in found} <= {index or "a.b"}
    assert found.to_list() == [
        identity.index_name(
            None if time is None else time // 1_000_000,
            namespace="ns",
            placement=placement,
            born_at_ms=born_at_ms,
        )
        for time in times_ns
    ]


def test_e13_a_day_ends_with_its_last_nanosecond_wherever_it_is_asked() -> None:
    """The scalar and the column answer alike, on both sides of midnight in UTC."""
    midnight_ms = 1_795_478_400_000  # 2026-11-24
    placement = Placement(
        dataset="a.b",
        parser="plain",
        time_rule="event",
        time_zone="Pacific/Kiritimati",
        anchor_ms=0,
        earliest_ms=0,
        latest_ms=2**43,
    )
    times_ns = [midnight_ms * 1_000_000 + step for step in (-1, 0, 1)]
    found = index_names(
        pl.Series(times_ns, dtype=pl.Int64),
        namespace="ns",
        placement=placement,
        born_at_ms=midnight_ms,
    )
    days = ["2026.11.23", "2026.11.24", "2026.11.24"]
    assert found.to_list() == [f"ns-a.b-{day}" for day in days]
    assert found.to_list() == [
        identity.index_name(
            time // 1_000_000,
            namespace="ns",
            placement=placement,
            born_at_ms=midnight_ms,
        )
        for time in times_ns
    ]
