"""What a retry sends: for each letter a record of `tailrace.docs`, or why there is none.

Pure. A record holds one document under the action line of its first time, so that index
and `_id` are what they were: stored twice is impossible, and one that is refused again has
its old dead letter. Its header says that it is a repeat, of which no ledger is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from tailrace.dead.fixes import Fix, FixFailed, mended, object_bytes
from tailrace.dead.letters import (
    FailedDocument,
    Fields,
    Letter,
    read_document,
    text_of,
)
from tailrace.digest import DIGEST_FIELD, with_digest
from tailrace.topics import DOCS, PARTITIONS, partition_of
from tailrace.wire import DocumentsOrigin, encode

FIX_FIELD: Final = "tailrace.fix"
"""In a document that was mended: how, so that nobody takes it for what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """One document on its way again."""

    dead_id: str
    index: str
    document_id: str
    partition: int
    key: bytes | None
    value: bytes
    header: bytes
    fix: str = ""
    """How it was mended, "" where it was not."""


FixOf = Callable[[Letter], Fix | None]
"""How a letter's document is mended; None where it is sent as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """A letter from which nothing can be sent again."""

    dead_id: str
    why: str


@dataclass(slots=True)
class Plan:
    """What is to be sent of some letters."""

    resends: list[Resend] = field(default_factory=list[Resend])
    unfit: list[Unfit] = field(default_factory=list[Unfit])


def plan(letters: Iterable[Letter], *, fix_of: FixOf, namespace: str) -> Plan:
    """Return what is sent of letters."""
    made = Plan()
    for letter in letters:
        planned = planned_of(letter, fix=fix_of(letter), namespace=namespace)
        if isinstance(planned, Unfit):
            made.unfit.append(planned)
        else:
            made.resends.append(planned)
    return made


def planned_of(letter: Letter, *, fix: Fix | None, namespace: str) -> Resend | Unfit:
    """Return what is sent of one letter, or why nothing is."""
    document = read_document(letter.original)
    why = why_unfit(letter, document, namespace=namespace)
    if why or document is None:
        return Unfit(dead_id=letter.dead_id, why=why)
    body = letter.original
    if fix is not None:
        try:
            after = mended_document(document, fix)
        except FixFailed as error:
            return Unfit(dead_id=letter.dead_id, why=f"{fix} does not fit: {error}")
        body = document.action + b"\n" + after + b"\n"
    generation = letter.generation.encode()
    return Resend(
        dead_id=letter.dead_id,
        index=document.index,
        document_id=document.document_id,
        partition=_partition(letter, namespace=namespace),
        key=generation or None,
        value=body,
        header=encode(_origin(letter, document.fields)),
        fix="" if fix is None else str(fix),
    )


def why_unfit(
    letter: Letter, document: FailedDocument | None, *, namespace: str
) -> str:
    """Return why a letter's document cannot be sent again, "" where it can."""
    if letter.truncated_size_bytes:
        return f"the letter holds the beginning of {letter.truncated_size_bytes} bytes only"
    if letter.topic != DOCS.name(namespace):
        return (
            f"it died at the {letter.stage}, before there was a document; its original"
            " bytes stay in the letter"
        )
    if document is None:
        return "its bytes are not the bulk lines of one document"
    if not document.index.startswith(f"{namespace}-"):
        return f"{document.index!r} is no index of {namespace!r}"
    return ""


def mended_document(document: FailedDocument, fix: Fix) -> bytes:
    """Return a document after a fix, with its fix's name and, if it had one, its digest.

    Raises:
        FixFailed: the fix does not fit it.
    """
    fields = dict(document.fields)
    has_digest = fields.pop(DIGEST_FIELD, None) is not None
    after = mended(fix, fields)
    after[FIX_FIELD] = msgspec.Raw(msgspec.json.encode(str(fix)))
    body = object_bytes(after)
    return with_digest(body) if has_digest else body


def _partition(letter: Letter, *, namespace: str) -> int:
    """Return where the document was before; its generation's where that is unknown."""
    if letter.topic == DOCS.name(namespace) and 0 <= letter.partition < PARTITIONS:
        return letter.partition
    return partition_of(letter.generation.encode())


def _origin(letter: Letter, fields: Fields) -> DocumentsOrigin:
    return DocumentsOrigin(
        agent_id=text_of(fields, "agent.id"),
        host_name=letter.host_name,
        path=letter.path,
        generation=letter.generation,
        first_offset=letter.first_offset,
        # How long its event is nobody asks of a repeat.
        next_offset=letter.first_offset,
        first_event_number=letter.event_number,
        event_count=letter.event_count,
        document_count=1,
        observed_at_ms=letter.died_at_ms,
        raw_partition=letter.partition,
        raw_offset=-1,
        is_repeat=True,
    )
