"""Values that the index would not take go to `attributes`, and the document says of which field.

The last look at the fields of a chunk before they become documents, behind redaction: what
is moved is what would have been sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import polars as pl

from tailrace_stream.guard.fitting import kind_of, misfits
from tailrace_stream.guard.keys import SourceKeys, short_enough
from tailrace_stream.parsers.columns import ATTRIBUTES
from tailrace_stream.parsers.conflicts import with_marks
from tailrace_stream.parsers.fields import kept

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, object]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What looks at documents before the index does."""

    keys: SourceKeys | None = None
    """What caps the keys of each source; None where nobody counts them."""

    def of_fields(self, parsed: pl.DataFrame, *, source: str) -> pl.DataFrame:
        """Return fields of which the index refuses none, and passes none over."""
        wrong: dict[str, pl.Series] = {}
        for column in parsed.get_columns():
            # Those of ours that have no name in a document begin so.
            kind = None if column.name.startswith("_") else kind_of(column.name)
            if kind is None:
                continue
            rows = misfits(column, kind)
            if rows is not None:
                wrong[column.name] = rows
        if wrong:
            parsed = _moved(parsed, wrong)
        if ATTRIBUTES in parsed.columns:
            parsed = self._with_keys(parsed, source=source)
        return parsed

    def _with_keys(self, parsed: pl.DataFrame, *, source: str) -> pl.DataFrame:
        changed = short_enough(parsed.get_column(ATTRIBUTES))
        attributes = _with(parsed.get_column(ATTRIBUTES), changed)
        if self.keys is not None:
            more = self.keys.capped(attributes, source=source)
            attributes = _with(attributes, more)
            changed |= more
        if not changed:
            return parsed
        marked = with_marks(parsed, dict.fromkeys(changed, ("attributes",)))
        return marked.with_columns(attributes)


UNCOUNTED = Guard()
"""What looks at types and sizes alone."""


def guard_of(keys_max: int) -> Guard:
    """Return what also counts the keys of each source, for one worker."""
    return Guard(keys=SourceKeys(keys_max=keys_max))


def _moved(parsed: pl.DataFrame, wrong: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Return the frame with the values of some rows among the attributes."""
    found: dict[int, dict[str, object]] = {}
    columns: list[pl.Series] = []
    for name, rows in wrong.items():
        column = parsed.get_column(name)
        at = rows.arg_true()
        for row, value in zip(at, column.gather(at), strict=True):
            shown = value.to_list() if isinstance(value, pl.Series) else value
            found.setdefault(row, {})[name] = kept(shown)
        nothing = pl.Series(name, [None], dtype=column.dtype)
        columns.append(column.zip_with(~rows, nothing))
    texts = (
        parsed.get_column(ATTRIBUTES)
        if ATTRIBUTES in parsed.columns
        else pl.Series(ATTRIBUTES, [None] * parsed.height, dtype=pl.String)
    )
    before: list[str | None] = texts.gather(list(found)).to_list()
    joined = {
        row: _joined(text, values)
        for (row, values), text in zip(found.items(), before, strict=True)
    }
    marked = with_marks(parsed, {row: tuple(names) for row, names in found.items()})
    return marked.with_columns(*columns, _with(texts, joined))


def _joined(attributes: str | None, values: Mapping[str, object]) -> str:
    """Return attributes with values beside them; one of the same name is kept, too."""
    whole = {} if attributes is None else _decode(attributes)
    for name, value in values.items():
        whole[name] = [whole[name], value] if name in whole else value
    return _encode(whole).decode()


def _with(texts: pl.Series, changed: Mapping[int, str]) -> pl.Series:
    if not changed:
        return texts
    rows = pl.Series(list(changed), dtype=pl.UInt32)
    return texts.clone().scatter(rows, list(changed.values()))
