"""What the agent knows when it starts: from the checkpoint, else from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tailrace.wire import AgentLedger
from tailrace_agent.amendments import DELETED, TRUNCATED
from tailrace_agent.checkpoint import Checkpoint, Condition, Loaded
from tailrace_agent.forgetting import kept_ms
from tailrace_agent.known import KnownGenerations, is_truncated
from tailrace_agent.set_back import LedgerWords, is_newer

REVISION_GAP = 16
"""Reports that were sent and not yet in the checkpoint: later ones must be newer."""
WORD_MS = 25
"""No life tells more of one file than a word in each: so many revisions it counts on for
the lives since a word, of which nothing is known where their own are on their way yet."""
LATE_WORDS_MS = 600_000
LATE_WORDS_MAX = 1_000
"""Records that changed so shortly before the last life ended, and so many of them, are
told to the ledger again: it may not have heard of them."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What is known of earlier lives."""

    records: tuple[AgentLedger, ...]
    is_rebuilt: bool
    """An earlier life is certain, and nothing of it could be found."""
    came_from: str
    knows_nothing: bool = False
    """Nothing of an earlier life could be found: it is forgotten, or there was none. Where
    the whole folder is gone, nothing on the host tells these two apart."""
    forgotten_at_ms: int = 0
    """When that was last so: what is older and no record tells of may have been sent."""
    was_rebuilt: bool = False
    """Whether an earlier life was certain then."""


def restore(
    loaded: Loaded,
    *,
    had_life: bool,
    now_ms: int,
    read_ledger: Callable[[], Mapping[str, AgentLedger]],
    words: LedgerWords,
) -> Restored:
    """Return what is known; `read_ledger` is asked only where the checkpoint fails.

    - A whole checkpoint was the truth once. What the ledger heard since is taken from
      there, if it answers; no server is needed.
    - One that the disk had no room to keep is completed by the ledger: of each
      generation the newer record is taken.
    - A damaged one, or one that is gone: the ledger holds a record of every generation
      of which anything was sent, so a file that it does not tell of was never begun.
      Where the previous copy knows more of one, that is taken.
    - Neither, in a folder where an agent has lived: the identity is rebuilt.
    - Neither, in a new folder: this is the first start on this host, or looks like one.
    """
    if loaded.condition is Condition.INTACT:
        newer = words.newer_than(loaded.records, now_ms=now_ms)
        merged = {record.generation: record for record in loaded.records} | newer
        records = _usable(merged.values(), now_ms=now_ms, agent_id=words.agent_id)
        return Restored(
            records,
            is_rebuilt=False,
            came_from="checkpoint and ledger" if newer else "checkpoint",
            forgotten_at_ms=_forgotten_at_ms(records),
            was_rebuilt=any(r.identity_rebuilt for r in records),
        )
    ledger = read_ledger()
    merged = dict(ledger)
    is_behind = loaded.condition is Condition.BEHIND
    for record in loaded.records:
        other = merged.get(record.generation)
        is_known = other is not None and (
            is_newer(other, record)
            if is_behind
            else other.next_offset >= record.next_offset
        )
        if not is_known:
            merged[record.generation] = record
    is_rebuilt = had_life and not merged
    own = "checkpoint" if is_behind else "previous copy"
    came_from = "ledger" if ledger else own if merged else "nothing"
    records = _usable(merged.values(), now_ms=now_ms, agent_id=words.agent_id)
    return Restored(
        records,
        is_rebuilt=is_rebuilt,
        came_from=came_from,
        knows_nothing=not merged,
        forgotten_at_ms=_forgotten_at_ms(records) if merged else now_ms,
        was_rebuilt=is_rebuilt or any(r.identity_rebuilt for r in records),
    )


