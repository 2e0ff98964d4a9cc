"""Which generation a file on this machine holds now, by its facts and by its content.

As the agent knows its files: inode numbers are used again, so birth and file system must be
the same, and what stands where reading ended must be what was read.
"""

from __future__ import annotations

import io
from collections.abc import (
    Collection,
    Generator,
    Iterable,
    Iterator,
)
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from tailrace.audit.facts import GenerationFacts
from tailrace.wire import AgentLedger, FileIdentity

if TYPE_CHECKING:
    from tailrace_agent.archives import AnyFile


@contextmanager
def opened(path: Path) -> Generator[AnyFile]:
    """Open a file as the agent does, an archive for what it holds.

    Raises:
        OSError: it is gone, no regular file, or may not be read.
    """
    from tailrace_agent.archives import ArchiveLimits, as_archive
    from tailrace_agent.config import AgentSettings
    from tailrace_agent.inflating import suffix_of
    from tailrace_agent.open_file import open_file
    from tailrace_agent.rules import rules_of_user

    usual = AgentSettings.model_fields
    limits = ArchiveLimits(
        window_bytes=2 * (usual["event_bytes_max"].default + 2**20),
        content_bytes_max=usual["archive_bytes_max"].default,
        ratio_max=usual["archive_ratio_max"].default,
    )
    file = open_file(path.absolute(), rules=rules_of_user())
    try:
        yield as_archive(file, suffix_of(path.name), limits=limits)
    finally:
        file.close()


def is_inflated(file: AnyFile) -> bool:
    """Return whether a file is read through its compression."""
    from tailrace_agent.archives import ArchiveFile

    return isinstance(file, ArchiveFile)


def size_of(file: AnyFile) -> int:
    """Return how much a file holds; what an archive holds, only its end tells.

    Raises:
        OSError: the file cannot be read.
    """
    from tailrace_agent.archives import ArchiveFile

    if not isinstance(file, ArchiveFile):
        return file.status().st_size
    file.reach(
        file.limits.content_bytes_max, budget_bytes=file.limits.content_bytes_max
    )
    return file.inflated_bytes


def content_of(file: AnyFile) -> BinaryIO:
    """Return what a file holds, to be read from its beginning on."""
    return cast("BinaryIO", io.BufferedReader(_Content(file)))


def holders_of(
    file: AnyFile, *, told: Iterable[GenerationFacts]
) -> tuple[GenerationFacts, ...]:
    """Return the generation that a file holds now, one for each host that reads it.

    Hosts may share a file, and those that were cloned from one image have all its facts.

    Raises:
        OSError: the file cannot be read.
    """
    newest: dict[str, tuple[tuple[int, bool, int], GenerationFacts]] = {}
    for facts, life in _of_this_file(file, told=told):
        agent = facts.agent
        assert agent is not None, "a file is known by its agent's word"
        before = newest.get(agent.host_id)
        if before is None or before[0] < life:
            newest[agent.host_id] = (life, facts)
    holders = [facts for _, facts in newest.values() if _holds(file, facts)]
    return tuple(sorted(holders, key=lambda facts: facts.host_name))


def inodes_of(agent: AgentLedger) -> Collection[int]:
    """Return the inodes of the files that hold a generation, or held it."""
    holder, own = agent.held_by, agent.identity.inode
    return {own} if holder is None else {own, holder.inode}


def is_known(file: AnyFile, *, told: Iterable[GenerationFacts]) -> bool:
    """Return whether any word is of this file, be it of what it held before.

    Raises:
        OSError: the file cannot be read.
    """
    return any(True for _ in _of_this_file(file, told=told, is_past_too=True))


@dataclass(frozen=True, slots=True)
class Copy:
    """A generation that a file holds a part of, and how much of it for certain."""

    facts: GenerationFacts
    alike_bytes: int


