"""What each page says when a server answers, has nothing, is away, or refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from tailrace.errors import QueryInvalid
from tailrace.ledger_tail import LedgerTail
from tailrace_dashboard.fleet import Agent, FleetGateway, LagGateway, PartitionLag
from tailrace_dashboard.sources import Sources
from tests.dashboard.doubles import (
    ELASTICSEARCH_AWAY,
    AbsentFleet,
    AbsentLags,
    EmptySearch,
    FailingSearch,
    KnownFleet,
    KnownLags,
    PartialLedger,
    ScriptedSearch,
    sources,
)

DOCUMENTS = [
    {
        "@timestamp": f"2026-11-24T01:02:{59 - number:02d}.000000000Z",
        "message": f"line {number} <script>",
        "log.level": "error",
    }
    for number in range(25)
]


# Streamlit runs each of these as a script of its own: its imports are inside.
def search_page(given: object) -> None:
    from tailrace_dashboard.sources import Sources
    from tailrace_dashboard.views import search

    assert isinstance(given, Sources)
    search.show(given)


def overview_page(given: object) -> None:
    from tailrace_dashboard.sources import Sources
    from tailrace_dashboard.views import overview

    assert isinstance(given, Sources)
    overview.show(given)


def fleet_page(given: object) -> None:
    from tailrace_dashboard.sources import Sources
    from tailrace_dashboard.views import fleet

    assert isinstance(given, Sources)
    fleet.show(given)


def shown(
    page: Callable[[object], None],
    given: Sources,
    *,
    params: dict[str, str] | None = None,
) -> AppTest:
    test = AppTest.from_function(page, args=(given,), default_timeout=15)
    for name, value in (params or {}).items():
        test.query_params[name] = value
    test.run()
    assert not test.exception, test.exception
    return test


def said(test: AppTest) -> str:
    elements = (
        *test.markdown,
        *test.caption,
        *test.error,
        *test.warning,
        *test.info,
        *test.code,
    )
    return "\n".join(element.value for element in elements).replace("\\", "")


def buttons(test: AppTest) -> set[str]:
    return {button.label for button in test.button}


def test_the_ledger_is_asked_before_the_rows_and_says_how_complete_they_are() -> None:
    """What is stored in between is then found, and not merely promised."""
    word = {
        "tailrace.hop": "heartbeat",
        "host.name": "web <b>1",
        "tailrace.swept_at_ms": 1_000,
        "tailrace.interval_ms": 10_000,
    }
    search = ScriptedSearch(DOCUMENTS, ledger=[word])

    text = said(shown(search_page, sources(search=search)))

    assert search.asked_first.endswith("-ledger")
    assert "Complete up to 1970" in text.replace("\\", "")
    assert "1 agent silent" in text


def test_words_that_a_part_of_the_ledger_lacks_are_asked_for_once_more() -> None:
    named = {"host.name": "web-1", "tailrace.generation": "g1"}
    ledger = [
        {**named, "tailrace.hop": "heartbeat", "tailrace.swept_at_ms": 1_000},
        {**named, "tailrace.hop": "agent", "tailrace.next_event_number": 9},
        {**named, "tailrace.hop": "indexer", "tailrace.next_event_number": 7},
    ]
    search = PartialLedger(DOCUMENTS, ledger=ledger)

    text = said(shown(search_page, sources(search=search)))

    assert "2 lines in Kafka" in text
    assert "part of the ledger" in text


def test_a_ledger_that_is_not_there_yet_is_said_in_words() -> None:
    text = said(shown(search_page, sources(search=ScriptedSearch(DOCUMENTS))))

    assert "ledger holds no word of an agent" in text


def test_rows_are_found_counted_and_paged() -> None:
    search = ScriptedSearch(DOCUMENTS)
    test = shown(search_page, sources(search=search))
    assert "**25** events" in said(test)
    assert "nothing is waiting in Kafka" in said(test)
    test.button(key="more").click().run()
    pages = [body for body in search.bodies if body.get("size") == 10]
    assert [body.get("search_after", [None])[-1] for body in pages] == [None, 9]
    # The first page, the histogram and the newest event are not asked for again.
    assert len(search.bodies) == 4


def test_rows_are_asked_for_before_the_histogram() -> None:
    search = ScriptedSearch(DOCUMENTS)
    shown(search_page, sources(search=search))
    assert ["aggs" in body for body in search.bodies] == [False, True, False]


def test_the_url_is_what_is_searched_for() -> None:
    search = ScriptedSearch(DOCUMENTS)
    params = {"q": "timed out", "since": "1h", "until": "now", "f": "-host.name:a"}
    test = shown(search_page, sources(search=search), params=params)
    query = search.bodies[0]["query"]["bool"]
    assert query["filter"][1]["query_string"]["query"] == "timed out"
    assert query["must_not"] == [{"term": {"host.name": {"value": "a"}}}]
    assert test.text_input(key="query_text").value == "timed out"


def test_what_is_typed_goes_into_the_url() -> None:
    test = shown(search_page, sources(search=ScriptedSearch(DOCUMENTS)))
    test.text_input(key="query_text").set_value("order 7").run()
    assert test.query_params["q"] == "order 7"
    test.button(key="range_24h").click().run()
    assert test.query_params["since"] == "24h"
    assert test.query_params["q"] == "order 7"


def test_a_typed_range_goes_into_the_url_and_a_bad_one_is_said() -> None:
    test = shown(search_page, sources(search=ScriptedSearch(DOCUMENTS)))
    begin = next(one for one in test.text_input if one.label == "From")
    assert begin.value == "15m"
    begin.set_value("2026-11-24 01:00")
    apply = next(one for one in test.button if one.label == "Apply")
    apply.click().run()
    assert test.query_params["since"] == "2026-11-24T01:00:00.000Z"
    begin = next(one for one in test.text_input if one.label == "From")
    begin.set_value("soon")
    next(one for one in test.button if one.label == "Apply").click().run()
    assert "'soon' is not a moment" in said(test)
    assert test.query_params["since"] == "2026-11-24T01:00:00.000Z"


def test_elasticsearch_away_is_a_sentence_and_a_retry() -> None:
    test = shown(search_page, sources(search=FailingSearch(ELASTICSEARCH_AWAY)))
    assert "Elasticsearch at http:" in said(test)
    assert "cannot be reached: nothing listens there" in said(test)
    assert "Retry" in buttons(test)
    assert len(test.error) == 1


def test_retry_asks_again() -> None:
    search = FailingSearch(ELASTICSEARCH_AWAY)
    given = sources(search=search)
    test = shown(search_page, given)
    search.problem = QueryInvalid("now another.", remedy="look")
    test.button(key="search_retry").click().run()
    assert "now another" in said(test)
    assert not test.error


def test_before_the_first_line_a_person_is_told_how_to_ship_it() -> None:
    for page in (search_page, overview_page):
        test = shown(page, sources(search=EmptySearch()))
        assert "No logs yet" in said(test)
        assert "tailrace up --watch" in said(test)
        assert not test.error


def test_a_bad_query_is_told_from_a_server_that_is_away() -> None:
    problem = QueryInvalid(
        "The query 'a (' cannot be read.", remedy="close every bracket"
    )
    test = shown(
        search_page, sources(search=FailingSearch(problem)), params={"q": "a ("}
    )
    assert "cannot be read" in said(test)
    assert "Close every bracket" in said(test)
    assert not test.error
    assert test.text_input(key="query_text").value == "a ("


def test_a_range_that_cannot_be_read_is_said_and_nothing_is_asked() -> None:
    search = ScriptedSearch(DOCUMENTS)
    params = {"since": "[x](javascript:1)", "until": "now"}
    test = shown(search_page, sources(search=search), params=params)
    assert "is not a moment" in said(test)
    assert not search.bodies


def test_no_match_offers_a_wider_range() -> None:
    test = shown(search_page, sources(), params={"q": "nowhere"})
    assert "Nothing matches" in said(test)
    test.button(key="widen_24h").click().run()
    assert test.query_params["since"] == "24h"
    assert test.query_params["q"] == "nowhere"


BEAT = {"tailrace.hop": "heartbeat", "host.name": "web-1"}
SENT = {
    "tailrace.hop": "agent",
    "tailrace.generation": "g",
    "host.name": "web-1",
    "tailrace.next_event_number": 278,
}


def test_how_complete_it_is_is_said_also_where_nothing_matches() -> None:
    """There most of all: what is looked for may only not have come yet."""
    word = {
        "tailrace.hop": "heartbeat",
        "host.name": "web-1",
        "tailrace.swept_at_ms": 1_000,
        "tailrace.interval_ms": 10_000,
    }
    search = ScriptedSearch([], ledger=[word])

    text = said(shown(search_page, sources(search=search), params={"q": "nowhere"}))

    assert "Nothing matches" in text
    assert "Complete up to 1970" in text
    assert "nothing is waiting in Kafka" in text


def test_kafka_away_and_a_ledger_that_counts_do_not_contradict_each_other() -> None:
    given = sources(
        search=ScriptedSearch(DOCUMENTS, ledger=[BEAT, SENT]), lags=AbsentLags()
    )

    text = said(shown(search_page, given))

    assert "278 lines in Kafka" in text
    assert "is not known" not in text
    assert "those lines are the ledger's last word of it" in text


def test_p9_what_the_ledger_says_in_kafka_and_not_in_its_index_counts() -> None:
    """The index is filled by the indexer; while that stands still, it knows of less."""
    later = {**SENT, "@timestamp": 1, "tailrace.next_event_number": 75_000}
    search = ScriptedSearch(DOCUMENTS, ledger=[BEAT, SENT])
    lags = KnownLags(tail=LedgerTail(documents=[later]))

    assert "75,000 lines in Kafka" in said(
        shown(search_page, sources(search=search, lags=lags))
    )


def test_kafka_away_leaves_the_rows() -> None:
    given = sources(search=ScriptedSearch(DOCUMENTS), lags=AbsentLags())
    test = shown(search_page, given)
    assert "**25** events" in said(test)
    assert "Kafka does not answer" in said(test)
    assert not test.error


def test_x6_hostile_text_in_a_problem_is_not_markdown() -> None:
    problem = QueryInvalid("[x](javascript:1) <b> :red[y]", remedy="stop")
    test = shown(search_page, sources(search=FailingSearch(problem)))
    drawn = test.warning[0].value
    assert "\\[x\\]\\(" in drawn
    assert "\\<b\\>" in drawn


AGENT = Agent(
    agent_id="agent-1",
    host="web-1",
    host_id="h",
    version="0.1.0",
    sources=("app",),
    started_at_ms=1,
)
LAG = PartitionLag(
    group="ns-stream", topic="ns.raw", partition=3, next_offset=5, end_offset=9
)


@pytest.mark.parametrize(
    ("fleet", "lags", "tables", "errors"),
    [
        (KnownFleet(AGENT), KnownLags(LAG), 2, 0),
        (AbsentFleet(), KnownLags(LAG), 1, 1),
        (KnownFleet(AGENT), AbsentLags(), 1, 1),
        (AbsentFleet(), AbsentLags(), 0, 2),
    ],
)
def test_one_servers_absence_leaves_the_other_part(
    fleet: FleetGateway, lags: LagGateway, tables: int, errors: int
) -> None:
    test = shown(fleet_page, sources(fleet=fleet, lags=lags))
    assert (len(test.dataframe), len(test.error)) == (tables, errors)


def test_agents_with_one_host_id_are_warned_of() -> None:
    twins = KnownFleet(AGENT, AGENT)
    test = shown(fleet_page, sources(fleet=twins))
    assert "have one host id" in said(test)


def test_an_empty_fleet_is_no_error() -> None:
    test = shown(fleet_page, sources())
    assert "No agent is registered" in said(test)
    assert not test.error
