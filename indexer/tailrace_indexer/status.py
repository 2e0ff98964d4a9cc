"""What the indexer tells of itself on this machine: a small file, replaced as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tailrace.clock import Clock
from tailrace.role_status import FILE_NAME, REWRITE_MS
from tailrace.whole_files import READABLE, replace_file
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.delivery import Delivery

WRITE_MS = 2_000


class DiskStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the event indices take, as the elected leader last saw it."""

    is_leader: bool = False
    used_bytes: int = 0
    quota_bytes: int = 0
    """0 while it is not known, or where there is none."""
    expired_indices: tuple[str, ...] = ()
    """The last ones that were deleted, the newest last."""
    alarming_nodes: dict[str, tuple[str, str]] = {}
    """By node whose disk is beyond the high watermark, its stage and a sentence."""
    low_nodes: tuple[str, ...] = ()
    """A sentence for each node that is only beyond the low one."""


class IndexerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Figures since the start, and the state now."""

    pid: int
    updated_at_ms: int
    stored: int
    already_there: int
    retried: int
    dead: int
    refused: int
    missed_records: int
    bulks: int
    open_documents: int
    held_bytes: int
    held_indices: dict[str, str]
    """By index, why it takes nothing; not one that is just being made."""
    problems: list[str]
    """Every alarm that is on: what it is about, and why."""
    committed: dict[str, dict[str, int]]
    """By topic and partition, what is read next after a restart."""
    disk: DiskStatus


class StatusFile:
    """Writes the status when it has changed, at most every two seconds.

    Without news it is written anew now and then, as its age tells whether it can be.
    """

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self._path = folder / FILE_NAME
        self._clock = clock
        self._next_ms = self._rewrite_ms = 0
        self._written: IndexerStatus | None = None

    def write(self, delivery: Delivery, *, alarms: Alarms, disk: DiskStatus) -> None:
        """Write if it is time, and something changed or the file is old.

        A folder that cannot be written never stops the indexer: the file is for eyes.
        """
        now_ms = self._clock.monotonic_ms()
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + WRITE_MS
        status = status_of(
            delivery,
            alarms=alarms,
            disk=disk,
            updated_at_ms=self._clock.now_ms(),
            monotonic_ms=now_ms,
        )
        is_news = self._written is None or status != msgspec.structs.replace(
            self._written, updated_at_ms=status.updated_at_ms
        )
        if not is_news and now_ms < self._rewrite_ms:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(
                self._path,
                msgspec.json.encode(status),
                mode=READABLE,
                is_durable=False,
            )
        except OSError:
            return
        self._written = status
        self._rewrite_ms = now_ms + REWRITE_MS


def status_of(
    delivery: Delivery,
    *,
    alarms: Alarms,
    disk: DiskStatus,
    updated_at_ms: int,
    monotonic_ms: int,
) -> IndexerStatus:
    """Return the state now, by both of the clock's times."""
    figures = delivery.figures
    committed: dict[str, dict[str, int]] = {}
    for partition, offset in sorted(delivery.offsets.committed_offsets().items()):
        committed.setdefault(partition.topic, {})[str(partition.number)] = offset
    return IndexerStatus(
        pid=os.getpid(),
        updated_at_ms=updated_at_ms,
        stored=figures.stored,
        already_there=figures.already_there,
        retried=figures.retried,
        dead=figures.dead,
        refused=figures.refused,
        missed_records=figures.missed_records,
        bulks=figures.bulks,
        open_documents=delivery.offsets.open_count(),
        held_bytes=delivery.holds.size_bytes,
        held_indices={
            hold.index: f"{hold.verdict.reason.value}: {hold.verdict.detail}"[:500]
            for hold in delivery.holds.held
            if hold.is_trouble(now_ms=monotonic_ms)
        },
        problems=[f"{subject}: {why}" for subject, why in sorted(alarms.on.items())],
        committed=committed,
        disk=disk,
    )
