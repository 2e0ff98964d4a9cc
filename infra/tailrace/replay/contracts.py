"""What a replay needs of the servers, as it asks for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tailrace.dead.letters import Letter
from tailrace.dead.plan import Plan
from tailrace.dead.retry import Retried
from tailrace.replay.compare import Version
from tailrace.replay.made import MadeDocument
from tailrace.revised_indices import Standing

Place = tuple[str, int]
"""Generation and event number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revised:
    """A document that is to hide what is stored of its event."""

    made: MadeDocument
    formers: tuple[Version, ...]


class Stored(Protocol):
    """What searches find, of events and of dead letters."""

    def refresh(self) -> None:
        """Let all be found that is written by now."""
        ...

    def versions(
        self, document_ids: Collection[str]
    ) -> Mapping[str, Sequence[Version]]:
        """Return by `_id` every document behind the alias."""
        ...

    def hidden(self, document_ids: Collection[str]) -> Collection[str]:
        """Return those of which a version is there that was marked as replaced."""
        ...

    def letters(self, places: Collection[Place]) -> Mapping[Place, Sequence[Letter]]:
        """Return the letters that name events, those that are not delivered."""
        ...

    def count(self, generation: str, numbers: range) -> int:
        """Return how many documents of these event numbers are found."""
        ...


class Revisions(Protocol):
    """The indices of revised documents, and the alias that shows or hides them."""

    def standing(self) -> Standing:
        """Return what stands behind the alias now."""
        ...

    def greatest_mark(self) -> int:
        """Return the greatest number that a document behind the alias is marked with."""
        ...

    def drop(self, index: str) -> None:
        """Delete a draft; one that is not there is fine."""
        ...

    def make(self, index: str) -> None:
        """Make an index that no alias shows yet."""
        ...

    def prepare(self, index: str) -> None:
        """Let documents of an index be told apart by their marks."""
        ...

    def create(
        self, documents: Sequence[tuple[str, MadeDocument]]
    ) -> Mapping[str, str]:
        """Create documents, each in the index beside it; return by `_id` why one is refused."""
        ...

    def mark(self, formers: Sequence[Version], *, revision: int) -> None:
        """Mark documents that nobody altered since they were read."""
        ...

    def count_in(self, indices: Collection[str]) -> int:
        """Return how many documents these indices hold."""
        ...

    def count_marked(self, indices: Collection[str], *, revision: int) -> int:
        """Return how many documents in these indices bear the mark."""
        ...

    def swap(self, actions: Sequence[dict[str, Any]]) -> None:
        """Change the alias by all of these actions at once, or by none."""
        ...


class Letters(Protocol):
    """How documents of dead letters are delivered: `tailrace.dead.retry`."""

    def send(self, planned: Plan) -> Retried:
        """Send documents, and mark the letters of what is stored."""
        ...
