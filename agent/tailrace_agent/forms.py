"""How the events of a file are written: where one ends, and what is stored of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from crc32c import crc32c
from msgspec import structs

from tailrace.framing import MappedEvent
from tailrace.multiline.joining import Joiner, joiner_of
from tailrace.multiline.journald import JOURNALD
from tailrace.multiline.streams import StreamsJoiner, streams_joiner_of
from tailrace.redaction.redactor import Redactor
from tailrace.wire import MultilineRule

Encoding = Literal["auto", "utf-8", "utf-16", "utf-16le", "utf-16be"]
"""What a source may say of its files; `auto` and `utf-16` ask the byte order mark."""

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16le"),
    (b"\xfe\xff", "utf-16be"),
)
MARK_BYTES_MAX = 3


@dataclass(frozen=True, slots=True)
class Form:
    """One way of writing lines. Offsets and checksums are always of the file's bytes."""

    newline: bytes
    carriage_return: bytes
    codec: str | None
    """How text becomes UTF-8; None where the bytes are stored as they are."""
    is_mapped: bool
    """Whether the chunk's value is not simply the file's bytes."""
    mark: bytes = b""
    """The byte order mark that a file of this form may begin with: no event's byte."""
    joiner: Joiner | StreamsJoiner | None = None
    """Which lines make one event; None where each line is one."""
    redactor: Redactor | None = None
    """What is taken out of events; None where they are sent as they are."""
    is_entries: bool = False
    """Whether events are entries of a journal's export, and not lines at all."""

    @property
    def unit_bytes(self) -> int:
        """Return how many bytes a code unit has: events begin at multiples of it."""
        return len(self.newline)

    def end_of_last(self, buffer: bytearray, size: int) -> int:
        """Return the index behind the last newline in `buffer[:size]`, or 0."""
        if self.unit_bytes == 1:
            return buffer.rfind(self.newline, 0, size) + 1
        stop = size
        while (index := buffer.rfind(self.newline, 0, stop)) >= 0:
            if index % 2 == 0:
                return index + 2
            stop = index + 1
        return 0

    def find(self, buffer: bytearray, size: int) -> int:
        """Return the index of the first newline in `buffer[:size]`, or -1."""
        index = buffer.find(self.newline, 0, size)
        while index >= 0 and index % self.unit_bytes:
            index = buffer.find(self.newline, index + 1, size)
        return index

    def lines(self, value: bytes) -> list[bytes]:
        """Return the lines of whole events, without newlines; a last one may lack it."""
        if self.unit_bytes == 1:
            pieces = value.split(self.newline)
            return pieces if pieces[-1] else pieces[:-1]
        found: list[bytes] = []
        start = index = 0
        while (index := value.find(self.newline, index)) >= 0:
            if index % 2:
                index += 1
                continue
            found.append(value[start:index])
            start = index = index + 2
        return [*found, value[start:]] if start < len(value) else found

    def stored(self, original: bytes) -> bytes:
        """Return what is stored of an event: UTF-8, whatever the file was written in.

        Half of a pair of UTF-16 stays as it is: then it is no UTF-8, and kept as bytes.
        """
        if self.codec is None:
            return original
        try:
            text = original.decode(self.codec, "surrogatepass")
        except UnicodeDecodeError:  # The last byte of a unit is missing.
            text = original.decode(self.codec, "replace")
        return text.encode("utf-8", "surrogatepass")

    def mapped(self, value: bytes, *, offset: int, flags: int) -> list[MappedEvent]:
        """Return the events of `value`, which stands at `offset`.

        `flags` are those of the last event, which has no newline if there are any.
        """
        events: list[MappedEvent] = []
        lines = self.lines(value)
        for index, line in enumerate(lines):
            events.append(
                MappedEvent(
                    offset,
                    len(line),
                    crc32c(line),
                    self.stored(line),
                    flags if index == len(lines) - 1 else 0,
                )
            )
            offset += len(line) + self.unit_bytes
        return events


@lru_cache(maxsize=256)
def with_rule(form: Form, rule: MultilineRule | None) -> Form:
    """Return the form of a file whose events may have several lines."""
    if rule is None:
        return form
    if rule.rule == JOURNALD:
        return replace(form, is_entries=True)
    if rule.container and form.codec is None:
        return replace(form, joiner=streams_joiner_of(rule))
    if rule.container:
        # No runtime writes UTF-16: who converted the file has its lines looked at as such.
        rule = structs.replace(rule, rule=rule.container, container="")
    return replace(form, joiner=joiner_of(rule))


@lru_cache(maxsize=256)
def with_redactor(form: Form, redactor: Redactor | None) -> Form:
    """Return the form of a file from whose events something is taken out."""
    return form if redactor is None else replace(form, redactor=redactor)


PLAIN = Form(b"\n", b"\r", None, is_mapped=False, mark=b"\xef\xbb\xbf")
INFLATED = Form(b"\n", b"\r", None, is_mapped=True, mark=b"\xef\xbb\xbf")
_UTF_16LE = Form(b"\n\0", b"\r\0", "utf-16-le", is_mapped=True, mark=b"\xff\xfe")
_UTF_16BE = Form(b"\0\n", b"\0\r", "utf-16-be", is_mapped=True, mark=b"\xfe\xff")


def form_of(head: bytes, *, encoding: Encoding, is_archive: bool) -> Form:
    """Return how a file is written that begins with `head`.

    A mark decides where the encoding is left to it; without one, `utf-16` means the
    order that most machines write, little endian, and `auto` means UTF-8.
    """
    name: str = encoding
    if encoding in ("auto", "utf-16"):
        name = "utf-16le" if encoding == "utf-16" else "utf-8"
        name = next((n for m, n in _MARKS if _is_marked(head, m, encoding)), name)
    if name == "utf-16le":
        return _UTF_16LE
    if name == "utf-16be":
        return _UTF_16BE
    return INFLATED if is_archive else PLAIN


def _is_marked(head: bytes, mark: bytes, encoding: Encoding) -> bool:
    # Where UTF-16 was said, a mark of UTF-8 is two odd characters, and no mark.
    return head.startswith(mark) and (encoding == "auto" or len(mark) == 2)
