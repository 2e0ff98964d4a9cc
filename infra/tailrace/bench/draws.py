"""What corpora of every kind are drawn by: weights as on a real system, and time that passes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate

LINES_PER_S = 5_000
"""How fast time passes in a log."""


def zipf(count: int, *, exponent: float) -> Sequence[float]:
    """Return cumulative weights by which the n-th is drawn as 1 / n ** exponent."""
    return list(accumulate(1 / rank**exponent for rank in range(1, count + 1)))


def moment_ms(number: int, *, start_ms: int) -> int:
    """Return when the log's line `number` was written, in milliseconds since 1970."""
    return start_ms + number * 1_000 // LINES_PER_S


def drawn_addresses(chance: random.Random, *, count: int) -> list[str]:
    """Return so many addresses; some may be the same."""
    return [
        ".".join(str(chance.randint(1, 254)) for _ in range(4)) for _ in range(count)
    ]
