"""Which new file is a copy of one that is followed: by content, and by its name.

`copytruncate` copies `app.log` to `app.log.1` and empties it. What had been read before
is not read again from the copy, and what had not is read from there. Two services may
well write the same lines: a copy also bears the name of its original with something after
it. Until it is clear what a file is, it is held back: its lines are safe where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from tailrace.wire import AgentLedger
from tailrace_agent.chunking import TAIL_BYTES, Position, Source, Tail, tail_of
from tailrace_agent.delivery import Delivery
from tailrace_agent.known import head_of
from tailrace_agent.tracked import TrackedFile

UNCLEAR_MS_MAX = 10_000
"""A file that could be a copy and shows no more of it for this long is one of its own."""


class Verdict(Enum):
    """What a new file is, if it is not known where reading of it begins."""

    OWN = "it is a file of its own"
    UNCLEAR = "ask again"


@dataclass(slots=True)
class _Suspect:
    """A file that begins as its original did."""

    original: TrackedFile
    generation: str
    record: AgentLedger
    clear_until_ms: int


@dataclass(slots=True)
class Copies:
    """Judges new files, and remembers those that are not yet clear."""

    delivery: Delivery
    _suspects: dict[tuple[int, int], _Suspect] = field(
        default_factory=dict[tuple[int, int], _Suspect]
    )

    def judge(
        self,
        path: str,
        file: Source,
        *,
        key: tuple[int, int],
        size_bytes: int,
        followed: Iterable[TrackedFile],
        now_ms: int,
    ) -> Position | Verdict:
        """Return where to begin in a copy, or what else the file is.

        Raises:
            OSError: a file cannot be read.
        """
        suspect = self._suspects.get(key)
        if suspect is None:
            suspect = self._suspected(path, file, size_bytes, followed, now_ms)
            if suspect is None:
                return Verdict.OWN
            self._suspects[key] = suspect
        verdict = self._verdict(suspect, file, size_bytes=size_bytes, now_ms=now_ms)
        if verdict is not Verdict.UNCLEAR:
            del self._suspects[key]
            suspect.original.copied_bytes = 0
        return verdict

    def _suspected(
        self,
        path: str,
        file: Source,
        size_bytes: int,
        followed: Iterable[TrackedFile],
        now_ms: int,
    ) -> _Suspect | None:
        for original in followed:
            if not path.startswith((f"{original.path}.", f"{original.path}-")):
                continue
            if not size_bytes:
                continue
            for record in self._lives(original):
                if _begins_alike(file, record, size_bytes=size_bytes):
                    name = record.generation
                    return _Suspect(original, name, record, now_ms + UNCLEAR_MS_MAX)
        return None

    def _lives(self, original: TrackedFile) -> Iterator[AgentLedger]:
        """Yield what is known of the original's content, now and before it was emptied."""
        for name in (original.generation, *original.ended):
            if self.delivery.knows(name):
                yield self.delivery.record_of(name)
        if original.ended_record is not None:
            yield original.ended_record

    def _verdict(
        self, suspect: _Suspect, file: Source, *, size_bytes: int, now_ms: int
    ) -> Position | Verdict:
        original = suspect.original
        if self.delivery.knows(suspect.generation):
            if not self.delivery.is_settled(suspect.generation):
                original.copied_bytes = size_bytes
                return Verdict.UNCLEAR
            suspect.record = self.delivery.record_of(suspect.generation)
        elif original.ended_record is not None:
            suspect.record = original.ended_record
        record = suspect.record
        if original.generation != suspect.generation:
            # The original was emptied: what it had beyond the position is only here.
            tail = Tail(record.tail_size_bytes, record.tail_hash)
            is_copy = _tail_at(file, record.next_offset, tail.size_bytes) == tail
            return Position(record.next_offset, 0, tail) if is_copy else Verdict.OWN
        tail_bytes = min(TAIL_BYTES, size_bytes)
        own_tail = _tail_at(file, size_bytes, tail_bytes)
        is_alike = (
            original.file is not None
            and _tail_at(original.file, size_bytes, tail_bytes) == own_tail
        )
        if is_alike and record.next_offset >= size_bytes:
            return Position(size_bytes, 0, own_tail)
        if is_alike:
            # All of it is in the original, too, and is being read there.
            suspect.clear_until_ms = now_ms + UNCLEAR_MS_MAX
        original.copied_bytes = size_bytes
        is_over = now_ms >= suspect.clear_until_ms
        return Verdict.OWN if is_over else Verdict.UNCLEAR


def _begins_alike(file: Source, record: AgentLedger, *, size_bytes: int) -> bool:
    """Compare heads; of a copy that is still being made, only its first bytes exist."""
    if not record.head_size_bytes or size_bytes < record.head_size_bytes:
        return False
    size = record.head_size_bytes
    return head_of(file, size_max=size) == (size, record.head_hash)


def _tail_at(file: Source, offset: int, size_bytes: int) -> Tail:
    tail = memoryview(bytearray(size_bytes))
    read = file.read_into((tail,), offset=offset - size_bytes)
    return tail_of(tail[:read])
