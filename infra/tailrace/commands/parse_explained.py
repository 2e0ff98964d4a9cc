"""`tailrace parse --explain`: which pattern took a line, and why those before it did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import msgspec

from tailrace.commands.common import write_json, write_line
from tailrace.commands.parsed_file import chunks_of
from tailrace.text import printable

if TYPE_CHECKING:
    from tailrace_agent.config import SourceSettings
    from tailrace_stream.enrich.enrichment import Enrichment
    from tailrace_stream.own.parser import OwnParsers
    from tailrace_stream.parse_file import Explained

NOBODY = "no pattern"
VALUE_CHARACTERS_MAX = 200
# The same in every document of a file, or told beside it.
LEFT_OUT = frozenset(
    {
        "event.dataset", "event.created", "event.sequence", "event.original",
        "host.name", "log.file.path", "log.offset", "ecs.version",
    }
)  # fmt: skip


def explain_file(
    file: str,
    *,
    source: SourceSettings,
    time_zone: str,
    own: OwnParsers,
    enrichment: Enrichment,
    as_json: bool,
) -> None:
    """Print each event of a file with who was asked for it, and at the end how many
    events each took.

    Raises:
        CommandFailed: the file cannot be read.
    """
    from tailrace_stream.parse_file import chunk_explanations

    taken: Counter[str] = Counter()
    for value, origin in chunks_of(file, source=source, time_zone=time_zone):
        for one in chunk_explanations(
            value, origin=origin, own=own, enrichment=enrichment
        ):
            if as_json:
                write_json(_json(one))
                continue
            for line in _lines(one):
                write_line(printable(line))
            taken[taker(one)] += 1
    if taken:
        counts = ", ".join(f"{name} {count:,}" for name, count in taken.most_common())
        write_line(printable(f"{taken.total():,} events: {counts}"))


def taker(one: Explained) -> str:
    """Return what took an event: within a container's line, what took its text."""
    last = one.asked[-1] if one.asked else None
    return last.name if last is not None and last.took_it else NOBODY


def _lines(one: Explained) -> Iterator[str]:
    last = one.asked[-1] if one.asked else None
    kind = f" ({last.kind})" if last is not None and last.took_it else ""
    yield (
        f"event {one.number + 1}, offset {one.offset}, {one.dataset}:"
        f" taken by {taker(one)}{kind}"
    )
    yield f"  | {_short(one.line)}"
    for asked in one.asked:
        if not asked.took_it:
            yield f"  not {asked.name} ({asked.kind}): {asked.reason}"
    for name, value in _fields(one).items():
        if name not in LEFT_OUT:
            text = (
                value if isinstance(value, str) else msgspec.json.encode(value).decode()
            )
            yield f"  {name}: {_short(text)}"


def _short(text: str) -> str:
    if len(text) <= VALUE_CHARACTERS_MAX:
        return text
    return f"{text[:VALUE_CHARACTERS_MAX]}... ({len(text):,} characters)"


def _fields(one: Explained) -> dict[str, Any]:
    return cast("dict[str, Any]", msgspec.json.decode(one.document))


def _json(one: Explained) -> dict[str, object]:
    return {
        "log.offset": one.offset,
        "event.sequence": one.number,
        "event.dataset": one.dataset,
        "taken_by": taker(one) if taker(one) != NOBODY else None,
        "asked": [
            {"name": asked.name, "kind": asked.kind, "reason": asked.reason or None}
            for asked in one.asked
        ],
        "document": _fields(one),
    }
