"""Patterns that cost time linear in the text, whatever they are: RE2, and nothing else.

The library is brought by the extra `redaction`, and imported when a pattern is made: an
agent that redacts nothing needs neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from tailrace.errors import RoleNotInstalled

EXTRA = "redaction"
MODULE = "re2"


class NotAPattern(ValueError):
    """RE2 cannot read it; `str()` says why."""


class Pattern:
    """One pattern; it never matches a newline, and sees each line as one."""

    def __init__(
        self, pattern: bytes, *, is_utf8: bool = False, is_exact: bool = True
    ) -> None:
        """Compile a pattern, whose `^` and `$` are those of a line.

        `is_utf8` takes characters for units, else bytes are; what `is_exact` does not
        tells no capitals from small letters.

        Raises:
            NotAPattern: it is none.
            RoleNotInstalled: the library is not there.
        """
        re2 = _library()
        options = re2.Options()
        encodings = re2.Options.Encoding
        options.encoding = encodings.UTF8 if is_utf8 else encodings.LATIN1
        options.never_nl = True
        options.case_sensitive = is_exact
        options.log_errors = False  # It would print the pattern.
        try:
            self._compiled = re2.compile(b"(?m)" + pattern, options)
        except re2.error as error:
            reason = error.args[0] if error.args else error
            text = (
                reason.decode("utf-8", "replace")
                if isinstance(reason, bytes)
                else reason
            )
            raise NotAPattern(str(text)) from None

    @property
    def group_count(self) -> int:
        """Return how many groups it has that take a part of what matches."""
        return self._compiled.groups

    def is_in(self, text: bytes) -> bool:
        """Return whether it matches anywhere."""
        return self._compiled.search(text) is not None

    def first_end(self, text: bytes, start: int) -> int:
        """Return where its first match from `start` on ends, or -1."""
        match = self._compiled.search(text, start)
        return -1 if match is None else match.end()

    def find(self, text: bytes, start: int = 0) -> Iterator[tuple[int, int]]:
        """Yield where it matches: the first of its groups that took part, or all of it."""
        for match in self._compiled.finditer(text, start):
            yield match.span(match.lastindex or 0)


def _library() -> Any:  # noqa: ANN401 - it has no types
    try:
        return import_module(MODULE)
    except ImportError:
        raise RoleNotInstalled(EXTRA, missing_module=MODULE) from None
