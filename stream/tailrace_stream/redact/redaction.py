"""What takes secrets out of all that the stream sends: documents, dead letters, their details."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import polars as pl

from tailrace.capped_records import UNPACKED_TOO_LARGE
from tailrace.redaction.redactor import Redactor, replaced
from tailrace.redaction.tokens import Tokens
from tailrace.wire import DeadLetter, Origin
from tailrace_stream.events import Events
from tailrace_stream.intake import dead_id
from tailrace_stream.redact.fields import without_fields
from tailrace_stream.redact.hiding import Counts, without_secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """The rules, which are the same for all that comes."""

    redactor: Redactor | None = None
    """What looks by pattern; None where there are no such rules."""
    fields: tuple[str, ...] = ()
    """Whose values are hidden."""
    tokens: Tokens | None = None

    def of_events(
        self, events: Events, *, origin: Origin, is_open: bool
    ) -> tuple[Events, Counts]:
        """Return events with tokens for what the patterns find."""
        if self.redactor is None:
            return events, ()
        return without_secrets(
            events, redactor=self.redactor, origin=origin, is_open=is_open
        )

    def of_fields(
        self, parsed: pl.DataFrame, events: Events
    ) -> tuple[pl.DataFrame, Events, Counts]:
        """Return fields and events with tokens for the fields' values."""
        if not self.fields or self.tokens is None:
            return parsed, events, ()
        return without_fields(parsed, events, names=self.fields, tokens=self.tokens)

    @property
    def is_by_field(self) -> bool:
        """Tell whether what could not be read may hold what is to be hidden."""
        return bool(self.fields)

    def withheld(self, original: bytes) -> bytes:
        """Return what stands for bytes of which nobody knows the fields."""
        return b"[withheld: %d bytes]" % len(original)

    def of_letter(self, letter: DeadLetter) -> DeadLetter:
        """Return the dead letter of a record or chunk without what is to be hidden.

        What is packed, or what fields it has, nobody knows: then its bytes are withheld.
        The raw topic has them for as long as it keeps a record. Its name is made of what
        is left, as a hash of the bytes would tell who guesses them that they are right.
        """
        if self.redactor is None and not self.is_by_field:
            return letter
        if self.is_by_field or letter.reason == UNPACKED_TOO_LARGE:
            original = self.withheld(letter.original)
        else:
            assert self.redactor is not None
            found = self.redactor.find(letter.original, is_open=True, is_begun=True)
            original = replaced(letter.original, found, offset=0)
        if original == letter.original:
            return letter
        place = f"{letter.topic}/{letter.partition}/{letter.offset}"
        if letter.first_offset >= 0:
            place = f"{letter.generation}/{letter.first_offset}"
        return msgspec.structs.replace(
            letter,
            dead_id=dead_id(place, original=original),
            original=original,
            truncated_size_bytes=letter.truncated_size_bytes or len(letter.original),
        )


NO_REDACTION = Redaction()
