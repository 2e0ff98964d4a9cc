"""Which bytes of which life each event in the index stands for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from crc32c import crc32c

from tests.simulation.canaries import is_hidden_form
from tests.simulation.filesystem import Life
from tests.simulation.indexed import Indexed


@dataclass(frozen=True, slots=True)
class Claim:
    """One event, and the span of one life that it is."""

    event: Indexed
    life: Life
    end: int
    """Behind the newline that ended it, where one did."""

    @property
    def content(self) -> bytes:
        return bytes(self.life.content[self.event.offset : self.end])

    @property
    def is_amid_a_line(self) -> bool:
        """Whether its life goes on behind it with the same line."""
        content = self.life.content
        return self.end < len(content) and not content.endswith(b"\n", 0, self.end)


@dataclass(slots=True)
class Claims:
    """All claims, by life; two never meet."""

    lives: list[Life]
    present: set[int]
    """The lives whose files are still there."""
    is_redacting: bool = False
    """Whether what is secret in a line must have been taken out of it."""
    rebuilt: frozenset[str] = frozenset()
    """Generations of which it was declared that they may repeat what was sent before."""
    nameless: frozenset[int] = frozenset()
    """Lives of which a copy had no name any more when it was seen, nor one before: nothing
    tells that it is one, and its lines are there twice (ARCHITECTURE.md, limits)."""
    births_ns: Mapping[str, int] = field(default_factory=dict[str, int])
    """By generation: when the file was born that its agent read it from first."""
    by_life: dict[int, dict[int, Claim]] = field(
        default_factory=lambda: defaultdict[int, dict[int, Claim]](dict)
    )
    lives_of: dict[str, set[int]] = field(
        default_factory=lambda: defaultdict[str, set[int]](set)
    )
    """By generation: those of which one of its events is for certain."""
    sent_lives: dict[str, set[int]] = field(
        default_factory=lambda: defaultdict[str, set[int]](set)
    )
    """By generation: those of which one of the events that were sent is for certain."""
    by_generation: dict[str, list[Claim]] = field(
        default_factory=lambda: defaultdict[str, list[Claim]](list)
    )

    def claim(self, events: Iterable[Indexed]) -> list[str]:
        """Give each event its bytes; return what is twice or nowhere.

        First those that can only be of one life; then those that are like others, in
        the lives that their generation is known to be; then the rest, as far as they
        can be in what is still there.
        """
        problems: list[str] = []
        unclear: list[tuple[Indexed, list[Claim]]] = []
        for event in events:
            possible = self._possible(event)
            if not possible:
                problems.append(f"altered, or never written: {event}")
            elif len(possible) == 1:
                self.lives_of[event.generation].add(possible[0].life.number)
                problems += self._take(possible)
            else:
                unclear.append((event, possible))
        homeless: list[list[Claim]] = []
        for event, possible in unclear:
            known = self._known_lives(event.generation)
            likely = [claim for claim in possible if claim.life.number in known]
            if likely:
                # Of two lives in one generation, a line that stands in the same place
                # of both is one document: the later life's, whose agent was there.
                likely.sort(key=lambda claim: -claim.life.number)
                problems += self._take(likely)
            else:
                homeless.append(possible)
        others = {
            n
            for generation in {*self.lives_of, *self.sent_lives}
            for n in self._known_lives(generation)
        }
        for possible in homeless:
            # Another generation's life is that one's, for half a line is like the
            # beginning of many a line: it is of a life that ends with it rather than of
            # one that goes on. And what is gone need not have been read. Before all that
            # it is of the file that the generation is of.
            possible.sort(
                key=lambda claim: (
                    not self._is_of_its_file(claim),
                    claim.life.number in others,
                    claim.is_amid_a_line,
                    claim.life.number not in self.present,
                )
            )
            problems += self._take(possible)
        return problems + self._overlaps()

    def note_sent(self, events: Iterable[Indexed]) -> None:
        """Learn of which lives a generation is also where nothing is kept of an event.

        To be called before any event is claimed.
        """
        for event in events:
            possible = self._possible(event)
            if len(possible) == 1:
                self.sent_lives[event.generation].add(possible[0].life.number)

    def _known_lives(self, generation: str) -> set[int]:
        """Return the lives that something of a generation is of for certain."""
        sent = self.sent_lives.get(generation, set())
        return self.lives_of.get(generation, set()) | sent

    def _possible(self, event: Indexed) -> list[Claim]:
        return [
            claim
            for life in self.lives
            if (claim := _claim(event, life, is_redacting=self.is_redacting))
        ]

    def all(self) -> Iterator[Claim]:
        for claims in self.by_life.values():
            yield from claims.values()

    def of(self, generation: str) -> list[Claim]:
        """Return the claims of one generation."""
        return self.by_generation.get(generation, [])

    def generations(self) -> set[str]:
        """Return every generation of which there is an event."""
        return set(self.by_generation)

    def lives_behind(self, generation: str) -> list[Life]:
        """Return the lives that the events of a generation are of, kept or not."""
        numbers = self._lives_behind(generation)
        return [life for life in self.lives if life.number in numbers]

    def _lives_behind(self, generation: str) -> set[int]:
        numbers = {claim.life.number for claim in self.of(generation)}
        return numbers | self.sent_lives.get(generation, set())

    def gaps(self, life: Life) -> list[tuple[int, int]]:
        """Return the spans of a life that no event is."""
        gaps: list[tuple[int, int]] = []
        position = 0
        for offset, claim in sorted(self.by_life[life.number].items()):
            if offset > position:
                gaps.append((position, offset))
            position = max(position, claim.end)
        if position < len(life.content):
            gaps.append((position, len(life.content)))
        return gaps

    def has_repeats(self, generation: str) -> bool:
        """Return whether a generation holds two contents, for want of better knowledge.

        Or may do so, by its agent's own word; or shares a life with one that may.
        """
        lives = self._lives_behind(generation)
        if (
            lives & self.nameless
            or generation in self.rebuilt
            or any(lives & self._lives_behind(rebuilt) for rebuilt in self.rebuilt)
        ):
            return True
        return len(lives) > 1

    def _is_of_its_file(self, claim: Claim) -> bool:
        born_at_s = claim.life.born_at_s
        born_at_ns = self.births_ns.get(claim.event.generation)
        return born_at_s is not None and int(born_at_s * 1_000_000_000) == born_at_ns

    def _take(self, possible: list[Claim]) -> list[str]:
        for claim in possible:
            taken = self.by_life[claim.life.number]
            if claim.event.offset not in taken:
                taken[claim.event.offset] = claim
                self.by_generation[claim.event.generation].append(claim)
                return []
        for claim in possible:
            other = self.by_life[claim.life.number][claim.event.offset]
            is_named = claim.life.number not in self.nameless
            generations = {claim.event.generation, other.event.generation}
            if self.rebuilt & generations or not is_named:
                if claim.end > other.end:
                    self.by_life[claim.life.number][claim.event.offset] = claim
                self.by_generation[claim.event.generation].append(claim)
                return []
        first = possible[0]
        other = self.by_life[first.life.number][first.event.offset].event
        elsewhere = f"life {first.life.number}, also generation {other.generation[:6]}"
        return [f"twice: {first.event}, {elsewhere}"]

    def _overlaps(self) -> list[str]:
        problems: list[str] = []
        for number, claims in self.by_life.items():
            if number in self.nameless:
                continue
            position, before = 0, ""
            for offset, claim in sorted(claims.items()):
                generation = claim.event.generation
                if offset < position and not self.rebuilt & {before, generation}:
                    problems.append(f"twice in part: {claim.event}")
                position, before = claim.end, generation
        return problems


def _claim(event: Indexed, life: Life, *, is_redacting: bool) -> Claim | None:
    """Return the event as a part of a life, or None where it cannot be one."""
    content, start = life.content, event.offset
    if (event.host, event.log) != (life.host, life.log):
        return None
    if not _stands_there(event, life, is_redacting=is_redacting):
        return None
    if not event.size_bytes and not _is_line_start(content, start):
        # The newline behind a line, or behind its flushed half, is that line's end and no
        # blank line. Else a blank line of an earlier life would seem to stand there.
        return None
    end = start + event.size_bytes
    if event.checksum is not None:
        # A carriage return at its end is the event's, too, and is not shown.
        sizes = (event.size_bytes, event.size_bytes + 1)
        ends = [
            start + n for n in sizes if _checksum(content, start, n) == event.checksum
        ]
        if not ends:
            return None
        end = ends[0]
    if end > len(content):
        return None
    if event.checksum is None and content.endswith(b"\n", start, end):
        return Claim(event, life, end)  # A whole chunk, with its newlines.
    for newline in (b"\n", b"\r\n"):
        if content.startswith(newline, end):
            return Claim(event, life, end + len(newline))
    # Without a newline it was flushed, and nothing is never flushed.
    return Claim(event, life, end) if end > start else None


def _stands_there(event: Indexed, life: Life, *, is_redacting: bool) -> bool:
    """Return whether a life holds, in the event's place, what is stored of it."""
    start = event.offset
    if is_redacting:
        end = start + event.size_bytes
        return is_hidden_form(event.stored, life, start, end)
    return life.content.startswith(event.stored, start)


def _is_line_start(content: bytearray, offset: int) -> bool:
    return not offset or content.endswith(b"\n", 0, offset)


def _checksum(content: bytearray, start: int, size_bytes: int) -> int:
    return crc32c(bytes(content[start : start + size_bytes]))
