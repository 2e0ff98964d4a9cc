"""What a document that is made anew is to the one that is stored, as values.

Pure. Compared is what a line says, field by field, and not how it is spelled: when a line
was read, and the digest over all the rest, differ between two readings of the same line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import msgspec

from tailrace.dead.fixes import object_bytes
from tailrace.dead.letters import Fields, Letter, read_document, read_fields
from tailrace.dead.plan import FIX_FIELD
from tailrace.dead.preview import Change
from tailrace.digest import DIGEST_FIELD, with_digest
from tailrace.ledger import SAMPLE_WEIGHT
from tailrace.replay.made import MadeDocument
from tailrace.revised_indices import REVISED_BY

OF_THE_READING: Final = frozenset({"event.created", DIGEST_FIELD, REVISED_BY})
"""Fields that say nothing of the line itself."""


class Fate(StrEnum):
    """What the present pipeline would alter of one event."""

    SAME = "same"
    CHANGED = "changed"
    MENDED = "mended"
    """Stored as a retry mended it: what the pipeline makes is what was refused before."""
    NEWLY_DEAD = "newly_dead"
    """Stored, and no document can be made of it any more."""
    NO_LONGER_DEAD = "no_longer_dead"
    """A dead letter, of which a document can be made now."""
    STILL_DEAD = "still_dead"
    NOT_STORED = "not_stored"
    """Neither stored nor dead: it is on its way, or missing, which the audit tells."""
    LOST = "lost"
    """Stored, and hidden by a revised document that is gone: what is sent again meets the
    hidden one, so that another replay alone brings it back."""
    DROPPED = "dropped"
    """Left out by a rule of the stream, or not sent by its agent, beyond a rate."""
    EXPIRED = "expired"
    """Its index was taken away by retention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One stored document, as a search sees it."""

    index: str
    document_id: str
    fields: Fields
    sequence_number: int = 0
    primary_term: int = 0
    """With the number before it tells whether somebody altered it since."""
    is_unaltered: bool = True
    """Whether it is, byte for byte, what its digest says."""


def changes_between(before: Fields, after: Fields) -> tuple[Change, ...]:
    """Return the fields that differ, in the order of the documents."""
    names = [*before, *(name for name in after if name not in before)]
    return tuple(
        Change(field=name, before=_shown(before, name), after=_shown(after, name))
        for name in names
        if name not in OF_THE_READING and not _is_same(before, after, name)
    )


def with_weight_of(made: MadeDocument, versions: Sequence[Version]) -> MadeDocument:
    """Return a document with the weight that its stored version bears.

    How many events it stands for was decided when it was first read, and the others are
    not there, whatever the rules say by now.
    """
    for version in versions:
        weight = version.fields.get(SAMPLE_WEIGHT)
        fields = None if weight is None else read_fields(made.source)
        if weight is not None and fields is not None:
            rest = {n: value for n, value in fields.items() if n != DIGEST_FIELD}
            body = object_bytes({**rest, SAMPLE_WEIGHT: weight})
            return replace(made, source=with_digest(body))
    return made


def fate_of(
    source: bytes,
    versions: Sequence[Version],
    *,
    letters: Sequence[Letter],
    is_hidden: bool = False,
) -> tuple[Fate, tuple[Change, ...]]:
    """Return what becomes of an event of which this document is made, and what changes.

    `versions` are what a search finds of it, mostly one; `letters` the dead letters that
    name it and were not delivered. Where there is neither, a former version of it may be
    hidden all the same.
    """
    after = read_fields(source) or {}
    if not versions:
        fate = _fate_of_dead(after, letters)
        is_lost = is_hidden and fate is Fate.NOT_STORED
        return (Fate.LOST if is_lost else fate), ()
    if any(FIX_FIELD in version.fields for version in versions):
        return Fate.MENDED, ()
    for version in versions:
        changes = changes_between(version.fields, after)
        if changes:
            return Fate.CHANGED, changes
    return Fate.SAME, ()


def _fate_of_dead(after: Fields, letters: Sequence[Letter]) -> Fate:
    if not letters:
        return Fate.NOT_STORED
    for letter in letters:
        # What Elasticsearch refused it would refuse again.
        refused = read_document(letter.original)
        if refused is not None and not changes_between(refused.fields, after):
            return Fate.STILL_DEAD
    return Fate.NO_LONGER_DEAD


def _is_same(before: Fields, after: Fields, name: str) -> bool:
    first, second = before.get(name), after.get(name)
    if first is None or second is None:
        return first is second
    return bytes(first) == bytes(second) or _spelled_alike(first) == _spelled_alike(
        second
    )


def _spelled_alike(raw: msgspec.Raw) -> str:
    """Return a value in one spelling: a source that was updated is written anew."""
    text = bytes(raw).decode("utf-8", "surrogateescape")
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return text


def _shown(fields: Fields, name: str) -> str | None:
    raw = fields.get(name)
    return None if raw is None else bytes(raw).decode("utf-8", "replace")
