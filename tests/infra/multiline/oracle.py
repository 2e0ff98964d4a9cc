"""Events of a file, found the slow way: line by line, from its first byte."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tailrace.multiline.shapes import PLAIN, SHAPES, shape_of
from tailrace.wire import MultilineRule


@dataclass(frozen=True, slots=True)
class Event:
    """One event: where it begins and ends, without its last newline."""

    start: int
    end: int


def rule(
    name: str, *, pattern: str = "", max_lines: int = 500, max_bytes: int = 1_000_000
) -> MultilineRule:
    return MultilineRule(
        rule=name, pattern=pattern, max_lines=max_lines, max_bytes=max_bytes
    )


def events_of(content: bytes, rule: MultilineRule) -> list[Event]:
    """Return the events of whole lines; a last one without newline stands as it is."""
    events: list[Event] = []
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    start, before = 0, PLAIN
    count = 0
    for line in lines:
        end = start + len(line)
        kind, stayed, is_joined = _look(line, before, rule)
        last = events[-1] if events else None
        if (
            last is not None
            and is_joined
            and count < rule.max_lines
            and end - last.start <= rule.max_bytes
        ):
            events[-1] = Event(last.start, end)
            count += 1
            kind = stayed
        else:
            events.append(Event(start, end))
            count = 1
        start, before = end + 1, kind
    return events


def texts_of(content: bytes, rule: MultilineRule) -> list[str]:
    return [content[e.start : e.end].decode() for e in events_of(content, rule)]


def _look(line: bytes, before: int, rule: MultilineRule) -> tuple[int, int, bool]:
    """Return the line's kind, that which counts if it is joined, and whether it may be."""
    if rule.rule not in SHAPES:
        is_match = re.search(rule.pattern.encode(), line) is not None
        return PLAIN, PLAIN, is_match == (rule.rule == "continuation")
    shape = shape_of(rule.rule)
    found = shape.head.match(line + b"\n")
    kind = found.lastindex or PLAIN if found else PLAIN
    stayed = shape.stays.get((before, kind), kind)
    return kind, stayed, (before, kind) in shape.joins
