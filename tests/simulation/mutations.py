"""Each guarantee, broken by code: what the simulation must find, or it proves nothing.

A mutation patches the real class or function for one run. `cases` are those of the list
of faults that the guarantee answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from crc32c import crc32c

from tailrace import identity, revisions
from tailrace.floors import Floors, span_of
from tailrace.framing import MappedEvent
from tailrace.ledger import FloorLedger
from tailrace.redaction.redactor import Redactor
from tailrace.template_records import TemplateRecord
from tailrace.wire import AgentLedger, Cut
from tailrace_agent import (
    beginnings,
    building,
    delivery,
    hiding,
    looks,
    restore,
    whereabouts,
)
from tailrace_agent.chunking import Chunk
from tailrace_indexer import bulk, expiry, mending, offsets
from tailrace_indexer.expiry import Expiry
from tailrace_indexer.mending import Mender
from tailrace_indexer.outcomes import ItemError, Outcome, Reason, Verdict
from tailrace_indexer.retention import IndexFacts
from tailrace_stream import lanes, placing, protocol, worker
from tailrace_stream.lanes import Lane
from tailrace_stream.protocol import Acknowledge, CommitProtocol, PublishFailed
from tailrace_stream.records import Outgoing, Work
from tailrace_stream.templates import table
from tailrace_stream.templates.table import TemplateTable
from tailrace_stream.worker import StreamWorker
from tests.support.fakes import columns

Patch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True)
class Mutation:
    """One guarantee, and how it is broken."""

    name: str
    cases: tuple[str, ...]
    apply: Callable[[Patch], None]
    found_by: int
    """The seed that found it last, tried first; the others are tried where it does not."""


def commit_before_write(patched: Patch) -> None:
    """The indexer commits what it has read, stored or not."""

    def committable(self: Any) -> int:  # noqa: ANN401
        return self.read_to

    patched.setattr(getattr(offsets, "_Reading"), "committable", committable)  # noqa: B009


def commit_past_a_gap(patched: Patch) -> None:
    """The indexer commits behind the newest record that is done."""

    def committable(self: Any) -> int:  # noqa: ANN401
        if not self.open_documents:
            return self.read_to
        newest_open = max(self.open_documents)
        return (
            self.read_to if self.read_to > newest_open + 1 else min(self.open_documents)
        )

    patched.setattr(getattr(offsets, "_Reading"), "committable", committable)  # noqa: B009


def ack_before_delivery(patched: Patch) -> None:
    """The stream acknowledges a record, and sends its documents afterwards."""
    complete = CommitProtocol.complete

    async def mutated(
        self: CommitProtocol,
        work: Work,
        *,
        acknowledge: Acknowledge,
        **named: Any,  # noqa: ANN401
    ) -> None:
        acknowledge(work)
        await complete(self, work, acknowledge=lambda _work: None, **named)

    patched.setattr(protocol.CommitProtocol, "complete", mutated)


def state_before_delivery(patched: Patch) -> None:
    """The stream remembers to have counted what it has not sent yet."""
    complete = CommitProtocol.complete

    async def mutated(
        self: CommitProtocol,
        work: Work,
        **named: Any,  # noqa: ANN401
    ) -> None:
        if work.state is not None:
            await self._deliver(work.state)  # pyright: ignore[reportPrivateUsage]
        await complete(self, work, **named)

    patched.setattr(protocol.CommitProtocol, "complete", mutated)


def swallowed_publish_error(patched: Patch) -> None:
    """The stream takes a failed send for a delivery, as Faust does."""

    async def mutated(self: CommitProtocol, record: Outgoing) -> None:
        try:
            await self._publisher.publish(record)  # pyright: ignore[reportPrivateUsage]
        except PublishFailed:
            return

    patched.setattr(protocol.CommitProtocol, "_deliver", mutated)


def checkpoint_before_ack(patched: Patch) -> None:
    """The agent takes what it sent for acknowledged."""
    ship = delivery.Delivery.ship

    def mutated(self: Any, generation: str, chunk: Chunk, **reason: Any) -> bool:  # noqa: ANN401
        if not ship(self, generation, chunk, **reason):
            return False
        ledger = self._ledgers[generation]
        ledger.record = msgspec.structs.replace(
            ledger.record,
            next_offset=chunk.after.offset,
            next_event_number=chunk.after.event_number,
            tail_size_bytes=chunk.after.tail.size_bytes,
            tail_hash=chunk.after.tail.hash,
        )
        self._dirty[generation] = None
        return True

    patched.setattr(delivery.Delivery, "ship", mutated)


def cut_not_kept(patched: Patch) -> None:
    """The agent sends a line without its newline, and keeps no note that it did."""

    def mutated(_self: object, _ledger: object, _cut: Cut) -> bool:
        return True

    patched.setattr(delivery.Delivery, "_is_cut_safe", mutated)


def random_id(patched: Patch) -> None:
    """Each sending of an event has an id of its own."""

    numbers = count()

    def mutated(offsets: npt.NDArray[np.int64], **named: Any) -> pl.Series:  # noqa: ANN401
        # Its last bytes are the checksum, so that only the repeat is wrong.
        true = real(offsets, **named).to_list()
        scrambled = [f"{next(numbers):020}{one[20:]}" for one in true]
        return pl.Series(scrambled, dtype=pl.String)

    real = placing.document_ids
    patched.setattr(columns, "document_ids", mutated)


def id_without_host(patched: Patch) -> None:
    """Hosts that were cloned from one image name their files alike."""

    def mutated(facts: identity.FileIdentity) -> str:
        return real(msgspec.structs.replace(facts, host_id=""))

    real = identity.generation_of
    for module in (beginnings, looks):
        patched.setattr(module, "generation_of", mutated)


def id_without_checksum(patched: Patch) -> None:
    """An id tells the place of an event, and not what stands there."""

    first_at: dict[tuple[str, int], int] = {}

    def mutated(
        offsets: npt.NDArray[np.int64],
        *,
        checksums: npt.NDArray[np.uint32],
        generation: str,
        born_at_ms: int,
    ) -> pl.Series:
        pairs = zip(offsets.tolist(), checksums.tolist(), strict=True)
        same = [first_at.setdefault((generation, at), own) for at, own in pairs]
        return real(
            offsets,
            checksums=np.array(same, np.uint32),
            generation=generation,
            born_at_ms=born_at_ms,
        )

    real = placing.document_ids
    patched.setattr(columns, "document_ids", mutated)


def _judged_as(patched: Patch, status: int, reason: Reason) -> None:
    real = bulk.judge_item

    def mutated(found: int, error: ItemError | None) -> Verdict:
        if found == status:
            return Verdict(Outcome.DEAD_LETTER, reason)
        return real(found, error)

    patched.setattr(bulk, "judge_item", mutated)


def forbidden_is_dead(patched: Patch) -> None:
    """A mistake in rights makes dead letters of good lines."""
    _judged_as(patched, 403, Reason.UNAUTHORIZED)


def blocked_is_dead(patched: Patch) -> None:
    """An index that takes nothing for now makes dead letters of good lines."""
    real = bulk.judge_item

    def mutated(found: int, error: ItemError | None) -> Verdict:
        kind = error.type if error is not None else ""
        if (found, kind) == (403, "cluster_block_exception"):
            return Verdict(Outcome.DEAD_LETTER, Reason.BLOCKED)
        return real(found, error)

    patched.setattr(bulk, "judge_item", mutated)


def conflict_is_dead(patched: Patch) -> None:
    """What is there already is taken for a failure."""
    _judged_as(patched, 409, Reason.ALREADY_THERE)


def ledger_not_restored(patched: Patch) -> None:
    """An agent without its checkpoint begins anew, and asks nobody."""
    real = restore.restore

    def mutated(*args: Any, **named: Any) -> restore.Restored:  # noqa: ANN401
        nothing: dict[str, AgentLedger] = {}
        named["read_ledger"] = lambda: nothing
        return real(*args, **named)

    patched.setattr(restore, "restore", mutated)


def renamed_left_alone(patched: Patch) -> None:
    """A file that stands where it was found is never one that was renamed."""

    def mutated(_record: AgentLedger) -> bool:
        return False

    patched.setattr(whereabouts, "_was_renamed", mutated)


def deleted_before_counted(patched: Patch) -> None:
    """Retention deletes an index, and then tells the ledger what was in it."""

    def mutated(self: Expiry, index: IndexFacts, floors: Floors) -> bool:
        span = span_of(index.name, namespace=self.namespace)
        is_quiet = self._is_quiet  # pyright: ignore[reportPrivateUsage]
        if span is None or not is_quiet(floors.records[span.key]):
            return False
        self.indices.block(index.name)
        counted = self.indices.counted(index.name)
        self.indices.delete(index.name)
        return not counted or self.ledger.write(counted)

    patched.setattr(expiry.Expiry, "_take", mutated)


def buried_left_alone(patched: Patch) -> None:
    """Nobody looks whether an older record stands behind a newer one."""

    def mutated(_self: Mender) -> int:
        return 0

    patched.setattr(mending.Mender, "keep", mutated)


def last_taken_for_greatest(patched: Patch) -> None:
    """The mender takes the last record of a key for the truth, as compaction does."""

    def mutated(value: bytes) -> int:
        del value
        return 0

    patched.setattr(revisions, "revision_of", mutated)


def floor_not_waited_for(patched: Patch) -> None:
    """Retention takes an index while its documents may still be on their way."""

    def mutated(_self: Expiry, _floor: FloorLedger) -> bool:
        return True

    patched.setattr(expiry.Expiry, "_is_quiet", mutated)


def secret_shown(patched: Patch) -> None:
    """An event is sent as it stands, though something in it was to be hidden."""

    def mutated(
        events: list[MappedEvent],
        _replacements: object,
        *,
        runs: object,
    ) -> tuple[list[MappedEvent], hiding.Redacted]:
        del runs
        return events, ()

    patched.setattr(building, "with_tokens", mutated)


def half_a_secret_shown(patched: Patch) -> None:
    """What stands before an event tells nothing of what is secret in it."""

    def mutated(_self: Redactor, _before: bytes) -> bytes:
        return b""

    patched.setattr(Redactor, "context", mutated)


def checksum_of_what_is_stored(patched: Patch) -> None:
    """An event is named by what is left of it, and not by what stands in its file."""
    real = building.with_tokens

    def mutated(*args: Any, **named: Any) -> Any:  # noqa: ANN401
        events, redacted = real(*args, **named)
        named_anew = [
            msgspec.structs.replace(event, checksum=crc32c(event.stored))
            for event in events
        ]
        return named_anew, redacted

    patched.setattr(building, "with_tokens", mutated)


def offsets_counted(patched: Patch) -> None:
    """The stream commits as many as it has done, and not behind the last of them."""

    def mutated(self: StreamWorker, work: Work, lane: Lane) -> None:
        del work
        lane.acked_offset += 1
        self._moved_at_ms = self._clock.monotonic_ms()  # pyright: ignore[reportPrivateUsage]

    patched.setattr(StreamWorker, "_acknowledge", mutated)


def marker_waited_for(patched: Patch) -> None:
    """The stream believes of no offset that no record will ever have it."""

    def mutated(lane: Lane, offset: int) -> lanes.Arrival:
        if offset <= lane.next_offset:
            return real(lane, offset)
        return lanes.Arrival(is_taken=False, seek_offset=lane.next_offset)

    real = lanes.arrival
    patched.setattr(worker, "arrival", mutated)


def templates_counted_again(patched: Patch) -> None:
    """A template's record does not know which raw records it has counted."""

    def mutated(before: TemplateRecord, *args: Any, **named: Any) -> Any:  # noqa: ANN401
        unread = msgspec.structs.replace(before, raw_next_offset=0)
        return real(unread, *args, **named)

    real = table._grown  # pyright: ignore[reportPrivateUsage]
    patched.setattr(table, "_grown", mutated)


