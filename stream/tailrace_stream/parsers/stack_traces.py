"""What a stack trace behind a logged line tells: which fault it was, and what it said.

The trace itself stays in the message, where a search finds it, and stands nowhere twice.
"""

from __future__ import annotations

import polars as pl

JAVA_FAULT = r"^(?:Exception in thread \"[^\"\n]{0,256}\" )?((?:[A-Za-z_$][A-Za-z0-9_$]*\.)+[A-Za-z_$][A-Za-z0-9_$]*)(?::[ \t]*([^\n]*))?(?:\n|$)"
"""Two groups: the class of what was thrown, with its package, and its message."""
TRACEBACK = r"Traceback \(most recent call last\):"
_PYTHON_FRAMES = r"(?s)^.*\n {2}File \"[^\n]*"
_PYTHON_FAULT = (
    r"^(?:\n[ \t][^\n]*)*\n([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)"
    r"(?:: ?((?s:.*)))?$"
)


def java_fault(trace: pl.Expr) -> list[pl.Expr]:
    """Return the fields of what was thrown; null where `trace` begins with no class."""
    return [
        trace.str.extract(JAVA_FAULT, 1).alias("error.type"),
        filled_text(trace.str.extract(JAVA_FAULT, 2)).alias("error.message"),
    ]


def python_fault(trace: pl.Expr) -> list[pl.Expr]:
    """Return the fields of what was raised, of text that begins with a traceback.

    Of a chain the last one counts, which nobody caught; it stands behind the last frame.
    """
    end = trace.str.strip_chars_end("\r\n").str.replace(_PYTHON_FRAMES, "")
    return [
        end.str.extract(_PYTHON_FAULT, 1).alias("error.type"),
        filled_text(end.str.extract(_PYTHON_FAULT, 2)).alias("error.message"),
    ]


def filled_text(text: pl.Expr) -> pl.Expr:
    """Return a text, null where it is empty."""
    return pl.when(text.str.strip_chars() != "").then(text)
