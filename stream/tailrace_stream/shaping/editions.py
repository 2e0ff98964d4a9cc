"""Which rules an event is judged by, also when it is read again after they were changed.

What a rule left out is counted, and what it kept is stored; were an event judged anew by
other rules it might become neither, or both. So each is judged by the rules of its first
reading, and two records say which those were.

- Of each partition of `tailrace.raw` the *editions*: from which record on which rules hold.
  A worker that begins with other rules than the last edition's writes a new one before it
  takes a record, from the end that the partition then has; or from its beginning, where
  nothing was ever sent of it. What any worker may have sent before was of records before
  that end, whoever died in between; so by its record alone an event is judged alike, and
  no worker needs to know another's settings.
- In each generation's state the *marks*: from which event number on which edition was. An
  event that comes in another record once more, sent again by its agent or read again to
  fill a hole, is told by its number.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from tailrace.errors import WireError
from tailrace.ledger import is_of_rule
from tailrace.wire import WIRE_VERSION, Origin, decode
from tailrace_stream.shaping.fates import NO_RULING, Ruling
from tailrace_stream.shaping.rules import NO_RULES, Rules, rules_for
from tailrace_stream.windows import GenerationState

RuleMarks: TypeAlias = tuple[tuple[int, int], ...]
"""From which event number of a generation on which edition was."""
RuledBy: TypeAlias = Callable[[Origin], tuple[Ruling, RuleMarks]]

EDITIONS_KEY: Final = "editions"
"""Of their record among the states of a partition; no generation is called so."""
EDITIONS_MAX: Final = 16
"""Kept of a partition, the newest. An event of an older one that is read again is judged by
the first of them, and where that differs the audit tells it."""
MARKS_MAX: Final = 16
"""Likewise, of a generation."""
_NONE: Final = 0
"""The edition of an event that no rule could have meant."""


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """Rules, and the record of the raw partition from which on they hold."""

    number: int
    """Counted from 1, in each partition by itself."""
    first_offset: int
    rules: Rules = ()


class Editions(msgspec.Struct, frozen=True, kw_only=True):
    """Which rules hold for the records of one partition."""

    wire_version: int = WIRE_VERSION
    revision: int = 0
    """The number of the newest."""
    editions: tuple[Edition, ...] = ()

    def at(self, offset: int) -> Edition | None:
        """Return what holds for a record; None where nothing does."""
        for edition in reversed(self.editions):
            if edition.first_offset <= offset:
                return edition
        return self.editions[0] if self.revision > len(self.editions) else None

    def of(self, number: int) -> Rules:
        """Return the rules of an edition, or of the first that is still known."""
        if number == _NONE or not self.editions:
            return NO_RULES
        place = max(number - self.editions[0].number, 0)
        return self.editions[min(place, len(self.editions) - 1)].rules


NO_EDITIONS: Final = Editions()


def ruled_by_none(_origin: Origin) -> tuple[Ruling, RuleMarks]:
    """Leave nothing out."""
    return NO_RULING, ()


def editions_in(value: bytes | None) -> Editions:
    """Read the record of a partition; none where it holds none, or cannot be read."""
    if not value:
        return NO_EDITIONS
    try:
        return decode(value, as_type=Editions)
    except WireError:
        return NO_EDITIONS


def with_rules(editions: Editions, rules: Rules, *, end_offset: int) -> Editions:
    """Return the editions where `rules` hold for records from `end_offset` on."""
    last = editions.editions[-1] if editions.editions else None
    if rules == (NO_RULES if last is None else last.rules):
        return editions
    number = editions.revision + 1
    new = Edition(number=number, first_offset=end_offset, rules=rules)
    kept = (*editions.editions, new)[-EDITIONS_MAX:]
    return msgspec.structs.replace(editions, revision=number, editions=kept)


def ruling_of(
    before: GenerationState, *, origin: Origin, offset: int, editions: Editions
) -> tuple[Ruling, RuleMarks]:
    """Return which rules hold for the events of a record, and its generation's marks then.

    `offset` is the record's, and `before` the state that it is counted to.
    """
    marks = _marks_after(before, origin=origin, offset=offset, editions=editions)
    if not marks:
        return NO_RULING, marks
    spans = tuple(
        (first, rules_for(editions.of(number), origin)) for first, number in marks
    )
    return (Ruling(spans) if any(rules for _, rules in spans) else NO_RULING), marks


def _marks_after(
    before: GenerationState, *, origin: Origin, offset: int, editions: Editions
) -> RuleMarks:
    edition = editions.at(offset)
    number = _NONE
    if edition is not None and rules_for(edition.rules, origin):
        number = edition.number
    marks = before.rule_marks
    reached = before.figures.next_event_number
    if not marks and any(map(is_of_rule, before.figures.dropped)):
        # The state was lost, and the ledger's word tells no marks.
        reached = 0
    if number == (marks[-1][1] if marks else _NONE):
        return marks
    if origin.first_event_number + origin.event_count <= reached:
        return marks
    marks = (*marks, (reached, number))
    if len(marks) > MARKS_MAX:
        return ((marks[0][0], marks[1][1]), *marks[2:])
    return marks
