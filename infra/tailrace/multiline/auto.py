"""Which built-in rule a file wants, told from its first lines.

The agent asks once for each generation and fixes the answer in its placement, so the
answer may be a guess, but is the same for the same bytes.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8

from tailrace.multiline.shapes import TIME_HEAD, shape_of

LINES_MAX = 64
LINE_BYTES_MAX = 4_096
SHARE_MIN = 0.5
"""Of the lines that are no part of a trace; the rest may be of messages."""
WHOLE_LINE_PARSERS = frozenset(
    {
        *("json", "logfmt", "access", "syslog", "system.auth", "haproxy.log"),
        *("traefik.access", "mongodb.log", "iis.access", "gelf", "cef", "klog", "csv"),
    }
)
"""Shapes in which a line is an event, whatever stands in it."""
RULE_OF_PARSER = {"mysql.slowlog": "slowlog"}
"""Shapes whose lines say nothing alone: the rule is theirs, asked for or not."""

_TIMED = re.compile(TIME_HEAD)
_SIGNS = (
    ("java", re.compile(rb"[ \t]{1,64}+at [\w.$/@]{1,512}[\w$<>]\([^()\n]{1,256}\)")),
    ("python", re.compile(rb"Traceback \(most recent call last\):")),
    ("go", re.compile(rb"goroutine \d{1,12} \[")),
    (
        "ruby",
        re.compile(rb"(?:[ \t]{1,64}+from )?[^\s:]{1,512}+:\d{1,7}:in [`'\"]"),
    ),
    ("node", re.compile(rb"[ \t]{1,64}+at [^\n]{1,512}:\d{1,7}:\d{1,7}\)?\s*$")),
)


def rule_for(sample: bytes, *, parser: str) -> str | None:
    """Return the name of a built-in rule, or None where each line is an event.

    `parser` is the one that was chosen for the file. Only the first 64 lines are looked
    at, and 4 KiB of each. Where most lines begin with a time, that is the rule; else the
    language of which a trace is there; else any language's.
    """
    if parser in WHOLE_LINE_PARSERS:
        return None
    if parser in RULE_OF_PARSER:
        return RULE_OF_PARSER[parser]
    lines = _lines(sample)
    head = shape_of("trace").head
    others = [line for line in lines if not head.match(line + b"\n")]
    timed = [line for line in others if _TIMED.match(line)]
    is_first_timed = bool(timed) and timed[0] is lines[0]
    if is_first_timed and len(timed) >= SHARE_MIN * len(others):
        return "time"
    signs = {name for name, sign in _SIGNS for line in lines if sign.match(line)}
    if "node" in signs:
        # `at file.js:1:2` and `at call (file.js:1:2)`; Java's have no columns.
        signs.discard("java")
    return signs.pop() if len(signs) == 1 else "trace"


def _lines(sample: bytes) -> list[bytes]:
    looked_at = sample[: LINES_MAX * LINE_BYTES_MAX].removeprefix(BOM_UTF8)
    pieces = looked_at.split(b"\n", LINES_MAX)
    # What follows the last newline may be half a line, and is asked only if alone.
    return [line[:LINE_BYTES_MAX] for line in pieces[:-1] or pieces]
