"""How a document is shown in a terminal: one line, with hostile text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from tailrace.answers import Document, field
from tailrace.text import printable

LEVEL_WIDTH = 7


def document_line(document: Document) -> str:
    """Return time, level, dataset, host and message; the line as written, if there is.

    A message of several lines stays on one, its line ends escaped.
    """
    parts = [
        _text(document, "@timestamp"),
        _text(document, "log.level").upper().ljust(LEVEL_WIDTH),
        _text(document, "event.dataset"),
        _text(document, "host.name"),
        _text(document, "message"),
    ]
    return "  ".join(parts)


def document_json(
    document: Document, *, document_id: str, index: str, ignored: Sequence[str] = ()
) -> str:
    """Return the document as one JSON object, with `_id` and `_index`.

    `_ignored` names the fields of which a value was not indexed, if there are any.

    What could steer a terminal is written as JSON's own escapes, so that a program reads
    the same text.
    """
    named: dict[str, Any] = {"_id": document_id, "_index": index}
    if ignored:
        named["_ignored"] = ignored
    named |= document
    return harmless_json(orjson.dumps(named).decode())


def harmless_json(text: str) -> str:
    r"""Return the same JSON with what could steer a terminal in it written `\uNNNN`.

    Outside its strings JSON has nothing unprintable but spaces between its parts, which
    are not ours to write: the text is one line.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _json_escape(one) for one in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def _text(document: Document, name: str) -> str:
    value = field(document, name)
    return "-" if value is None else printable(str(value))
