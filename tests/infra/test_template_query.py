"""A request that names a template asks for all ids of its group, wherever it names it."""

from __future__ import annotations

import pytest

from tailrace.errors import QueryInvalid
from tailrace.query import AnyOf, Filter, SearchRequest, matching
from tailrace.template_aliases import TemplateAlias, TemplateGroups
from tailrace.template_query import FIELD, LISTED_MAX, named_templates, with_groups

FIRST, SECOND, OTHER = "00000000000000aa", "00000000000000bb", "00000000000000cc"
IDS = (FIRST, SECOND)


def alias(template_id: str, group_id: str = FIRST) -> TemplateAlias:
    return TemplateAlias(
        template_id=template_id, group_id=group_id, text="user <*>", revision=1
    )


GROUPS = TemplateGroups([alias(SECOND)])


def asked(
    query: str = "", *filters: Filter, groups: TemplateGroups = GROUPS
) -> SearchRequest:
    request = SearchRequest(query=query, since_ms=0, until_ms=9, filters=filters)
    return with_groups(request, groups)


@pytest.mark.parametrize(
    ("query", "rest"),
    [
        (f"{FIELD}:{SECOND}", ""),
        (f'{FIELD}:"{FIRST}"', ""),
        (f"kafka AND {FIELD}:{SECOND}", "kafka"),
        (f'{FIELD}:{SECOND} && "a OR b" level:error', '"a OR b" level:error'),
        (f"at:[1 TO 2] {FIELD}:{SECOND}", "at:[1 TO 2]"),
    ],
)
def test_among_words_that_are_all_demanded_it_is_a_list_of_terms(
    query: str, rest: str
) -> None:
    found = asked(query)
    assert found.query == rest
    assert found.any_of == (AnyOf(FIELD, IDS),)
    clauses = matching(found)["bool"]["filter"]
    assert {"terms": {FIELD: list(IDS)}} in clauses


@pytest.mark.parametrize(
    ("query", "becomes"),
    [
        (f"kafka OR {FIELD}:{SECOND}", f"kafka OR {FIELD}:({FIRST} OR {SECOND})"),
        (f"NOT {FIELD}:{SECOND}", f"NOT {FIELD}:({FIRST} OR {SECOND})"),
        (f"-{FIELD}:{SECOND} x", f"-{FIELD}:({FIRST} OR {SECOND}) x"),
        (f"(x {FIELD}:{SECOND})", f"(x {FIELD}:({FIRST} OR {SECOND}))"),
        (f'(x "{FIELD}:{SECOND} y")', f'(x "{FIELD}:{SECOND} y")'),
    ],
)
def test_elsewhere_its_ids_stand_in_its_place(query: str, becomes: str) -> None:
    found = asked(query)
    assert (found.query, found.any_of) == (becomes, ())


def test_a_filter_takes_all_ids_in_or_out() -> None:
    kept = Filter("host.name", "a")
    found = asked("", Filter(FIELD, SECOND, is_excluded=True), kept)
    assert found.filters == (kept,)
    assert matching(found)["bool"]["must_not"] == [{"terms": {FIELD: list(IDS)}}]


@pytest.mark.parametrize(
    "query",
    ["", "kafka", f"{FIELD}:{OTHER}", f"{FIELD}:{SECOND}*", f"x.{FIELD}:{OTHER}"],
)
def test_a_request_that_names_no_group_stays_as_it_is(query: str) -> None:
    filters = (Filter(FIELD, OTHER), Filter("host.name", SECOND))
    request = SearchRequest(query=query, since_ms=0, until_ms=9, filters=filters)
    assert with_groups(request, GROUPS) == request


def test_what_a_request_names_is_known_before_groups_are_read() -> None:
    request = SearchRequest(
        query=f"x OR {FIELD}:{FIRST}",
        since_ms=0,
        until_ms=9,
        filters=(Filter(FIELD, OTHER), Filter("host.name", "a")),
    )
    assert named_templates(request) == {FIRST, OTHER}


def test_a_large_group_in_the_midst_of_words_is_refused_and_elsewhere_found() -> None:
    groups = TemplateGroups(
        alias(f"{n:016x}") for n in range(1_000, 1_000 + LISTED_MAX)
    )
    with pytest.raises(QueryInvalid, match="501 ids"):
        asked(f"a OR {FIELD}:{FIRST}", groups=groups)
    found = asked(f"a {FIELD}:{FIRST}", groups=groups)
    assert len(found.any_of[0].values) == LISTED_MAX + 1
