"""What an agent would have told of files that are here, and a lookup that holds documents."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from tailrace.audit.facts import GenerationFacts
from tailrace.commands.why_events import Places
from tailrace.identity import generation_of
from tailrace.why.hops import LinePlace
from tailrace.why.lookup import Lookup, Match, holds
from tailrace.wire import AgentLedger, FileIdentity
from tailrace_agent.archives import AnyFile, ArchiveLimits, as_archive
from tailrace_agent.facts import filesystem_id
from tailrace_agent.heads import read_head
from tailrace_agent.inflating import suffix_of
from tailrace_agent.open_file import open_file
from tailrace_agent.positions import TAIL_BYTES, tail_at
from tailrace_agent.rules import rules_of_user
from tests.infra.audit.builders import agent_word

LIMITS = ArchiveLimits(window_bytes=1 << 20, content_bytes_max=1 << 30, ratio_max=1_000)


class HoldingLookup(Lookup):
    """Holds documents at some places, and finds those that it is given by their words."""

    def __init__(
        self,
        stored: Collection[tuple[str, int]] = (),
        matches: Sequence[Match] = (),
    ) -> None:
        self._stored = set(stored)
        self._matches = list(matches)

    def lines(self, line: str) -> list[Match]:
        return [each for each in self._matches if holds(each.document, line)]

    def event_offsets(self, generation: str, *, first: int, last: int) -> list[int]:
        assert first <= last
        return [
            offset
            for known, offset in sorted(self._stored)
            if known == generation and first <= offset <= last
        ]

    def stored_offsets(
        self, generation: str, *, offsets: Collection[int]
    ) -> frozenset[int]:
        return frozenset(
            offset for offset in offsets if (generation, offset) in self._stored
        )


@dataclass(frozen=True, slots=True)
class Told:
    """The ledger's words, each made of a file as it is now."""

    words: tuple[AgentLedger, ...] = ()

    def facts(self) -> dict[str, GenerationFacts]:
        return {
            word.generation: GenerationFacts(generation=word.generation, agent=word)
            for word in self.words
        }

    def places(
        self,
        lookup: Lookup | None = None,
        *,
        glob: str = "",
        is_of_one_host: bool = False,
    ) -> Places:
        return Places(
            told=self.facts(),
            is_of_one_host=is_of_one_host,
            lookup=lookup or HoldingLookup(),
            encodings={},
            glob_of=lambda _path: glob,
        )


def identity_here(path: Path, *, host: str = "web-1", life: int = 0) -> FileIdentity:
    file = open_file(path, rules=rules_of_user())
    try:
        return FileIdentity(
            host_id=host,
            filesystem_id=filesystem_id(file.descriptor, device=file.facts.device),
            inode=file.facts.inode,
            born_at_ns=file.facts.born_at_ns or 0,
            born_at_known=file.facts.born_at_ns is not None,
            truncation_count=life,
        )
    finally:
        file.close()


def word_of(
    path: Path,
    *,
    host: str = "web-1",
    life: int = 0,
    sent_to: int | None = None,
    **changes: object,
) -> AgentLedger:
    """Return what the agent of a host says of a file once it has sent `sent_to` bytes."""
    identity = identity_here(path, host=host, life=life)
    file: AnyFile = open_file(path, rules=rules_of_user())
    try:
        file = as_archive(file, suffix_of(str(path)), limits=LIMITS)
        head = read_head(file)
        if sent_to is None:
            sent_to = _size_of(file)
        tail = tail_at(file, sent_to, min(sent_to, TAIL_BYTES))
    finally:
        file.close()
    word = agent_word(
        number=0,
        generation=generation_of(identity),
        host_id=host,
        host_name=host,
        path=str(path),
        identity=identity,
        head_size_bytes=head.size_bytes,
        head_hash=head.hash,
        head_line_ends=head.line_ends,
        tail_size_bytes=tail.size_bytes,
        tail_hash=tail.hash,
        next_offset=sent_to,
        seen_size_bytes=sent_to,
    )
    return replace(word, **changes)


def keys_of(places: Sequence[LinePlace]) -> list[tuple[str, int]]:
    return [(place.generation, place.offset) for place in places]


def _size_of(file: AnyFile) -> int:
    buffer = memoryview(bytearray(1 << 16))
    return file.read_into((buffer,), offset=0)
