"""What the present pipeline makes of one raw record: values that the stream hands over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeDocument:
    """One event's document, and where it belongs."""

    index: str
    document_id: str
    number: int
    offset: int
    source: bytes
    """The document as it would be sent, its digest included."""
    left_out_by: str = ""
    """The rule that leaves it out today; it is then stored only where it was before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeDead:
    """Consecutive events of which no document can be made."""

    numbers: range
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remade:
    """All that becomes of one raw record."""

    partition: int
    offset: int
    generation: str = ""
    agent_id: str = ""
    host_name: str = ""
    path: str = ""
    dataset: str = ""
    observed_at_ms: int = 0
    is_foreign: bool = False
    """Of another collector: the record is its only one, whatever else is read."""
    documents: tuple[MadeDocument, ...] = ()
    dead: tuple[MadeDead, ...] = ()
    dropped: tuple[range, ...] = ()
    """Events that their agent did not send."""
    expired_count: int = 0
    """Events whose index retention has taken away: nothing is made of them."""
    is_unreadable: bool = False
    """Whose events it holds, and how many, nobody knows."""