def template_untold(patched: Patch) -> None:
    """A worker tells of new templates when it ends, and not when it meets them."""

    def mutated(self: TemplateTable, *args: Any, **named: Any) -> Any:  # noqa: ANN401
        due, passed_over_count = real(self, *args, **named)
        for record in due:
            entry = self._entries[record.template_id]  # pyright: ignore[reportPrivateUsage]
            entry.is_told = False
        return [], passed_over_count

    real = TemplateTable.see
    patched.setattr(TemplateTable, "see", mutated)


MUTATIONS = (
    Mutation("commit before write", ("K9", "P1", "E2"), commit_before_write, 2),
    Mutation("commit past a gap", ("K9", "E1"), commit_past_a_gap, 27),
    Mutation("ack before delivery", ("S1", "S2"), ack_before_delivery, 13),
    Mutation("state before delivery", ("S2", "S3"), state_before_delivery, 13),
    Mutation("swallowed publish error", ("S1", "K4"), swallowed_publish_error, 1),
    Mutation("checkpoint before ack", ("P1", "K4"), checkpoint_before_ack, 43),
    Mutation("cut sent and not kept", ("F28", "P1"), cut_not_kept, 36),
    Mutation("random id", ("S2", "E8", "K15"), random_id, 1),
    Mutation("id without host", ("P10", "F8"), id_without_host, 1),
    Mutation("id without checksum", ("F5",), id_without_checksum, 46),
    Mutation("403 dead-lettered", ("E4", "K7"), forbidden_is_dead, 6),
    Mutation("403 of a block dead-lettered", ("E4",), blocked_is_dead, 6),
    Mutation("409 dead-lettered", ("E8", "S2"), conflict_is_dead, 1),
    Mutation("buried left alone", ("K9", "P9"), buried_left_alone, 45),
    Mutation("last taken for greatest", ("K9", "S3"), last_taken_for_greatest, 45),
    Mutation("deleted before counted", ("E9",), deleted_before_counted, 10),
    Mutation("floor not waited for", ("E9",), floor_not_waited_for, 10),
    Mutation("renamed left alone", ("F2", "P1"), renamed_left_alone, 108),
    Mutation("secret shown", ("X11",), secret_shown, 1),
    Mutation("half a secret shown", ("X11", "F28"), half_a_secret_shown, 127),
    Mutation("checksum of what is stored", ("X11",), checksum_of_what_is_stored, 1),
    Mutation("offsets counted", ("K9", "S10"), offsets_counted, 8),
    Mutation("marker waited for", ("S10",), marker_waited_for, 8),
    Mutation("templates counted again", ("S2",), templates_counted_again, 33),
    Mutation("template untold", ("S1", "S2"), template_untold, 2),
    Mutation("ledger restore skipped", ("P5", "F28"), ledger_not_restored, 47),
)
