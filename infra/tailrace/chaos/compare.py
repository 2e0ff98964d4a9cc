"""Whether what is stored is what was written: none missing, none twice, none altered.

Pure. Lives (as written) and generations (as stored) know nothing of each other's names,
so each generation is matched with the one life of the same places and contents; what is
left over on either side is what went wrong, and is told line by line.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from tailrace.chaos.lines import content_digest
from tailrace.chaos.record import Places, WrittenLife
from tailrace.chaos.stored import StoredEvent
from tailrace.identity import ID_BYTES

EXAMPLES_MAX = 5


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What the comparison found; exact when every count but the first two is 0."""

    written: int
    stored: int
    missing: int
    """Written, and in no document."""
    doubled: int
    """Documents beyond the one that each written line may have."""
    altered: int
    """Documents whose id, place and content contradict each other."""
    disordered: int
    """Generations whose events are not numbered in the order of their offsets."""
    examples: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether every line is there once, and as it was written."""
        return not (self.missing or self.doubled or self.altered or self.disordered)


class Gathered:
    """Stored documents by generation; each is judged by itself as it comes."""

    def __init__(self) -> None:
        self.generations: dict[str, Places] = {}
        self.altered: list[str] = []
        self.altered_count = 0
        self.count = 0

    def add(self, event: StoredEvent) -> None:
        """Take one document into account."""
        self.count += 1
        problem = contradiction(event)
        if problem is not None:
            self.altered_count += 1
            if len(self.altered) < EXAMPLES_MAX:
                self.altered.append(f"{_place(event)}: {problem}")
        places = self.generations.get(event.generation)
        if places is None:
            places = self.generations[event.generation] = Places(event.path)
        places.add(event.offset, content_digest(event.line), number=event.number)


def contradiction(event: StoredEvent) -> str | None:
    """Return what in a document contradicts the bytes of its id, or None."""
    import crc32c

    try:
        raw = urlsafe_b64decode(event.document_id)
    except ValueError:
        return "its id is not one of ours"
    if len(raw) != ID_BYTES:
        return f"its id has {len(raw)} bytes"
    if int.from_bytes(raw[4:10], "big") != event.offset:
        return "its id names another offset"
    if raw[10:17] != bytes.fromhex(event.generation)[:7]:
        return "its id names another generation"
    if int.from_bytes(raw[17:], "big") != crc32c.crc32c(event.line):
        return "its id names another content"
    return None


def compare(
    lives: Sequence[WrittenLife],
    gathered: Gathered,
    *,
    readers: Callable[[str], int] = lambda _path: 1,
) -> Comparison:
    """Return the verdict over all lives and all documents.

    `readers` says how many hosts read the file of a path: each of its lives is there
    once for each of them.
    """
    written = [
        places
        for life in lives
        if len(places := life.places)
        for _reader in range(readers(places.name))
    ]
    wanted: dict[bytes, list[Places]] = {}
    for places in written:
        wanted.setdefault(_fingerprint(places), []).append(places)
    unmatched: list[Places] = []
    for places in gathered.generations.values():
        candidates = wanted.get(_fingerprint(places))
        if candidates:
            candidates.pop()
        else:
            unmatched.append(places)
    left = [places for candidates in wanted.values() for places in candidates]
    missing, doubled = _leftovers(left, unmatched)
    disordered = _order_problems(gathered.generations)
    return Comparison(
        written=sum(map(len, written)),
        stored=gathered.count,
        missing=sum(missing.values()),
        doubled=sum(doubled.values()),
        altered=gathered.altered_count,
        disordered=len(disordered),
        examples=(
            *gathered.altered,
            *_examples("is missing", missing),
            *_examples("is there once too often", doubled),
            *disordered[:EXAMPLES_MAX],
        ),
    )


def _fingerprint(places: Places) -> bytes:
    ordered = places.sorted()
    digest = hashlib.blake2b(digest_size=16)
    for offset, content in ordered:
        digest.update(offset.to_bytes(8, "big") + content.to_bytes(8, "big"))
    return digest.digest()


def _leftovers(
    left: Iterable[Places], unmatched: Iterable[Places]
) -> tuple[Counter[tuple[str, int]], Counter[tuple[str, int]]]:
    """Return what was written and is not stored, and what is stored beyond it.

    Names are only for the reader: a line is the same if place and content are.
    """
    wanted: Counter[tuple[int, int]] = Counter()
    found: Counter[tuple[int, int]] = Counter()
    names: dict[tuple[int, int], str] = {}
    for counts, group in ((wanted, left), (found, unmatched)):
        for places in group:
            for place in zip(places.offsets, places.digests, strict=True):
                counts[place] += 1
                names[place] = places.name
    missing: Counter[tuple[str, int]] = Counter()
    doubled: Counter[tuple[str, int]] = Counter()
    for result, difference in ((missing, wanted - found), (doubled, found - wanted)):
        for place, count in difference.items():
            result[names[place], place[0]] += count
    return missing, doubled


def _examples(what: str, counts: Mapping[tuple[str, int], int]) -> list[str]:
    first = sorted(counts)[:EXAMPLES_MAX]
    return [f"{path}, offset {offset}, {what}" for path, offset in first]


def _order_problems(generations: Mapping[str, Places]) -> list[str]:
    """Name generations whose n-th event, by offset, does not bear the number n."""
    problems: list[str] = []
    for generation, places in generations.items():
        ordered = sorted(zip(places.offsets, places.numbers, strict=True))
        for wanted, (offset, number) in enumerate(ordered):
            if number != wanted:
                problems.append(
                    f"{places.name}, generation {generation}, offset {offset} bears the"
                    f" number {number} in place of {wanted}"
                )
                break
    return problems


def _place(event: StoredEvent) -> str:
    return f"{event.path}, offset {event.offset}, {event.index}/{event.document_id}"