def copied_of(
    file: AnyFile, *, path: str, told: Iterable[GenerationFacts]
) -> tuple[Copy, ...]:
    """Return what a file that no word is of is a copy of, one generation for each host.

    An agent passes over what it finds to be a copy of what it has read, and tells nobody.

    Raises:
        OSError: the file cannot be read.
    """
    from tailrace_agent.families import may_be_copy
    from tailrace_agent.likeness import begins_alike, known_alike_bytes

    likely = [
        facts
        for facts in told
        if facts.agent is not None
        and may_be_copy(path, original_paths=(facts.agent.path, facts.agent.first_path))
    ]
    if likely:
        _keep_places(file, [facts.agent for facts in likely if facts.agent])
    best: dict[str, Copy] = {}
    for facts in likely:
        agent = facts.agent
        assert agent is not None, "only what an agent read can be copied"
        size_bytes = size_of(file)
        if not begins_alike(file, agent, size_bytes=size_bytes):
            continue
        alike_bytes = known_alike_bytes(file, agent, size_bytes=size_bytes)
        known = best.get(agent.host_id)
        if alike_bytes and (known is None or known.alike_bytes < alike_bytes):
            best[agent.host_id] = Copy(facts, alike_bytes)
    return tuple(best.values())


class _Content(io.RawIOBase):
    """A file of the agent's as Python reads one."""

    def __init__(self, file: AnyFile) -> None:
        self._file = file
        self._offset = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        assert whence != io.SEEK_END, "of an archive only its end tells where that is"
        self._offset = offset + (self._offset if whence == io.SEEK_CUR else 0)
        return self._offset

    def readinto(self, buffer: bytearray | memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] - any buffer
        with memoryview(buffer) as view, view.cast("B") as target:
            count = self._file.read_into((target,), offset=self._offset)
        self._offset += count
        return count


def _keep_places(file: AnyFile, agents: Iterable[AgentLedger]) -> None:
    """Have an archive keep what generations are known by, so that it is inflated once."""
    from tailrace_agent.archives import ArchiveFile
    from tailrace_agent.heads import known_places

    if isinstance(file, ArchiveFile):
        known = list(agents)
        marks = [mark.offset for each in known for mark in known_places(each)]
        file.probe([*marks, *(each.next_offset for each in known)])


def _of_this_file(
    file: AnyFile, *, told: Iterable[GenerationFacts], is_past_too: bool = False
) -> Iterator[tuple[GenerationFacts, tuple[int, bool, int]]]:
    """Yield the generations that name this very file, and which of its lives each is.

    Lives that are over are passed over, unless they are asked for.
    """
    from tailrace_agent.facts import filesystem_id
    from tailrace_agent.known import is_truncated

    here = file.facts
    filesystem = ""
    for facts in told:
        agent = facts.agent
        if agent is None:
            continue
        holder = agent.held_by
        if here.inode not in inodes_of(agent):
            continue
        filesystem = filesystem or filesystem_id(file.descriptor, device=here.device)
        if holder is not None and _is_same(holder, file, agent, filesystem=filesystem):
            # What a copy came to hold is later than what it held as a file of its own.
            yield facts, (holder.truncation_count, True, agent.updated_at_ms)
        elif (is_past_too or not is_truncated(agent)) and _is_same(
            agent.identity, file, agent, filesystem=filesystem
        ):
            life = agent.identity.truncation_count
            yield facts, (life, False, agent.updated_at_ms)


def _is_same(
    identity: FileIdentity, file: AnyFile, agent: AgentLedger, *, filesystem: str
) -> bool:
    """Return whether an identity is that of an open file.

    Where one of its facts is not to be had, how the content begins decides.
    """
    here = file.facts
    is_born = here.born_at_ns is not None
    if identity.inode != here.inode or identity.born_at_known != is_born:
        return False
    if is_born and identity.born_at_ns != here.born_at_ns:
        return False
    is_same_filesystem = identity.filesystem_id == filesystem
    if is_born and is_same_filesystem:
        return True
    is_comparable = is_born or is_same_filesystem
    return is_comparable and agent.head_size_bytes > 0 and _begins_as(file, agent)


def _holds(file: AnyFile, facts: GenerationFacts) -> bool:
    """Return whether a file holds now what its agent has read of it."""
    from tailrace_agent.positions import Tail, stands_before

    agent = facts.agent
    assert agent is not None, "a file is known by its agent's word"
    tail = Tail(agent.tail_size_bytes, agent.tail_hash)
    return _begins_as(file, agent) and stands_before(file, agent.next_offset, tail)


def _begins_as(file: AnyFile, agent: AgentLedger) -> bool:
    from tailrace_agent.heads import ends_in_head, has_head

    if not agent.head_size_bytes or has_head(file, agent):
        return True
    # A copy may have been made while the head was shorter.
    return agent.held_by is not None and ends_in_head(
        file, agent, size_bytes=size_of(file)
    )
