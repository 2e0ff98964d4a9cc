from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.errors import QueryInvalid
from tailrace.follow import MAXIMA_BODY, Arrivals
from tailrace.lucene import without_regex
from tailrace.query import (
    TIMEOUT_S,
    Filter,
    SearchRequest,
    explain_query_error,
    field,
    flatten,
    histogram_body,
    newest_body,
    next_request,
    overview_body,
    read_page,
    reading_body,
    search_body,
    surroundings_body,
)

REQUEST = SearchRequest(query="timed out", since_ms=1_000, until_ms=901_000)


def clauses(body: dict[str, Any]) -> list[dict[str, Any]]:
    return body["query"]["bool"]["filter"]


@given(st.text(max_size=80))
def test_x7_what_is_typed_stays_in_the_place_it_was_typed_for(text: str) -> None:
    """Nothing typed adds a clause, and a leading wildcard is never allowed (X7)."""
    body = search_body(replace(REQUEST, query=text))
    time, *words = clauses(body)
    assert set(time) == {"range"}
    assert len(words) <= 1
    for clause in words:
        assert set(clause) == {"query_string"}
        assert clause["query_string"]["allow_leading_wildcard"] is False
    assert set(body["query"]["bool"]) == {"filter"}
    assert body["timeout"]


@pytest.mark.parametrize("everything", ["", "  ", "*", "*:*"])
def test_no_words_are_everything_in_the_range(everything: str) -> None:
    body = search_body(replace(REQUEST, query=everything))
    assert len(clauses(body)) == 1


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("/var/log/syslog", r"\/var\/log\/syslog"),
        (r"a\/b", r"a\/b"),
        ('"a/b" c/d', r'"a/b" c\/d'),
        (r'"quo\"te/" x/', r'"quo\"te/" x\/'),
        ('"open/', r'"open\/'),
    ],
)
def test_x7_x8_a_slash_is_a_slash_and_not_a_regular_expression(
    typed: str, sent: str
) -> None:
    assert without_regex(typed) == sent


def test_rows_of_one_moment_have_a_place_too() -> None:
    """Without a tie-break a page boundary within a millisecond loses or repeats rows."""
    names = [next(iter(one)) for one in search_body(REQUEST)["sort"]]
    assert names == ["@timestamp", "tailrace.generation", "log.offset"]


def test_filters_are_exact_and_may_be_turned_round() -> None:
    filters = (Filter("host.name", "a*"), Filter("log.level", "info", is_excluded=True))
    query = search_body(replace(REQUEST, filters=filters))["query"]["bool"]
    assert {"term": {"host.name": {"value": "a*"}}} in query["filter"]
    assert query["must_not"] == [{"term": {"log.level": {"value": "info"}}}]


@pytest.mark.parametrize(
    "body",
    [
        search_body(REQUEST),
        histogram_body(REQUEST),
        overview_body(REQUEST.time_range),
        newest_body(now_ms=1),
        surroundings_body(generation="g", offset=1, size_max=5, is_before=True),
        reading_body("x", asked=search_body(REQUEST), answer={"hits": {"hits": []}}),
        Arrivals().body({"match_all": {}}),
        MAXIMA_BODY,
    ],
)
def test_x7_every_question_ends_by_itself(body: dict[str, Any]) -> None:
    """The server gives it up, too: that nobody waits any more stops no shard."""
    assert 0 < int(body["timeout"].removesuffix("s")) <= TIMEOUT_S
    assert "size" in body


@pytest.mark.parametrize("size_max", [0, -1, 10_001])
def test_x7_a_page_has_bounds(size_max: int) -> None:
    with pytest.raises(QueryInvalid):
        search_body(replace(REQUEST, size_max=size_max))


def test_a_later_page_begins_after_the_last_row_and_does_not_count_again() -> None:
    answer: dict[str, Any] = {
        "took": 3,
        "timed_out": False,
        "_shards": {"failed": 0},
        "hits": {
            "total": {"value": 10_000, "relation": "gte"},
            "hits": [
                {"_index": "i", "_id": str(n), "_source": {}, "sort": [n, "g", 7]}
                for n in range(2)
            ],
        },
    }
    page = read_page(answer, size_max=2)
    assert (page.total_count, page.is_total_exact, page.took_ms) == (10_000, False, 3)
    body = search_body(next_request(REQUEST, page=page))
    assert body["search_after"] == [1, "g", 7]
    assert body["track_total_hits"] is False
    assert read_page(answer, size_max=3).next_after == ()


