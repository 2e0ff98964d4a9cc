"""What a person sees and does, in a real browser over the real Elasticsearch."""

from __future__ import annotations

import json
import re
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tailrace.elasticsearch import Elastic
from tailrace.settings import Connections
from tailrace.zookeeper import ZooKeeper
from tailrace_embedded.stack import Endpoints
from tests.browser import corpus
from tests.browser.conftest import EVENT_COUNT, connections_to
from tests.browser.corpus import HOSTILE_MESSAGES
from tests.dashboard.doubles import EmptyThenSilentServer, SilentServer
from tests.support import browser as support
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.browser, pytest.mark.timeout(120)]

ALL = f"{EVENT_COUNT + len(HOSTILE_MESSAGES):,} events"


def rows(page: Page) -> Locator:
    return page.locator(".log .row")


def summary(page: Page) -> Locator:
    return page.get_by_test_id("stCaptionContainer").filter(has_text="rows in")


def total(page: Page) -> int:
    text = summary(page).inner_text()
    return int(text.split(" ")[0].replace(",", ""))


def look(page: Page, url: str, query: str = "") -> None:
    page.goto(f"{url}/?since=2h&until=now{query}")
    expect(rows(page).first).to_be_visible(timeout=30_000)


def settle(page: Page) -> None:
    """Wait until the script is through: a chart is drawn anew while it still runs."""
    expect(
        page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')
    ).to_be_visible()


def type_query(page: Page, text: str) -> None:
    box = page.get_by_label("Query")
    box.fill(text)
    box.press("Enter")


def histogram(page: Page) -> Locator:
    return page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first


def test_a_search_finds_its_rows_newest_first(page: Page, dashboard_url: str) -> None:
    look(page, dashboard_url)
    expect(summary(page)).to_contain_text(ALL)
    type_query(page, 'log.level:error AND "timed out"')
    expect(rows(page).first.locator(".message")).to_contain_text("timed out")
    expect(rows(page).first.locator(".level")).to_have_text("error")
    # With the date: what is shown begins anew at midnight.
    times = [
        each.get_attribute("title") or "" for each in rows(page).locator(".time").all()
    ]
    assert all(times)
    assert times == sorted(times, reverse=True)
    assert 0 < total(page) < EVENT_COUNT


def test_more_rows_follow_the_ones_that_are_there(
    page: Page, dashboard_url: str
) -> None:
    look(page, dashboard_url)
    expect(rows(page)).to_have_count(20)
    page.get_by_role("button", name="Load 20 more").click()
    expect(rows(page)).to_have_count(40)
    ids = [row.get_attribute("data-id") for row in rows(page).all()]
    assert len(set(ids)) == 40


def test_a_click_on_a_bar_narrows_the_range(page: Page, dashboard_url: str) -> None:
    look(page, dashboard_url)
    settle(page)
    chart = histogram(page)
    expect(chart).to_be_visible()
    box = chart.bounding_box()
    assert box is not None
    # Bars fill the right half: the events are of the last of two hours.
    chart.click(position={"x": box["width"] * 0.70, "y": 70})
    expect(page).to_have_url(re.compile(r"since=20\d\d-"))
    expect(summary(page)).not_to_contain_text(ALL)
    assert 0 < total(page) < EVENT_COUNT / 10


def test_a_brushed_stretch_is_the_range(page: Page, dashboard_url: str) -> None:
    look(page, dashboard_url)
    settle(page)
    chart = histogram(page)
    expect(chart).to_be_visible()
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    middle = box["y"] + 60
    page.mouse.move(box["x"] + box["width"] * 0.60, middle)
    page.mouse.down()
    for step in range(1, 9):
        page.mouse.move(box["x"] + box["width"] * (0.60 + step * 0.02), middle)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"since=20\d\d-"))
    expect(summary(page)).not_to_contain_text(ALL)
    assert 20 < total(page) < EVENT_COUNT / 2


def test_an_opened_row_shows_its_whole_document(page: Page, dashboard_url: str) -> None:
    look(page, dashboard_url)
    type_query(page, "event.dataset:shop.api AND authorised")
    expect(rows(page).first.locator(".message")).to_contain_text("authorised")
    rows(page).first.locator(".line").click()
    detail = rows(page).first.locator(".detail")
    for name in ("tailrace.generation", "log.offset", "attributes.order_id", "_id"):
        expect(
            detail.locator(".name", has_text=re.compile(f"^{name}$"))
        ).to_be_visible()
    detail.get_by_role("button", name="JSON").click()
    expect(detail.locator(".json")).to_contain_text('"log.file.path": "/var/log/shop/')
    detail.get_by_role("button", name="Lines around it").click()
    expect(detail.locator(".around .is-this")).to_contain_text("authorised")
    assert detail.locator(".around > div").count() > 5
    times = detail.locator(".around .time").all_inner_texts()
    assert times == sorted(times)
    assert all(re.fullmatch(r"[\d:.]{12}", time) for time in times)


