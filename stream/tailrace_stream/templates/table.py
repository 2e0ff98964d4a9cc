"""What a worker knows of the templates of one partition, and which of it is to be told now.

A record is told at the first sight in a worker's life, when its template is found to be
older than was known, and else every `tell_ms` in which it is seen; in an orderly end what
is left is told, too. It goes out with the documents of the raw record that made it due, and
so before that is acknowledged: no template is first seen and forgotten. What a crash takes
are counts of the last moments.

A raw record that is read again is counted once: each figure knows up to which offset it
was counted. The table is as large as it may be, and no larger. When it is full the template
not seen for longest is told and forgotten; seen again, it goes on in a part of its own. So
that a log whose every line has words of its own makes no record a line, only so many
are opened in an hour; those beyond are counted, and opened when they come again later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from tailrace.errors import WireError
from tailrace.template_records import DATASETS_MAX, TemplateRecord
from tailrace.wire import decode
from tailrace_stream.templates.sightings import Sighting

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLimits:
    """How much one partition may take."""

    templates_max: int = 5_000
    """Some 3 MB of ordinary texts, and 20 of the longest."""
    opened_per_hour_max: int = 2_000
    tell_ms: int = 30_000


@dataclass(slots=True)
class _Entry:
    record: TemplateRecord
    told_at_ms: int | None = None
    """None where this worker has not told it."""
    is_told: bool = True
    """Whether what was told last is all that is known."""


class TemplateTable:
    """The templates of one partition; records are to be seen in their order."""

    def __init__(
        self,
        known: Iterable[bytes] = (),
        *,
        raw_topic_id: str,
        partition: int,
        limits: TableLimits | None = None,
    ) -> None:
        """Begin with the newest records that were told before, in the order of telling.

        One that cannot be read, or is of a former raw topic, is left as it is: its
        template goes on in another part.
        """
        self._raw_topic_id = raw_topic_id
        self._partition = partition
        self._limits = limits or TableLimits()
        self._entries: dict[str, _Entry] = {}
        self._hour = 0
        self._opened_count = 0
        for value in known:
            self._remember(value)

    def __len__(self) -> int:
        """Return how many templates are known."""
        return len(self._entries)

    def see(
        self, sightings: Sequence[Sighting], *, offset: int, dataset: str, now_ms: int
    ) -> tuple[list[TemplateRecord], int]:
        """Take the raw record at `offset` into account.

        Return the records that are to be told with it, and of how many templates nothing
        is told, as too many were opened in this hour.
        """
        due: list[TemplateRecord] = []
        passed_over_count = 0
        for sighting in sightings:
            entry = self._entries.pop(sighting.template_id, None)
            if entry is not None:
                before = entry.record
                entry.record = _grown(before, sighting, offset=offset, dataset=dataset)
                entry.is_told = entry.is_told and entry.record == before
                is_due = _is_due(
                    entry, before=before, now_ms=now_ms, tell_ms=self._limits.tell_ms
                )
            elif self._may_open(now_ms):
                entry = _Entry(self._opened(sighting, offset=offset, dataset=dataset))
                is_due = True
            else:
                passed_over_count += 1
                continue
            # Behind all others: it is the one seen last.
            self._entries[sighting.template_id] = entry
            if is_due:
                entry.told_at_ms, entry.is_told = now_ms, True
                due.append(entry.record)
        return due + self._forget(), passed_over_count

    def untold(self) -> list[TemplateRecord]:
        """Return all of which more is known than was told, as told from now on."""
        entries = [entry for entry in self._entries.values() if not entry.is_told]
        for entry in entries:
            entry.is_told = True
        return [entry.record for entry in entries]

    def _remember(self, value: bytes) -> None:
        try:
            record = decode(value, as_type=TemplateRecord)
        except WireError:
            return
        if record.raw_topic_id != self._raw_topic_id:
            return
        known = self._entries.pop(record.template_id, None)
        # Of several parts the newest goes on.
        if known is not None and known.record.part > record.part:
            record = known.record
        self._entries[record.template_id] = _Entry(record)
        self._forget()

    def _forget(self) -> list[TemplateRecord]:
        """Forget those not seen for longest; return what was not told of them."""
        untold: list[TemplateRecord] = []
        while len(self._entries) > self._limits.templates_max:
            entry = self._entries.pop(next(iter(self._entries)))
            if not entry.is_told:
                untold.append(entry.record)
        return untold

    def _may_open(self, now_ms: int) -> bool:
        hour = now_ms // HOUR_MS
        if hour != self._hour:
            self._hour, self._opened_count = hour, 0
        self._opened_count += 1
        return self._opened_count <= self._limits.opened_per_hour_max

    def _opened(
        self, sighting: Sighting, *, offset: int, dataset: str
    ) -> TemplateRecord:
        return TemplateRecord(
            template_id=sighting.template_id,
            text=sighting.text,
            partition=self._partition,
            part=offset,
            raw_topic_id=self._raw_topic_id,
            raw_next_offset=offset + 1,
            revision=offset + 1,
            count=sighting.new_count,
            first_seen_ms=sighting.first_ms,
            last_seen_ms=sighting.last_ms,
            datasets=(dataset,),
        )


def _grown(
    before: TemplateRecord, sighting: Sighting, *, offset: int, dataset: str
) -> TemplateRecord:
    """Return a record with a raw record counted that may have been counted before."""
    is_new = offset >= before.raw_next_offset
    next_offset = max(offset + 1, before.raw_next_offset)
    return msgspec.structs.replace(
        before,
        raw_next_offset=next_offset,
        # Who has read farther knows more, also where two hold the partition for one.
        revision=next_offset,
        count=before.count + (sighting.new_count if is_new else 0),
        first_seen_ms=min(before.first_seen_ms, sighting.first_ms),
        last_seen_ms=max(before.last_seen_ms, sighting.last_ms),
        datasets=_with(before.datasets, dataset),
    )


def _with(datasets: tuple[str, ...], dataset: str) -> tuple[str, ...]:
    if dataset in datasets or len(datasets) >= DATASETS_MAX:
        return datasets
    return (*datasets, dataset)


def _is_due(
    entry: _Entry, *, before: TemplateRecord, now_ms: int, tell_ms: int
) -> bool:
    if entry.is_told:
        return False
    return (
        entry.told_at_ms is None
        # A clock that was put back must not keep anything untold.
        or not 0 <= now_ms - entry.told_at_ms < tell_ms
        or entry.record.first_seen_ms < before.first_seen_ms
        or entry.record.datasets != before.datasets
    )
