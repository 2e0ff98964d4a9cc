"""How the bulk lines of a chunk are cut into records, none larger than one may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tailrace.wire import Origin
from tailrace_stream.bulk import BulkLines
from tailrace_stream.events import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPiece:
    """Bulk lines of consecutive events, no larger than one record may be."""

    body: bytes
    document_count: int
    event_count: int
    """With the dead ones among them."""
    first_event: int
    """Position in the chunk of its first event."""
    first_offset: int

    @classmethod
    def without_events(cls, origin: Origin) -> BulkPiece:
        """Return what stands for a chunk that holds no event at all."""
        return cls(
            body=b"",
            document_count=0,
            event_count=0,
            first_event=0,
            first_offset=origin.first_offset,
        )


def pieces_of(lines: BulkLines, *, events: Events, bytes_max: int) -> list[BulkPiece]:
    """Cut the lines into records, each as full as it may be.

    Every event lies in exactly one, also where it has no line. So where no event has one,
    a single record without documents stands for them all.
    """
    ends = np.cumsum(lines.sizes)
    pieces: list[BulkPiece] = []
    start, start_bytes = 0, 0
    while start < len(events):
        stop = int(np.searchsorted(ends, start_bytes + bytes_max, side="right"))
        pieces.append(
            BulkPiece(
                body=lines.body(start, stop),
                document_count=int(np.count_nonzero(lines.sizes[start:stop])),
                event_count=stop - start,
                first_event=start,
                first_offset=int(events.offsets[start]),
            )
        )
        start_bytes = int(ends[stop - 1])
        start = stop
    return pieces
