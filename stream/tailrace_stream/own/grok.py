"""How a grok pattern is read: `%{NUMBER:took:int}` is a named pattern, a field and a type.

A user's own definitions come before the library's. A field may be written as Logstash
does, `[http][version]`. The same field may stand in several places, of which only some
take part: the first that did gives the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from tailrace_stream.own.grok_library import PATTERNS
from tailrace_stream.own.pattern import Cell, PatternProblem, Shape, checked
from tailrace_stream.own.scanner import Found, Piece, scan

DEPTH_MAX = 32
TYPES = {
    "int": "int",
    "integer": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "bool": "bool",
    "boolean": "bool",
    "string": "text",
    "text": "text",
    "ip": "ip",
}
"""What a type may be called in a pattern, and what it is called here."""
_REFERENCE = re.compile(
    r"(?P<syntax>[A-Za-z0-9_]{1,64})(?::(?P<field>[^:{}]{1,128})(?::(?P<type>\w+))?)?"
)
_BRACKETED = re.compile(r"(?:\[[^\[\]]+\])+")


def grok_shape(
    source: str, *, name: str, definitions: Mapping[str, str] | None = None
) -> Shape:
    """Return the shape of a grok pattern.

    Raises:
        PatternProblem: it names what there is not, or takes more than linear time.
    """
    library = _Library({**PATTERNS, **(definitions or {})})
    found = scan(source, reference=library.reference)
    return checked(
        Shape(
            name=name,
            kind="grok",
            source=source,
            pieces=found.pieces,
            group_count=len(found.names),
            cells=cells_of(found.names),
            types=library.types,
        ),
        steps=found.steps,
    )


def regex_shape(source: str, *, name: str) -> Shape:
    """Return the shape of a regex, whose named groups are its fields.

    Raises:
        PatternProblem: it takes more than linear time, or names no group.
    """
    found = scan(source)
    return checked(
        Shape(
            name=name,
            kind="regex",
            source=source,
            pieces=found.pieces,
            group_count=len(found.names),
            cells=cells_of(found.names),
        ),
        steps=found.steps,
    )


def cells_of(names: tuple[str, ...]) -> tuple[Cell, ...]:
    """Return one cell a name, of all groups that bear it."""
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        groups.setdefault(name, []).append(index)
    return tuple(Cell(name=name, groups=tuple(of)) for name, of in groups.items())


class _Library:
    """Definitions, each read once, and the types that fields were given on the way."""

    def __init__(self, definitions: Mapping[str, str]) -> None:
        self.types: dict[str, str] = {}
        self._definitions = definitions
        self._found: dict[str, Found] = {}
        self._open: list[str] = []

    def reference(self, text: str) -> Found:
        """Return what `%{text}` stands for.

        Raises:
            PatternProblem: it is none, or goes round in a circle.
        """
        parts = _REFERENCE.fullmatch(text)
        if parts is None:
            raise PatternProblem(
                f"has %{{{text}}}, which is not of the form %{{NAME}}, %{{NAME:field}}"
                " or %{NAME:field:type}"
            )
        found = self._named(parts["syntax"])
        field = parts["field"]
        if field is None:
            pieces = (Piece(text, f"(?:{found.regex})"),)
            return Found(pieces, found.names, found.steps)
        if _BRACKETED.fullmatch(field):
            field = ".".join(field[1:-1].split("]["))
        if parts["type"] is not None:
            self._note(field, parts["type"], text)
        pieces = (Piece(text, f"({found.regex})"),)
        return Found(pieces, (field, *found.names), found.steps)

    def _note(self, field: str, given: str, text: str) -> None:
        known = TYPES.get(given)
        if known is None:
            raise PatternProblem(
                f"has %{{{text}}}, whose type {given!r} is none of"
                f" {', '.join(sorted(TYPES))}"
            )
        if self.types.setdefault(field, known) != known:
            raise PatternProblem(
                f"gives {field} the types {self.types[field]} and {known}: give it one"
            )

    def _named(self, syntax: str) -> Found:
        if syntax in self._found:
            return self._found[syntax]
        definition = self._definitions.get(syntax)
        if definition is None:
            near = get_close_matches(syntax, self._definitions, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise PatternProblem(
                f"names %{{{syntax}}}, which is neither in the library nor in"
                f" `definitions`{hint}"
            )
        if syntax in self._open or len(self._open) >= DEPTH_MAX:
            circle = " -> ".join([*self._open, syntax])
            raise PatternProblem(f"goes round in a circle or too deep: {circle}")
        self._open.append(syntax)
        try:
            found = scan(definition, reference=self.reference)
        except PatternProblem as problem:
            if len(self._open) > 1:
                raise
            raise PatternProblem(f"names %{{{syntax}}}, which {problem}") from None
        finally:
            self._open.pop()
        self._found[syntax] = found
        return found
