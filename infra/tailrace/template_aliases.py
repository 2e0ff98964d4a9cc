"""Which templates are one: what the miner tells, and the groups that follow from it. Pure.

An alias says of two ids that they are one template, for good. It is named by both, so two
miners never write over each other's word, and no order, repetition or merging of what was
told changes what follows: a group is all that aliases connect. Groups only ever grow
together. One id stands for a group: the one that is nobody's alias.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from tailrace.template_patterns import Pattern
from tailrace.template_text import SHOWN_MASK, compared
from tailrace.wire import WIRE_VERSION

ALIASES_MAX = 50_000
"""In one namespace; beyond them nothing is merged any more."""
GROUP_IDS_MAX = 10_000
"""Of one group; Elasticsearch takes 65,536 values in one question."""


class TemplateAlias(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """That a template is the same as another one."""

    template_id: str
    group_id: str
    """Stands for both; it may be the alias of yet another one."""
    text: str
    """What both say, with `<*>` where they differ, too."""
    revision: int
    """When it was told, in ms; told again from time to time, so that it stays."""
    wire_version: int = WIRE_VERSION


def alias_key(alias: TemplateAlias) -> bytes:
    """Return the record's key, and the `_id` of its document."""
    return f"alias|{alias.template_id}|{alias.group_id}".encode()


def newest(aliases: Iterable[TemplateAlias]) -> dict[bytes, TemplateAlias]:
    """Return the last word of each pair, by its key."""
    found: dict[bytes, TemplateAlias] = {}
    for alias in aliases:
        key = alias_key(alias)
        found[key] = max(alias, found.get(key, alias), key=_newness)
    return found


def _newness(alias: TemplateAlias) -> tuple[int, str]:
    return alias.revision, alias.text


class TemplateGroups:
    """What follows from the aliases that were told, in whatever order."""

    def __init__(self, aliases: Iterable[TemplateAlias] = ()) -> None:
        """Join what they connect."""
        self.aliases: Mapping[bytes, TemplateAlias] = newest(aliases)
        joined = Joined()
        for alias in self.aliases.values():
            joined.join(alias.template_id, alias.group_id)
        self._ids: dict[str, tuple[str, ...]] = {}
        self._of_id: dict[str, str] = {}
        named_again = {one.template_id for one in self.aliases.values()}
        for together in joined.sets():
            # Miners that did not know of each other may have left none, or several.
            first = min(set(together) - named_again or together)
            self._ids[first] = tuple(sorted(together))
            self._of_id |= dict.fromkeys(together, first)
        self._texts: dict[str, Counter[str]] = defaultdict(Counter)
        for alias in self.aliases.values():
            self._texts[self._of_id[alias.group_id]][alias.text] += 1

    def __len__(self) -> int:
        """Return how many groups there are."""
        return len(self._ids)

    def group_of(self, template_id: str) -> str:
        """Return the id that stands for a template; its own where it has no other."""
        return self._of_id.get(template_id, template_id)

    def ids_of(self, template_id: str) -> tuple[str, ...]:
        """Return all ids that are one template with this one, itself among them."""
        return self._ids.get(self.group_of(template_id), (template_id,))

    def is_group(self, template_id: str) -> bool:
        """Tell whether a template has other ids."""
        return template_id in self._of_id

    def text_of(self, template_id: str) -> str:
        """Return what a group says, "" where there is none: its widest pattern."""
        texts = self._texts.get(self.group_of(template_id))
        if not texts:
            return ""
        return max(
            texts, key=lambda one: (one.count(SHOWN_MASK), texts[one], -len(one), one)
        )

    def patterns(self) -> Iterator[Pattern]:
        """Yield what texts of each group look like, the pattern's owner the group."""
        for group, texts in self._texts.items():
            for text in texts:
                yield Pattern(compared(text), group)


class Joined:
    """Names that were joined two by two, and what is one by that."""

    def __init__(self) -> None:
        """Join nothing yet."""
        self._above: dict[str, str] = {}
        self._size: dict[str, int] = {}

    def first(self, name: str) -> str:
        """Return one name for all that is one with this one, until more is joined."""
        first = self._above.setdefault(name, name)
        while first != self._above[first]:
            first = self._above[first]
        # Whoever asks again has one step.
        self._above[name] = first
        return first

    def size(self, name: str) -> int:
        """Return how many names are one with this one."""
        return self._size.get(self.first(name), 1)

    def join(self, one: str, other: str) -> None:
        """Make two one."""
        small, large = sorted((self.first(one), self.first(other)), key=self.size)
        if small != large:
            self._size[large] = self.size(large) + self.size(small)
            self._above[small] = large

    def sets(self) -> list[list[str]]:
        """Return what is one, for all names that were ever joined."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in self._above:
            found[self.first(name)].append(name)
        return list(found.values())
