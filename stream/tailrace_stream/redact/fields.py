"""What is hidden by field: its value there, and wherever else the line or its fields have it.

A value is looked for in the ways in which logs write one thing. If the line does not hold it
in any of them, all of the line's text is left out: a value that is not found is not hidden.
A value that is not of its field's type stands among the attributes, under the key that the
line has for it: it is hidden there as if it stood in the field.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import cast
from urllib.parse import quote, quote_plus

import msgspec
import polars as pl

from tailrace.index_templates import event_types
from tailrace.redaction.tokens import Tokens, is_token
from tailrace_stream.events import Events
from tailrace_stream.parsers.columns import ATTRIBUTES, CONFLICTS, ENRICHED, LABELS
from tailrace_stream.parsers.fields import ALIASES, ROOTS
from tailrace_stream.redact.hiding import Counts, with_stored

OF_ATTRIBUTES = "attributes."
_JSON_TEXTS = (ATTRIBUTES, ENRICHED, LABELS)
_TEXT_LIST = pl.List(pl.String)


class _Hidden:
    """What is hidden of a line: values, each in all of its writings, and their tokens."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._values = [_writings(value) for value in secrets]
        self._tokens: dict[str, str] = {}
        for value, token in secrets.items():
            for written in _writings(value):
                self._tokens.setdefault(written, token)
        # The values themselves come first, whatever else they are a writing of.
        self._tokens |= secrets
        self._texts = tuple(sorted(self._tokens, key=len, reverse=True))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self._texts)))

    def is_in(self, text: str) -> bool:
        """Tell whether a text holds any of the values."""
        if len(self._texts) == 1:
            return self._texts[0] in text
        return any(written in text for written in self._texts)

    def taken_out(self, text: str) -> str:
        """Return a text with tokens in the places of the values."""
        if len(self._texts) == 1:
            (written,) = self._texts
            return text.replace(written, self._tokens[written])
        # All at once: a value may stand in the token of another.
        return self._pattern.sub(lambda found: self._tokens[found[0]], text)

    def line(self, line: str) -> str:
        """Return a line without the values, or the tokens alone if one is not found."""
        for writings in self._values:
            if not any(written in line for written in writings):
                return " ".join(dict.fromkeys(self._tokens.values()))
        return self.taken_out(line)

    def value(self, value: object) -> object:
        """Return a value of JSON without the values."""
        if isinstance(value, str):
            return self.taken_out(value)
        if isinstance(value, dict):
            fields = cast("dict[str, object]", value)
            return {
                self.taken_out(name): self.value(one) for name, one in fields.items()
            }
        if isinstance(value, list):
            return [self.value(one) for one in cast("list[object]", value)]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._tokens.get(str(value), value)
        return value

    def token(self, value: str) -> str | None:
        """Return the token of a value."""
        return self._tokens.get(value)


Secrets = Mapping[int, _Hidden]
"""By row."""


def without_fields(
    parsed: pl.DataFrame, events: Events, *, names: Sequence[str], tokens: Tokens
) -> tuple[pl.DataFrame, Events, Counts]:
    """Return fields and events without the values of the fields that are named."""
    counts: Counter[str] = Counter()
    pairs: dict[int, tuple[tuple[str, str], ...]] = {}
    made: dict[tuple[str, str], str] = {}
    for name in names:
        values = [
            (row, value)
            for row, value in _values(parsed, name)
            if not is_token(value.encode())
        ]
        for row, value in values:
            pair = (value, name)
            if pair not in made:
                made[pair] = tokens.of(value.encode(), label=name).decode()
            pairs[row] = (*pairs.get(row, ()), pair)
        counts[name] += len({row for row, _ in values})
    if not pairs:
        return parsed, events, ()
    # A chunk has many lines, and few distinct values.
    hidden = {
        one: _Hidden({value: made[value, name] for value, name in one})
        for one in set(pairs.values())
    }
    secrets = {row: hidden[one] for row, one in pairs.items()}
    text = events.text.gather(pl.Series(list(secrets), dtype=pl.UInt32)).to_list()
    lines = {
        row: one.line(line).encode()
        for (row, one), line in zip(secrets.items(), text, strict=True)
    }
    columns = [_hidden_column(column, secrets) for column in parsed.get_columns()]
    frame = _without_typed(pl.DataFrame(columns), parsed, names=names, secrets=secrets)
    found = tuple((name, count) for name, count in sorted(counts.items()) if count)
    return frame, with_stored(events, lines), found


def _values(parsed: pl.DataFrame, name: str) -> list[tuple[int, str]]:
    """Return the row and the text of each value of a field."""
    if name.startswith(OF_ATTRIBUTES) and ATTRIBUTES in parsed.columns:
        return _attributes(parsed, name.removeprefix(OF_ATTRIBUTES))
    found = _conflicting(parsed, name)
    if name not in parsed.columns:
        return found
    values: list[object] = parsed.get_column(name).to_list()
    for row, value in enumerate(values):
        found += [(row, text) for text in _texts(value)]
    return found


