"""Which dead letters are meant: by the names of their groups, or by their own ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tailrace.dead.groups import NAME_BYTES, key_of
from tailrace.dead.letters import Letter, read_document
from tailrace.errors import CommandFailed

_GROUP: Final = re.compile(rf"[0-9a-f]{{{2 * NAME_BYTES}}}")
_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Some letters, or all where neither a group nor an id is named."""

    groups: frozenset[str] = frozenset()
    dead_ids: frozenset[str] = frozenset()

    @property
    def asked_ids(self) -> Sequence[str]:
        """The only ids that need be asked for; none where it takes a look at all."""
        return () if self.groups else sorted(self.dead_ids)

    def of(self, letters: Iterable[Letter]) -> Iterator[Letter]:
        """Yield those of the letters that are meant."""
        for letter in letters:
            if self._has(letter):
                yield letter

    def _has(self, letter: Letter) -> bool:
        if not self.groups and not self.dead_ids:
            return True
        if letter.dead_id in self.dead_ids:
            return True
        if not self.groups:
            return False
        return key_of(letter, read_document(letter.original)).name in self.groups


def selection_of(named: Sequence[str]) -> Selection:
    """Read what is named on the command line; nothing means every letter.

    Raises:
        CommandFailed: something is neither the name of a group nor an id.
    """
    for name in named:
        if not _GROUP.fullmatch(name) and not _ID.fullmatch(name):
            raise CommandFailed(
                f"{name!r} is neither a group nor the id of a dead letter.",
                remedy="`tailrace dead list` names the groups by 8 hexadecimal digits,"
                " `tailrace dead show` the letters by 32",
            )
    return Selection(
        groups=frozenset(name for name in named if _GROUP.fullmatch(name)),
        dead_ids=frozenset(name for name in named if _ID.fullmatch(name)),
    )
