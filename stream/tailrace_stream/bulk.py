"""How documents become bulk lines, and bulk lines the records that hold them.

Of each event there are three pieces of text: the action line, the document up to its last
field, and the ending with its digest. They are joined once, as bytes, when it is known
which record they go into; joining them as columns first would copy every document twice
more than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import crc32c
import numpy as np
import numpy.typing as npt
import polars as pl

from tailrace.digest import DIGEST_FIELD

_BRACE = ord("}")
_ALL_BITS = np.uint32(0xFFFF_FFFF)


@dataclass(frozen=True, slots=True)
class BulkLines:
    """The two bulk lines of each event in pieces, lists of equal length.

    An event without a document has three empty pieces.
    """

    actions: list[bytes]
    documents: list[bytes]
    r"""Without the closing brace."""
    endings: list[bytes]
    sizes: npt.NDArray[np.int64]
    """Bytes of all three pieces together."""

    def body(self, start: int, stop: int) -> bytes:
        """Return the bulk lines of the events from `start` up to `stop`."""
        rows = slice(start, stop)
        return b"".join(
            chain.from_iterable(
                zip(
                    self.actions[rows],
                    self.documents[rows],
                    self.endings[rows],
                    strict=True,
                )
            )
        )

    def without(self, rows: list[int]) -> BulkLines:
        """Return the same with nothing in place of some events' documents."""
        if not rows:
            return self
        sizes = self.sizes.copy()
        sizes[rows] = 0
        dead = set(rows)

        def kept(pieces: list[bytes]) -> list[bytes]:
            return [b"" if n in dead else piece for n, piece in enumerate(pieces)]

        return BulkLines(
            kept(self.actions), kept(self.documents), kept(self.endings), sizes
        )


NO_LINE = BulkLines([b""], [b""], [b""], np.zeros(1, np.int64))
"""What one event without a document has."""


def bulk_lines(
    *, indices: pl.Series, ids: pl.Series, open_bodies: pl.Series
) -> BulkLines:
    """Return the bulk lines of documents whose closing brace is left off."""
    documents = _as_bytes(open_bodies)
    checksums = np.fromiter(map(crc32c.crc32c, documents), np.uint32, len(documents))
    frame = pl.DataFrame(
        [
            indices.alias("index"),
            ids.alias("id"),
            pl.Series("digest", _with_brace(checksums)),
        ]
    )
    lines = frame.select(
        pl.concat_str(
            pl.lit('{"create":{"_index":"'),
            pl.col("index"),
            pl.lit('","_id":"'),
            pl.col("id"),
            pl.lit('"}}\n'),
        ).alias("action"),
        pl.concat_str(
            pl.lit(f',"{DIGEST_FIELD}":'), pl.col("digest"), pl.lit("}\n")
        ).alias("ending"),
    )
    actions, endings = lines.get_columns()
    sizes = sum(
        column.str.len_bytes().cast(pl.Int64).to_numpy()
        for column in (actions, open_bodies, endings)
    )
    assert isinstance(sizes, np.ndarray)
    return BulkLines(_as_bytes(actions), documents, _as_bytes(endings), sizes)


def joined(parts: list[BulkLines]) -> BulkLines:
    """Return the lines of several parts one after the other."""
    if len(parts) == 1:
        return parts[0]
    return BulkLines(
        [piece for part in parts for piece in part.actions],
        [piece for part in parts for piece in part.documents],
        [piece for part in parts for piece in part.endings],
        np.concatenate([part.sizes for part in parts]),
    )


def _as_bytes(texts: pl.Series) -> list[bytes]:
    return texts.cast(pl.Binary).to_list()


def _with_brace(checksums: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return the CRC-32C of each text with `}` behind it, from that of the text.

    One step of the checksum's own loop, for a whole column: a second call a document
    would cost as much as the first.
    """
    register = checksums ^ _ALL_BITS
    stepped = _TABLE[(register ^ np.uint32(_BRACE)) & np.uint32(0xFF)]
    return stepped ^ (register >> np.uint32(8)) ^ _ALL_BITS


def _table() -> npt.NDArray[np.uint32]:
    """Return what each low byte of the register adds (RFC 3720, bits reflected)."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        odd = (table & np.uint32(1)).astype(np.bool_)
        table = np.where(
            odd, (table >> np.uint32(1)) ^ np.uint32(0x82F63B78), table >> 1
        )
    return table.astype(np.uint32)


_TABLE = _table()
