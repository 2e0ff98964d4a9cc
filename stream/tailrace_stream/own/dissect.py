"""How a dissect pattern is read: names between the texts that part them, no regex at all.

`%{a} - %{b}`: a value ends where the next text begins for the first time, the last one with
the event. What stands behind a last text is not asked. Modifiers: `%{}` and `%{?a}` take and
give nothing, `%{+a}` adds to `a` with what stands between them in the pattern (`%{+a/2}` in that
order), `%{a->}` skips the text behind it however often it comes, and of `%{*k}=%{&k}` one
is the name and the other the value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tailrace_stream.own.pattern import Cell, PatternProblem, Piece, Shape, checked

_KEY = re.compile(
    r"(?P<modifier>[+?*&]?)(?P<name>[^+?*&{}]*?)(?:/(?P<order>[0-9]{1,4}))?(?P<pad>->)?"
)
_PART = re.compile(r"%\{([^{}]*)\}")
NAMES_FORM = "letters, digits, _, -, @ and ."
_NAME = re.compile(r"[A-Za-z0-9_@.-]{1,128}")


@dataclass(frozen=True, slots=True)
class _Key:
    modifier: str
    name: str
    order: int
    is_padded: bool
    group: int
    before: str
    """The text before it."""
    shown: str


def dissect_shape(source: str, *, name: str) -> Shape:
    """Return the shape of a dissect pattern.

    Raises:
        PatternProblem: it is none.
    """
    texts, keys = _read(source)
    pieces = [Piece(texts[0], "^" + re_text(texts[0]))]
    for key, after in zip(keys, texts[1:], strict=True):
        is_last = key.group == len(keys) - 1
        is_padded = key.is_padded
        pieces.append(Piece(key.shown, _value(after, is_last=is_last)))
        if after:
            once = re_text(after)
            regex = f"{once}(?:{once})*" if is_padded else once
            pieces.append(Piece(after, regex, is_sought=True))
    pairs = _pairs(keys)
    shape = Shape(
        name=name,
        kind="dissect",
        source=source,
        pieces=tuple(pieces),
        group_count=len(keys),
        cells=_cells(keys),
        pairs=pairs,
    )
    if not shape.cells and not pairs:
        raise PatternProblem("names no field: write %{name} where a value stands")
    return checked(shape, steps=sum(len(piece.regex) for piece in pieces))


def re_text(text: str) -> str:
    """Return a regex that takes `text` and nothing else."""
    return "".join(
        f"\\x{{{ord(letter):x}}}" if not letter.isalnum() else letter for letter in text
    )


def _value(after: str, *, is_last: bool) -> str:
    if not after:
        assert is_last
        return "((?s:.*))$"
    if len(after) == 1:
        # The same, and a class decides at each character where it goes on.
        return f"([^{re_text(after)}]*)"
    return "((?s:.*?))"


def _read(source: str) -> tuple[list[str], list[_Key]]:
    """Return the texts around the keys, one more than those, and the keys."""
    parts = _PART.split(source)
    texts, written = parts[0::2], parts[1::2]
    if not written:
        raise PatternProblem("has no %{name}: write one where a value stands")
    for text in texts:
        if "%{" in text:
            raise PatternProblem(f"has a %{{ without its }} in {text!r}: close it")
    for left, right, between in zip(written, written[1:], texts[1:-1], strict=False):
        if not between:
            raise PatternProblem(
                f"has nothing between %{{{left}}} and %{{{right}}} that could part"
                " them: write the text that stands there"
            )
    keys: list[_Key] = []
    for group, text in enumerate(written):
        parsed = _KEY.fullmatch(text)
        named = parsed["name"] if parsed else ""
        is_named = not named or _NAME.fullmatch(named) is not None
        if parsed is None or not is_named or (parsed["modifier"] and not named):
            raise PatternProblem(
                f"has %{{{text}}}, which is no key: a name of {NAMES_FORM}, before it"
                " one of + ? * & or nothing, behind it -> or nothing"
            )
        if parsed["order"] is not None and parsed["modifier"] != "+":
            raise PatternProblem(
                f"has %{{{text}}}: an order is for what is added, as in"
                f" %{{+{named}/{parsed['order']}}}"
            )
        keys.append(
            _Key(
                modifier=parsed["modifier"],
                name=named,
                order=int(parsed["order"] or 0),
                is_padded=parsed["pad"] is not None,
                group=group,
                before=texts[group],
                shown=f"%{{{text}}}",
            )
        )
    return texts, keys


def _cells(keys: list[_Key]) -> tuple[Cell, ...]:
    parts: dict[str, list[_Key]] = {}
    for key in keys:
        if not key.name or key.modifier not in {"", "+"}:
            continue
        of = parts.setdefault(key.name, [])
        if of and key.modifier == "":
            raise PatternProblem(
                f"has %{{{key.name}}} twice: write %{{+{key.name}}} to add to it"
            )
        of.append(key)
    cells: list[Cell] = []
    for name, of in parts.items():
        ordered = sorted(of, key=lambda key: key.order)
        cells.append(
            Cell(
                name=name,
                groups=tuple(key.group for key in ordered),
                joints=tuple(key.before for key in ordered[1:])
                if len(ordered) > 1
                else None,
            )
        )
    return tuple(cells)


def _pairs(keys: list[_Key]) -> tuple[tuple[int, int], ...]:
    def of(modifiers: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for key in keys:
            if key.modifier and key.modifier in modifiers:
                if key.name in found:
                    raise PatternProblem(
                        f"has %{{{key.modifier}{key.name}}} twice: give each its name"
                    )
                found[key.name] = key.group
        return found

    names, values, skipped = of("*"), of("&"), of("?")
    # Logstash writes `?` where others write `*`.
    names |= {name: group for name, group in skipped.items() if name in values}
    for name in sorted(names.keys() ^ values.keys()):
        raise PatternProblem(
            f"has one of %{{*{name}}} and %{{&{name}}}: the name needs its value, and"
            " the value its name"
        )
    return tuple((group, values[name]) for name, group in names.items())
