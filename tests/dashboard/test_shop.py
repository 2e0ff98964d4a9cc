"""What the shop's figures say, and what its page shows of them."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tailrace.alerts.records import Status, alert_document, new_alert
from tailrace.errors import CommandFailed
from tailrace.moments import TimeRange
from tailrace.query import Body
from tailrace.shop_link import (
    LINK_FILE,
    RoomState,
    SaleState,
    ShopLink,
    ShopState,
    Word,
)
from tailrace.shop_rules import REPORT_SILENCE_MS
from tailrace_dashboard.gateway import NoIndexYet, SearchGateway
from tailrace_dashboard.shop import (
    Deploy,
    Troubles,
    findings,
    ratios,
    read_measured,
    read_orders,
    read_troubles,
)
from tailrace_dashboard.shop_charts import troubles_chart
from tailrace_dashboard.shop_gateway import RunningShop
from tailrace_dashboard.shop_sale import read_answers, read_storm
from tests.dashboard.doubles import EmptySearch, KnownShop, done, failed, sources
from tests.dashboard.test_pages import buttons, said, shown
from tests.support.saying import Said, saying

MODES = {"queued": 50e6, "serial": 150e6, "parallel": 100e6}
MEASURED: Body = {
    "aggregations": {
        "modes": {
            "buckets": [
                {"key": mode, "doc_count": 20, "took": {"values": {"50.0": took_ns}}}
                for mode, took_ns in MODES.items()
            ]
        }
    }
}
COUNTS = {202: 5, 303: 1, 410: 94}
STORM: Body = {
    "hits": {
        "hits": [
            {
                "_source": {
                    "event.duration": 20_000_000,
                    "attributes": {
                        "name": "s1",
                        "requests": 100,
                        "answers": {f"status_{s}": n for s, n in COUNTS.items()},
                        "unanswered": 0,
                    },
                }
            }
        ]
    }
}
COUNTED: Body = {
    "aggregations": {
        "accepted": {"doc_count": 60},
        "inventory": {
            "outcomes": {
                "buckets": [
                    {"key": "taken", "doc_count": 40},
                    {"key": "duplicate", "doc_count": 15},
                ]
            }
        },
    }
}
PRESSED = ("services/inventory/start", "loads/sale", "incidents/bad-deploy")
WAIT_S = 10
NO_STORM: Body = {"hits": {"hits": []}}
TROUBLES: Body = {
    "aggregations": {
        "bad": {
            "files": {
                "buckets": [
                    {
                        "key": f"/d/shop/logs/orders.log{end}",
                        "times": {"buckets": [{"key": 10_000, "doc_count": 2}]},
                    }
                    for end in ("", ".1")
                ]
            }
        },
        "deploys": {
            "newest": {
                "hits": {
                    "hits": [
                        {
                            "sort": [at],
                            "_source": {
                                "service.name": "orders",
                                "service.version": version,
                            },
                        }
                        for at, version in (
                            (1_795_738_900_000_000_000, "1.4.0"),
                            (1_795_738_800_000_000_000, "1.3.9"),
                        )
                    ]
                }
            }
        },
        "reports": {"last": {"value": 1_795_738_900_000.0}},
    }
}
NOTHING: Body = {
    "aggregations": {
        "bad": {"files": {"buckets": []}},
        "deploys": {"newest": {"hits": {"hits": []}}},
        "reports": {"last": {"value": None}},
    }
}
STATE = ShopState(
    services={"inventory": False, "notifier": True},
    waiting={"inventory": 60, "notifier": 0},
    incidents=[],
    sales=[SaleState(name="s1", stock=5, admitted=5, sold=4)],
)
ROOM = RoomState(
    said=[Word(member="eva", text="**hello** <b>", at_ms=1)], present=["eva", "gr*ce"]
)


def answers(counts: dict[int, int]) -> Body:
    statuses = {"buckets": [{"key": s, "doc_count": n} for s, n in counts.items()]}
    second = {"key": 1_000, "statuses": statuses}
    opened = {"hits": {"hits": [{"_source": {"attributes": {"stock": 5}}}]}}
    return {
        "aggregations": {
            "statuses": statuses,
            "seconds": {"buckets": [second]},
            "sold": {"doc_count": 4},
            "opened": {"first": opened},
        }
    }


class ShopsLogs:
    """Answers each of the page's questions as it was given."""

    def __init__(
        self,
        *,
        storm: Body = STORM,
        logged: dict[int, int] = COUNTS,
        bad: Body = TROUBLES,
        alerts: Body | None = None,
    ) -> None:
        self._storm, self._logged, self._bad = storm, logged, bad
        self._alerts = alerts

    def ask(self, *, index: str, body: Body, query: str = "") -> Future[Body]:
        del query
        if index == "ns-alerts":
            return (
                failed(NoIndexYet(index))
                if self._alerts is None
                else done(self._alerts)
            )
        assert index == "ns-events"
        match body.get("aggs"):
            case {"modes": _}:
                return done(MEASURED)
            case {"statuses": _}:
                return done(answers(self._logged))
            case {"accepted": _}:
                return done(COUNTED)
            case {"bad": _}:
                return done(self._bad)
            case _:
                return done(self._storm)