def _conflicting(parsed: pl.DataFrame, name: str) -> list[tuple[int, str]]:
    """Return the row and the text of each value that was no value of a field's type.

    Where the line has it under a key that is not known here, every attribute is one.
    """
    if CONFLICTS not in parsed.columns or ATTRIBUTES not in parsed.columns:
        return []
    named: list[list[str] | None] = parsed.get_column(CONFLICTS).to_list()
    texts: list[str | None] = parsed.get_column(ATTRIBUTES).to_list()
    found: list[tuple[int, str]] = []
    for row, (names, text) in enumerate(zip(named, texts, strict=True)):
        if names is None or name not in names or text is None:
            continue
        whole = msgspec.json.decode(text)
        places = [_at(whole, key) for key in (name, *ALIASES.get(name, ()))]
        # What is left of `user` is not what stood for `user.name`.
        places = [
            one for one in places if one is not None and not _is_root_of(one, whole)
        ]
        found += [(row, one) for one in _texts(places or whole)]
    return found


def _is_root_of(value: object, whole: Mapping[str, object]) -> bool:
    """Tell whether a value is an object of fields, such as `user` is."""
    return isinstance(value, dict) and any(whole.get(root) is value for root in ROOTS)


def _attributes(parsed: pl.DataFrame, path: str) -> list[tuple[int, str]]:
    texts: list[str | None] = parsed.get_column(ATTRIBUTES).to_list()
    last = json.dumps(path.rpartition(".")[2], ensure_ascii=False)
    found: list[tuple[int, str]] = []
    for row, text in enumerate(texts):
        if text is not None and last in text:
            value = _at(msgspec.json.decode(text), path)
            found += [(row, one) for one in _texts(value)]
    return found


def _at(value: object, path: str) -> object:
    """Return what stands at a path of names, each of which may have points itself."""
    if not isinstance(value, dict):
        return None
    names = cast("dict[str, object]", value)
    if path in names:
        return names[path]
    for name, inner in names.items():
        if path.startswith(f"{name}."):
            found = _at(inner, path.removeprefix(f"{name}."))
            if found is not None:
                return found
    return None


def _texts(value: object) -> list[str]:
    """Return what a value says, each text and number in it by itself."""
    if isinstance(value, dict):
        inner = list(cast("dict[str, object]", value).values())
        return [text for one in inner for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in cast("list[object]", value) for text in _texts(one)]
    if value is None or isinstance(value, bool):
        return []
    text = str(value)
    return [text] if text else []


@lru_cache(maxsize=4_096)
def _writings(value: str) -> tuple[str, ...]:
    """Return how a value may stand in a line: plain, in JSON, or in a URL."""
    in_json = json.dumps(value, ensure_ascii=False)[1:-1]
    in_ascii = json.dumps(value)[1:-1]
    found = (
        value,
        in_json,
        in_ascii,
        in_json.replace("/", "\\/"),
        in_ascii.replace("/", "\\/"),
        quote(value, safe="", errors="replace"),
        quote_plus(value, safe="", errors="replace"),
    )
    return tuple(dict.fromkeys(found))


def _hidden_column(column: pl.Series, secrets: Secrets) -> pl.Series:
    if column.dtype == _TEXT_LIST and column.name != CONFLICTS:
        return _hidden_lists(column, secrets)
    if column.dtype != pl.String:
        return column
    texts: list[str | None] = column.to_list()
    is_json = column.name in _JSON_TEXTS
    changed = False
    for row, hidden in secrets.items():
        text = texts[row]
        if text and hidden.is_in(text):
            texts[row] = _json(text, hidden) if is_json else hidden.taken_out(text)
            changed = True
    return pl.Series(column.name, texts, dtype=pl.String) if changed else column


def _hidden_lists(column: pl.Series, secrets: Secrets) -> pl.Series:
    lists: list[list[str | None] | None] = column.to_list()
    changed = False
    for row, hidden in secrets.items():
        texts = lists[row]
        if texts and any(text and hidden.is_in(text) for text in texts):
            lists[row] = [text and hidden.taken_out(text) for text in texts]
            changed = True
    return pl.Series(column.name, lists, dtype=_TEXT_LIST) if changed else column


def _json(text: str, hidden: _Hidden) -> str:
    """Return an object, or the fields of one behind a comma, without the values."""
    is_part = text.startswith(",")
    value = msgspec.json.decode(f"{{{text[1:]}}}" if is_part else text)
    made = msgspec.json.encode(hidden.value(value)).decode()
    return f",{made[1:-1]}" if is_part else made


def _without_typed(
    made: pl.DataFrame, before: pl.DataFrame, *, names: Sequence[str], secrets: Secrets
) -> pl.DataFrame:
    """Leave out what must be an address or a number: a token is none.

    An address' token stands in the field beside it that takes any text.
    """
    for name in names:
        if name not in before.columns:
            continue
        column = before.get_column(name)
        if event_types().get(name) != "ip" and column.dtype == pl.String:
            continue
        nothing = pl.Series(name, [None] * len(column), dtype=column.dtype)
        made = made.with_columns(nothing)
        if name.endswith(".ip"):
            address = f"{name.removesuffix('ip')}address"
            made = made.with_columns(_tokens(made, column, address, secrets=secrets))
    return made


def _tokens(
    made: pl.DataFrame, column: pl.Series, address: str, *, secrets: Secrets
) -> pl.Series:
    values: list[object] = column.to_list()
    texts: list[str | None] = [
        None if value is None else secrets[row].token(str(value))
        for row, value in enumerate(values)
    ]
    tokens = pl.Series(address, texts, dtype=pl.String)
    if address not in made.columns:
        return tokens
    known = made.get_column(address)
    return known.zip_with(known.is_not_null(), tokens)
