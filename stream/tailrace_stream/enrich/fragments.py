"""What a value adds to documents, as JSON text: worked out once for each distinct value.

Text, and no columns: it is joined onto a document as it stands, so a dozen fields cost a
line one look into a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import polars as pl

BYTES_MAX = 16 * 1_024 * 1_024
"""Of values and their texts; beyond it a table is begun anew with the next chunk."""
VALUE_CHARACTERS_MAX = 1_024
"""Longer values are looked up, and not remembered."""
_ENTRY_BYTES = 250
"""What an entry takes beside its texts, measured on tables of 100,000."""

LookUp = Callable[[str], Mapping[str, object]]


class Fragments(dict[str | None, str]):
    """The texts of the values met so far; one that is missing is looked up."""

    def __init__(self, look_up: LookUp, *, bytes_max: int = BYTES_MAX) -> None:
        """Take what returns the fields of a value, none where nothing is known."""
        super().__init__()
        self._look_up = look_up
        self._bytes_max = bytes_max
        self._size_bytes = 0
        self.failure_count = 0

    def __missing__(self, value: str | None) -> str:
        """Look a value up; of no value nothing is said."""
        text = "" if value is None else self._text(value)
        size = 0 if value is None else len(value)
        if size <= VALUE_CHARACTERS_MAX:
            self[value] = text
            self._size_bytes += size + len(text) + _ENTRY_BYTES
        return text

    def _text(self, value: str) -> str:
        try:
            return text_of(self._look_up(value))
        # What cannot be looked up costs its fields, and never the line.
        except Exception:  # noqa: BLE001
            self.failure_count += 1
            return ""

    def column(self, values: pl.Series) -> pl.Series:
        """Return the text of each value; several threads may ask."""
        if self._size_bytes > self._bytes_max:
            self.forget()
        texts = list(map(self.__getitem__, values.to_list()))
        return pl.Series(texts, dtype=pl.String)

    def forget(self) -> None:
        """Let everything be looked up again."""
        self.clear()
        self._size_bytes = 0


def text_of(fields: Mapping[str, object]) -> str:
    """Return fields as they stand behind others in an object: `,"name":value`, or ``."""
    return f",{msgspec.json.encode(fields).decode()[1:-1]}" if fields else ""
