"""Time, chance and the network of one simulated run: what all its roles have in common.

One seed decides everything: no thread, no real clock, no set's order. What happens is told
to a trace, whose hash says whether two runs were the same.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

EPOCH_MS = 1_795_480_000_000
"""2026-11-24T00:26:40Z: when every simulated run begins."""
TRACE_LINES_SHOWN = 40


@dataclass(slots=True)
class World:
    """The one clock, the one dice, and what is under way between processes."""

    seed: int
    random: Random = field(init=False)
    now_ms: int = 0
    is_calm: bool = False
    """No fault strikes any more; everything is left to drain."""
    witnesses: Counter[str] = field(default_factory=Counter[str])
    """How often each fault has really struck."""
    planned: set[str] = field(default_factory=set[str])
    trace: deque[str] = field(
        default_factory=lambda: deque[str](maxlen=TRACE_LINES_SHOWN)
    )
    _storms: dict[str, tuple[int, float]] = field(
        default_factory=dict[str, tuple[int, float]]
    )
    _events: list[tuple[int, int, Callable[[], None]]] = field(
        default_factory=list[tuple[int, int, Callable[[], None]]]
    )
    _event_count: int = 0
    _digest: hashlib.blake2b = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self._digest = hashlib.blake2b(digest_size=16)

    def tell(self, text: str) -> None:
        """Note what happened, for the hash and for whoever looks into a failure."""
        line = f"{self.now_ms:>7} {text}"
        self._digest.update(line.encode("utf-8", "backslashreplace"))
        self.trace.append(line)

    @property
    def trace_hash(self) -> str:
        return self._digest.hexdigest()

    # Faults: planned as storms, and witnessed when they strike.

    def begin_storm(self, fault: str, *, lasts_ms: int, chance: float) -> None:
        """Let a fault strike with some chance for a while."""
        self.planned.add(fault)
        self._storms[fault] = (self.now_ms + lasts_ms, chance)
        self.tell(f"storm {fault} for {lasts_ms} ms")

    def strikes(self, fault: str) -> bool:
        """Tell whether a fault strikes here and now; if so, it has its witness."""
        until_ms, chance = self._storms.get(fault, (0, 0.0))
        if self.is_calm or self.now_ms >= until_ms or self.random.random() >= chance:
            return False
        self.witness(fault)
        return True

    def witness(self, fault: str) -> None:
        """Note that a fault has struck."""
        self.planned.add(fault)
        self.witnesses[fault] += 1
        self.tell(f"fault {fault}")

    def has_luck(self, chance: float) -> bool:
        """Throw the dice."""
        return self.random.random() < chance

    # What is on its way, and arrives whether or not its sender still lives.

    def later(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Let something happen at a moment to come."""
        self._event_count += 1
        event = (self.now_ms + delay_ms, self._event_count, action)
        heapq.heappush(self._events, event)

    @property
    def next_event_ms(self) -> int | None:
        """When the next thing on its way arrives."""
        return self._events[0][0] if self._events else None

    def advance_to(self, at_ms: int) -> None:
        """Let time pass, and everything arrive that is due until then, in order."""
        while self._events and self._events[0][0] <= at_ms:
            due_ms, _, action = heapq.heappop(self._events)
            self.now_ms = max(self.now_ms, due_ms)
            action()
        self.now_ms = max(self.now_ms, at_ms)


@dataclass(slots=True)
class HostClock:
    """The clock of one host: its wall time may be set, its monotonic time may not."""

    world: World
    jumped_ms: int = 0

    def now_ms(self) -> int:
        return EPOCH_MS + self.world.now_ms + self.jumped_ms

    def monotonic_ms(self) -> int:
        return self.world.now_ms

    def sleep_ms(self, wait_ms: int) -> None:
        self.world.advance_to(self.world.now_ms + wait_ms)


class SimulatedCrash(BaseException):
    """The life that passed here is over, with all that was in its memory."""
