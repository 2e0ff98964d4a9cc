"""Which record of a key is the truth: the one with the greatest revision, wherever it stands.

A compacted topic keeps the *last* record of a key. Mostly that is the greatest, but a role
that was stopped for longer than its session may come back with an older record already on
its way, and write it behind that of its successor. Until compaction has passed, both are
there and whoever reads takes the greatest; what is *buried* under an older one has to be
written again before (`tailrace_indexer.mending`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

UNREADABLE = -1
"""Less than any revision: a record that can be read is better than one that cannot."""


class _Revised(msgspec.Struct):
    """The fields that tell a revision, of any record of ledger, floors or state."""

    hop: str = ""
    revision: int | None = None
    floor_ms: int = UNREADABLE
    updated_at_ms: int = UNREADABLE


_decoder = msgspec.json.Decoder(_Revised)


def revision_of(value: bytes) -> int:
    """Return a record's revision, `UNREADABLE` for one that says none.

    It asks for nothing else, so that a record of a newer wire version has its rank, too:
    a role that is not upgraded yet must not take it for worse than an older one.
    """
    try:
        found = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return UNREADABLE
    if found.revision is not None:
        return found.revision
    # Those two are their own revision (`tailrace.ledger`).
    if found.hop == "floor":
        return found.floor_ms
    return found.updated_at_ms if found.hop == "heartbeat" else UNREADABLE


@dataclass(slots=True)
class Ranks:
    """Where the greatest record of each key of one partition stands, read in order."""

    _greatest: dict[bytes, tuple[int, int]] = field(
        default_factory=dict[bytes, tuple[int, int]]
    )
    """Revision and offset."""
    buried: dict[bytes, int] = field(default_factory=dict[bytes, int])
    """By key the offset of its greatest record, where a lesser one follows it."""

    def take(self, offset: int, *, key: bytes | None, value: bytes | None) -> None:
        """Take one record into account; of equal revisions the later one is the truth."""
        if key is None:
            return
        if value is None:
            # What comes after a tombstone is another life of the key.
            self._greatest.pop(key, None)
            self.buried.pop(key, None)
            return
        revision = revision_of(value)
        known = self._greatest.get(key)
        if known is None or revision >= known[0]:
            self._greatest[key] = (revision, offset)
            self.buried.pop(key, None)
        else:
            self.buried[key] = known[1]


def buried_in(
    records: Iterable[tuple[int, bytes | None, bytes | None]],
) -> dict[bytes, int]:
    """Return the offset of each key's greatest record that is not its last one.

    `records` are offset, key and value of one partition from its beginning on.
    """
    ranks = Ranks()
    for offset, key, value in records:
        ranks.take(offset, key=key, value=value)
    return ranks.buried
