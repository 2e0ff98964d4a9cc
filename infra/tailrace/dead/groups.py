"""Dead letters by what they have in common: where they died, why, and which line it was.

Pure. A group has a short name that depends on nothing but these, so that what `tailrace
dead list` shows today still names it tomorrow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tailrace.dead.causes import Cause, cause_of
from tailrace.dead.fixes import Fix, FixKind, proposed
from tailrace.dead.letters import FailedDocument, Letter, read_document, text_of
from tailrace.dead.shapes import shape_of

NAME_BYTES: Final = 4
GROUPS_MAX: Final = 1_000
"""More than these are counted together: nobody reads so many, and memory ends somewhere."""
IDS_MAX: Final = 1_000_000
"""Letters of which it is noted that they were met: one that died on two days is one."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class GroupKey:
    """What the letters of a group have in common."""

    stage: str
    cause: Cause
    dataset: str
    template: str

    @property
    def name(self) -> str:
        """Eight hexadecimal digits by which a group is named on the command line."""
        cause = self.cause
        parts = (
            *(self.stage, cause.reason, cause.field, cause.wanted),
            *(self.dataset, self.template),
        )
        text = "\0".join(parts).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=NAME_BYTES).hexdigest()


@dataclass(slots=True, kw_only=True)
class Group:
    """How many letters have a key, and what may be done about them."""

    key: GroupKey
    letter_count: int = 0
    event_count: int = 0
    unfit_count: int = 0
    """Letters that hold no document, so that none can be sent again from them."""
    first_died_at_ms: int = 0
    last_died_at_ms: int = 0
    detail: str = ""
    """The newest letter's, as an example."""
    fixes: dict[Fix, int] = field(default_factory=dict[Fix, int])
    """What was proposed for the letters, each by itself, and for how many."""

    @property
    def fix(self) -> Fix | None:
        """What is proposed for all of them: a value is moved where one cannot be coerced."""
        moves = [fix for fix in self.fixes if fix.kind is FixKind.MOVE]
        return (moves or sorted(self.fixes) or [None])[0]


@dataclass(slots=True)
class Groups:
    """Gathers letters one by one, the oldest first; none is kept."""

    left_out_count: int = 0
    """Letters of groups beyond `GROUPS_MAX`."""
    _groups: dict[GroupKey, Group] = field(default_factory=dict["GroupKey", "Group"])
    _met: set[str] = field(default_factory=set[str])

    def take(self, letter: Letter) -> None:
        """Count a letter, once however often it died."""
        if letter.dead_id in self._met:
            return
        if len(self._met) < IDS_MAX:
            self._met.add(letter.dead_id)
        document = read_document(letter.original)
        key = key_of(letter, document)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= GROUPS_MAX:
                self.left_out_count += 1
                return
            group = self._groups[key] = Group(
                key=key, first_died_at_ms=letter.died_at_ms
            )
        group.letter_count += 1
        group.event_count += letter.event_count
        group.last_died_at_ms = letter.died_at_ms
        group.detail = letter.detail
        if document is None:
            group.unfit_count += 1
            return
        fix = proposed(key.cause, document.fields)
        if fix is not None:
            group.fixes[fix] = group.fixes.get(fix, 0) + 1

    def all(self) -> Sequence[Group]:
        """Return the groups, the largest first."""
        return sorted(
            self._groups.values(), key=lambda group: (-group.letter_count, group.key)
        )


def key_of(letter: Letter, document: FailedDocument | None) -> GroupKey:
    """Return which group a letter is of; `document` is what its original holds."""
    if document is None:
        line = letter.original[:2_000].decode("utf-8", "backslashreplace")
    else:
        fields = document.fields
        line = text_of(fields, "message") or text_of(fields, "event.original")
    return GroupKey(
        stage=letter.stage,
        cause=cause_of(letter),
        dataset=letter.dataset,
        template=shape_of(line),
    )
