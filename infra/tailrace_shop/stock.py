"""What is left of each item, where every order counts once, however often it comes.

The order's id and what it takes are one transaction: an order that comes again, after a
crash or because a customer was impatient, finds its id and changes nothing. What would take
more than is left takes nothing.
"""

from __future__ import annotations

import sqlite3
import threading
from enum import StrEnum
from pathlib import Path

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """So many of one item, for a customer; the same id is the same order."""

    order_id: str
    item: str
    quantity: int
    trace_id: str


class Outcome(StrEnum):
    """What became of an order."""

    TAKEN = "taken"
    DUPLICATE = "duplicate"
    SOLD_OUT = "sold_out"


class Stock:
    """One service's shelf, in a file of its own; any thread may ask."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(
            path, check_same_thread=False, isolation_level=None
        )
        self._database.executescript(
            """
            PRAGMA journal_mode = WAL;
            CREATE TABLE IF NOT EXISTS shelf (item TEXT PRIMARY KEY, left_count INTEGER);
            CREATE TABLE IF NOT EXISTS taken (
                order_id TEXT PRIMARY KEY, item TEXT, quantity INTEGER
            ) WITHOUT ROWID;
            CREATE INDEX IF NOT EXISTS taken_by_item ON taken (item);
            """
        )

    def put(self, item: str, count: int) -> bool:
        """Put so many of an item on the shelf; return False if it was ever there before."""
        with self._lock:
            put = self._database.execute(
                "INSERT OR IGNORE INTO shelf VALUES (?, ?)", (item, count)
            )
            return bool(put.rowcount)

    def take(self, order: Order) -> Outcome:
        """Count an order, once."""
        with self._lock, self._database:
            self._database.execute("BEGIN IMMEDIATE")
            is_new = self._database.execute(
                "INSERT OR IGNORE INTO taken VALUES (?, ?, ?)",
                (order.order_id, order.item, order.quantity),
            ).rowcount
            if not is_new:
                return Outcome.DUPLICATE
            is_there = self._database.execute(
                "UPDATE shelf SET left_count = left_count - ?1"
                " WHERE item = ?2 AND left_count >= ?1",
                (order.quantity, order.item),
            ).rowcount
            if not is_there:
                # Kept, and as taking nothing: it gets the same answer when it comes again.
                self._database.execute(
                    "UPDATE taken SET quantity = 0 WHERE order_id = ?",
                    (order.order_id,),
                )
                return Outcome.SOLD_OUT
            return Outcome.TAKEN

    def left(self, item: str) -> int | None:
        """Return how many of an item are left; None where it was never there."""
        return self._ask("SELECT left_count FROM shelf WHERE item = ?", item)

    def taken(self, item: str) -> int:
        """Return how many of an item were taken."""
        return self._ask("SELECT SUM(quantity) FROM taken WHERE item = ?", item) or 0

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _ask(self, query: str, item: str) -> int | None:
        with self._lock:
            row = self._database.execute(query, (item,)).fetchone()
        return None if row is None else row[0]
