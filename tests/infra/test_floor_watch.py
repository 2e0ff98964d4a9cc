"""Floors that cannot be read are told of once, and now and then: not at every look."""

from __future__ import annotations

import threading

import pytest

from tailrace import floor_topic
from tailrace.errors import ServiceUnavailable
from tailrace.floor_topic import TOLD_EVERY, FloorReader, FloorWatch
from tailrace.floors import Floors
from tailrace.settings import Connections


class FailingReader(FloorReader):
    """Reads once, then fails so many times, and reads again from then on."""

    def __init__(self, *, failures: int) -> None:
        super().__init__(Connections(), client_id="none")
        self._left: list[bool] = [True, *[False] * failures]
        self.is_well = threading.Event()

    def read(self) -> Floors:
        if self._left and not self._left.pop(0):
            raise ServiceUnavailable("Kafka", address="127.0.0.1:9", reason="refused")
        if not self._left:
            self.is_well.set()
        return Floors()


def test_floors_that_stay_unread_are_told_of_at_once_and_once_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(floor_topic, "READ_MS", 1)
    told: list[ServiceUnavailable] = []
    reader = FailingReader(failures=2 * TOLD_EVERY)
    watch = FloorWatch(reader, namespace="t", on_failure=told.append)

    watch.start()

    assert reader.is_well.wait(30)
    watch.close()
    assert len(told) == 2
