"""When something unread is near to be taken away by retention. Pure."""

from __future__ import annotations

import msgspec
import pytest

from tailrace.retention_pause import (
    LateTopic,
    Pause,
    UnreadPlace,
    late_partitions,
    pause_path,
    read_pause,
)

LATE = LateTopic(topic="t.raw", group="t-stream", partitions=2)


def place(
    *, late_before: int = 0, begin: int = 0, next_: int = 40, size_bytes: int = 1_000
) -> UnreadPlace:
    return UnreadPlace(
        begin_offset=begin,
        next_offset=next_,
        end_offset=100,
        late_before_offset=late_before,
        size_bytes=size_bytes,
    )


def test_k10_a_record_that_is_too_old_is_late_only_while_it_is_unread() -> None:
    places = [place(late_before=each) for each in (39, 40, 41, 100)]
    assert late_partitions(places, retention_bytes=0, share=0.5) == 2
    assert not place(late_before=100, next_=100).is_late(room_bytes=1)


@pytest.mark.parametrize(
    ("retention_bytes", "late"), [(1_204, 0), (1_200, 1), (600, 1), (-1, 0), (0, 0)]
)
def test_k10_what_is_unread_is_late_when_it_fills_half_of_the_room(
    retention_bytes: int, late: int
) -> None:
    """60 of 100 records are unread, so 600 of 1,000 bytes."""
    found = late_partitions([place()], retention_bytes=retention_bytes, share=0.5)
    assert found == late


def test_k10_of_what_was_taken_away_already_no_record_counts() -> None:
    """The brokers' size is of what is still there: 60 of 80 records are unread."""
    half_taken = place(begin=20)
    assert late_partitions([half_taken], retention_bytes=1_500, share=0.5) == 1
    assert late_partitions([half_taken], retention_bytes=1_502, share=0.5) == 0


class OneNode:
    """Holds one node, or nothing."""

    def __init__(self, data: bytes | None) -> None:
        self.data = data
        self.asked: list[str] = []

    def get(self, path: str) -> bytes | None:
        self.asked.append(path)
        return self.data


def test_k10_a_pause_says_who_has_not_read_what() -> None:
    pause = Pause(late=(LATE,), since_ms=5)
    node = OneNode(msgspec.json.encode(pause))
    read = read_pause(node, namespace="t")
    assert read == pause
    assert node.asked == [pause_path("t")] == ["/t/pause/agents"]
    assert "t-stream has not read the oldest of t.raw in 2 partitions" in pause.why()


@pytest.mark.parametrize("data", [b"", b"\xff", b'{"newer": 1}', b"[]"])
def test_k10_a_pause_that_cannot_be_read_is_one_all_the_same(data: bytes) -> None:
    read = read_pause(OneNode(data), namespace="t")
    assert read is not None
    assert read.why()


def test_where_there_is_no_node_nothing_is_waited_for() -> None:
    assert read_pause(OneNode(None), namespace="t") is None
