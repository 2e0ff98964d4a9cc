"""A record that did not come in its turn is never passed over unasked."""

from __future__ import annotations

from tailrace_stream.lanes import HOLE_ASKS_MAX, Arrival, Lane, arrival, positions


def lane_at(offset: int) -> Lane:
    lane = Lane(0)
    lane.begin_at(offset)
    return lane


def test_the_next_record_is_taken_and_an_earlier_one_is_not() -> None:
    lane = lane_at(5)
    assert arrival(lane, 5) == Arrival(is_taken=True)
    assert arrival(lane, 4) == Arrival(is_taken=False)


def test_a_hole_is_asked_for_again_before_it_is_believed() -> None:
    lane = lane_at(5)
    assert arrival(lane, 8) == Arrival(is_taken=False, seek_offset=5)
    lane.hole_end, lane.hole_asks = 8, 1
    # What was fetched before the seek still comes, and is not what was asked for.
    assert arrival(lane, 9) == Arrival(is_taken=False)
    assert arrival(lane, 5) == Arrival(is_taken=True)


def test_s9_a_record_that_comes_twice_does_not_answer_for_those_before_it() -> None:
    """After two rebalances it may; those before it were passed over (seed 504)."""
    lane = lane_at(5)
    for asks in range(HOLE_ASKS_MAX):
        lane.hole_end, lane.hole_asks = (8 if asks else None), asks
        assert arrival(lane, 8) == Arrival(is_taken=False, seek_offset=5)
    assert arrival(lane, 5) == Arrival(is_taken=True)


def test_k10_a_hole_that_kafka_has_too_is_passed_over_and_counted() -> None:
    lane = lane_at(5)
    lane.hole_end, lane.hole_asks = 8, HOLE_ASKS_MAX
    assert arrival(lane, 8) == Arrival(is_taken=True, missing_count=3)
    assert arrival(lane, 7) == Arrival(is_taken=True, missing_count=2)


def test_only_what_advanced_in_an_open_lane_is_committed() -> None:
    moved, still, closed = lane_at(5), lane_at(7), lane_at(1)
    moved.acked_offset = 6
    closed.acked_offset = 9
    closed.is_open = False
    lanes = {0: moved, 1: still, 2: closed}
    for number, lane in lanes.items():
        lane.partition = number
    assert positions(lanes) == {0: 6}