class EndingLogs(ShopsLogs):
    """Ends the drawing at its first question, when it is to."""

    ends = False

    def ask(self, *, index: str, body: Body, query: str = "") -> Future[Body]:
        if self.ends:
            st.stop()
        return super().ask(index=index, body=body, query=query)


class RefusingShop(KnownShop):
    """Does nothing that it is told."""

    def tell(self, order: str) -> Future[ShopState]:
        self.told.append(order)
        return failed(CommandFailed("The shop refuses: it is closed.", remedy="wait"))


def shop_page(given: object) -> None:
    from tailrace_dashboard.sources import Sources
    from tailrace_dashboard.views import shop

    assert isinstance(given, Sources)
    shop.show(given)


def page(logs: SearchGateway, shop: KnownShop | None = None) -> AppTest:
    shop = shop or KnownShop(STATE, ROOM)
    return shown(shop_page, sources(search=logs, shop=shop))


def test_the_ways_stand_in_their_order_with_what_one_worker_does() -> None:
    figures = read_measured(MEASURED)
    assert [(one.mode, one.count, one.median_ms) for one in figures] == [
        ("serial", 20, 150),
        ("parallel", 20, 100),
        ("queued", 20, 50),
    ]
    assert ratios(figures) == pytest.approx({"serial": 1, "parallel": 1.5, "queued": 3})
    assert ratios(figures[1:]) == {}


def test_a_sales_answers_are_read_from_client_and_log() -> None:
    storm = read_storm(STORM)
    assert storm is not None
    assert (storm.sale, storm.requests, storm.counts) == ("s1", 100, COUNTS)
    assert (storm.per_s, storm.unanswered) == (5_000, 0)
    assert read_storm(NO_STORM) is None
    found = read_answers(answers(COUNTS))
    assert found.counts == COUNTS
    assert found.points == ((1_000, 202, 5), (1_000, 303, 1), (1_000, 410, 94))
    assert (found.sold, found.stock) == (4, 5)


def test_a_file_that_was_turned_over_is_the_same_service() -> None:
    troubles = read_troubles(TROUBLES)
    assert troubles.points == ((10_000, "orders", 4),)
    assert [(one.at_ms, one.version) for one in troubles.deploys] == [
        (1_795_738_900_000, "1.4.0"),
        (1_795_738_800_000, "1.3.9"),
    ]
    assert troubles.report_at_ms == 1_795_738_900_000


def test_findings_name_the_version_in_whose_time_most_errors_came() -> None:
    first, good, bad = (
        Deploy(at_ms=at_ms, service="orders", version=version)
        for at_ms, version in ((0, "1.3"), (60_000, "1.4.0"), (5_500, "1.4.1"))
    )

    def of(at_ms: int, name: str = "orders") -> str:
        troubles = Troubles(
            points=((at_ms, name, 3), (70_000, "orders", 1), (60_500, "access", 9)),
            deploys=(good, bad, first),
            report_at_ms=None,
        )
        return findings(troubles, now_ms=1_000)[-1]

    assert "1.3 " in of(4_000)
    # The second in which it came holds what it broke.
    assert "1.4.1" in of(5_000)
    assert "1.4.1" in of(59_000)
    # Of what another service says, no version of the orders is accused.
    assert "1.4.0" in of(59_000, "notifier")


def test_no_version_stands_behind_the_bar_that_holds_what_it_broke() -> None:
    troubles = Troubles(
        points=((18_000, "orders", 3),),
        deploys=(Deploy(at_ms=17_900, service="orders", version="1.4.1"),),
        report_at_ms=None,
    )
    drawn = troubles_chart(troubles, time_range=TimeRange(0, 60_000)).to_dict()
    bars, lines, texts = drawn["layer"]
    data = drawn["datasets"]
    begins_at_ms = min(bar["at_ms"] for bar in data[bars["data"]["name"]])
    for layer in (lines, texts):
        (mark,) = data[layer["data"]["name"]]
        assert mark[layer["encoding"]["x"]["field"]] == begins_at_ms
        assert mark["at_ms"] == 17_900


