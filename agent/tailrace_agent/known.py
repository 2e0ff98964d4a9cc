"""Which generation a file belongs to: found by facts, verified by content, never by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from tailrace.wire import AgentLedger, FileIdentity
from tailrace_agent.chunking import Position, Source, Tail
from tailrace_agent.facts import FileFacts

HEAD_BYTES = 1_024


def head_of(source: Source, *, size_max: int = HEAD_BYTES) -> tuple[int, str]:
    """Return how many bytes the head has, at most `HEAD_BYTES`, and their hash.

    Raises:
        OSError: the file cannot be read.
    """
    head = memoryview(bytearray(min(size_max, HEAD_BYTES)))
    size = source.read_into((head,), offset=0)
    return size, hashlib.blake2b(head[:size], digest_size=16).hexdigest()


def has_head(source: Source, record: AgentLedger) -> bool:
    """Return whether the file begins as the generation of `record` did.

    Raises:
        OSError: the file cannot be read.
    """
    size = record.head_size_bytes
    return head_of(source, size_max=size) == (size, record.head_hash)


def position_of(record: AgentLedger) -> Position:
    """Return where reading of a generation goes on."""
    tail = Tail(record.tail_size_bytes, record.tail_hash)
    return Position(record.next_offset, record.next_event_number, tail)


class KnownGenerations:
    """The newest generation of each file that was ever followed and may be met again."""

    def __init__(self, records: Iterable[AgentLedger] = ()) -> None:
        self._by_inode: dict[int, list[AgentLedger]] = {}
        self._former: dict[str, AgentLedger] = {}
        for record in sorted(records, key=lambda r: r.identity.truncation_count):
            self.add(record)

    def __len__(self) -> int:
        return sum(len(records) for records in self._by_inode.values())

    def records(self) -> list[AgentLedger]:
        """Return all of them."""
        return [record for records in self._by_inode.values() for record in records]

    def add(self, record: AgentLedger) -> None:
        """Put a record in the place of an earlier life of the same file."""
        for earlier in self._by_inode.get(record.identity.inode, ()):
            if _is_life_before(earlier.identity, record.identity):
                self._former[record.generation] = earlier
        self.drop(record.identity)
        self._by_inode.setdefault(record.identity.inode, []).append(record)

    def formers(self) -> list[AgentLedger]:
        """Return each life that ended before a known one, where it is known."""
        return list(self._former.values())

    def former_of(self, generation: str) -> AgentLedger | None:
        """Return the life that a truncation ended before this one, where it is known."""
        return self._former.get(generation)

    def drop(self, identity: FileIdentity) -> None:
        """Forget a file, whichever of its lives is known."""
        records = self._by_inode.get(identity.inode, [])
        for record in records:
            if _is_same_file(record.identity, identity):
                self._former.pop(record.generation, None)
        records[:] = [r for r in records if not _is_same_file(r.identity, identity)]
        if not records:
            self._by_inode.pop(identity.inode, None)

    def match(
        self, facts: FileFacts, *, filesystem_id: str, source: Source
    ) -> AgentLedger | None:
        """Return the generation that the file was when it was last known.

        With a birth time the facts are enough; that its content was replaced since is
        seen at the position. Without one, or where the filesystem has another name than
        last time, the head of the content decides.

        Raises:
            OSError: the file cannot be read.
        """
        candidates = self._by_inode.get(facts.inode, ())
        for record in candidates:
            identity = record.identity
            is_same_filesystem = identity.filesystem_id == filesystem_id
            if identity.born_at_known != (facts.born_at_ns is not None):
                continue
            if identity.born_at_known and identity.born_at_ns != facts.born_at_ns:
                continue
            if identity.born_at_known and is_same_filesystem:
                return record
            is_comparable = identity.born_at_known or is_same_filesystem
            if is_comparable and has_head(source, record):
                return record
        return None


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


def _is_same_file(one: FileIdentity, other: FileIdentity) -> bool:
    return (one.filesystem_id, one.inode, one.born_at_ns) == (
        other.filesystem_id,
        other.inode,
        other.born_at_ns,
    )


def _is_life_before(one: FileIdentity, other: FileIdentity) -> bool:
    is_earlier = one.truncation_count == other.truncation_count - 1
    return is_earlier and _is_same_file(one, other)
