"""What the checkpoint holds, looked at without trust; and what of a damaged one is saved.

The agent needs none of this to start: it sets a damaged checkpoint aside by itself and
asks previous copy and ledger. This is for the person who wants to know, and for a folder
whose ledger is gone as well.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from crc32c import crc32c

from tailrace.clock import Clock
from tailrace.errors import WireError
from tailrace.wire import AgentLedger, decode
from tailrace_agent.checkpoint import (
    COMPLETE_NAME,
    FILE_NAME,
    PREVIOUS_NAME,
    Checkpoint,
    Condition,
    head_problem,
)

_BOTH_WAYS = ("ASC", "DESC")


@dataclass(frozen=True, slots=True)
class Inspected:
    """One file of the checkpoint; each of its records was checked by itself."""

    path: Path
    condition: Condition
    detail: str
    """Why it is not whole; empty where it is."""
    records: tuple[AgentLedger, ...]
    """Those that match their checksum."""
    damaged_count: int
    """Records that were read and do not, or that stand under another one's name."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did."""

    saved: tuple[AgentLedger, ...]
    """What the next start will know, beside what the ledger tells it."""
    is_set_aside: bool


def inspect(folder: Path) -> tuple[Inspected, Inspected]:
    """Return what the checkpoint and its previous copy hold; nothing is changed.

    Also while an agent runs: SQLite shows what was committed last.
    """
    current = _inspected(folder / FILE_NAME)
    if current.condition is Condition.INTACT and not (folder / COMPLETE_NAME).exists():
        detail = "the disk had no room; the next start asks the ledger, too"
        current = replace(current, condition=Condition.BEHIND, detail=detail)
    return current, _inspected(folder / PREVIOUS_NAME)


def repair(folder: Path, *, clock: Clock) -> Repaired:
    """Save every whole record of both files, and set a damaged checkpoint aside.

    What is saved becomes the previous copy. The next start finds no checkpoint, so it
    takes the ledger's word as well, and of both the farther one. The caller holds the
    folder's lock. A checkpoint that is whole is left as it is.

    Raises:
        CheckpointUnwritable: the disk does not take it; nothing was set aside then.
        OSError: likewise.
    """
    current, previous = inspect(folder)
    if current.condition is not Condition.DAMAGED:
        return Repaired(current.records, is_set_aside=False)
    saved = tuple(farthest((*previous.records, *current.records)))
    temporary = folder / "repairing"
    temporary.mkdir(mode=0o700, exist_ok=True)
    rescued = Checkpoint(temporary, clock=clock)
    rescued.save(saved)
    rescued.keep_copy()
    rescued.close()
    (temporary / PREVIOUS_NAME).replace(folder / PREVIOUS_NAME)
    for left in temporary.iterdir():
        left.unlink()
    temporary.rmdir()
    Checkpoint(folder, clock=clock).set_aside()
    return Repaired(saved, is_set_aside=True)


def farthest(records: Iterable[AgentLedger]) -> Iterable[AgentLedger]:
    """Return one record a generation: the one that came farthest.

    Each was true when it was written, and a position only ever grows.
    """
    best: dict[str, AgentLedger] = {}
    for record in records:
        other = best.get(record.generation)
        if other is None or _progress(record) > _progress(other):
            best[record.generation] = record
    return best.values()


def _progress(record: AgentLedger) -> tuple[int, int]:
    return record.next_offset, record.revision


def _inspected(path: Path) -> Inspected:
    if not path.exists():
        return Inspected(path, Condition.MISSING, "", (), 0)
    records: dict[str, AgentLedger] = {}
    damaged: set[bytes] = set()
    problem = head_problem(path)
    try:
        # The data folder may have been named relative to this one; a URI cannot be.
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as database:
            # From both ends, since a damaged page ends the reading.
            for way in _BOTH_WAYS:
                # Where a column is too many, all are damaged.
                with suppress(sqlite3.DatabaseError, ValueError):
                    _take(database, way=way, records=records, damaged=damaged)
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                problem = problem or f"SQLite finds: {verdict}"
            database.execute(
                "SELECT count(generation), count(record), count(checksum)"
                " FROM generations"
            ).fetchone()
    except sqlite3.Error as error:
        problem = problem or str(error)
    if damaged:
        problem = (
            problem or f"{len(damaged)} records do not match their checksums or names"
        )
    condition = Condition.DAMAGED if problem else Condition.INTACT
    return Inspected(path, condition, problem, tuple(records.values()), len(damaged))


def _take(
    database: sqlite3.Connection,
    *,
    way: str,
    records: dict[str, AgentLedger],
    damaged: set[bytes],
) -> None:
    assert way in _BOTH_WAYS
    # By their places: a column's own name may be what is damaged.
    rows = database.execute(
        f"SELECT * FROM generations ORDER BY 1 {way}"  # noqa: S608 - one of two words
    )
    for generation, raw, checksum in rows:
        if not isinstance(raw, bytes) or crc32c(raw) != checksum:
            damaged.add(bytes(str(raw), "utf-8") if not isinstance(raw, bytes) else raw)
            continue
        try:
            record = decode(raw, as_type=AgentLedger)
        except WireError:
            damaged.add(raw)
            continue
        if record.generation != generation:
            damaged.add(raw)  # Whole, and under a name where nothing replaces it.
        known = records.get(record.generation, record)
        records[record.generation] = max(known, record, key=_progress)
