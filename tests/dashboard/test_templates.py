"""Templates on the pages: a search finds all ids of a group, and a page lists groups."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tailrace.query import Body
from tests.dashboard.doubles import (
    ELASTICSEARCH_AWAY,
    EmptySearch,
    FailingSearch,
    ScriptedSearch,
    done,
    sources,
)
from tests.dashboard.test_pages import DOCUMENTS, said, search_page, shown

FIRST, SECOND = "00000000000000aa", "00000000000000bb"
FIELD = "tailrace.template.id"


class SearchWithTemplates(ScriptedSearch):
    """Knows two ids of one template."""

    def ask(self, *, index: str, body: Body, query: str = "") -> Future[Body]:
        if index != "ns-templates":
            return super().ask(index=index, body=body, query=query)
        if "aggs" in body:
            buckets = [
                {
                    "key": {"id": name},
                    "count": {"value": 3.0},
                    "first": {"value": 1_000.0},
                    "last": {"value": 2_000.0},
                    "datasets": {"buckets": [{"key": "app"}]},
                }
                for name in (FIRST, SECOND)
            ]
            return done({"aggregations": {"page": {"buckets": buckets}}})
        source = {
            "template.id": SECOND,
            "template.alias_of": FIRST,
            "template.text": "user <*> left",
            "@timestamp": 1,
        }
        return done({"hits": {"hits": [{"_source": source, "sort": [SECOND, FIRST]}]}})


def templates_page(given: object) -> None:
    from tailrace_dashboard.sources import Sources
    from tailrace_dashboard.views import templates

    assert isinstance(given, Sources)
    templates.show(given)


@pytest.mark.parametrize(
    "params", [{"q": f"{FIELD}:{SECOND}"}, {"f": f"+{FIELD}:{SECOND}"}]
)
def test_a_search_for_one_id_finds_the_lines_of_all(params: dict[str, str]) -> None:
    search = SearchWithTemplates(DOCUMENTS)
    shown(search_page, sources(search=search), params=params)
    wanted = {"terms": {FIELD: [FIRST, SECOND]}}
    rows, histogram = search.bodies[:2]
    assert wanted in rows["query"]["bool"]["filter"]
    assert wanted in histogram["query"]["bool"]["filter"]


def test_the_page_has_a_group_once_with_its_sum() -> None:
    test: AppTest = shown(templates_page, sources(search=SearchWithTemplates([])))
    table: Any = test.dataframe[0].value
    (row,) = table.to_dict("records")
    assert (row["events"], row["text"], row["ids"]) == (6, "user <*> left", 2)
    assert row["id"] == FIRST


def test_without_an_index_no_template_is_known() -> None:
    assert "No template is known yet" in said(
        shown(templates_page, sources(search=EmptySearch()))
    )


def test_elasticsearch_away_is_said() -> None:
    failing = FailingSearch(ELASTICSEARCH_AWAY)
    assert "nothing listens there" in said(
        shown(templates_page, sources(search=failing))
    )
