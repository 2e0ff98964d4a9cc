"""How rows are shown: time in the reader's zone, and every text made harmless."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, TypeAlias, cast

from tailrace.query import Document, Filter, Row, field, flatten
from tailrace.text import printable

View: TypeAlias = dict[str, Any]
"""JSON for the component that draws rows."""

LINE_CHARACTERS_MAX = 600
"""Of a message in its row; the opened row shows all of it."""
VALUE_CHARACTERS_MAX = 20_000
"""Of one field of an opened row; the JSON in Elasticsearch has all of it."""
FILTER_CHARACTERS_MAX = 2_000
"""A longer value cannot be filtered by: it would not fit into a URL."""


def row_id(row: Row) -> str:
    """Return what names a row on the page."""
    return f"{row.index}/{row.document_id}"


def row_view(
    row: Row, *, zone: tzinfo, has_date: bool, around: Sequence[Row] = ()
) -> View:
    """Return one row as the page draws it.

    `has_date` is for ranges over more than one day. `around` are the lines next to this
    one in its file, this one among them.
    """
    document = row.document
    time, time_full = time_texts(row, zone=zone, has_date=has_date)
    message = message_of(document)
    return {
        "id": row_id(row),
        "time": time,
        "time_full": time_full,
        "level": shown(field(document, "log.level"), 40),
        "dataset": shown(field(document, "event.dataset"), 100),
        "host": shown(field(document, "host.name"), 100),
        "message": printable(message[:LINE_CHARACTERS_MAX]),
        "message_full": _lines_shown(message[:VALUE_CHARACTERS_MAX]),
        "fields": field_views(row),
        "json": _json_shown(row),
        "can_look_around": _has_place(document),
        "around": [
            {
                "time": time_texts(one, zone=zone, has_date=has_date)[0],
                "message": printable(message_of(one.document)[:LINE_CHARACTERS_MAX]),
                "is_this": row_id(one) == row_id(row),
            }
            for one in around
        ],
    }


def field_views(row: Row) -> list[View]:
    """Return every field, by name; a value that can be filtered by comes along raw.

    `_ignored` names those of which Elasticsearch did not index a value.
    """
    fields = sorted(flatten(row.document))
    meta: list[tuple[str, object]] = [("_id", row.document_id), ("_index", row.index)]
    if row.ignored:
        meta.append(("_ignored", list(row.ignored)))
    return [
        {
            "name": name,
            "shown_name": shown(name, 200),
            "shown": _lines_shown(value_text(value)[:VALUE_CHARACTERS_MAX]),
            "value": _filter_value(name, value),
        }
        for name, value in [*fields, *meta]
    ]


def chip_views(filters: Sequence[Filter]) -> list[View]:
    """Return the filters as the page draws them."""
    return [
        {
            "text": f"{shown(one.field, 100)}: {shown(one.value, 200)}",
            "is_excluded": one.is_excluded,
        }
        for one in filters
    ]


def time_texts(row: Row, *, zone: tzinfo, has_date: bool) -> tuple[str, str]:
    """Return the time of a row, short and whole; as it stands where no clock has it."""
    # What Elasticsearch sorted by has one form, whatever the document has.
    sorted_by = row.cursor[0] if row.cursor else None
    is_time = isinstance(sorted_by, str)
    stands = str(sorted_by if is_time else field(row.document, "@timestamp") or "")
    try:
        moment = datetime.fromisoformat(stands).astimezone(zone)
    except (ValueError, OverflowError):
        return printable(stands[:30]), printable(stands[:100])
    milliseconds = f"{moment:%H:%M:%S}.{moment.microsecond // 1_000:03d}"
    short = f"{moment:%b %d} {milliseconds}" if has_date else milliseconds
    return short, f"{moment:%Y-%m-%d %H:%M:%S.%f %Z} ({printable(stands[:40])})"


def message_of(document: Document) -> str:
    """Return the message, or the line as it was written where there is none."""
    for name in ("message", "event.original", "error.message"):
        value = field(document, name)
        if isinstance(value, str) and value:
            return value
    return ""


def value_text(value: object) -> str:
    """Return any value as text; a list of words as words."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(value_text, cast("list[object]", value)))
    return json.dumps(value, ensure_ascii=False)


def shown(value: object, characters_max: int) -> str:
    """Return a value as one harmless line, cut to a length."""
    if value is None:
        return ""
    text = value_text(value)
    cut = text[:characters_max]
    return printable(cut) + ("…" if len(text) > len(cut) else "")


def markdown(text: str) -> str:
    """Return `text` such that Streamlit's Markdown shows it as it stands.

    Every sign that could mean something is escaped, and a zero-width space parts the
    colon and the word of `:red[…]`, `:material/…:` and `:smile:`.
    """
    safe = printable(text)
    escaped: list[str] = []
    for place, character in enumerate(safe):
        is_sign = character.isascii() and not character.isalnum() and character != " "
        escaped.append(f"\\{character}" if is_sign else character)
        if character == ":" and safe[place + 1 : place + 2].isalpha():
            escaped.append("\u200b")
    return "".join(escaped)


def _filter_value(name: str, value: object) -> str | None:
    if name in {"message", "event.original", "@timestamp", "_index"}:
        return None  # Free text is searched, times are brushed.
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        text = str(value)
        return text if text and len(text) <= FILTER_CHARACTERS_MAX else None
    return None


def _has_place(document: Document) -> bool:
    return isinstance(field(document, "tailrace.generation"), str) and isinstance(
        field(document, "log.offset"), int
    )


def _json_shown(row: Row) -> str:
    whole = {"_index": row.index, "_id": row.document_id, **row.document}
    if row.ignored:
        whole["_ignored"] = row.ignored
    text = json.dumps(whole, ensure_ascii=False, indent=2, sort_keys=True)
    return _lines_shown(text[: 4 * VALUE_CHARACTERS_MAX])


def _lines_shown(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))
