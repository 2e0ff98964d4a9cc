"""`tailrace guess`: a source's settings for a file, with what speaks for them, and applied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
import typer

from tailrace.commands.common import AsJson, write_line
from tailrace.commands.guessed_file import Applied, Guessed, guessed_file
from tailrace.commands.parse_explained import LEFT_OUT, taker
from tailrace.errors import ConfigError
from tailrace.extras import require
from tailrace.shown import harmless_json
from tailrace.text import path_text, printable

if TYPE_CHECKING:
    from tailrace_stream.parse_file import Explained

WIDTH_MIN, WIDTH_MAX, WIDTH_UNKNOWN = 60, 200, 120
ROWS_MAX = 24
"""Of one event; what is beyond is counted."""
_COMMENT, _BETWEEN = "# ", " | "
_TAB = "    "


def guess(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="- is standard input.")],
    timezone: Annotated[
        str | None,
        typer.Option(
            help="The IANA zone of the host that writes it.",
            show_default="this host's",
        ),
    ] = None,
    events: Annotated[
        int, typer.Option(min=1, max=100, help="How many events are shown applied.")
    ] = 5,
    as_json: AsJson = False,
) -> None:
    """Propose how FILE is to be read, and show it applied to its first events.

    What is printed is a configuration, in which all else is a comment: write it to a file and
    ask `tailrace agent --check`.
    """
    require("stream")
    found = guessed_file(file, time_zone=_zone(timezone), event_count=events)
    if as_json:
        write_line(harmless_json(msgspec.json.encode(_json(found)).decode()))
        return
    for line in found.configuration.splitlines():
        write_line(line)
    width = shutil.get_terminal_size((WIDTH_UNKNOWN, 0)).columns
    for line in side_by_side(
        found.applied.first, width=min(max(width, WIDTH_MIN), WIDTH_MAX)
    ):
        write_line(_COMMENT + line)
    write_line(_COMMENT + _counted(found.applied))


def side_by_side(events: tuple[Explained, ...], *, width: int) -> Iterator[str]:
    """Yield each event's lines beside its fields, in two columns, nothing hostile in them."""
    from rich.cells import chop_cells, set_cell_size

    left = (width - len(_COMMENT) - len(_BETWEEN)) // 2
    right = width - len(_COMMENT) - len(_BETWEEN) - left
    for event in events:
        yield "-" * left + "-+-" + "-" * right
        raw = [
            piece
            for line in event.line.split("\n")
            for piece in chop_cells(_plain(line), left) or [""]
        ]
        fields = [set_cell_size(text, right).rstrip() for text in _fields(event)]
        rows = list(zip_longest(raw, fields, fillvalue=""))
        for line, field in rows[:ROWS_MAX]:
            yield f"{set_cell_size(line, left)}{_BETWEEN}{field}".rstrip()
        if len(rows) > ROWS_MAX:
            yield f"({len(rows) - ROWS_MAX} more)"


def _plain(text: str) -> str:
    return printable(text).replace("\t", _TAB)


def _fields(event: Explained) -> Iterator[str]:
    for name, value in _document(event).items():
        if name in LEFT_OUT:
            continue
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        yield _plain(f"{name}: {text}")


def _document(event: Explained) -> dict[str, Any]:
    return cast("dict[str, Any]", msgspec.json.decode(event.document))


def _counted(applied: Applied) -> str:
    count = applied.event_count
    read = count - applied.unread_count
    events = "1 event" if count == 1 else f"{count:,} events"
    return (
        f"{events} looked at: {read:,} read, {applied.unread_count:,} not;"
        f" {applied.timed_count:,} have a time, of which {applied.guessed_count:,} name no"
        " zone or no year"
    )


def _zone(given: str | None) -> str:
    from tailrace_agent.host import time_zone_of
    from tailrace_stream.parse_file import AUTO_DATASET, check_arguments

    if given is None:
        return time_zone_of()
    problems = check_arguments(dataset=AUTO_DATASET, time_zone=given)
    if problems:
        raise ConfigError(problems, source="the command line")
    return given


def _json(found: Guessed) -> dict[str, object]:
    applied = found.applied
    return {
        "file": path_text(found.file),
        "configuration": found.configuration,
        "source": found.source,
        "guesses": [
            {
                "setting": one.setting,
                "value": one.value,
                "confidence": round(one.confidence, 3),
                "is_taken": one.is_taken,
                "evidence": one.evidence,
            }
            for one in found.guesses
        ],
        "events_count": applied.event_count,
        "unread_count": applied.unread_count,
        "timed_count": applied.timed_count,
        "guessed_time_count": applied.guessed_count,
        "events": [
            {
                "log.offset": event.offset,
                "line": event.line,
                "taken_by": taker(event),
                "document": event.document,
            }
            for event in applied.first
        ],
    }
