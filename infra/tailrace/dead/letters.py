"""What a dead letter says: its document in the index, and the document that it holds.

Pure. The letter of a document that Elasticsearch refused holds its two bulk lines as they
were sent. They are read field by field and not as a whole, so that whatever is not mended
is, byte for byte, what it was.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

Fields = Mapping[str, msgspec.Raw]
"""A JSON object: the bytes of each value by its key, in the order of the document."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What bytes raise that are no such JSON."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter as the index holds it, see `tailrace.wire.DeadLetter`."""

    dead_id: str = msgspec.field(name="dead.id", default="")
    stage: str = msgspec.field(name="dead.stage", default="")
    reason: str = msgspec.field(name="dead.reason", default="")
    detail: str = msgspec.field(name="dead.detail", default="")
    original_base64: str = msgspec.field(name="dead.original_base64", default="")
    truncated_size_bytes: int = msgspec.field(
        name="dead.truncated_size_bytes", default=0
    )
    event_count: int = msgspec.field(name="dead.event_count", default=0)
    died_at_ms: int = msgspec.field(name="@timestamp", default=0)
    topic: str = msgspec.field(name="kafka.topic", default="")
    partition: int = msgspec.field(name="kafka.partition", default=0)
    offset: int = msgspec.field(name="kafka.offset", default=-1)
    generation: str = msgspec.field(name="tailrace.generation", default="")
    first_offset: int = msgspec.field(name="log.offset", default=-1)
    event_number: int = msgspec.field(name="event.sequence", default=-1)
    host_name: str = msgspec.field(name="host.name", default="")
    path: str = msgspec.field(name="log.file.path", default="")
    dataset: str = msgspec.field(name="event.dataset", default="")
    fix: str | None = msgspec.field(name="dead.fix", default=None)
    """How its document was mended when it was delivered, where it was."""

    @property
    def original(self) -> bytes:
        """The bytes that could not be processed, or the beginning of them."""
        try:
            return b64decode(self.original_base64, validate=True)
        except (binascii.Error, ValueError):
            return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedDocument:
    """A document that Elasticsearch, or its topic, refused."""

    action: bytes
    """Its action line as it was sent: it names index and `_id`, and so the dead letter."""
    index: str
    document_id: str
    fields: Fields


class _Create(msgspec.Struct, rename={"index": "_index", "id": "_id"}):
    index: str
    id: str


class _Action(msgspec.Struct, forbid_unknown_fields=True):
    create: _Create


_letter = msgspec.json.Decoder(Letter)
_action = msgspec.json.Decoder(_Action)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()


def read_letter(source: bytes) -> Letter | None:
    """Return the letter of a document of the index; None where it is none of ours."""
    try:
        letter = _letter.decode(source)
    except UNREADABLE:
        return None
    return letter if letter.dead_id else None


def read_document(original: bytes) -> FailedDocument | None:
    """Return the document that a letter's bytes hold; None where they are no bulk lines."""
    action, _, rest = original.partition(b"\n")
    try:
        create = _action.decode(action).create
    except UNREADABLE:
        return None
    fields = read_fields(rest)
    if fields is None or not create.id:
        return None
    return FailedDocument(
        action=action, index=create.index, document_id=create.id, fields=fields
    )


def read_fields(raw: bytes | msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    """Return the fields of a JSON object, None of anything else."""
    try:
        # The values are read, too: bytes that only begin as JSON are no document.
        _any.decode(raw)
        return _fields.decode(raw)
    except UNREADABLE:
        return None


def value_of(fields: Fields, name: str) -> msgspec.Raw | None:
    """Return a value by its dotted name, whether its keys are dotted, nested or mixed."""
    if name in fields:
        return fields[name]
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        outer = fields.get(".".join(parts[:count]))
        inner = None if outer is None else read_fields(outer)
        if inner is not None:
            found = value_of(inner, ".".join(parts[count:]))
            if found is not None:
                return found
    return None


def text_of(fields: Fields, name: str) -> str:
    """Return the text of a field, "" where it has none."""
    raw = value_of(fields, name)
    try:
        value: object = None if raw is None else _any.decode(raw)
    except UNREADABLE:
        return ""
    return value if isinstance(value, str) else ""
