"""Which lines chaos writes: a function of their number, so that the oracle makes them anew."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

DIGEST_BYTES = 8
REPEATED_LINE = b"the same line as before, byte for byte"
REPEATED_EVERY = 10
"""Every tenth line is the same: two equal lines are two lines."""
STAMP_BYTES = 23
"""With three digits of the second's fraction."""
_LEVELS = ("INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMaker:
    """Makes the lines of one run; the same seed and start give the same lines."""

    seed: int
    start_ms: int
    lines_per_s: int

    def line(self, number: int) -> bytes:
        """Return line `number`, counted from 1, without its newline."""
        if number % REPEATED_EVERY == 0:
            return REPEATED_LINE
        at_ms = self.start_ms + number * 1_000 // self.lines_per_s
        at = datetime.fromtimestamp(at_ms / 1_000, tz=UTC)
        stamp = at.strftime("%Y-%m-%d %H:%M:%S.") + f"{at_ms % 1_000:03d}"
        key = f"{self.seed} {number}".encode()
        digest = hashlib.blake2b(key, digest_size=DIGEST_BYTES).hexdigest()
        level = _LEVELS[number % len(_LEVELS)]
        return (
            f"{stamp} {level} [worker-{number % 7}] com.example.shop.Orders -"
            f" order {number} {digest} häß 語 <script> \x1b[31m"
        ).encode()


def stamped_at(line: bytes) -> datetime | None:
    """Return the time that a line bears, in UTC; None where it bears none."""
    try:
        return datetime.fromisoformat(line[:STAMP_BYTES].decode("ascii") + "+00:00")
    except ValueError:
        return None


def content_digest(line: bytes) -> int:
    """Return what stands for a line's content when millions are compared: 64 bits."""
    return int.from_bytes(hashlib.blake2b(line, digest_size=DIGEST_BYTES).digest())