def test_a_field_is_filtered_by_a_click_and_its_chip_turned_and_removed(
    page: Page, dashboard_url: str
) -> None:
    look(page, dashboard_url)
    type_query(page, "event.dataset:shop.api")
    expect(page).to_have_url(re.compile("q=event"))
    expect(rows(page).first.locator(".dataset-cell")).to_have_text("shop.api")
    page_total = total(page)
    rows(page).first.locator(".line").click()
    level = rows(page).first.locator(".level").inner_text()
    rows(page).first.locator('[data-pick="+log.level"]').click()
    chip = page.locator(".chip")
    expect(chip).to_have_text(f"log.level: {level}✕")
    expect(summary(page)).not_to_contain_text(f"{page_total:,} events")
    kept = total(page)
    chip.locator("button").first.click()
    expect(page.locator(".chip.is-excluded")).to_be_visible()
    expect(summary(page)).to_contain_text(f"{page_total - kept:,} event")
    chip.locator(".remove").click()
    expect(chip).to_have_count(0)
    expect(summary(page)).to_contain_text(f"{page_total:,} events")


def test_x5_x6_hostile_text_does_nothing_but_stand_there(
    page: Page, dashboard_url: str
) -> None:
    """No script runs, no picture is fetched, no link is made (X5, X6)."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    look(page, dashboard_url, "&q=hostile&f=-nowhere:%3Cscript%3Ewindow.pwned=1")
    expect(rows(page)).to_have_count(len(HOSTILE_MESSAGES))
    for row in rows(page).all():
        row.locator(".line").click()
        row.get_by_role("button", name="JSON").click()
    drawn = page.locator(".log").inner_text()
    assert "<script>window.pwned = 1</script><img src=x" in drawn
    assert "[click me](javascript:window.pwned=1)" in drawn
    assert "\\x1b[31mred" in drawn
    assert "\\u202egnp.exe" in drawn
    assert page.evaluate("window.pwned") is None
    assert page.locator(".log a, .log img, .log script, .chips script").count() == 0
    own = (dashboard_url, dashboard_url.replace("http", "ws"), "data:", "blob:")
    assert [url for url in asked if not url.startswith(own)] == []


def test_a_url_brings_back_what_was_looked_at(page: Page, dashboard_url: str) -> None:
    look(page, dashboard_url)
    type_query(page, "payment")
    expect(page).to_have_url(re.compile("q=payment"))
    page.get_by_test_id("stPopover").get_by_role("button").first.click()
    expect(page.get_by_label("From", exact=True)).to_have_value("2h")
    page.get_by_role("button", name="Last 24 hours").click()
    expect(page).to_have_url(re.compile("since=24h"))
    expect(page.get_by_role("button", name="Last 24 hours").first).to_be_visible()
    expect(rows(page).first.locator(".message")).to_contain_text("payment")
    seen = rows(page).first.locator(".message").inner_text()
    other = page.context.new_page()
    other.goto(page.url)
    expect(rows(other).first.locator(".message")).to_have_text(seen)
    expect(other.get_by_label("Query")).to_have_value("payment")
    expect(other.get_by_role("button", name="Last 24 hours").first).to_be_visible()


def test_back_leads_to_the_search_that_the_url_says(
    page: Page, dashboard_url: str
) -> None:
    """Also to the first, which has an empty URL; another page leaves the search alone."""
    page.goto(dashboard_url)
    expect(page.get_by_label("Query")).to_have_value("")
    settle(page)
    type_query(page, "payment")
    expect(page).to_have_url(re.compile("q=payment"))
    settle(page)
    page.go_back()
    expect(page).not_to_have_url(re.compile("q=payment"))
    expect(page.get_by_label("Query")).to_have_value("")
    type_query(page, "refund")
    expect(page).to_have_url(re.compile("q=refund"))
    settle(page)
    page.get_by_role("link", name="Overview").click()
    expect(page).to_have_url(re.compile("overview"))
    settle(page)
    page.get_by_role("link", name="Search").click()
    expect(page.get_by_label("Query")).to_have_value("refund")
    expect(page).to_have_url(re.compile("q=refund"))


def test_a_bad_query_is_said_and_stays_to_be_corrected(
    page: Page, dashboard_url: str
) -> None:
    look(page, dashboard_url)
    type_query(page, "payment AND (")
    alert = page.get_by_test_id("stAlert")
    expect(alert).to_contain_text("cannot be read at its end")
    expect(alert).to_contain_text("Close every bracket")
    expect(page.get_by_text("Searching …")).to_have_count(0)
    expect(page.get_by_label("Query")).to_have_value("payment AND (")
    type_query(page, "payment")
    expect(rows(page).first.locator(".message")).to_contain_text("payment")
    expect(alert).to_have_count(0)


def test_overview_and_fleet_draw_what_the_servers_say(
    page: Page, dashboard_url: str, shop: Connections
) -> None:
    zookeeper = ZooKeeper.connect(shop.zookeeper_hosts)
    registered = {"host_name": "web-shop", "version": "0.1.0", "sources": ["app"]}
    zookeeper.register_ephemeral(
        f"/{shop.namespace}/agents/agent-1", json.dumps(registered).encode()
    )
    with closing(zookeeper):
        look_at_overview_and_fleet(page, dashboard_url)


def look_at_overview_and_fleet(page: Page, dashboard_url: str) -> None:
    look(page, dashboard_url)
    page.get_by_role("link", name="Overview").click()
    metric = page.get_by_test_id("stMetric").first
    expect(metric).to_contain_text(f"{EVENT_COUNT + len(HOSTILE_MESSAGES):,}")
    expect(page.get_by_text("By dataset")).to_be_visible()
    expect(page.get_by_text("Latency, p95")).to_be_visible()
    page.get_by_role("link", name="Fleet").click()
    # Drawn on a canvas; the table's own hidden twin holds its text.
    expect(page.get_by_test_id("stDataFrame").get_by_text("web-shop")).to_be_attached()
    page.get_by_role("link", name="Search").click()
    # Another page has taken the search out of the URL; coming back restores it.
    expect(page).to_have_url(re.compile("since=2h"))
    expect(rows(page).first).to_be_visible()


def test_elasticsearch_away_is_a_sentence_and_a_retry(
    page: Page, stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
    away = connections_to(
        stack, namespace=namespace, data_dir=tmp_path, elasticsearch_url=nowhere
    )
    with support.dashboard(away) as url:
        page.goto(url)
        alert = page.get_by_test_id("stAlert")
        expect(alert).to_contain_text("cannot be reached: nothing listens there")
        expect(page.get_by_text("Traceback")).to_have_count(0)
        page.get_by_role("button", name="Retry").click()
        expect(alert).to_contain_text("nothing listens there")


def test_before_the_first_line_the_page_says_how_to_ship_it(
    page: Page, stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    empty = connections_to(stack, namespace=namespace, data_dir=tmp_path)
    with Elastic(empty) as elastic:
        assert elastic.count(f"{namespace}-events") == 0
    with support.dashboard(empty) as url:
        page.goto(url)
        expect(page.get_by_text("No logs yet")).to_be_visible()
        expect(page.get_by_text("tailrace up --watch")).to_be_visible()


def test_a_refreshing_page_shows_what_has_come_in(
    page: Page, dashboard_url: str, shop: Connections
) -> None:
    look(page, dashboard_url, "&q=brandnew+OR+authorised&refresh=5")
    expect(page.get_by_text("brandnew arrival")).to_have_count(0)
    now_ms = time.time_ns() // 1_000_000
    event = {
        "@timestamp": corpus.time_text(now_ms),
        "message": "brandnew arrival",
        "event.dataset": "shop.late",
    }
    index = f"/{shop.namespace}-shop-2026.11.24/_doc/late"
    with Elastic(shop) as elastic:
        body = json.dumps(event).encode()
        elastic.request("PUT", f"{index}?refresh=true", body=body)
        try:
            arrived = rows(page).first.locator(".message")
            expect(arrived).to_have_text("brandnew arrival", timeout=20_000)
        finally:
            elastic.request("DELETE", f"{index}?refresh=true")


def test_a_search_that_takes_long_can_be_cancelled(
    page: Page, stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    with closing(SilentServer()) as silent:
        slow = connections_to(
            stack, namespace=namespace, data_dir=tmp_path, elasticsearch_url=silent.url
        )
        with support.dashboard(slow) as url:
            page.goto(url)
            expect(page.get_by_text(re.compile("Searching … "))).to_be_visible()
            eventually(silent.has_asked.is_set)
            assert not silent.has_left.is_set()
            page.get_by_role("button", name="Cancel").click()
            expect(page.get_by_text("The search was cancelled.")).to_be_visible()
            eventually(silent.has_left.is_set, what="the search is stopped")


def test_what_was_said_of_the_last_search_is_gone_while_the_next_is_under_way(
    page: Page, stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    with closing(EmptyThenSilentServer()) as server:
        connections = connections_to(
            stack, namespace=namespace, data_dir=tmp_path, elasticsearch_url=server.url
        )
        with support.dashboard(connections) as url:
            page.goto(url)
            expect(page.get_by_text("Nothing matches")).to_be_visible()
            type_query(page, "slow")
            expect(page.get_by_role("button", name="Cancel")).to_be_visible()
            expect(page.get_by_text("Nothing matches")).to_have_count(0)
