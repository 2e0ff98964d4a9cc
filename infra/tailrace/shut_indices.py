"""Which index cannot be read though Elasticsearch answers, because somebody shut it.

A search of a name with `ignore_unavailable` passes over a closed index as if there were
none: whoever says that something is missing asks for those first (`require_open`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from tailrace.errors import IndexShut
from tailrace.index_templates import events_alias

if TYPE_CHECKING:
    from tailrace.elasticsearch import Elastic

_CLOSED: Final = "index_closed_exception"
_BLOCKED = re.compile(
    r"index \[(?P<index>[^\]]+)\] blocked by: \[[A-Z_]+/(?P<number>\d+)/(?P<what>[^;\]]+)"
)
_CLOSED_BLOCK: Final = "4"
_SETTINGS: Final = {
    "5": "read_only",
    "7": "read",
    "8": "write",
    "9": "metadata",
    "12": "read_only_allow_delete",
}
"""By the number of a block, the setting below `index.blocks` that it comes from."""
NAMES_SHOWN_MAX: Final = 3


def shut_by(body: object) -> IndexShut | None:
    """Return which index a refusal is about that somebody shut; None for any other."""
    for cause in _causes(body):
        index, reason = cause.get("index"), str(cause.get("reason", ""))
        if cause.get("type") == _CLOSED:
            return closed([str(index or "?")])
        found = _BLOCKED.search(reason)
        if found is None:
            continue
        if found["number"] == _CLOSED_BLOCK:
            return closed([found["index"]])
        setting = _SETTINGS.get(found["number"])
        if setting is not None:
            return _blocked(found["index"], setting=setting)
    return None


def closed(indices: list[str]) -> IndexShut:
    """Return that these indices are closed, one at least."""
    shown = ", ".join(indices[:NAMES_SHOWN_MAX])
    more = len(indices) - NAMES_SHOWN_MAX
    shown += f" and {more} more" if more > 0 else ""
    is_one = len(indices) == 1
    name = quote(indices[0])
    return IndexShut(
        f"The {'index' if is_one else 'indices'} {shown} {'is' if is_one else 'are'}"
        " closed, and what is in there cannot be read.",
        remedy=f"open {'it' if is_one else 'each'} (`POST /{name}/_open` to"
        " Elasticsearch), and ask again",
    )


def require_open(elastic: Elastic, *, namespace: str) -> None:
    """Make sure that no index of events or dead letters is closed.

    Without the right to ask for that (`view_index_metadata`) nothing is made sure.

    Raises:
        IndexShut: one is.
        ServiceUnavailable: Elasticsearch cannot be reached.
    """
    path = f"/{quote(namespace)}-*/_alias?expand_wildcards=closed"
    answer = elastic.request("GET", path)
    found: object = answer.json()
    if not answer.is_success or not isinstance(found, dict):
        return
    alias = events_alias(namespace)
    shut = sorted(
        index
        for index, told in cast("dict[str, Any]", found).items()
        if alias in told.get("aliases", {}) or index.startswith(f"{namespace}-dead-")
    )
    if shut:
        raise closed(shut)


def _blocked(index: str, *, setting: str) -> IndexShut:
    name = f"index.blocks.{setting}"
    return IndexShut(
        f"The index {index} is blocked: its setting {name} is true.",
        remedy=f'take the block away (`PUT /{quote(index)}/_settings {{"{name}":'
        " null}` to Elasticsearch), and ask again",
    )


def _causes(body: object) -> Iterator[Mapping[str, Any]]:
    """Yield an error, and what it says that it comes from, the outermost first."""
    if isinstance(body, list):
        for each in cast("list[object]", body):
            yield from _causes(each)
    elif isinstance(body, dict):
        known = cast("dict[str, Any]", body)
        yield known
        for name in ("error", "root_cause", "failed_shards", "reason", "caused_by"):
            yield from _causes(known.get(name))