def test_findings_miss_a_report_that_comes_no_more() -> None:
    troubles = Troubles(points=(), deploys=(), report_at_ms=0)
    assert findings(troubles, now_ms=REPORT_SILENCE_MS) == []
    (late,) = findings(troubles, now_ms=REPORT_SILENCE_MS + 1_000)
    assert "no report for 91 s" in late


def test_the_page_shows_what_was_measured() -> None:
    test = page(ShopsLogs())
    # Whose type pandas has no stubs for.
    table = cast("Any", test.dataframe[0].value)
    assert list(table["Way"]) == ["serial", "parallel", "queued"]
    assert list(table["Times as fast"]) == [1, 1.5, 3]
    assert list(table["A second"]) == [6.7, 10, 20]


def test_equal_counts_are_told_from_those_that_are_not() -> None:
    equal = page(ShopsLogs())
    assert "All 100 answers" in equal.success[0].value
    assert "4 of 5 sold, by the seller's log; 5,000 requests a second" in said(equal)
    fewer = page(ShopsLogs(logged={**COUNTS, 410: 90}))
    assert not fewer.success
    assert "96 lines of the access log have arrived" in said(fewer)


def test_answers_that_did_not_reach_the_client_are_told() -> None:
    storm = copy.deepcopy(STORM)
    storm["hits"]["hits"][0]["_source"]["attributes"]["unanswered"] = 3
    test = page(ShopsLogs(storm=storm, logged={**COUNTS, 410: 96}))
    assert not test.success
    assert "3 of its requests stayed without one; the access log has 102" in said(test)
    # Once all is told, equal is equal.
    assert page(ShopsLogs(storm=storm)).success


def test_orders_are_counted_by_the_logs() -> None:
    counts = read_orders(COUNTED)
    assert (counts.accepted, counts.taken, counts.duplicate) == (60, 40, 15)
    test = page(ShopsLogs())
    tables = [cast("Any", one.value) for one in test.dataframe]
    (table,) = [one for one in tables if "Orders accepted" in one]
    assert list(table.iloc[0]) == [60, 40, 0, 15]


def test_the_queue_is_shown_and_the_inventory_is_told() -> None:
    shop = KnownShop(STATE, ROOM)
    test = page(ShopsLogs(), shop)
    metric = next(one for one in test.metric if one.label == "Inventory")
    assert (metric.value, metric.delta) == ("60 waiting", "is stopped")
    for number, order in enumerate(PRESSED, start=1):
        test.button(key=f"shop_{order}").click().run()
        assert shop.told == list(PRESSED[:number])
    assert not test.exception


@pytest.mark.parametrize("order", PRESSED)
def test_a_press_is_acted_upon_though_the_drawing_ends_at_its_first_question(
    order: str,
) -> None:
    """As it does where the next press comes amid it."""
    shop, logs = KnownShop(STATE, ROOM), EndingLogs()
    test = page(logs, shop)
    logs.ends = True
    test.button(key=f"shop_{order}").click().run()
    assert shop.told == [order]
    logs.ends = False
    test.run()
    assert shop.told == [order]
    assert ("It runs; refresh" in said(test)) == order.startswith("loads/sale")


def test_a_word_is_said_once_though_the_drawing_ends_at_its_first_question() -> None:
    shop, logs = KnownShop(STATE, ROOM), EndingLogs()
    test = page(logs, shop)
    test.text_input(key="chat_member").set_value(" eva ")
    logs.ends = True
    test.chat_input(key="chat_line").set_value("hello").run()
    logs.ends = False
    test.run()
    assert [one for one in shop.spoken if one[2] == "said"] == [
        ("eva", "hello", "said")
    ]


def test_what_the_shop_refused_is_told_by_the_next_drawing_and_then_no_more() -> None:
    shop, logs = RefusingShop(STATE, ROOM), EndingLogs()
    test = page(logs, shop)
    logs.ends = True
    test.button(key="shop_incidents/bad-deploy").click().run()
    logs.ends = False
    assert "it is closed" in said(test.run())
    assert "it is closed" not in said(test.run())


