"""Publishers that fail, refuse and crash as a plan says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from tailrace_stream.protocol import PublishFailed, RecordTooLarge
from tailrace_stream.records import Outgoing


class Crashed(Exception):
    """The process ended here."""


class RecordingPublisher:
    """Takes everything, and remembers the order in which it became durable."""

    def __init__(self) -> None:
        self.durable: list[Outgoing] = []

    async def publish(self, record: Outgoing) -> None:
        await asyncio.sleep(0)
        self.durable.append(record)


class FailingPublisher(RecordingPublisher):
    """Fails so often for each record of a topic before it takes it."""

    def __init__(self, *, topic: str, failures: int) -> None:
        super().__init__()
        self._topic = topic
        self._left: dict[bytes, int] = {}
        self._failures = failures
        self.attempts = 0

    async def publish(self, record: Outgoing) -> None:
        self.attempts += 1
        if record.topic == self._topic:
            left = self._left.setdefault(record.value, self._failures)
            if left:
                self._left[record.value] = left - 1
                raise PublishFailed("the broker went away")
        await super().publish(record)


class RefusingPublisher(RecordingPublisher):
    """Refuses what is larger than a limit, by topic."""

    def __init__(self, *, bytes_max: dict[str, int]) -> None:
        super().__init__()
        self._bytes_max = bytes_max

    async def publish(self, record: Outgoing) -> None:
        limit = self._bytes_max.get(record.topic)
        if limit is not None and len(record.value) > limit:
            raise RecordTooLarge(f"{len(record.value)} bytes, at most {limit}")
        await super().publish(record)


class HeldPublisher(RecordingPublisher):
    """Holds the records that a test chooses until it lets them go."""

    def __init__(self, *, is_held: Callable[[Outgoing], bool]) -> None:
        super().__init__()
        self._is_held = is_held
        self.released = asyncio.Event()

    async def publish(self, record: Outgoing) -> None:
        if self._is_held(record):
            await self.released.wait()
        await super().publish(record)


class CrashingPublisher(RecordingPublisher):
    """Ends the process at a chosen send, before or after the record was durable."""

    def __init__(self, *, at: int, random: Random) -> None:
        super().__init__()
        self._sends_left = at
        self._random = random

    async def publish(self, record: Outgoing) -> None:
        self._sends_left -= 1
        if self._sends_left < 0:
            if self._random.random() < 0.5:
                await super().publish(record)
            raise Crashed
        await super().publish(record)
