"""Which templates are of a kind that was there before, though their own id is new. Pure.

The miner merges templates a minute after they came (`tailrace.template_aliases`), and a new
kind is to be told of within seconds. So a template is not only looked up among the aliases:
a text that fits the pattern of a group is of it, as the miner will say, too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from tailrace.template_aliases import TemplateGroups
from tailrace.template_patterns import TemplatePatterns
from tailrace.template_text import compared

TEXT_WAIT_MS: Final = 1_500
"""How old a template may be whose text is not known yet: it goes another way than events."""
IDS_MAX: Final = 50_000
"""Asked for at once, which Elasticsearch still takes; of more, the others do not count."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """What is known of templates that no older event has."""

    older: frozenset[str] = frozenset()
    """Others of their group have one."""
    untold: frozenset[str] = frozenset()
    """What they say is not known yet."""

    def waiting(self, first_seen_ms: Mapping[str, int], *, now_ms: int) -> set[str]:
        """Return those that are to be looked at again in a moment."""
        return {
            one
            for one in self.untold
            if 0 <= now_ms - first_seen_ms[one] < TEXT_WAIT_MS
        }


def companions(
    ids: Collection[str],
    *,
    texts: Mapping[str, str],
    groups: TemplateGroups,
    patterns: TemplatePatterns,
) -> dict[str, tuple[str, ...]]:
    """Return of each template that is of a group all ids of that group.

    `texts` are the templates' own, as people read them, where they are known.
    """
    found: dict[str, tuple[str, ...]] = {}
    for one in sorted(ids):
        group = one
        if not groups.is_group(one) and one in texts:
            pattern = patterns.fitting(compared(texts[one]))
            group = one if pattern is None else pattern.owner
        if groups.is_group(group):
            found[one] = groups.ids_of(group)
    return found
