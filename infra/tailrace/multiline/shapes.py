"""How lines of stack traces begin, and which of them belong to the line before.

A line has a *kind*, told by its head alone. Whether it belongs to the event of the line
before is told by the two kinds (and over one blank line in a chain of tracebacks), by
nothing further back: so reading may begin at any event and finds the same events behind
it. Heads are linear: each repetition is bounded,
and possessive wherever what follows could begin with what it repeats.

A shape is never changed once released: a file that is read again must give the same
events. One that is better gets another name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

PLAIN = 0
"""The kind of every line that has no other: it begins an event."""

_NAME = rb"[A-Za-z_$][\w$]{0,127}+"
_FAULT = (
    rb"(?:(?<=Error)|(?<=Exception)|(?<=Throwable)|(?<=Warning)|(?<=Failure)"
    rb"|(?<=Interrupt)|(?<=Exit)|(?<=StopIteration))"
)
_END = rb"(?=\r?\n|\r?\Z)"
_DOTTED = rb"(?:" + _NAME + rb"\.){1,32}+" + _NAME

_TIME_OF_DAY = rb"\d{1,2}:\d\d(?::\d\d|\b)"
_DATE = (
    rb"(?:\d{4}[-/.]\d\d[-/.]\d\d[T ,_]{1,2}"
    rb"|\d\d?[-/. ](?:[A-Z][a-z]{2}|\d\d)[-/. ]\d{2,4}[T :,]{1,2}"
    rb"|(?:[A-Z][a-z]{2},? )?[A-Z][a-z]{2} [ \d]?\d,? (?:\d{4},? )?"
    rb"|\d{4} (?=\d\d:\d\d:\d\d\.)"  # behind a letter, as glog and klog write a date
    rb"|(?=\d\d:\d\d:\d\d))"  # a time alone, as many consoles show it
)
_BEFORE_DATE = rb"(?:<\d{1,3}>(?:1 )?|\[?[A-Z]{1,8}\]?[ ,:|-]{0,4}|\[[a-z]{1,8}\] {1,4})?[\[({\"']?"
TIME_HEAD = _BEFORE_DATE + _DATE + _TIME_OF_DAY
"""A date or time at the head of a line, behind a level or a bracket at most."""

HEADS: Mapping[str, bytes] = {
    "untimed": rb"(?=[\s\S])(?!" + TIME_HEAD + rb")",
    "slow_user": rb"# User@Host: ",
    "slow_rest": rb"(?=[\s\S])(?!# Time: |[^\s,]{1,256}, Version: )",
    "at": rb"[ \t]{1,64}+(?:at |\.\.\. \d)",
    "go_file": rb"\t[^\n:]{1,512}\.(?:go|s):\d",
    "indent": rb"[ \t]",
    "blank": rb"(?=\r?\n|\r\Z)",
    "cause": rb"(?:Caused by|Suppressed|Wrapped by): ",
    "traceback": rb"Traceback \(most recent call last\):",
    "chain": rb"During handling of the above exception,|The above exception was the",
    "panic": rb"panic: |fatal error: |runtime: |SIG[A-Z]{2,8}: ",
    "signal": rb"\[signal |PC=0x",
    "goroutine": rb"goroutine \d{1,12} ",
    "exit": rb"exit status \d{1,3}" + _END,
    "version": rb"Node\.js v\d",
    "throw": rb"throw ",
    "caret": rb"\^{1,128}" + _END,
    "brace": rb"[}\]]",
    "header": rb"(?:node:|file://|/)[^\s:]{1,512}+:\d{1,7}" + _END,
    "ruby_frame": (
        rb"(?:<internal:[^\n>]{1,128}>|[^\s:]{1,512}+):\d{1,7}:in [`'\"]"
        rb"[^\n`'\"]{1,256}['\"]" + _END
    ),
    "dotted": _DOTTED + _FAULT + rb"(?=:|\r?\n|\r?\Z)",
    "qualified": rb"(?:" + _NAME + rb"\.){1,32}+[A-Z][\w$]{0,127}+(?=: |\r?\n|\r?\Z)",
    "bare": _NAME + _FAULT + rb"(?=:| [\[(]|\r?\n|\r?\Z)",
    "go_function": (
        rb"created by |[A-Za-z_][^\s(]{0,255}+(?:\([^\s()]{1,255}+\)[^\s(]{1,255}+)?"
        rb"\([^\n]{0,512}\)" + _END
    ),
}
"""The head of each kind; where several fit, the first one does."""

_ANY: frozenset[str] = frozenset({"any"})
_Joins = Mapping[str, frozenset[str]]
"""For each kind that a shape knows: behind which kinds it continues the event."""

_JAVA: _Joins = {
    "at": _ANY,
    "indent": _ANY,
    "cause": _ANY,
    # The line that announces it; behind a trace it begins the next one.
    "dotted": frozenset({"plain"}),
}
_PYTHON: _Joins = {
    "indent": _ANY,
    "traceback": frozenset({"plain", "indent", "chain"}),
    "dotted": frozenset({"indent"}),
    # Such as `requests.exceptions.Timeout: …`, which only its place tells apart.
    "qualified": frozenset({"indent"}),
    "bare": frozenset({"indent"}),
    "chain": frozenset({"blank", "dotted", "qualified", "bare", "indent"}),
    "blank": frozenset({"dotted", "qualified", "bare", "chain"}),
}
_GO: _Joins = {
    "go_file": _ANY,
    "indent": _ANY,
    "panic": frozenset({"panic"}),
    "signal": frozenset({"panic", "signal"}),
    "goroutine": _ANY,
    "go_function": frozenset({"goroutine", "go_file"}),
    "exit": frozenset({"go_file"}),
    "blank": frozenset({"panic", "signal", "go_file"}),
}
_RUBY: _Joins = {"indent": _ANY, "ruby_frame": _ANY}
_NODE: _Joins = {
    "at": _ANY,
    "indent": _ANY,
    "caret": _ANY,
    "header": frozenset(),
    "throw": frozenset({"header"}),
    "bare": frozenset({"blank"}),
    "brace": frozenset({"indent", "at"}),
    "version": frozenset({"blank", "brace", "at"}),
    "blank": frozenset({"indent", "at", "caret", "brace"}),
}


def _all_of(*shapes: _Joins) -> _Joins:
    joins: dict[str, frozenset[str]] = {}
    for shape in shapes:
        for kind, behind in shape.items():
            joins[kind] = joins.get(kind, frozenset()) | behind
    return joins


SHAPES: Mapping[str, _Joins] = {
    "java": _JAVA,
    "python": _PYTHON,
    "go": _GO,
    "ruby": _RUBY,
    "node": _NODE,
    "trace": _all_of(_JAVA, _PYTHON, _GO, _RUBY, _NODE),
    "time": {"untimed": _ANY},
    # An entry begins with its time, or with its user where the second is the one before.
    "slowlog": {"slow_user": frozenset({"plain"}), "slow_rest": _ANY},
}
"""The built-in rules: languages, any of them (`trace`), lines that begin with a time, and
entries of MySQL's slow log."""
LANGUAGES = ("java", "python", "go", "ruby", "node")


