"""Which pattern a masked text fits: the same words, but for those where it has a value.

A group's pattern was found by comparing many texts; one that comes later need not wait for
company to be known as another of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tailrace.template_grouping import Text, may_vary, parts_of
from tailrace.template_text import MASK

Positions = tuple[int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Pattern:
    """A masked text, and whose it is."""

    text: str
    owner: str


class TemplatePatterns:
    """Patterns, found by the shape they have: how many parts, and where values."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        """Take them all; of one without a word of its own nothing can be told."""
        self._of_length: dict[int, dict[Positions, dict[Text, list[Pattern]]]] = {}
        for pattern in sorted(set(patterns)):
            form = parts_of(pattern.text)
            if not any(part[:1].isalpha() for part in form):
                continue
            positions = tuple(n for n, part in enumerate(form) if part == MASK)
            shapes = self._of_length.setdefault(len(form), {})
            shapes.setdefault(positions, {}).setdefault(form, []).append(pattern)

    def fitting(self, text: str, *, except_of: Collection[str] = ()) -> Pattern | None:
        """Return the pattern that says most of a text, if any does.

        Of several that is the one with the fewest values. Those of the owners
        `except_of` are passed over.
        """
        form = parts_of(text)
        values = {n for n, part in enumerate(form) if part == MASK}
        found: list[tuple[int, Pattern]] = []
        for positions, patterns in self._of_length.get(len(form), {}).items():
            if not values.issubset(positions):
                continue
            if not all(may_vary(form[n]) for n in positions):
                continue
            at = frozenset(positions)
            masked = tuple(MASK if n in at else part for n, part in enumerate(form))
            found += (
                (len(positions), pattern)
                for pattern in patterns.get(masked, ())
                if pattern.owner not in except_of
            )
        return min(found)[1] if found else None
