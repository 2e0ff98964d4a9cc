"""What the pages know of templates: which ids are one, and which templates there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from tailrace.clock import Clock
from tailrace.query import Body, SearchRequest
from tailrace.template_alias_index import AliasReader, templates_index
from tailrace.template_list import ListedTemplate, list_templates
from tailrace.template_query import named_templates, with_groups
from tailrace.text import printable
from tailrace_dashboard.gateway import NoIndexYet, SearchGateway

FRESH_MS: Final = 30_000
"""How old what is known of groups may be; they are merged once a minute."""


class Templates:
    """Asks the index of templates for all who look; each call waits for its answer."""

    def __init__(self, search: SearchGateway, *, namespace: str, clock: Clock) -> None:
        """Begin with nothing read."""
        self._search = search
        self._index = templates_index(namespace)
        self._clock = clock
        self._aliases = AliasReader(self._ask, fresh_ms=FRESH_MS)

    def asked(self, request: SearchRequest) -> SearchRequest:
        """Return a request that asks for all ids of each template it names.

        Raises:
            QueryInvalid: a template has too many for the place where it stands.
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        if not named_templates(request):
            return request
        return with_groups(request, self._aliases.groups(now_ms=self._clock.now_ms()))

    def listed(self, *, dataset: str, size_max: int) -> list[ListedTemplate]:
        """Return the templates of most events, of one dataset or of all.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        groups = self._aliases.groups(now_ms=self._clock.now_ms())
        return list_templates(self._ask, groups, dataset=dataset, size_max=size_max)

    def _ask(self, body: Body) -> Body:
        try:
            return self._search.ask(index=self._index, body=body).result()
        except NoIndexYet:
            return {"hits": {"hits": []}}


def template_rows(
    templates: Sequence[ListedTemplate], *, zone: tzinfo
) -> list[dict[str, Any]]:
    """Return templates as rows of a table, their times those of the reader's zone."""
    return [
        {
            "events": one.count,
            "text": printable(one.text),
            "datasets": ", ".join(one.datasets),
            "first": _moment(one.first_seen_ms, zone=zone),
            "last": _moment(one.last_seen_ms, zone=zone),
            "ids": len(one.ids),
            "id": one.template_id,
        }
        for one in templates
    ]


def _moment(at_ms: int, *, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, tz=zone):%Y-%m-%d %H:%M:%S}"