def keep_restored(
    checkpoint: Checkpoint,
    loaded: Loaded,
    *,
    known: KnownGenerations,
    sources: Sequence[str],
    is_rebuilt: bool,
) -> None:
    """Make the checkpoint hold what is known, and nothing that can be met no more.

    1. All is saved, wherever it came from: this life counts on from the revisions that
    it has now, and should it die before its first commit, the next must not tell other
    things under the same. 2. What is superseded or long gone is removed. 3. The sources
    are noted, which makes the checkpoint trusted. Not so where all was forgotten: until
    some record says that, the next start must find it out again.

    Raises:
        CheckpointUnwritable: the disk does not take it.
    """
    records = known.all_records()
    checkpoint.save(records)
    kept = {record.generation for record in records}
    checkpoint.remove(
        [r.generation for r in loaded.records if r.generation not in kept]
    )
    if not is_rebuilt:
        checkpoint.note_sources(sources)


def late_words(records: Sequence[AgentLedger]) -> list[AgentLedger]:
    """Return what the ledger may not have heard: the newest records, oldest first.

    The checkpoint is written without waiting for the ledger. A file that is followed is
    reported again in any case; one that was closed just before a crash is not.
    """
    ordered = sorted(records, key=lambda record: record.updated_at_ms)
    if not ordered:
        return []
    since_ms = ordered[-1].updated_at_ms - LATE_WORDS_MS
    late = [record for record in ordered if record.updated_at_ms >= since_ms]
    return late[-LATE_WORDS_MAX:]


def _forgotten_at_ms(records: Iterable[AgentLedger]) -> int:
    """Return when a life last began with nothing that was known, as its records tell.

    It may have ended before it had a record of each file that it found.
    """
    return max(
        (
            r.placement.anchor_ms
            for r in records
            if r.identity_rebuilt or r.repeatable_bytes
        ),
        default=0,
    )


def _usable(
    records: Iterable[AgentLedger], *, now_ms: int, agent_id: str
) -> tuple[AgentLedger, ...]:
    """Return the records for a new life, without those of what has long had no file.

    Of the others none is too old: whether its file is there only a sweep can tell.
    """
    return tuple(
        msgspec.structs.replace(
            record,
            revision=_first_revision(record, now_ms=now_ms, agent_id=agent_id),
            lost_bytes=_lost_with_the_last_life(record),
            is_closed=record.is_closed and not _is_owed(record),
        )
        for record in records
        if not record.is_orphaned or now_ms - record.updated_at_ms <= kept_ms(record)
    )


def _first_revision(record: AgentLedger, *, now_ms: int, agent_id: str) -> int:
    """Return what a new life counts on from: more than any life before it has told.

    But never by the time beyond the clock: what is told where all was forgotten has its
    revision by the clock, and no late word of a forgotten life may outdo that.
    """
    least = record.revision + REVISION_GAP
    if record.agent_id != agent_id:
        # Should that one live, its own next words must soon be the newer ones again.
        return least
    since_count = (now_ms - record.updated_at_ms) // WORD_MS
    return max(least, min(least + since_count, now_ms))


def _is_owed(record: AgentLedger) -> bool:
    """Return whether an archive was read to its end, and not all of it was acknowledged.

    Its end is known before the last of its chunks is, and a life may end in between.
    """
    lost_bytes = sum(record.lost_bytes.values())
    unread_bytes = record.seen_size_bytes - record.next_offset - lost_bytes
    return record.archive_size_bytes > 0 and unread_bytes > 0


def _lost_with_the_last_life(record: AgentLedger) -> dict[str, int]:
    """Return what is lost, with what was on its way when the last life ended.

    It had been read, and a truncation took it from the file: nobody can send it again,
    and whether it came through nobody was told. What went with a copy that was deleted is
    declared, and is not lost once more.
    """
    if not is_truncated(record) or record.held_by is not None:
        return record.lost_bytes
    deleted_bytes = record.lost_bytes.get(DELETED, 0)
    unsafe_bytes = record.seen_size_bytes - record.next_offset - deleted_bytes
    lost_bytes = max(record.lost_bytes[TRUNCATED], unsafe_bytes)
    return {**record.lost_bytes, TRUNCATED: lost_bytes}
