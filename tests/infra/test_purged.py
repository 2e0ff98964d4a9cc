"""K10: what Kafka no longer has is not said to wait in it, and nothing else is called gone."""

from __future__ import annotations

from typing import Any, Never

import pytest

from tailrace.completeness_answer import read_completeness
from tailrace.completeness_text import statement
from tailrace.errors import ServiceUnavailable
from tailrace.purged import NOTHING_READ, QUIET_MS_MIN, ReadToEnd, look
from tailrace.topics import partition_of
from tests.infra.test_completeness import LATER_MS, NOW_MS, heartbeat, word

PARTITION = partition_of(b"g1")
ALL_READ = ReadToEnd(raw=frozenset({PARTITION}), docs=frozenset({PARTITION}))
OLD_MS = NOW_MS - QUIET_MS_MIN


class StillClock:
    """Stands still, but for what is slept."""

    def __init__(self) -> None:
        self.slept_ms = 0

    def now_ms(self) -> int:
        return NOW_MS

    def monotonic_ms(self) -> int:
        return self.slept_ms

    def sleep_ms(self, wait_ms: int) -> None:
        self.slept_ms += wait_ms


def answered(*numbers: tuple[str, int], at_ms: int = OLD_MS) -> dict[str, Any]:
    words = [
        {**word(hop, number=number), "@timestamp": at_ms} for hop, number in numbers
    ]
    beat = heartbeat("web-1", swept_ago_ms=500)
    return {"hits": {"hits": [{"_source": each} for each in (beat, *words)]}}


def seen(
    first: dict[str, Any], again: dict[str, Any], *, read: ReadToEnd = ALL_READ
) -> dict[str, int]:
    return look(
        first, ask_kafka=lambda: read, ask_again=lambda: again, clock=StillClock()
    )


def test_k10_what_retention_took_from_the_stream_is_said_to_be_lost() -> None:
    told = answered(("agent", 65), ("stream", 40), ("indexer", 40))

    purged = seen(told, told)
    said = statement(
        read_completeness(told, now_ms=NOW_MS, until_ms=LATER_MS, purged=purged)
    )

    assert purged == {"g1": 25}
    assert "lines in Kafka" not in said
    assert "25 lines lost from Kafka before being read" in said
    assert "behind" not in said


def test_k10_what_retention_took_from_the_indexer_is_told_beside_what_waits() -> None:
    told = answered(("agent", 70), ("stream", 65), ("indexer", 40))
    read = ReadToEnd(raw=frozenset(), docs=frozenset({PARTITION}))

    purged = seen(told, told, read=read)
    said = statement(
        read_completeness(told, now_ms=NOW_MS, until_ms=LATER_MS, purged=purged)
    )

    assert "5 lines in Kafka; 25 lines lost from Kafka" in said


def test_k10_what_kafka_still_has_is_not_called_lost() -> None:
    told = answered(("agent", 65), ("stream", 40), ("indexer", 40))

    assert seen(told, told, read=NOTHING_READ) == {}


@pytest.mark.parametrize(
    "again",
    [
        # It was read just now, and the words of that are found by the second look.
        answered(("agent", 65), ("stream", 65), ("indexer", 65)),
        # No word of it is read this time.
        answered(),
    ],
)
def test_k10_what_the_second_look_does_not_miss_is_not_called_lost(
    again: dict[str, Any],
) -> None:
    told = answered(("agent", 65), ("stream", 40), ("indexer", 40))

    assert seen(told, again) == {}


def test_k10_what_was_sent_just_now_is_asked_of_nobody() -> None:
    def ask() -> Never:
        raise AssertionError("a person waits for nothing")

    told = answered(("agent", 65), ("stream", 40), ("indexer", 40), at_ms=NOW_MS - 1)

    assert look(told, ask_kafka=ask, ask_again=ask, clock=StillClock()) == {}


def test_k10_where_kafka_does_not_answer_nothing_is_called_lost() -> None:
    def ask_kafka() -> ReadToEnd:
        raise ServiceUnavailable("Kafka", address="k:1", reason="away")

    told = answered(("agent", 65), ("stream", 40), ("indexer", 40))

    assert (
        look(told, ask_kafka=ask_kafka, ask_again=lambda: told, clock=StillClock())
        == {}
    )