@pytest.mark.parametrize("trouble", [{"timed_out": True}, {"_shards": {"failed": 1}}])
def test_an_answer_from_a_part_of_the_data_says_so(trouble: dict[str, Any]) -> None:
    assert read_page({"hits": {"hits": []}, **trouble}, size_max=1).is_partial
    assert not read_page({"hits": {"hits": []}}, size_max=1).is_partial


def test_a_field_is_found_dotted_nested_or_mixed() -> None:
    for document in (
        {"http.response.status_code": 502},
        {"http": {"response": {"status_code": 502}}},
        {"http.response": {"status_code": 502}},
        {"http": {"other": 1, "response.status_code": 502}},
        {"http": {"other": 1}, "http.response": {"status_code": 502}},
    ):
        assert field(document, "http.response.status_code") == 502
        assert ("http.response.status_code", 502) in list(flatten(document))
    assert field({"a": 1}, "a.b") is None


def test_histogram_and_overview_keep_to_their_buckets() -> None:
    timeline = histogram_body(REQUEST, buckets_max=90)["aggs"]["timeline"]
    assert timeline["date_histogram"]["fixed_interval"] == "15000ms"
    overview = overview_body(REQUEST.time_range)["aggs"]
    # Counts are made per minute: narrower bars would be empty in between.
    minute = overview["timeline"]["date_histogram"]["fixed_interval"]
    assert minute == "60000ms"
    assert {"datasets", "hosts", "levels"} <= set(overview)


def refused(reason: str) -> dict[str, Any]:
    """Return what Elasticsearch 9 answers with status 400, shortened."""
    return {
        "error": {
            "root_cause": [
                {"type": "query_shard_exception", "reason": "Failed to parse query"}
            ],
            "type": "search_phase_execution_exception",
            "reason": "all shards failed",
            "failed_shards": [
                {
                    "reason": {
                        "type": "query_shard_exception",
                        "caused_by": {"type": "parse_exception", "reason": reason},
                    }
                }
            ],
        },
        "status": 400,
    }


@pytest.mark.parametrize(
    ("query", "reason", "said"),
    [
        (
            "foo AND (",
            "Cannot parse 'foo AND (': Encountered \"<EOF>\" at line 1, column 9.",
            "at its end",
        ),
        (
            '"open',
            (
                "Cannot parse '\"open': Lexical error at line 1, column 6."
                '  Encountered: <EOF> after prefix "\\"open" (in lexical state 2)'
            ),
            "at its end",
        ),
        (
            "  /x foo)",
            (
                'Cannot parse \'\\/x foo)\': Encountered " ")" ") "" at line 1,'
                " column 7.\nWas expecting one of:\n    <EOF> \n"
            ),
            "at character 9, before ')'",
        ),
        (
            "*foo",
            (
                "Cannot parse '*foo': '*' or '?' not allowed as first character"
                " in WildcardQuery"
            ),
            "begins with `*`",
        ),
    ],
)
def test_a_refused_query_says_what_is_wrong_and_where(
    query: str, reason: str, said: str
) -> None:
    error = explain_query_error(query, answer=refused(reason))
    assert error is not None
    assert said in str(error)
    assert repr(query) in str(error)
    assert error.remedy


def test_a_refusal_that_is_not_the_querys_fault_is_left_to_others() -> None:
    answer = {"error": {"type": "illegal_argument_exception", "reason": "no sort"}}
    assert explain_query_error("fine", answer=answer) is None
    assert explain_query_error("fine", answer="<html>") is None


FOUND = {"hits": {"hits": [{"_id": "a"}]}}
NOTHING: dict[str, Any] = {"hits": {"hits": []}}


def test_only_a_first_page_of_rows_that_is_empty_leaves_the_words_in_doubt() -> None:
    body = search_body(REQUEST)
    later = search_body(replace(REQUEST, after=(1, "a")))

    assert reading_body("timed out", asked=body, answer=NOTHING) is not None
    assert reading_body("timed out", asked=body, answer=FOUND) is None
    assert reading_body("timed out", asked=later, answer=NOTHING) is None
    assert reading_body("timed out", asked={"size": 0}, answer=NOTHING) is None
    assert reading_body("*", asked=body, answer=NOTHING) is None
