"""What tells a line that a program wrote from plain text which only has a time or a word of it.

People write times, levels and equals signs, too: a line is a program's where they stand in the
places that programs give them. As in `tailrace.datasets`, one text serves Python's `re` and
Rust's, and nothing in it can be made slow.
"""

from __future__ import annotations

import re

LEVEL = (
    r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|SEVERE|FINE|FINER"
    r"|FINEST)"
)
_BETWEEN = r"[ \t|:-]"
# Blanks are many where a format pads what stands in front of them.
_BRACKETS = rf"\[[^\]\n]{{0,512}}\]{_BETWEEN}{{0,64}}"
_NUMBER = rf"[0-9]{{1,19}}{_BETWEEN}{{1,64}}"
_PAIR = r"[A-Za-z_][A-Za-z0-9_.-]{0,63}=[^\s=]{0,255}[ \t]{1,8}"
_ZONE = r"(?: (?:UTC|GMT|[A-Z]{1,3}T))?"
_NAME = r"[A-Za-z_][A-Za-z0-9_.$/-]{0,255}"
# With no colon behind it: that is who says something, in a chat.
_LAST = rf"{_NAME}(?:[ \t|-]{{1,64}}|\[[0-9]{{1,19}}\]{_BETWEEN}{{1,64}})"
# Of several names all but the last have a sign behind them, and words of prose have none.
_COLUMN = rf"{_NAME}(?:\t|\||[ \t]{{1,64}}[|-])[ \t|-]{{0,64}}"
LEVEL_BEHIND_TIME = (
    rf"\]?{_ZONE}[ \t|,:-]{{0,8}}(?:{_BRACKETS}|{_NUMBER}|{_PAIR}|{_COLUMN}){{0,8}}"
    rf"(?:{_LAST}(?:{_BRACKETS}|{_NUMBER}){{0,3}}|{_NAME}\[)?\[? {{0,4}}{LEVEL}"
    r"(?:[^A-Za-z0-9_]|$)"
)
"""What stands between a time and its level: threads and the like in brackets, numbers, pairs, names.
In prose other words do, or signs such as those around who speaks in a chat."""

_KEY = r"[A-Za-z_@][A-Za-z0-9_.@/#-]{0,127}"
_VALUE = r"(?:\"(?:[^\"\\]|\\.)*\"|[^\s\"]*)"
_TOLD = (
    r"(?:ts|time|timestamp|at|level|lvl|severity|msg|message|caller|logger|component"
    r"|event|method|status|duration|err|error)="
)
"""Keys of which a line of a log has one, whatever program wrote it."""
# A formula has a `t`, too, but of no such size.
_MOMENT = r"(?:[0-9]{4}-|1[0-9]{9})"
_T = rf"t=\"?{_MOMENT}"
_T_PAIR = rf"t=(?:\"{_MOMENT}[^\"]*\"|{_MOMENT}[^\s\"]*)"
_ANY_TOLD = rf"(?:{_TOLD}|{_T})"
_PAIR_ONLY = rf"[a-z_@][A-Za-z0-9_.@/#-]*={_VALUE}"
_LONG_PAIR_ONLY = rf"[a-z_@][A-Za-z0-9_.@/#-]+={_VALUE}"
_LETTER_PAIR_ONLY = rf"[a-z_@]={_VALUE}"
LOGFMT = (
    # It begins with two pairs, and a key of some pair says what only a log says,
    rf"(?:(?:{_TOLD}{_VALUE}|{_T_PAIR})\s+{_KEY}="
    rf"|{_KEY}={_VALUE}\s+(?:{_ANY_TOLD}|{_KEY}=[^\n]*?\s{_ANY_TOLD})"
    # or it is of nothing but pairs, three at the least, with keys that are no variables', be
    # they of a shell or of a formula, whose names are letters.
    rf"|(?:{_LONG_PAIR_ONLY}\s+{_PAIR_ONLY}|{_LETTER_PAIR_ONLY}\s+{_LONG_PAIR_ONLY})"
    rf"(?:\s+{_PAIR_ONLY})+\s*$)"
)
"""Pairs, but no assignments of a shell, nor the settings or the formulas of a text."""

UNIT_STATUS = re.compile(
    # A bullet of systemd's, in UTF-8 or as it is written without.
    rb"(?:\xe2\x97[\x8f\x8b]|\xc3\x97|\xe2\x86\xbb|\xe2\x9f\xb3|[*x]) [^\s/]{1,256}\."
    rb"(?:service|socket|target|device|mount|automount|swap|path|timer|slice|scope)\b[^\n]{0,512}"
    rb"\n {1,16}Loaded: "
)
"""How what `systemctl status` prints begins, whose last lines are those of a journal."""
