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
from dataclasses import dataclass
from datetime import datetime

import msgspec

from tailrace.chaos.lines import content_digest, stamped_at
from tailrace.chaos.rates import NO_MINUTE, Minutes, minute_of
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
    """Documents whose id, place, time, index and content contradict each other."""
    misplaced: int
    """Documents that name another host, or another file, than their lines were read of."""
    disordered: int
    """Generations whose events are not numbered in the order of their offsets."""
    examples: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether every line is there once, and as it was written."""
        return not (
            self.missing
            or self.doubled
            or self.altered
            or self.misplaced
            or self.disordered
        )


class Gathered:
    """Stored documents by generation; each is judged by itself as it comes."""

    def __init__(self) -> None:
        self.generations: dict[str, Places] = {}
        self.whence: dict[str, Counter[tuple[str, str]]] = {}
        """Of each generation, how many documents name which host and path."""
        self.minutes: Minutes = Counter()
        self.altered: list[str] = []
        self.altered_count = 0
        self.count = 0

    def add(self, event: StoredEvent) -> None:
        """Take one document into account."""
        self.count += 1
        problem = contradiction(event) or misdated(event)
        if problem is not None:
            self.altered_count += 1
            if len(self.altered) < EXAMPLES_MAX:
                self.altered.append(f"{_place(event)}: {problem}")
        places = self.generations.get(event.generation)
        if places is None:
            places = self.generations[event.generation] = Places(event.path)
        whence = self.whence.setdefault(event.generation, Counter())
        whence[event.host_name, event.path] += 1
        has_time = stamped_at(event.line) is not None
        minute = minute_of(event.timestamp) if has_time else NO_MINUTE
        self.minutes[event.generation, minute] += 1
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


def misdated(event: StoredEvent) -> str | None:
    """Return what in a document contradicts the time that its line bears, or None."""
    at = stamped_at(event.line)
    if at is None:
        return None
    try:
        stored = datetime.fromisoformat(event.timestamp)
    except ValueError:
        return f"its @timestamp is {event.timestamp!r}"
    if stored != at:
        return f"its @timestamp is {event.timestamp}, and its line's another"
    if not event.index.endswith(f"-{event.dataset}-{at:%Y.%m.%d}"):
        return "its index is of another day or dataset"
    return None


def compare(
    lives: Sequence[WrittenLife],
    gathered: Gathered,
    *,
    hosts: Callable[[str], tuple[str, ...]],
) -> Comparison:
    """Return the verdict over all lives and all documents.

    `hosts` says which hosts read the file of a path: each of its lives is there once for
    each of them.
    """
    written = [
        _Read(life, host)
        for life in lives
        if len(life.places)
        for host in hosts(life.places.name)
    ]
    wanted: dict[bytes, list[_Read]] = {}
    for read in written:
        wanted.setdefault(_fingerprint(read.life.places), []).append(read)
    unmatched: list[Places] = []
    misplaced: list[str] = []
    misplaced_count = 0
    for generation, places in gathered.generations.items():
        candidates = wanted.get(_fingerprint(places))
        if not candidates:
            unmatched.append(places)
            continue
        whence = gathered.whence[generation]
        # Of equal files, and of one that two hosts read, it is the one that it says.
        best = min(candidates, key=lambda read: read.misplaced_count(whence))
        candidates.remove(best)
        if count := best.misplaced_count(whence):
            misplaced_count += count
            misplaced.append(
                f"{count} documents of generation {generation} are not said to be of"
                f" {best.life.places.name} on {best.host}"
            )
    left = [read.life.places for reads in wanted.values() for read in reads]
    missing, doubled = _leftovers(left, unmatched)
    disordered = _order_problems(gathered.generations)
    return Comparison(
        written=sum(len(read.life.places) for read in written),
        stored=gathered.count,
        missing=sum(missing.values()),
        doubled=sum(doubled.values()),
        altered=gathered.altered_count,
        misplaced=misplaced_count,
        disordered=len(disordered),
        examples=(
            *gathered.altered,
            *misplaced[:EXAMPLES_MAX],
            *_examples("is missing", missing),
            *_examples("is there once too often", doubled),
            *disordered[:EXAMPLES_MAX],
        ),
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """One life, as one host reads it."""

    life: WrittenLife
    host: str

    def misplaced_count(self, whence: Mapping[tuple[str, str], int]) -> int:
        """Return how many documents name another host, or a name that it never had."""
        return sum(
            count
            for (host, path), count in whence.items()
            if host != self.host or path not in self.life.names
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
