"""Which revision of documents an index holds, and how a revised one hides its former.

Pure. `<namespace>-<dataset>-<day>-r<N>` holds what the replay of number N made anew of
events that were stored before. Each former version is marked with N, and the alias of its
index leaves out what bears a number that is in force: so all of a replay is put in force,
or none of it, by one change of aliases.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from tailrace.errors import CommandFailed

Json: TypeAlias = dict[str, Any]

REVISED_BY: Final = "tailrace.revised_by"
"""In a document of which there is a later version: the number of its replay."""
_REVISION = re.compile(r"-r([1-9][0-9]{0,8})\Z")


def base_of(index: str) -> str:
    """Return the name that an index would have if nothing had ever been replayed."""
    return _REVISION.sub("", index)


def revision_of(index: str) -> int:
    """Return the number of the replay that an index is of, 0 where it is of none."""
    found = _REVISION.search(index)
    return int(found[1]) if found else 0


def revised_index(index: str, *, revision: int) -> str:
    """Return where a replay puts its version of what belongs into an index."""
    return f"{base_of(index)}-r{revision}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands behind the alias of events."""

    hiding: Mapping[str, frozenset[int]] = field(
        default_factory=dict[str, frozenset[int]]
    )
    """Each index there, with the revisions whose marks hide a document in it."""
    drafts: tuple[str, ...] = ()
    """Revised indices that are not there: of a replay that goes on, or ended early."""

    def newest(self) -> int:
        """Return the greatest number that any replay is known to have had."""
        numbers = [revision_of(index) for index in (*self.hiding, *self.drafts)]
        numbers += [number for each in self.hiding.values() for number in each]
        return max(numbers, default=0)


def standing_of(aliases: Mapping[str, Any], *, alias: str) -> Standing:
    """Read what Elasticsearch tells of the aliases of indices.

    Raises:
        CommandFailed: an index has a filter there that is none of ours.
    """
    hiding: dict[str, frozenset[int]] = {}
    drafts: list[str] = []
    for index, told in sorted(aliases.items()):
        found: Json | None = told.get("aliases", {}).get(alias)
        if found is not None:
            hiding[index] = _hiding(found.get("filter"), index=index, alias=alias)
        elif revision_of(index):
            drafts.append(index)
    return Standing(hiding=hiding, drafts=tuple(drafts))


def hiding_filter(revisions: Collection[int]) -> Json:
    """Return the filter of an alias that leaves out what these revisions replace."""
    return {"bool": {"must_not": [{"terms": {REVISED_BY: sorted(revisions)}}]}}


def swap_actions(
    standing: Standing,
    *,
    alias: str,
    revision: int,
    made: Iterable[str],
    marked: Iterable[str],
) -> list[Json]:
    """Return the changes by which a replay is in force, to be made as one.

    Its indices come behind the alias; what it marked in others is left out from then on.
    """
    shown: list[Json] = [{"add": {"index": i, "alias": alias}} for i in sorted(made)]
    hidden: list[Json] = [
        {
            "add": {
                "index": index,
                "alias": alias,
                "filter": hiding_filter(
                    standing.hiding.get(index, frozenset()) | {revision}
                ),
            }
        }
        for index in sorted(marked)
    ]
    return [*shown, *hidden]


def _hiding(found: Any, *, index: str, alias: str) -> frozenset[int]:  # noqa: ANN401 - any JSON value
    """Return which revisions a filter leaves out."""
    if found is None:
        return frozenset()
    try:
        told = found["bool"]["must_not"][0]["terms"][REVISED_BY]
        numbers = frozenset(int(number) for number in told)
    except (KeyError, IndexError, TypeError, ValueError):
        numbers = frozenset[int]()
    if found != hiding_filter(numbers):
        raise CommandFailed(
            f"The index {index!r} has a filter of its own behind the alias {alias!r}.",
            remedy="a replay would replace it: take it away, and make an alias of your"
            " own where you want to see a part",
        )
    return numbers
