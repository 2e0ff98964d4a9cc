"""Which generation a file belongs to: found by facts, verified by content, never by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from tailrace.wire import AgentLedger, FileIdentity
from tailrace_agent.amendments import TRUNCATED
from tailrace_agent.facts import FileFacts
from tailrace_agent.families import Families
from tailrace_agent.heads import has_head
from tailrace_agent.positions import Position, Source, Tail, stands_before

FileKey = tuple[str, int, int]

ORPHANS_MAX = 4_096
"""Generations without a file that are remembered; the oldest are forgotten first."""


@dataclass(frozen=True, slots=True)
class Match:
    """The generation that a file was when it was last known."""

    record: AgentLedger
    is_ended: bool
    """A truncation ended that life of the file: what it holds now is the next one."""


def is_rewritten(source: Source, record: AgentLedger, *, position: Position) -> bool:
    """Return whether a file holds other content than its generation did.

    It may be rewritten with nothing before the position, or with what stood there: a long
    run of one byte, say, in both. The tail alone could not tell that.

    Raises:
        OSError: the file cannot be read.
    """
    # Before a position within the head, the tail is all there is.
    is_within = 0 < position.offset < record.head_size_bytes
    return not (
        (is_within or has_head(source, record))
        and stands_before(source, position.offset, position.tail)
    )


def position_of(record: AgentLedger) -> Position:
    """Return where reading of a generation goes on."""
    tail = Tail(record.tail_size_bytes, record.tail_hash)
    return Position(record.next_offset, record.next_event_number, tail)


def looked_at_ms(record: AgentLedger) -> int:
    """Return when an agent last looked for the file: since then nobody saw what became of it.

    A word of an agent that had not looked is not taken for a look.
    """
    return record.unlooked_since_ms or record.updated_at_ms


def is_truncated(record: AgentLedger) -> bool:
    """Return whether a truncation ended this life of the file that `identity` names."""
    return TRUNCATED in record.lost_bytes


class KnownGenerations:
    """What earlier times left: generations whose file may be met again, and orphans.

    An orphan has no file: its own was emptied or is gone. A copy or an archive of it may
    be met, so it is remembered, within `ORPHANS_MAX`.
    """

    def __init__(self, records: Iterable[AgentLedger] = ()) -> None:
        self._by_inode: dict[int, list[tuple[FileIdentity, Match]]] = {}
        self._families = Families[AgentLedger]()
        self._orphans: dict[str, AgentLedger] = {}
        self.dropped: list[str] = []
        """Orphans that were too many: to be forgotten everywhere."""
        self.unsaved: set[str] = set()
        """Of files that are gone, and that a full disk keeps in the delivery."""
        for record in sorted(
            records, key=lambda r: (r.identity.truncation_count, r.updated_at_ms)
        ):
            self.add(record)

    def __len__(self) -> int:
        return len(self.all_records())

    def records(self) -> list[AgentLedger]:
        """Return those whose file is still to be met, or is followed already."""
        matches = (match for found in self._by_inode.values() for _, match in found)
        records = {m.record.generation: m.record for m in matches}
        return [r for name, r in records.items() if name not in self._orphans]

    def all_records(self) -> list[AgentLedger]:
        """Return the orphans, too."""
        return [*self.records(), *self._orphans.values()]

    def find(self, generation: str) -> AgentLedger | None:
        """Return what is known of a generation, whether it has a file or not."""
        orphan = self._orphans.get(generation)
        if orphan is not None:
            return orphan
        return next((r for r in self.records() if r.generation == generation), None)

    def add(self, record: AgentLedger) -> None:
        """Put a record in the place of an earlier life of the same file."""
        if record.is_orphaned:
            self.orphan(record)
            return
        if record.held_by is not None:
            self._enter(record.held_by, Match(record, is_ended=False))
            if not is_truncated(record):
                self._put(record)
                return
        self._succeed(record)
        self._put(record)

    def orphan(self, record: AgentLedger) -> None:
        """Remember a generation whose file holds it no more."""
        orphan = orphaned(record)
        if is_truncated(record):
            self._succeed(orphan)
        self._orphans.pop(record.generation, None)
        self._orphans[record.generation] = orphan
        self._put(orphan)
        if len(self._orphans) > ORPHANS_MAX:
            oldest = next(iter(self._orphans))
            self.forget(oldest)
            self.dropped.append(oldest)

    def forget(self, generation: str) -> None:
        """Remember a generation no more: it has a file, or never will."""
        self._orphans.pop(generation, None)
        self._families.discard(generation)

    def drop(self, identity: FileIdentity) -> None:
        """Expect a file no more, whichever of its lives is known."""
        found = self._by_inode.get(identity.inode, [])
        for other, match in found:
            if _is_same_file(other, identity) and not match.record.is_orphaned:
                self._families.discard(match.record.generation)
        found[:] = [(o, m) for o, m in found if not _is_same_file(o, identity)]
        if not found:
            self._by_inode.pop(identity.inode, None)

    def remove(self, record: AgentLedger) -> None:
        """Expect the file of one record no more; its other lives are left as they are."""
        for own in (record.identity, record.held_by):
            found = [] if own is None else self._by_inode.get(own.inode, [])
            found[:] = [
                (o, m) for o, m in found if m.record.generation != record.generation
            ]
            if own is not None and not found:
                self._by_inode.pop(own.inode, None)
        self.forget(record.generation)

    def above(self, path: str) -> Iterator[AgentLedger]:
        """Yield the generations that a file at `path` may be a copy of."""
        return self._families.above(path)

    def match(
        self, facts: FileFacts, *, filesystem_id: str, source: Source
    ) -> Match | None:
        """Return the generation that the file was when it was last known.

        With a birth time the facts are enough; that its content was replaced since is
        seen at the position. Without one, or where the filesystem has another name than
        last time, the head of the content decides.

        Raises:
            OSError: the file cannot be read.
        """
        for identity, match in self._by_inode.get(facts.inode, ()):
            is_same_filesystem = identity.filesystem_id == filesystem_id
            if identity.born_at_known != (facts.born_at_ns is not None):
                continue
            if identity.born_at_known and identity.born_at_ns != facts.born_at_ns:
                continue
            if identity.born_at_known and is_same_filesystem:
                return match
            is_comparable = identity.born_at_known or is_same_filesystem
            if is_comparable and has_head(source, match.record):
                return match
        return None

    def _put(self, record: AgentLedger) -> None:
        self._families.put(
            record.generation, record, path=record.path, first_path=record.first_path
        )

    def _succeed(self, record: AgentLedger) -> None:
        """Enter a life of a file; the one before it has no file from now on."""
        earlier = self._enter(
            record.identity, Match(record, is_ended=is_truncated(record))
        )
        for match in earlier:
            before = match.record
            is_before = before.identity.truncation_count < (
                record.identity.truncation_count
            )
            if is_before and before.held_by is None and not before.is_orphaned:
                self.orphan(before)

    def _enter(self, identity: FileIdentity, match: Match) -> list[Match]:
        """Expect a file as `match` says; return what was expected of it before."""
        found = self._by_inode.setdefault(identity.inode, [])
        earlier = [m for other, m in found if _is_same_file(other, identity)]
        found[:] = [(o, m) for o, m in found if not _is_same_file(o, identity)]
        # Of two words of one life, it is what was said now.
        newest = max([match, *earlier], key=lambda m: _life_of(m.record, identity))
        found.append((identity, newest))
        return earlier


def orphaned(record: AgentLedger) -> AgentLedger:
    """Return the record of a generation that no file holds any more."""
    return msgspec.structs.replace(
        record, is_orphaned=True, is_closed=True, held_by=None
    )


def identity_of(
    facts: FileFacts, *, host_id: str, filesystem_id: str, first_seen_at_ms: int
) -> FileIdentity:
    """Return the identity of a file's first life; first sight stands in for its birth."""
    is_known = facts.born_at_ns is not None
    return FileIdentity(
        host_id=host_id,
        filesystem_id=filesystem_id,
        inode=facts.inode,
        born_at_ns=(facts.born_at_ns or 0)
        if is_known
        else first_seen_at_ms * 1_000_000,
        born_at_known=is_known,
        truncation_count=0,
    )


def _life_of(record: AgentLedger, identity: FileIdentity) -> tuple[int, bool]:
    """Return which life of a file a record is of; what a copy came to hold is later.

    It was begun under a name of its own when it was known to be no copy yet.
    """
    holder = record.held_by
    if holder is not None and _is_same_file(holder, identity):
        return holder.truncation_count, True
    return record.identity.truncation_count, False


def file_key(identity: FileIdentity) -> FileKey:
    """Return what lives of one file have in common, as far as its host tells files apart."""
    return identity.filesystem_id, identity.inode, identity.born_at_ns


def holder_of(record: AgentLedger) -> FileIdentity:
    """Return the file that holds a record's bytes now."""
    return record.held_by or record.identity


def _is_same_file(one: FileIdentity, other: FileIdentity) -> bool:
    return file_key(one) == file_key(other)
