"""What is sent of events that are no longer dead: records of `tailrace.docs`, as a retry's.

Pure. Unlike what a letter holds, the document is made anew; index and `_id` are those that
its event always has, so that it is stored once however often it is sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.dead.letters import Letter
from tailrace.dead.plan import Resend
from tailrace.replay.made import MadeDocument, Remade
from tailrace.wire import DocumentsOrigin, encode


def resends_of(
    undead: Sequence[tuple[Remade, MadeDocument, Sequence[Letter]]],
) -> list[Resend]:
    """Return one for each letter; letters of one event share its document."""
    return [
        Resend(
            dead_id=letter.dead_id,
            index=made.index,
            document_id=made.document_id,
            partition=remade.partition,
            key=remade.generation.encode(),
            value=bulk_lines(made.index, made),
            header=encode(_origin(remade, made)),
        )
        for remade, made, letters in undead
        for letter in letters
    ]


def bulk_lines(index: str, made: MadeDocument) -> bytes:
    """Return the two bulk lines that create a document in an index."""
    return b'{"create":{"_index":"%b","_id":"%b"}}\n%b\n' % (
        index.encode(),
        made.document_id.encode(),
        made.source,
    )


def _origin(remade: Remade, made: MadeDocument) -> DocumentsOrigin:
    return DocumentsOrigin(
        agent_id=remade.agent_id,
        host_name=remade.host_name,
        path=remade.path,
        generation=remade.generation,
        first_offset=made.offset,
        # How long its event is nobody asks of a repeat.
        next_offset=made.offset,
        first_event_number=made.number,
        event_count=1,
        document_count=1,
        observed_at_ms=remade.observed_at_ms,
        raw_partition=remade.partition,
        raw_offset=remade.offset,
        is_repeat=True,
    )
