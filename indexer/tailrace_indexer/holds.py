"""Which indices take nothing now, why, and what waits for them, in bounded memory.

A held index is felt out with a small bulk after each wait, 1 s at first and at most 30 s;
when anything is taken, everything that waits for it is sent.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tailrace.kafka_consumer import Partition
from tailrace.topics import KIBIBYTE
from tailrace_indexer.outcomes import Reason, Verdict
from tailrace_indexer.pieces import Piece, marker_of, parts

WAIT_MS_MIN = 1_000
WAIT_MS_MAX = 30_000
MAKING_MS_MAX = 60_000
"""An index that is just being made is not there after this only where something is wrong.

A server that has just started takes its time for the first ones. Each question of an order
is given up after 30 s, and where one was refused, that is told at once.
"""
PROBE_BYTES = 256 * KIBIBYTE


@dataclass(slots=True)
class Hold:
    """One index that takes nothing now."""

    index: str
    verdict: Verdict
    since_ms: int
    retry_at_ms: int
    wait_ms: int
    pieces: deque[Piece] = field(default_factory=deque[Piece])
    needs_index: bool = False
    """It has to be made before anything can be stored."""
    is_asked: bool = False
    """A probe, or the order to make the index, is on its way."""

    def is_trouble(self, *, now_ms: int) -> bool:
        """Tell whether a person must know: not while its index is just being made."""
        is_missing = self.verdict.reason is Reason.MISSING_INDEX
        return not is_missing or now_ms - self.since_ms >= MAKING_MS_MAX


class Holds:
    """Every held index, and the documents that wait."""

    def __init__(self, *, chance: random.Random) -> None:
        self._chance = chance
        self._holds: dict[str, Hold] = {}
        self._bytes_by_partition: Counter[Partition] = Counter()

    def __contains__(self, index: str) -> bool:
        return index in self._holds

    def get(self, index: str) -> Hold | None:
        """Return the hold of an index, None where it is not held."""
        return self._holds.get(index)

    @property
    def size_bytes(self) -> int:
        """Return how much waits."""
        return self._bytes_by_partition.total()

    @property
    def is_asked(self) -> bool:
        """Whether some of what waits is on its way as a probe."""
        return any(hold.is_asked for hold in self._holds.values())

    @property
    def held(self) -> Sequence[Hold]:
        """Every held index."""
        return tuple(self._holds.values())

    @property
    def markers(self) -> list[bytes]:
        """The bytes by which a held index stands in a piece; empty when none is held."""
        return [marker_of(index) for index in self._holds]

    def hold(self, index: str, verdict: Verdict, *, now_ms: int) -> Hold:
        """Begin to hold an index, or learn anew why it is held."""
        found = self._holds.get(index)
        is_missing = verdict.reason is Reason.MISSING_INDEX
        if found is None:
            # A missing index is made at once; anything else takes someone's time.
            retry_at_ms = now_ms if is_missing else now_ms + WAIT_MS_MIN
            found = Hold(index, verdict, now_ms, retry_at_ms, WAIT_MS_MIN)
            self._holds[index] = found
        elif not found.needs_index:
            found.verdict = verdict
        found.needs_index = found.needs_index or is_missing
        return found

    def refused_again(self, index: str, verdict: Verdict, *, now_ms: int) -> None:
        """Note that a probe or an order to make the index failed: wait longer."""
        found = self._holds.get(index)
        if found is None:
            return
        found.is_asked = False
        found.verdict = verdict
        found.wait_ms = min(found.wait_ms * 2, WAIT_MS_MAX)
        # Several indexers must not come back at the same moment.
        found.retry_at_ms = now_ms + int(found.wait_ms * self._chance.uniform(0.5, 1.0))

    def add(self, index: str, piece: Piece) -> None:
        """Let a document wait for its index."""
        self._holds[index].pieces.append(piece)
        self._bytes_by_partition[piece.place.partition] += piece.size_bytes

    def due(self, *, now_ms: int) -> list[Hold]:
        """Return the holds whose wait is over and that are not being asked."""
        return [
            hold
            for hold in self._holds.values()
            if now_ms >= hold.retry_at_ms and not hold.is_asked
        ]

    def take_probe(self, hold: Hold, *, bytes_max: int) -> list[Piece]:
        """Take a few documents to feel out an index; they come back by `add`.

        At most `PROBE_BYTES`, and `bytes_max`, but at least one document.
        """
        size_max = min(PROBE_BYTES, bytes_max)
        first, *rest = parts(hold.pieces.popleft(), bytes_max=size_max)
        hold.pieces.extendleft(reversed(rest))
        taken = [first]
        size = first.size_bytes
        while hold.pieces and size + hold.pieces[0].size_bytes <= size_max:
            taken.append(hold.pieces.popleft())
            size += taken[-1].size_bytes
        self._forget_bytes(taken)
        return taken

    def release(self, index: str) -> list[Piece]:
        """End a hold and return what waited."""
        found = self._holds.pop(index, None)
        if found is None:
            return []
        self._forget_bytes(found.pieces)
        return list(found.pieces)

    def forget(self, partitions: frozenset[Partition]) -> None:
        """Drop what waits for partitions that are no longer ours."""
        for hold in self._holds.values():
            gone = [p for p in hold.pieces if p.place.partition in partitions]
            if gone:
                kept = [p for p in hold.pieces if p.place.partition not in partitions]
                hold.pieces = deque(kept)
                self._forget_bytes(gone)

    def waiting_partitions(self) -> frozenset[Partition]:
        """Return the partitions whose documents wait here."""
        return frozenset(+self._bytes_by_partition)

    def _forget_bytes(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            self._bytes_by_partition[piece.place.partition] -= piece.size_bytes
