"""How a masked text is written: for those who compare it, and for those who read it."""

from __future__ import annotations

from typing import Final

MASK: Final = "\x1a"
"""Stands for a value while texts are compared: a control character that logs do not have;
a line that has it all the same holds a value there."""
SHOWN_MASK: Final = "<*>"


def shown(text: str) -> str:
    """Return a masked text as people read it."""
    return text.replace(MASK, SHOWN_MASK)


def compared(text: str) -> str:
    """Return a text that was shown as it is compared."""
    return text.replace(SHOWN_MASK, MASK)
