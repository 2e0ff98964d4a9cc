"""Which right a refusal by Elasticsearch is about, in one sentence a person can act on.

Pure: the server's own words in, what is missing out. `docs/rights.md` has the least rights
that each role needs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

REMEDY = (
    "give it that right, or this role another user or key; docs/rights.md has the least"
    " rights of each role"
)
NAMES_SHOWN_MAX = 3

_REFUSAL = re.compile(
    # That of a bulk is `indices:data/write/bulk[s]`.
    r"action \[(?P<action>\S+)\] is unauthorized for (?P<who>.+?)"
    r"(?: with (?:effective|assigned) roles \[[^\]]*\])?"
    r"(?: on (?:restricted )?indices \[(?P<indices>[^\]]*)\])?"
    r", this action is granted by the (?P<kind>index|cluster) privileges"
    r" \[(?P<rights>[^\]]+)\]"
)
_MAKES_INDEX = "indices:admin/auto_create"


@dataclass(frozen=True, slots=True)
class MissingRight:
    """A right that Elasticsearch says is missing."""

    name: str
    """The least of those that would do, as Elasticsearch lists them."""
    kind: str
    """`index` or `cluster`."""
    others: tuple[str, ...]
    who: str
    indices: tuple[str, ...]
    action: str

    @property
    def makes_index(self) -> bool:
        """Whether a document would have made its index, which is not there therefore."""
        return self.action.startswith(_MAKES_INDEX)

    def sentence(self) -> str:
        """Return who lacks what, and on what."""
        where = ""
        if self.indices:
            where = f" on {', '.join(self.indices[:NAMES_SHOWN_MAX])}"
            more = len(self.indices) - NAMES_SHOWN_MAX
            where += f" and {more} more" if more > 0 else ""
        or_others = f" (or {', '.join(self.others)})" if self.others else ""
        who = self.who.replace("[", "'").replace("]", "'")
        return f"{who} lacks the {self.kind} privilege {self.name}{or_others}{where}"


def missing_right(reason: str) -> MissingRight | None:
    """Return the right that a refusal names; None where it is of another kind."""
    found = _REFUSAL.search(reason)
    if found is None:
        return None
    name, *others = found["rights"].split(",")
    return MissingRight(
        name=name,
        kind=found["kind"],
        others=tuple(other for other in others if other != "all"),
        who=found["who"],
        indices=tuple((found["indices"] or "").split(",")) if found["indices"] else (),
        action=found["action"],
    )


def error_reason(body: object, *, characters_max: int | None = 300) -> str:
    """Return the most telling sentence of an error's body, cut to what is shown."""
    if not isinstance(body, dict):
        return str(body)[:characters_max]
    whole = cast("dict[str, object]", body)
    error = whole.get("error", whole)
    if not isinstance(error, dict):
        return str(error)[:characters_max]
    inner = cast("dict[str, object]", error)
    cause = inner.get("caused_by")
    deeper = f" ({error_reason(cause)})" if cause else ""
    return f"{inner.get('type', '')}: {inner.get('reason', '')}{deeper}"[
        :characters_max
    ]
