"""How a thousand clients of one ZooKeeper come back: not all in one instant."""

from __future__ import annotations

import random
from typing import cast

from tailrace.zookeeper import (
    RETURN_MS_MAX,
    SESSION_MS,
    Registration,
    ZooKeeper,
)
from tests.support.waiting import eventually


class CountingZooKeeper:
    """Holds every node, and counts how often it is asked to."""

    def __init__(self) -> None:
        self.held_count = 0

    def hold_ephemeral(self, path: str, data: bytes, *, is_news: bool = False) -> bool:
        del path, data, is_news
        self.held_count += 1
        return True

    def delete(self, path: str) -> None:
        del path


class RememberingRandom(random.Random):
    """Draws no wait at all, and remembers between which bounds it was asked to."""

    def __init__(self) -> None:
        super().__init__(1)
        self.asked: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        self.asked.append((a, b))
        return 0.0


def test_z5_a_return_is_spread_over_the_whole_window() -> None:
    """From the first moment on: half of a window would double the load in it."""
    zookeeper, jitter = CountingZooKeeper(), RememberingRandom()
    registration = Registration(
        cast("ZooKeeper", zookeeper),
        path="/t/agents/one",
        data=b"me",
        on_change=lambda _state: None,
        verify_ms=60_000,
        return_ms_max=RETURN_MS_MAX,
        jitter=jitter,
    )
    registration.start()
    eventually(lambda: zookeeper.held_count == 1)
    assert not jitter.asked
    registration.wake()
    eventually(lambda: zookeeper.held_count == 2)
    registration.close()
    assert jitter.asked[0] == (0, RETURN_MS_MAX)


def test_z5_a_session_outlives_a_pause_of_the_collector() -> None:
    assert SESSION_MS >= 30_000
