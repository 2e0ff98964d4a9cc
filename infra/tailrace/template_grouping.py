"""Which masked texts are one template: texts that differ in a variable word alone.

Masks know a value by its form; a user's name or a state looks like any other word. So texts
are compared, all at once: leave one word of a text out, and every text that is the same
without it stands beside it. Where many words are seen in that one place, or a word where
others have a value, the place holds a variable, and its texts are one template. Repeated,
as a text may have several such places.

That a place is judged by how many different words it has is the idea of Brain (Yu et al.,
IEEE Transactions on Services Computing 2023, whose threshold is set for each system), and
that the number of parts must agree first is Drain's (He et al., ICWS 2017). Ours are the
comparison by leaving one word out, which needs neither tree nor order of arrival, what counts
as a word of a program's own (`true`, `RUNNING`), and one set of numbers for every log.

The answer depends on which texts there are and on nothing else.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tailrace.template_text import MASK

TEXTS_MAX = 20_000
"""Compared at a time; what is beyond them stays a template of its own."""
WORDS_MAX = 64
"""Of a text; the words behind them are compared as one."""
ROUNDS_MAX = 6
"""How many places of a text can be found variable one after another."""

_VARIETY_MIN = 40
"""So much variety makes a place variable: states come in twos and threes."""
_VARIETY_OF_SHORT_MIN = {1: 120, 2: 100}
"""The same where so few words are left to tell the text by, as of `nginx startup done`."""
_VARIETY_OF_NAMES_MIN = 20
"""The same behind a word that announces a name."""
_ANNOUNCING = frozenset({"user", "username", "host", "hostname"})
_WORD_VARIETY = 10
_CAPITALS_VARIETY = 7
"""Of a word in capitals, which is more often a state than a name."""
_VALUE_VARIETY = 33
"""Of a value in the place: what stands there instead is one, too, such as `LOCAL`."""

_PARTS = re.compile(rf"""{MASK}|"[^"{MASK}]{{1,64}}"|[^\W_]+(?:[-'_.,][^\W_]+)*|\S""")
_CONSTANTS = frozenset(
    (
        *("true", "false", "null", "nil", "none", "yes", "no", "on", "off", "ok"),
        *("enabled", "disabled", "success", "succeeded", "failed", "failure"),
        *("begin", "end", "start", "started", "stop", "stopped"),
        *("get", "post", "put", "delete", "patch", "head", "options", "connect"),
    )
)
"""Words that programs choose from few, so they tell templates apart however many there are."""
_NOTHING = ""
"""Stands behind a `=` that nothing follows."""

Text = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A word's place in a text: the text without it."""

    indices: tuple[int, ...]
    """More than one where the text says the same word again."""
    around: Text


def group(texts: Iterable[str], *, texts_max: int = TEXTS_MAX) -> dict[str, str]:
    """Return of each masked text the text of its template, which has `MASK` for values.

    A template's text may be that of none of its members.
    """
    chosen = sorted(set(texts))
    compared, beyond = chosen[:texts_max], chosen[texts_max:]
    of_text = {text: parts_of(text) for text in compared}
    forms: dict[Text, Text] = {form: form for form in of_text.values()}
    for _ in range(ROUNDS_MAX):
        changed = _with_variables(set(forms.values()))
        if not changed:
            break
        forms = {first: changed.get(form, form) for first, form in forms.items()}
    members: dict[Text, list[str]] = defaultdict(list)
    for text, form in of_text.items():
        members[forms[form]].append(text)
    named: dict[str, str] = {}
    for form, together in members.items():
        template = _text(
            form, examples=sorted(together, key=lambda one: (len(one), one))
        )
        named |= dict.fromkeys(together, template)
    return named | {text: text for text in beyond}


def parts_of(text: str) -> Text:
    """Return a masked text's words, values and signs: the places that are compared."""
    parts: list[str] = []
    for found in _PARTS.finditer(text):
        parts.append(found[0])
        if found[0] == "=" and text[found.end() : found.end() + 1] in ("", " ", ","):
            parts.append(_NOTHING)
    if len(parts) > WORDS_MAX:
        parts[WORDS_MAX:] = [" ".join(parts[WORDS_MAX:])]
    return tuple(parts)


def may_vary(part: str) -> bool:
    """Tell whether a part can stand where others have a value."""
    if part in (MASK, _NOTHING):
        return True
    return _is_word(part) and not _is_constant(part)


def _is_word(part: str) -> bool:
    return part[:1].isalnum() or len(part) > 1


def _with_variables(forms: set[Text]) -> dict[Text, Text]:
    """Return the forms that have a variable word, with `MASK` in its place."""
    at_place: dict[_Place, set[str]] = defaultdict(set)
    for form in forms:
        for place, word in _places(form):
            at_place[place].add(word)
    variable = {
        place for place, words in at_place.items() if _is_variable(place, words)
    }
    changed: dict[Text, Text] = {}
    for form in forms:
        indices = {
            index
            for place, word in _places(form)
            if place in variable and word != MASK and not _is_constant(word)
            for index in place.indices
        }
        if indices:
            changed[form] = tuple(
                MASK if index in indices else part for index, part in enumerate(form)
            )
    return changed


def _places(form: Text) -> Iterable[tuple[_Place, str]]:
    at: dict[str, list[int]] = {}
    for index, part in enumerate(form):
        if part in (MASK, _NOTHING):
            yield _Place((index,), form[:index] + form[index + 1 :]), part
        elif _is_word(part):
            at.setdefault(part, []).append(index)
    for word, indices in at.items():
        around = tuple(part for part in form if part != word)
        yield _Place(tuple(indices), around), word


def _is_variable(place: _Place, words: set[str]) -> bool:
    if len(words) == 1:
        return False
    left = sum(1 for part in place.around if part[:1].isalpha())
    if not left:
        return False
    variety = sum(map(_variety, words))
    first = place.indices[0]
    if first and place.around[first - 1].lower() in _ANNOUNCING:
        return variety >= _VARIETY_OF_NAMES_MIN
    return variety >= _VARIETY_OF_SHORT_MIN.get(left, _VARIETY_MIN)


def _variety(word: str) -> int:
    # A list is no word that a program chooses.
    if word in (MASK, _NOTHING) or "," in word:
        return _VALUE_VARIETY
    if _is_constant(word):
        return 0
    return _CAPITALS_VARIETY if word.isupper() else _WORD_VARIETY


def _is_constant(word: str) -> bool:
    """Tell words that a program chooses from few."""
    return word.lower() in _CONSTANTS


def _text(form: Text, *, examples: list[str]) -> str:
    """Return a form as text, spaced as the first of its members that can tell is."""
    parts = [part for part in form if part != _NOTHING]
    for example in examples:
        spans = list(_PARTS.finditer(example))
        if len(spans) != len(parts):
            continue
        pieces: list[str] = []
        end = 0
        for span, part in zip(spans, parts, strict=True):
            pieces += (example[end : span.start()], part)
            end = span.end()
        return "".join(pieces)
    return " ".join(parts)
