"""What is hidden by field: its value there, and wherever else the line or its fields have it.

A value is looked for in the ways in which logs write one thing. If the line does not hold it
in any of them, all of the line's text is left out: a value that is not found is not hidden.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast
from urllib.parse import quote, quote_plus

import msgspec
import polars as pl

from tailrace.redaction.tokens import Tokens
from tailrace_stream.events import Events
from tailrace_stream.own.targets import ecs_types
from tailrace_stream.parsers.columns import ATTRIBUTES, ENRICHED, LABELS
from tailrace_stream.redact.hiding import Counts, with_stored

OF_ATTRIBUTES = "attributes."
_JSON_TEXTS = (ATTRIBUTES, ENRICHED, LABELS)

Secrets = dict[int, dict[str, str]]
"""By row: each value that is to be hidden, and its token."""


def without_fields(
    parsed: pl.DataFrame, events: Events, *, names: Sequence[str], tokens: Tokens
) -> tuple[pl.DataFrame, Events, Counts]:
    """Return fields and events without the values of the fields that are named."""
    counts: Counter[str] = Counter()
    secrets: Secrets = {}
    for name in names:
        values = _values(parsed, name)
        for row, value in values:
            token = tokens.of(value.encode(), label=name).decode()
            secrets.setdefault(row, {})[value] = token
        counts[name] += len({row for row, _ in values})
    if not secrets:
        return parsed, events, ()
    text = events.text.gather(pl.Series(list(secrets), dtype=pl.UInt32)).to_list()
    lines = {
        row: _hidden_line(line, secrets[row]).encode()
        for row, line in zip(secrets, text, strict=True)
    }
    columns = [_hidden_column(column, secrets) for column in parsed.get_columns()]
    made = _without_typed(pl.DataFrame(columns), parsed, names=names, secrets=secrets)
    found = tuple((name, count) for name, count in sorted(counts.items()) if count)
    return made, with_stored(events, lines), found


def _values(parsed: pl.DataFrame, name: str) -> list[tuple[int, str]]:
    """Return the row and the text of each value of a field."""
    if name.startswith(OF_ATTRIBUTES) and ATTRIBUTES in parsed.columns:
        return _attributes(parsed, name.removeprefix(OF_ATTRIBUTES))
    if name not in parsed.columns:
        return []
    values: list[object] = parsed.get_column(name).to_list()
    found: list[tuple[int, str]] = []
    for row, value in enumerate(values):
        found += [(row, text) for text in _texts(value)]
    return found


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


def _hidden_line(line: str, secrets: Mapping[str, str]) -> str:
    """Return a line without the values, or the tokens alone if one cannot be found."""
    for value in secrets:
        if not any(written in line for written in _writings(value)):
            return " ".join(secrets.values())
    return _hidden(line, secrets)


def _hidden(text: str, secrets: Mapping[str, str]) -> str:
    return _pattern(tuple(secrets)).sub(lambda found: _token(found[0], secrets), text)


def _token(written: str, secrets: Mapping[str, str]) -> str:
    if written in secrets:
        return secrets[written]
    return next(
        token for value, token in secrets.items() if written in _writings(value)
    )


@lru_cache(maxsize=4_096)
def _pattern(values: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches the values in all writings: texts as they are, longest first."""
    written = {text for value in values for text in _writings(value)}
    return re.compile("|".join(map(re.escape, sorted(written, key=len, reverse=True))))


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
    if column.dtype != pl.String:
        return column
    texts: list[str | None] = column.to_list()
    is_json = column.name in _JSON_TEXTS
    changed = False
    for row, hidden in secrets.items():
        text = texts[row]
        if text and any(w in text for value in hidden for w in _writings(value)):
            texts[row] = (
                _hidden_json(text, hidden) if is_json else _hidden(text, hidden)
            )
            changed = True
    return pl.Series(column.name, texts, dtype=pl.String) if changed else column


def _hidden_json(text: str, secrets: Mapping[str, str]) -> str:
    """Return an object, or the fields of one behind a comma, without the values."""
    is_part = text.startswith(",")
    value = msgspec.json.decode(f"{{{text[1:]}}}" if is_part else text)
    made = msgspec.json.encode(_hidden_value(value, secrets)).decode()
    return f",{made[1:-1]}" if is_part else made


def _hidden_value(value: object, secrets: Mapping[str, str]) -> object:
    if isinstance(value, str):
        return _hidden(value, secrets)
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {
            _hidden(name, secrets): _hidden_value(one, secrets)
            for name, one in fields.items()
        }
    if isinstance(value, list):
        return [_hidden_value(one, secrets) for one in cast("list[object]", value)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return secrets.get(str(value), value)
    return value


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
        if ecs_types().get(name) != "ip" and column.dtype == pl.String:
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
        None if value is None else secrets[row].get(str(value))
        for row, value in enumerate(values)
    ]
    tokens = pl.Series(address, texts, dtype=pl.String)
    if address not in made.columns:
        return tokens
    known = made.get_column(address)
    return known.zip_with(known.is_not_null(), tokens)
