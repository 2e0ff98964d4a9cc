"""Which of the known templates are one, and what is to be told of that. Pure.

1. Of each dataset the texts are compared (`tailrace.template_grouping`), all at once.
2. What a group looks like, told before or found just now, is looked for in the others: so
   one that comes later joins although its companions may be forgotten.
3. What is one by either is joined with what was one before: groups only ever grow.
4. In each group one id stands for all: of those that did so before the one seen first. So
   it changes for one of two groups that become one, and never for a group that grows.

What is told depends on what is known and what was told before, and on no order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tailrace.template_aliases import (
    GROUP_IDS_MAX,
    Joined,
    TemplateAlias,
    TemplateGroups,
)
from tailrace.template_grouping import group
from tailrace.template_patterns import Pattern, TemplatePatterns
from tailrace.template_text import MASK, compared, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTemplate:
    """A template as all partitions together know it."""

    text: str
    """With `<*>` for values."""
    first_seen_ms: int
    last_seen_ms: int
    datasets: frozenset[str]

    def joined(self, other: KnownTemplate) -> KnownTemplate:
        """Return what two partitions, or two moments of one, know together."""
        return KnownTemplate(
            text=other.text,
            first_seen_ms=min(self.first_seen_ms, other.first_seen_ms),
            last_seen_ms=max(self.last_seen_ms, other.last_seen_ms),
            datasets=self.datasets | other.datasets,
        )


@dataclass(frozen=True, slots=True)
class _Same:
    """Templates that say the same."""

    text: str
    ids: tuple[str, ...]


def mined(
    known: Mapping[str, KnownTemplate],
    groups: TemplateGroups,
    *,
    now_ms: int,
    group_ids_max: int = GROUP_IDS_MAX,
) -> list[TemplateAlias]:
    """Return what is to be told of templates that are one, and were not by `groups`.

    A group that would have more than `group_ids_max` ids is left as it is.
    """
    joined = Joined()
    for template_id in known:
        for other in groups.ids_of(template_id):
            joined.join(template_id, other)
    texts: dict[str, set[str]] = defaultdict(set)
    of_dataset = _by_dataset(known)
    for dataset in sorted(of_dataset):
        for same in _same_in(of_dataset[dataset], groups):
            firsts = {joined.first(one) for one in same.ids}
            if sum(map(joined.size, firsts)) > group_ids_max:
                continue
            for one in same.ids:
                texts[groups.group_of(one)].add(same.text)
                joined.join(same.ids[0], one)
    found: list[TemplateAlias] = []
    for together in joined.sets():
        found += _told(
            {groups.group_of(one) for one in together},
            known=known,
            groups=groups,
            texts=texts,
            now_ms=now_ms,
        )
    return sorted(found)


def _by_dataset(
    known: Mapping[str, KnownTemplate],
) -> dict[str, dict[str, list[str]]]:
    """Return the masked texts of each dataset, each with its ids.

    Masks of another version may have given one text another id.
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for template_id in sorted(known):
        template = known[template_id]
        for dataset in template.datasets:
            found[dataset][compared(template.text)].append(template_id)
    return found


def _same_in(
    ids_of_text: Mapping[str, list[str]], groups: TemplateGroups
) -> Iterator[_Same]:
    """Yield what is one within a dataset, in one order whatever the order was."""
    members: dict[str, list[str]] = defaultdict(list)
    for text, form in group(ids_of_text).items():
        members[form] += ids_of_text[text]
    here = {groups.group_of(one) for ids in ids_of_text.values() for one in ids}
    told = [one for one in groups.patterns() if one.owner in here]
    new = [Pattern(form, min(ids)) for form, ids in members.items() if len(ids) > 1]
    patterns = TemplatePatterns([*told, *new])
    for form in sorted(members):
        ids = sorted(members[form])
        if len(ids) > 1:
            yield _Same(shown(form), tuple(ids))
        own = {ids[0], *map(groups.group_of, ids)}
        wider = patterns.fitting(form, except_of=own)
        if wider is not None:
            yield _Same(shown(wider.text), (ids[0], wider.owner))


def _told(
    firsts: set[str],
    *,
    known: Mapping[str, KnownTemplate],
    groups: TemplateGroups,
    texts: Mapping[str, Iterable[str]],
    now_ms: int,
) -> list[TemplateAlias]:
    """Return what joins those that stood for groups, or for themselves, until now."""

    def seniority(one: str) -> tuple[bool, int, str]:
        # What nobody knows any more is older than all that is known.
        first_ms = known[one].first_seen_ms if one in known else 0
        return not groups.is_group(one), first_ms, one

    chosen = min(firsts, key=seniority)
    return [
        TemplateAlias(
            template_id=one,
            group_id=chosen,
            text=_widest(texts[one]),
            revision=now_ms,
        )
        for one in sorted(firsts - {chosen})
    ]


def _widest(texts: Iterable[str]) -> str:
    return max(texts, key=lambda one: (compared(one).count(MASK), -len(one), one))