@dataclass(frozen=True, slots=True)
class Shape:
    """A built-in rule, ready to be asked. Kinds are numbers, `PLAIN` and from 1 on."""

    head: re.Pattern[bytes]
    """Matches where a line begins that is not plain; `lastindex` is its kind."""
    behind_newline: re.Pattern[bytes]
    """The same, behind a newline: one pass over a block finds all such lines."""
    joins: frozenset[tuple[int, int]]
    """The kinds of two lines of which the second continues the event."""
    stays: Mapping[tuple[int, int], int]
    """Where a line leaves the kind before it standing for the next one."""


@cache
def shape_of(name: str) -> Shape:
    """Return a built-in rule.

    Raises:
        KeyError: there is none of that name.
    """
    shape = SHAPES[name]
    kinds = [kind for kind in HEADS if kind in shape]
    number = {"plain": PLAIN} | {kind: n for n, kind in enumerate(kinds, start=1)}
    heads = b"|".join(b"(" + HEADS[kind] + b")" for kind in kinds)
    joins: set[tuple[int, int]] = set()
    for kind, behind in shape.items():
        before = number if behind & _ANY else behind
        joins.update((number[name], number[kind]) for name in before)
    stays: dict[tuple[int, int], int] = {}
    if "chain" in number:
        # The blank line between `During handling …` and its traceback.
        stays[number["chain"], number["blank"]] = number["chain"]
    return Shape(
        re.compile(heads),
        re.compile(rb"\n(?:" + heads + rb")"),
        frozenset(joins),
        stays,
    )
