"""What one pattern of a user comes to: a linear regex, its groups, and what they give.

Regex, grok, dissect and CSV all become a `Shape`, so that there is one way of reading. The
engine is the one that polars brings (Rust's `regex`), which looks at whole columns and
takes time linear in the line, whatever the pattern.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl
from polars.exceptions import ComputeError, PanicException

PATTERN_CHARACTERS_MAX = 65_536
"""Of a pattern with everything that it names written out."""
STEPS_MAX = 5_000
"""How many characters a pattern may stand for. Linear is steps times length: with so many,
the worst line that there may be (1 MiB) takes some four seconds, and not hours."""
GROUPS_MAX = 400


class PatternProblem(ValueError):
    """A pattern cannot be used; `str()` says what of it, and what to do."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a pattern, as its user wrote it and as the engine reads it."""

    shown: str
    regex: str
    is_sought: bool = False
    """Anything may stand before it: what is before it ends where it comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One value of a line: the first of its groups that took part, or all of them."""

    name: str
    """As in the pattern."""
    groups: tuple[int, ...]
    joints: tuple[str, ...] | None = None
    """What stands between the groups where all are joined; one fewer than they are."""
    quote: str = ""
    """Stands twice in the first group where the value has it once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One pattern, ready to be asked."""

    name: str
    kind: str
    source: str
    pieces: tuple[Piece, ...]
    """Side by side they are the pattern; of what is no sequence, one piece is all."""
    group_count: int
    cells: tuple[Cell, ...]
    pairs: tuple[tuple[int, int], ...] = ()
    """Groups that hold a name, each with the group of its value."""
    types: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the pattern itself says of its fields' types."""
    header: tuple[str, ...] = ()
    """Texts of the cells in a line that only names columns."""

    @property
    def regex(self) -> str:
        """Return the whole, behind an empty group that tells whether it matched."""
        return asked("".join(piece.regex for piece in self.pieces))


def asked(regex: str) -> str:
    """Return a regex whose first group takes part whenever it matches."""
    return f"()(?:{regex})"


def checked(shape: Shape, *, steps: int) -> Shape:
    """Return the shape, once the engine takes it.

    Raises:
        PatternProblem: it does not, or it would take too long.
    """
    if steps > STEPS_MAX:
        raise PatternProblem(
            f"stands for {steps:,} characters, and at most {STEPS_MAX:,} are looked for"
            " in every line: repeat less, or say it in several patterns"
        )
    if shape.group_count > GROUPS_MAX:
        raise PatternProblem(
            f"has {shape.group_count} groups, and {GROUPS_MAX} are the most: leave out"
            " the names of what is not needed"
        )
    try:
        fields = pl.Series([""]).str.extract_groups(shape.regex).struct.fields
    except (ComputeError, PanicException) as error:
        raise PatternProblem(_in_words(str(error), shape)) from None
    if len(fields) != shape.group_count + 1:
        raise PatternProblem("has brackets that do not belong together: escape them")
    return shape


def _in_words(said: str, shape: Shape) -> str:
    if "size limit" in said:
        return "takes too much memory when it is written out: repeat less"
    reason = said.rsplit("error:", 1)[-1].strip().splitlines()
    told = reason[0] if reason else said
    return (
        f"is no {shape.kind} that can be read in linear time: {told}; patterns are"
        " those of Rust's `regex`"
    )
