"""What becomes of a document that a retry delivered, and that is lost since.

Its letter still says that it is delivered, and so hides that the event is nowhere; read
again from its file, the line would be refused as it was the first time, and its letter be
taken for the old one. So the letter itself is sent once more:

1. The letters are read that name what is missing and are marked, and then the index is
   asked. A retry marks what it has found stored: what is not found now was lost since.
2. The marks are taken away: the letters are open, and counted as dead, from now on.
3. They are retried, each with the fix that it was delivered with.

Killed anywhere, the letters are delivered, or open as any other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from tailrace.dead.fixes import Fix, parse_fix
from tailrace.dead.letters import Letter, read_document
from tailrace.dead.retry import Name, Retried, Retrying

Missing = Mapping[str, Collection[int]]
"""By generation, numbers of events that are neither stored nor dead."""


class MarkedLetters(Protocol):
    """The letters that are marked as delivered, and the documents that they speak of."""

    def delivered(self, generation: str, *, numbers: Collection[int]) -> list[Letter]:
        """Return the marked letters of these single events, each once."""
        ...

    def stored(self, names: Collection[Name]) -> set[Name]:
        """Return those of the documents that a search finds from now on."""
        ...

    def reopen(self, dead_ids: Collection[str]) -> None:
        """Take the marks of the letters of these ids away, wherever they stand."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Redelivered:
    """One letter whose document was lost, and what became of it."""

    letter: Letter
    why_not: str = ""
    """Why it is not stored again; it is an open letter then."""

    @property
    def number(self) -> int:
        """The event's number in its generation."""
        return self.letter.event_number

    def sentence(self) -> str:
        """Return what became of it, for a person; the path is still as it is."""
        letter = self.letter
        fix = f", mended by {letter.fix}" if letter.fix else ""
        what = (
            f"{letter.path}, event {letter.event_number} at offset"
            f" {letter.first_offset}, of dead letter {letter.dead_id}{fix}"
        )
        if not self.why_not:
            return f"delivered again: {what}"
        return (
            f"not delivered again: {what}: {self.why_not}; it is an open letter, see"
            " `tailrace dead list`"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Redelivering:
    """Where such letters stand, and who sends them."""

    letters: MarkedLetters
    retrying: Retrying

    def redeliver(self, missing: Missing) -> list[Redelivered]:
        """Deliver again what was delivered before and is missing now.

        Raises:
            CommandFailed: a mark cannot be changed, or tells no fix that is known.
            ServiceUnavailable: a server does not answer; to run it again is safe.
        """
        # 1. First the marks, then the index.
        marked: dict[Name, list[Letter]] = {}
        for generation, numbers in missing.items():
            for letter in self.letters.delivered(generation, numbers=numbers):
                document = read_document(letter.original)
                if document is not None:
                    name = (document.index, document.document_id)
                    marked.setdefault(name, []).append(letter)
        if not marked:
            return []
        there = self.letters.stored(marked.keys())
        lost = [
            letter
            for name, letters in marked.items()
            if name not in there
            for letter in letters
        ]
        if not lost:
            return []
        fixes: dict[str, Fix | None] = {
            each.dead_id: parse_fix(each.fix) if each.fix else None for each in lost
        }
        # 2. From now on they are dead.
        self.letters.reopen(fixes.keys())
        # 3. Or stored, and marked anew.
        done = self.retrying.retry(lost, fix_of=lambda each: fixes[each.dead_id])
        return [
            Redelivered(letter=each, why_not=_why_not(each.dead_id, done))
            for each in lost
        ]


def _why_not(dead_id: str, done: Retried) -> str:
    if dead_id in done.stored:
        return ""
    if dead_id in done.refused:
        return f"refused: {done.refused[dead_id]}"
    unfit = next((each.why for each in done.unfit if each.dead_id == dead_id), "")
    return unfit or "it is on its way, and not stored yet"
