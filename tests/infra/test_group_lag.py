"""In which order a group's lag is asked for, while it reads and retention takes."""

from __future__ import annotations

from collections.abc import Iterable

from tailrace.kafka_admin import KafkaAdmin

PLACE = ("t.docs", 0)


class MovingAdmin(KafkaAdmin):
    """After each question the group reads five more, and retention takes these."""

    def __init__(self) -> None:
        self.read = 0

    def beginning_offsets(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        return self._answer(*topics)

    def committed_offsets(self, group: str) -> dict[tuple[str, int], int]:
        return self._answer(group)

    def end_offsets(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        return dict.fromkeys([PLACE] if topics else [], 20)

    def _answer(self, *_asked: str) -> dict[tuple[str, int], int]:
        self.read += 5
        return {PLACE: self.read - 5}


def test_k10_what_was_read_and_then_taken_is_not_called_missed() -> None:
    (lag,) = MovingAdmin().group_lag("t-indexer", topics=["t.docs"])

    assert (lag.next_offset, lag.lag_records, lag.missed_records) == (5, 15, 0)
