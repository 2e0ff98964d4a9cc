"""The shape of a line: its words without what differs from one line to the next.

A simple one: quoted text, hexadecimal runs and numbers become `*`. It is enough to see
which line of a program letters come from, and costs one pass over a line's beginning.
"""

from __future__ import annotations

import re
from typing import Final

SHAPED_CHARACTERS_MAX: Final = 300
"""Of a longer line the beginning tells its kind."""
MASK: Final = "*"

_VARIABLE = re.compile(
    r"""
      "[^"]*"? | '[^']*'
    | \b(?=[a-fA-F-]{0,40}[0-9])[0-9a-fA-F][0-9a-fA-F-]{7,}\b
    | (?<![A-Za-z])[+-]?\d+(?:[.:,/TZ+-]+\d+)*Z?
    | \d+
    """,
    re.VERBOSE,
)
_RUN = re.compile(r"\*(?:[.:,/TZ+-]*\*)+")
_SPACE = re.compile(r"\s+")


def shape_of(line: str) -> str:
    """Return the shape of a line's beginning, on one line."""
    shown = _SPACE.sub(" ", line[:SHAPED_CHARACTERS_MAX]).strip()
    return _RUN.sub(MASK, _VARIABLE.sub(MASK, shown))
