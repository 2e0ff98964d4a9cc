"""How the aliases of templates are read from Elasticsearch, for whoever asks for a group.

All of them are read, page by page, and then only what was told since: what a group is
follows from all its aliases (`tailrace.template_aliases`), and there are few of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from tailrace.answers import Document, field, is_partial
from tailrace.elasticsearch import MISSING_IS_NONE, Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.template_aliases import (
    ALIASES_MAX,
    TemplateAlias,
    TemplateGroups,
    alias_key,
)

Body: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[[Body], Mapping[str, Any]]
"""Puts a search to the index of templates; where there is none, nothing is found."""

PAGE_MAX: Final = 10_000
OVERLAP_MS: Final = 120_000
"""So late after it was told an alias may be stored, where all is well; a full reading
finds what comes later."""
FULL_MS: Final = 600_000
TIMEOUT_S: Final = 10
_SORT: Final = ("template.id", "template.alias_of")


def templates_index(namespace: str) -> str:
    """Return the index of templates and their aliases."""
    return f"{namespace}-templates"


def aliases_body(*, since_ms: int = 0, after: Collection[Any] = ()) -> Body:
    """Build the search for a page of the aliases that were told since a moment."""
    told: Body = {"range": {"@timestamp": {"gte": since_ms, "format": "epoch_millis"}}}
    body: Body = {
        "size": PAGE_MAX,
        "query": {
            "bool": {"filter": [{"exists": {"field": "template.alias_of"}}, told]}
        },
        # Together they are an alias's name.
        "sort": [
            {name: {"order": "asc", "unmapped_type": "keyword"}} for name in _SORT
        ],
        "track_total_hits": False,
        "timeout": f"{TIMEOUT_S}s",
    }
    if after:
        body["search_after"] = list(after)
    return body


def read_aliases(
    answer: Mapping[str, Any],
) -> tuple[list[TemplateAlias], list[Any] | None]:
    """Return the aliases of an answer, and behind what the next page begins, if any."""
    hits: list[Mapping[str, Any]] = answer["hits"]["hits"]
    after = hits[-1]["sort"] if len(hits) >= PAGE_MAX else None
    return [_alias(hit["_source"]) for hit in hits], after


def all_aliases(ask: Ask, *, since_ms: int = 0) -> list[TemplateAlias]:
    """Return every alias that was told since a moment, at most `ALIASES_MAX` and a page.

    Raises:
        TailraceError: as `ask` does.
    """
    found: list[TemplateAlias] = []
    after: list[Any] | None = []
    while after is not None and len(found) < ALIASES_MAX:
        page, after = read_aliases(ask(aliases_body(since_ms=since_ms, after=after)))
        found += page
    return found


def asking(elastic: Elastic, *, namespace: str) -> Ask:
    """Return who puts searches to the index of templates."""
    path = f"/{quote(templates_index(namespace))}/_search{MISSING_IS_NONE}"

    def ask(body: Body) -> Mapping[str, Any]:
        answer: dict[str, Any] = elastic.decoded(
            elastic.look_up("POST", path, body=body)
        )
        if is_partial(answer):
            # With a part of the aliases one group would look like several.
            raise ServiceUnavailable(
                "Elasticsearch",
                address=elastic.address,
                reason="not all that is known of templates could be read",
            )
        return answer

    return ask


class AliasReader:
    """Keeps the groups at hand; safe to share between threads."""

    def __init__(self, ask: Ask, *, fresh_ms: int) -> None:
        """Begin with nothing read; what is `fresh_ms` old is read again when asked for."""
        self._ask = ask
        self._fresh_ms = fresh_ms
        self._lock = threading.Lock()
        self._groups = TemplateGroups()
        self._read_at_ms: int | None = None
        self._whole_at_ms: int | None = None

    def groups(self, *, now_ms: int) -> TemplateGroups:
        """Return what is told by now, or was a little while ago.

        Raises:
            TailraceError: as `ask` does.
        """
        with self._lock:
            if not _is_within(self._read_at_ms, self._fresh_ms, now_ms=now_ms):
                self._read(now_ms)
            return self._groups

    def _read(self, now_ms: int) -> None:
        known: Mapping[bytes, TemplateAlias] = {}
        if _is_within(self._whole_at_ms, FULL_MS, now_ms=now_ms):
            assert self._read_at_ms is not None, "all was read, so something was"
            found = all_aliases(self._ask, since_ms=self._read_at_ms - OVERLAP_MS)
            known = self._groups.aliases
        else:
            found = all_aliases(self._ask)
            self._whole_at_ms = now_ms
        self._read_at_ms = now_ms
        if not known or any(known.get(alias_key(one)) != one for one in found):
            self._groups = TemplateGroups([*known.values(), *found])


def _is_within(at_ms: int | None, length_ms: int, *, now_ms: int) -> bool:
    # A clock that was set back must not keep anything from being read.
    return at_ms is not None and 0 <= now_ms - at_ms < length_ms


def _alias(document: Document) -> TemplateAlias:
    return TemplateAlias(
        template_id=str(field(document, "template.id")),
        group_id=str(field(document, "template.alias_of")),
        text=str(field(document, "template.text")),
        revision=int(field(document, "@timestamp")),
    )
