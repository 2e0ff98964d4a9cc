"""Whether a file can be a copy of a life, by when it was written and when that was known.

Content alone cannot tell that: many a log begins each of its lives with the same lines. The
times are those of files, which a clock that was set back makes false: where a record shows
that it was, they tell nothing.
"""

from __future__ import annotations

from tailrace.wire import AgentLedger
from tailrace_agent.archives import AnyFile, ArchiveFile
from tailrace_agent.heads import HEAD_BYTES
from tailrace_agent.tracked import TrackedFile

CLOCK_STEP_MS = 1_000
"""What is told of a file so long before its birth was told by a clock that was set back;
a file's times lag behind the clock by some milliseconds."""
LAG_MS = 100
"""More than a file's times lag behind the clock."""


def seems_from_before(
    file: AnyFile, record: AgentLedger, *, size_bytes: int, sweep_ms: int
) -> bool:
    """Return whether a file had more than was seen of a life before that, by its times.

    When the agent looks, a life's own file holds all that any copy of it holds. So one
    that holds more than was ever seen of the life was made after the last look; where
    that is not known, after the first. A running agent looks each `sweep_ms`. Of a life of
    which more is known than the first lines, content tells more than times.

    Raises:
        OSError: the file system fails.
    """
    if size_bytes <= record.seen_size_bytes or record.next_offset > HEAD_BYTES:
        return False
    looked_ms = max(record.placement.anchor_ms, record.unwatched_since_ms - sweep_ms)
    return _written_at_ns(file) < (looked_ms - LAG_MS) * 1_000_000


def is_from_before(
    file: AnyFile, record: AgentLedger, *, size_bytes: int, sweep_ms: int
) -> bool:
    """Return whether a file seems to be from before a life was seen, and times can be believed.

    So does one that was last written before the life's own file was made. Where the
    newest word of the life is of an earlier time than an older one, the clock was set
    back: then the file is taken for what it looks like, and that is doubtful.

    Raises:
        OSError: the file system fails.
    """
    told_ms = max(record.placement.anchor_ms, record.unwatched_since_ms)
    return record.updated_at_ms >= told_ms and (
        _is_older_than_its_file(file, record)
        or seems_from_before(file, record, size_bytes=size_bytes, sweep_ms=sweep_ms)
    )


def is_too_old(suspect: TrackedFile, file: AnyFile, record: AgentLedger) -> bool:
    """Return whether a file was last written before a life of which a line at most is known.

    It is read from its head, then: were it a copy all the same, as the clock was set
    back, that line would be there twice, and none is lost. One that is read only because
    it may be a copy has to be believed.

    Raises:
        OSError: the file system fails.
    """
    born_at_ns = suspect.facts.born_at_ns
    if born_at_ns is None or suspect.archive_suffix is not None or suspect.is_outside:
        return False
    # A copy may be made over an older file: that was written since, though no sweep may
    # have seen it, as where it left its globs.
    made_at_ns = max(born_at_ns, file.status().st_mtime_ns)
    if record.updated_at_ms < record.identity.born_at_ns // 1_000_000 - CLOCK_STEP_MS:
        return False  # The clock was set back since: times tell nothing.
    return _has_a_line_at_most(record) and made_at_ns < record.identity.born_at_ns


def is_made_after(suspect: TrackedFile, record: AgentLedger) -> bool:
    """Return whether a file was made when the end of a life was known already.

    An archive is made of a copy, at any time later.
    """
    born_at_ns = suspect.facts.born_at_ns
    if born_at_ns is None or suspect.archive_suffix is not None:
        return False
    return born_at_ns > record.updated_at_ms * 1_000_000


def _is_older_than_its_file(file: AnyFile, record: AgentLedger) -> bool:
    """Return whether a file had all it has before that of a life was made.

    An archive bears the time of what it was made of, and that may have been moved here
    with a time older than its birth.
    """
    born_at_ns = record.identity.born_at_ns
    if isinstance(file, ArchiveFile) or not _has_a_line_at_most(record):
        return False
    if record.placement.anchor_ms < born_at_ns // 1_000_000:
        return False  # The clock was set back between: so are the times of its copies.
    return _written_at_ns(file) < born_at_ns


def _has_a_line_at_most(record: AgentLedger) -> bool:
    """Return whether no more than the first line of a life is known, as others have it."""
    return (record.next_event_number or len(record.head_line_ends)) <= 1


def _written_at_ns(file: AnyFile) -> int:
    """Return when what a file holds was written, or copied there, as its times tell.

    An archive may be made at any time later, and bears the time of what it was made of.
    """
    modified_at_ns = file.status().st_mtime_ns
    if isinstance(file, ArchiveFile):
        return modified_at_ns
    return max(file.facts.born_at_ns or 0, modified_at_ns)
