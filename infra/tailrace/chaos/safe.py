"""Which files are safe whole: in the checkpoint that a restart reads, and in the ledger."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tailrace.chaos.ledger_watch import LedgerWatch
from tailrace.chaos.writer import Life
from tailrace.clock import Clock
from tailrace.errors import WireError
from tailrace.wire import AgentLedger, decode

_LOOK_MS = 300


@dataclass(slots=True)
class SafeOffsets:
    """Asked by the writer before it truncates or deletes what cannot be read again."""

    checkpoints: Sequence[Path]
    """The first is of the agent that reads every file."""
    ledger: LedgerWatch
    readers: Callable[[str], int]
    clock: Clock
    _looked_at_ms: int = -_LOOK_MS
    _kept: dict[int, list[AgentLedger]] = field(
        default_factory=dict[int, list[AgentLedger]]
    )
    _told: dict[int, list[AgentLedger]] = field(
        default_factory=dict[int, list[AgentLedger]]
    )

    def is_safe(self, life: Life) -> bool:
        """Tell whether every byte is acknowledged, and known to be in both places."""
        self._look()
        wanted = self.readers(str(life.path))
        return all(
            sum(r.next_offset == life.size_bytes for r in told.get(life.inode, ()))
            >= wanted
            for told in (self._kept, self._told)
        )

    def is_known(self, life: Life) -> bool:
        """Tell whether each reader has begun it, so that a restart looks for it."""
        self._look()
        path, wanted = str(life.path), self.readers(str(life.path))
        return all(
            # An inode is used again: the record must speak of this life of it.
            sum(
                r.path == path and not r.is_closed and r.next_offset <= life.size_bytes
                for r in told.get(life.inode, ())
            )
            >= wanted
            for told in (self._kept, self._told)
        )

    def _look(self) -> None:
        now_ms = self.clock.monotonic_ms()
        if now_ms - self._looked_at_ms < _LOOK_MS:
            return
        self._looked_at_ms = now_ms
        records = [r for path in self.checkpoints for r in _read(path)]
        self._kept = _by_inode(records)
        self._told = _by_inode(self.ledger.agent_records())


def acknowledged_offsets(checkpoint: Path) -> dict[str, int]:
    """Return up to where each generation of an agent is acknowledged, as it says."""
    return {record.generation: record.next_offset for record in _read(checkpoint)}


def _read(checkpoint: Path) -> list[AgentLedger]:
    """Read it beside its agent, changing nothing; what cannot be read is not safe."""
    with contextlib.suppress(sqlite3.Error, WireError):
        source = f"file:{checkpoint}?mode=ro"
        with contextlib.closing(sqlite3.connect(source, uri=True)) as database:
            rows = database.execute("SELECT record FROM generations").fetchall()
        return [decode(raw, as_type=AgentLedger) for (raw,) in rows]
    return []


def _by_inode(records: Sequence[AgentLedger]) -> dict[int, list[AgentLedger]]:
    """Return each host's youngest life of each inode: last born, last truncated."""
    newest: dict[tuple[str, int], AgentLedger] = {}
    for record in records:
        place = (record.host_id, record.identity.inode)
        known = newest.get(place)
        if known is None or _age(record) >= _age(known):
            newest[place] = record
    found: dict[int, list[AgentLedger]] = {}
    for (_host_id, inode), record in newest.items():
        found.setdefault(inode, []).append(record)
    return found


def _age(record: AgentLedger) -> tuple[int, int]:
    return record.identity.born_at_ns, record.identity.truncation_count
