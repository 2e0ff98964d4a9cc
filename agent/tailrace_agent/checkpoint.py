"""Where each generation's safe position survives this process: one SQLite file.

Its journal is a write-ahead log with `synchronous=FULL`: a commit returns after the log
is on the disk, so it stands for the write, fsync, rename and fsync of the folder of a
checkpoint in a plain file. Kill points, accordingly: A3 before the transaction (in
`Delivery.commit`), A4 with the rows written and not committed, A5 with the commit on the
disk, A6 when this process knows of it. Every row carries a checksum of its own, and a
previous copy stands beside the file, should the disk ever lie.

A full disk takes no rows, and shipping goes on. So that the next life does not trust what
is older than what was shipped, an empty file beside the database says that it holds every
generation that was begun: to take that word back is to remove the file, which needs no
room.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from crc32c import crc32c

from tailrace.clock import Clock
from tailrace.errors import WireError
from tailrace.kill_points import reach
from tailrace.whole_files import PRIVATE, replace_file, sync
from tailrace.wire import AgentLedger, decode, encode
from tailrace_agent.protocols import CheckpointUnwritable

FILE_NAME = "checkpoint.sqlite"
PREVIOUS_NAME = "checkpoint.previous.sqlite"
COMPLETE_NAME = "checkpoint.is-complete"
_WRITE_VERSION_AT = 18
_WRITE_VERSIONS = (1, 2)
"""What the head of a database may say there; by any other SQLite reads it and writes no more."""
SHARED_MEMORY_ROOM_BYTES = 1 << 20
"""With less room on the disk SQLite is to do without its file of shared memory: to make
it fails there, and on blocks smaller than a page the kernel kills who touches it."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS generations (
    generation TEXT PRIMARY KEY, record BLOB NOT NULL, checksum INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Condition(Enum):
    """What was found of an earlier life."""

    INTACT = "the checkpoint is whole"
    BEHIND = "the checkpoint is whole, and the disk had no room for what came later"
    MISSING = "there is none"
    DAMAGED = "it was there and cannot be trusted; a previous copy may stand in"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the checkpoint holds when the agent starts."""

    condition: Condition
    records: tuple[AgentLedger, ...]
    sources_seen: frozenset[str]
    detail: str = ""


class _Damaged(Exception):
    """A checkpoint file does not hold what was written to it."""


class Checkpoint:
    """The store of `Delivery`; one thread uses it, and the folder's lock is held."""

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self._path = folder / FILE_NAME
        self._previous_path = folder / PREVIOUS_NAME
        self._complete_path = folder / COMPLETE_NAME
        self._is_trusted = False
        """Whether all that was known at the start is in it."""
        self._clock = clock
        self._database: sqlite3.Connection | None = None

    def load(self) -> Loaded:
        """Open the checkpoint, and return what it holds; never refuse.

        A damaged file is set aside under a name of its own, and the previous copy
        answers, where there is one. The file is complete, and trusted by the next
        `load`, once `note_sources` has followed `save`, and until `admit_gap`.
        """
        condition, detail, found = Condition.INTACT, "", None
        try:
            found = _read(self._path)
            if not found[1]:
                # Sources are noted last: that start ended before all was restored.
                condition, found = Condition.MISSING, None
            elif not self._complete_path.exists():
                condition = Condition.BEHIND
        except FileNotFoundError:
            condition = Condition.MISSING
        except (_Damaged, sqlite3.Error, OSError) as error:
            condition, detail = Condition.DAMAGED, str(error)
            self.set_aside()
        if found is None:
            try:
                found = _read(self._previous_path)
            except (FileNotFoundError, _Damaged, sqlite3.Error, OSError):
                found = ((), frozenset[str]())
        records, sources_seen = found
        return Loaded(condition, records, sources_seen, detail)

    def save(self, records: Sequence[AgentLedger]) -> None:
        """Replace the records of these generations, all or none; durable on return.

        Raises:
            CheckpointUnwritable: the disk does not take it.
        """
        rows = [(r.generation, raw := encode(r), crc32c(raw)) for r in records]
        self._write("INSERT OR REPLACE INTO generations VALUES (?, ?, ?)", rows)

    def remove(self, generations: Sequence[str]) -> None:
        """Forget generations that can never be met again.

        Raises:
            CheckpointUnwritable: the disk does not take it.
        """
        rows = [(generation,) for generation in generations]
        self._write("DELETE FROM generations WHERE generation = ?", rows)

    def note_sources(self, names: Sequence[str]) -> None:
        """Remember that these sources are no longer seen for the first time.

        All that was known at the start is saved by now, so the file is complete.

        Raises:
            CheckpointUnwritable: the disk does not take it.
        """
        self._write("INSERT OR IGNORE INTO sources VALUES (?)", [(n,) for n in names])
        self._is_trusted = True
        self.close_gap()

    def admit_gap(self) -> None:
        """Let the next `load` say that the file is behind; durable on return.

        Raises:
            CheckpointUnwritable: the disk does not take even that.
        """
        try:
            self._complete_path.unlink(missing_ok=True)
            sync(self._complete_path.parent)
        except OSError as error:
            raise self._unwritable(error) from error

    def close_gap(self) -> None:
        """Let the next `load` trust the file again, where this life began with all.

        Raises:
            CheckpointUnwritable: the disk does not take it.
        """
        if not self._is_trusted or self._complete_path.exists():
            return
        try:
            replace_file(self._complete_path, b"", mode=PRIVATE, is_durable=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def keep_copy(self) -> None:
        """Put a copy of all that is committed beside the file, durable and whole.

        Raises:
            CheckpointUnwritable: the disk does not take it.
        """
        database = self._opened()
        temporary = self._previous_path.with_suffix(".tmp")
        try:
            temporary.unlink(missing_ok=True)
            database.execute("VACUUM INTO ?", (str(temporary),))
            temporary.chmod(PRIVATE)
            sync(temporary)
            temporary.replace(self._previous_path)
            sync(self._previous_path.parent)
        except (sqlite3.Error, OSError) as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Close the file; everything committed is in it."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _opened(self) -> sqlite3.Connection:
        if self._database is not None:
            return self._database
        try:
            # What the database makes beside itself has the mode that it has then.
            self._path.touch(mode=PRIVATE)
            self._path.chmod(PRIVATE)
            database = _connected(self._path)
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            database.executescript(_SCHEMA)
            sync(self._path.parent)
        except (sqlite3.Error, OSError) as error:
            raise self._unwritable(error) from error
        self._database = database
        return database

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if not rows:
            return
        database = self._opened()
        try:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(statement, rows)
            reach("A4")
            database.execute("COMMIT")
            reach("A5")
        except (sqlite3.Error, OSError) as error:
            with contextlib.suppress(sqlite3.Error):
                if database.in_transaction:
                    database.execute("ROLLBACK")
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> CheckpointUnwritable:
        return CheckpointUnwritable(
            f"The checkpoint {self._path} cannot be written: {error}",
            remedy="make room on that disk, or let it be written again; shipping goes"
            " on, and it is tried again",
        )

    def set_aside(self) -> None:
        """Give the file, and its journal, names that no start looks for."""
        self._complete_path.unlink(missing_ok=True)
        stamp = self._clock.now_ms()
        for suffix in ("", "-wal", "-shm"):
            path = self._path.with_name(self._path.name + suffix)
            if path.exists():
                path.rename(path.with_name(f"{path.name}.damaged-{stamp}"))


def head_problem(path: Path) -> str:
    """Return what the first bytes of a checkpoint say against it; "" for nothing.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_WRITE_VERSION_AT + 1)
    if not head:
        return "the file is empty"
    is_writable = head[-1] in _WRITE_VERSIONS
    return "" if is_writable else "its head lets nothing be written to it any more"


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=5)
    if shutil.disk_usage(path.parent).free < SHARED_MEMORY_ROOM_BYTES:
        # What one connection alone may use is indexed in its own memory.
        database.execute("PRAGMA locking_mode=EXCLUSIVE")
    return database


def _read(path: Path) -> tuple[tuple[AgentLedger, ...], frozenset[str]]:
    """Read a whole checkpoint, believing nothing."""
    if problem := head_problem(path):
        raise _Damaged(problem)
    database = _connected(path)
    try:
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _Damaged(f"SQLite finds: {verdict}")
        # By their names, as they are written: one that is altered would take no row.
        rows = database.execute("SELECT generation, record, checksum FROM generations")
        records: list[AgentLedger] = []
        for generation, raw, checksum in rows.fetchall():
            if crc32c(raw) != checksum:
                raise _Damaged("a record does not match its checksum")
            records.append(record := decode(raw, as_type=AgentLedger))
            if record.generation != generation:
                # Its next word would be another row, and this one never be replaced.
                raise _Damaged("a record stands under the name of another one")
        names = database.execute("SELECT name FROM sources").fetchall()
    except (TypeError, ValueError, WireError) as error:
        raise _Damaged(str(error)) from error
    finally:
        database.close()
    return tuple(records), frozenset(str(name) for (name,) in names)