def test_who_has_no_name_is_not_let_speak() -> None:
    test = page(ShopsLogs())
    assert not test.chat_input(key="chat_line").disabled
    test.text_input(key="chat_member").set_value(" ").run()
    assert test.chat_input(key="chat_line").disabled


def test_orders_are_given_one_after_another_and_nothing_else_waits_for_them(
    tmp_path: Path,
) -> None:
    may_answer = threading.Event()

    def say(method: str, path: str) -> Said:
        if method == "POST" and path != "/chat":
            may_answer.wait(WAIT_S)
        return Said(200, msgspec.to_builtins(ROOM if path == "/chat" else STATE))

    with saying(say) as server:
        ShopLink(url=server.url, pid=os.getpid(), key="k").write(tmp_path)
        gateway = RunningShop(tmp_path)
        orders = [gateway.tell(f"{number}") for number in range(6)]
        words = [gateway.speak("eva", text="hello", kind="said") for _ in range(6)]
        for answer in (*words, gateway.state(), gateway.room()):
            answer.result(WAIT_S)
        told = [one for one in server.asked if "/control/" in one]
        assert told == ["POST /control/0"]
        may_answer.set()
        gateway.close()
        told = [one for one in server.asked if "/control/" in one]
        assert told == [f"POST /control/{number}" for number in range(6)]
        assert all(order.done() for order in orders)


def test_x6_what_is_said_in_the_room_is_text() -> None:
    test = page(ShopsLogs())
    assert [one.value for one in test.text] == ["eva: **hello** <b>"]
    assert any("gr\\*ce" in one.value for one in test.caption)


def test_who_looks_at_the_room_is_there() -> None:
    shop = KnownShop(STATE, ROOM)
    page(ShopsLogs(), shop)
    assert ("guest", "", "here") in shop.spoken


def test_what_the_rules_said_stands_on_the_page() -> None:
    stack = r"order 7 failed\x0ajava.lang.NullPointerException"
    raised = [
        new_alert(
            rule=rule,
            severity="warning",
            fields={},
            key=rule,
            status=status,
            start_ms=1_795_738_900_000,
            raised_at_ms=1_795_738_915_000,
            value=2,
            message=message,
            channels=(),
        )
        for rule, status, message in cast(
            "list[tuple[str, Status, str]]",
            [
                ("shop-orders-fail", "on", "2 events in 1 min, more than 1"),
                ("shop-new-error", "happened", f"a kind of line never seen: {stack}"),
            ],
        )
    ]
    raised[0] = raised[0].is_over(
        at_ms=1_795_738_945_000, value=None, is_silenced=False
    )
    hits = [{"_source": alert_document(one)} for one in raised]
    hits.append({"_source": {"message": "of an earlier version"}})
    test = page(ShopsLogs(alerts={"hits": {"hits": hits}}))
    table = cast("Any", test.dataframe[-1].value)
    assert list(table["Alert"]) == ["shop-orders-fail", "shop-new-error"]
    assert list(table["Because"]) == [
        "2 events in 1 min, more than 1",
        "a kind of line never seen: order 7 failed",
    ]
    assert list(table["State"]) == ["over after 45 s", "happened"]
    assert not test.error


def test_before_anything_happened_the_page_says_so() -> None:
    test = page(ShopsLogs(storm=NO_STORM, bad=NOTHING))
    assert "no flash sale yet" in said(test)
    assert "No errors and no warnings" in said(test)
    assert not test.error


def test_without_a_shop_its_logs_are_shown_and_how_to_start_one() -> None:
    test = shown(shop_page, sources(search=ShopsLogs()))
    assert "tailrace up --demo" in said(test)
    assert test.dataframe
    assert "Hold a flash sale" in buttons(test)


def test_no_index_yet_is_a_sentence() -> None:
    test = page(EmptySearch())
    assert "no index behind" in said(test)


def test_a_shop_that_never_ran_is_told_apart_from_one_that_does(
    tmp_path: Path,
) -> None:
    gateway = RunningShop(tmp_path)
    assert not gateway.is_there()
    with pytest.raises(CommandFailed, match="No shop runs"):
        gateway.state().result(10)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    # A killed one leaves its word behind.
    ShopLink(url="http://127.0.0.1:9", pid=ended.pid, key="k").write(tmp_path)
    assert not gateway.is_there()
    ShopLink(url="http://127.0.0.1:9", pid=os.getpid(), key="k").write(tmp_path)
    assert gateway.is_there()
    assert (tmp_path / LINK_FILE).stat().st_mode & 0o077 == 0
    gateway.close()
