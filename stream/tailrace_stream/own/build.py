"""How settings become parsers, and every reason why one does not.

All patterns are read and all names looked at before anything is said, so that a user sees
every problem at once, each under the key that has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tailrace.detect import AUTO, PARSER_OF_DATASET
from tailrace_stream.own.config import ParserSettings, PatternSettings, Place
from tailrace_stream.own.delimited import delimited_shape
from tailrace_stream.own.dissect import dissect_shape
from tailrace_stream.own.grok import grok_shape, regex_shape
from tailrace_stream.own.moments import Format, time_format
from tailrace_stream.own.parser import OwnParser
from tailrace_stream.own.pattern import PatternProblem, Shape
from tailrace_stream.own.targets import Target, target_of
from tailrace_stream.times import known_zone

Problem = tuple[Place, str]
NAMES_MAX = 500
"""Of fields that one parser may give."""
DEFINITION_FORM = "a name of capitals, digits and _"


@dataclass(slots=True)
class _Built:
    """One parser on its way, and what is wrong with it."""

    settings: ParserSettings
    shapes: list[Shape] = field(default_factory=list[Shape])
    types: dict[str, str] = field(default_factory=dict[str, str])
    targets: dict[str, Target] = field(default_factory=dict[str, Target])
    formats: list[Format] = field(default_factory=list[Format])
    problems: list[Problem] = field(default_factory=list[Problem])

    def refuse(self, problem: str, *place: str | int) -> None:
        """Note what is wrong, and at which key."""
        self.problems.append((place, problem))


def own_parsers(given: Sequence[ParserSettings]) -> Mapping[str, OwnParser]:
    """Return the parser of each dataset; the settings were checked before."""
    return {one.dataset: _parser(_build(one)) for one in given}


def problems_of(
    settings: ParserSettings, *, numbers: Sequence[int] | None = None
) -> list[Problem]:
    """Return what is wrong with a parser, each with the key under it that has it.

    `numbers` are those of its patterns, where others beside them are wrong in form.
    """
    built = _build(settings, is_part=numbers is not None)
    if numbers is None:
        return built.problems
    return [(_renumbered(place, numbers), problem) for place, problem in built.problems]


def _renumbered(place: Place, numbers: Sequence[int]) -> Place:
    if len(place) > 1 and place[0] == "patterns" and isinstance(place[1], int):
        return ("patterns", numbers[place[1]], *place[2:])
    return place


def _parser(built: _Built) -> OwnParser:
    settings = built.settings
    time = settings.time
    return OwnParser(
        dataset=settings.dataset,
        shapes=tuple(built.shapes),
        targets=built.targets,
        time_name=None if time is None else time.field,
        formats=tuple(built.formats),
        time_zone=None if time is None else time.zone,
        nothing=settings.nothing,
    )


def _build(settings: ParserSettings, *, is_part: bool = False) -> _Built:
    built = _Built(settings)
    dataset = settings.dataset
    if dataset in PARSER_OF_DATASET or dataset == AUTO:
        built.refuse(
            f"{dataset!r} is read by a parser of ours, and where its lines lie depends"
            f" on what that reads: name one of your own, such as {dataset}_own, here"
            " and as the source's `dataset`",
            "dataset",
        )
    _read_definitions(built)
    names = [_name(one, number) for number, one in enumerate(settings.patterns)]
    for number, pattern in enumerate(settings.patterns):
        if names.index(names[number]) != number:
            built.refuse(f"there is another {names[number]!r}", "patterns", number)
        try:
            shape = _shape(pattern, name=names[number], settings=settings)
        except PatternProblem as problem:
            kind = pattern.kinds[0] if len(pattern.kinds) == 1 else ""
            place = ("patterns", number, kind) if kind else ("patterns", number)
            shown = f", got {_shown(pattern)}" if kind else ""
            built.refuse(f"{problem}{shown}", *place)
            continue
        built.shapes.append(shape)
    is_whole = not is_part and len(built.shapes) == len(settings.patterns)
    named = list(dict.fromkeys(c.name for s in built.shapes for c in s.cells))
    has_pairs = any(shape.pairs for shape in built.shapes)
    if not named and not has_pairs and is_whole:
        built.refuse("no pattern names a field", "patterns")
    if len(named) > NAMES_MAX:
        built.refuse(
            f"{len(named)} fields are named, and {NAMES_MAX} are the most", "patterns"
        )
    _read_types(built)
    _read_time(built, named, is_whole=is_whole)
    _read_fields(built, named, is_whole=is_whole)
    return built


def _name(pattern: PatternSettings, number: int) -> str:
    return pattern.name or f"pattern {number + 1}"


def _shown(pattern: PatternSettings) -> str:
    kind = pattern.kinds[0]
    value: str | tuple[str, ...] = getattr(pattern, kind)
    text = repr(value if isinstance(value, str) else list(value))
    return text if len(text) <= 200 else f"{text[:200]}..."


def _shape(pattern: PatternSettings, *, name: str, settings: ParserSettings) -> Shape:
    if len(pattern.kinds) != 1:
        given = " and ".join(pattern.kinds) or "none"
        raise PatternProblem(
            f"needs exactly one of regex, grok, dissect, csv and tsv, got {given}"
        )
    is_delimited = pattern.csv is not None or pattern.tsv is not None
    if not is_delimited and (pattern.separator or pattern.quote) is not None:
        raise PatternProblem("has `separator` or `quote`, which are for csv and tsv")
    if pattern.regex is not None:
        return regex_shape(pattern.regex, name=name)
    if pattern.grok is not None:
        return grok_shape(pattern.grok, name=name, definitions=settings.definitions)
    if pattern.dissect is not None:
        return dissect_shape(pattern.dissect, name=name)
    comma, mark = (",", '"') if pattern.csv is not None else ("\t", "")
    return delimited_shape(
        pattern.csv or pattern.tsv or (),
        name=name,
        separator=comma if pattern.separator is None else pattern.separator,
        quote=mark if pattern.quote is None else pattern.quote,
    )


def _read_definitions(built: _Built) -> None:
    for name in built.settings.definitions:
        if not name.replace("_", "A").isalnum() or not name.isascii():
            built.refuse(f"{name!r} must be {DEFINITION_FORM}", "definitions")
            continue
        try:
            grok_shape(
                f"%{{{name}:x}}", name=name, definitions=built.settings.definitions
            )
        except PatternProblem as problem:
            text = str(problem).removeprefix(f"names %{{{name}}}, which ")
            shown = repr(built.settings.definitions[name])[:200]
            built.refuse(f"{text}, got {shown}", "definitions", name)


def _read_types(built: _Built) -> None:
    for shape in built.shapes:
        for name, kind in shape.types.items():
            if built.types.setdefault(name, kind) != kind:
                built.refuse(
                    f"{name} is {built.types[name]} in one pattern and {kind} in"
                    f" {shape.name!r}: give it one type",
                    "patterns",
                )


def _read_time(built: _Built, named: Sequence[str], *, is_whole: bool) -> None:
    time = built.settings.time
    if time is None:
        return
    if is_whole and time.field not in named:
        built.refuse(
            f"no pattern has {time.field!r}; there are {', '.join(named)}",
            "time",
            "field",
        )
    for number, source in enumerate(time.formats):
        try:
            built.formats.append(time_format(source))
        except PatternProblem as problem:
            built.refuse(f"{problem}, got {source!r}", "time", "formats", number)
    if time.zone is not None and known_zone(time.zone) != time.zone:
        built.refuse(
            f"must be an IANA zone such as Europe/Berlin, got {time.zone!r}",
            "time",
            "zone",
        )


def _read_fields(built: _Built, named: Sequence[str], *, is_whole: bool) -> None:
    time = built.settings.time
    time_name = None if time is None else time.field
    for name in built.settings.fields:
        if is_whole and name not in named:
            built.refuse(
                f"no pattern has {name!r}; there are {', '.join(named)}", "fields", name
            )
        elif name == time_name:
            built.refuse("it is the time, whose field is @timestamp", "fields", name)
    kinds: dict[str, str] = {}
    for name in named:
        if name == time_name:
            continue
        said = built.settings.fields.get(name)
        kind = (said.type if said else None) or built.types.get(name)
        target = target_of(
            (said.name if said else None) or name,
            kind=kind,
            unit=said.unit if said else None,
        )
        if isinstance(target, str):
            place: Place = ("fields", name) if said else ("patterns",)
            hint = "" if said else f", in the pattern or by `fields.{name}`"
            built.refuse(f"{target}{hint}", *place)
            continue
        if kinds.setdefault(target.name, target.kind) != target.kind:
            built.refuse(
                f"{target.name} is {kinds[target.name]} and {target.kind}: two names"
                " that lead to it must be of one type",
                "fields",
                name,
            )
        built.targets[name] = target
