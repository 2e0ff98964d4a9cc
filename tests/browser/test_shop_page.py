"""The Shop page in a real browser, over real servers: clicked as docs/shop.md says to."""

from __future__ import annotations

import re
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from playwright.sync_api import TimeoutError as NotThere

from tailrace.shop_link import SHOP_DIR
from tailrace.shop_rules import ORDERS_FAIL
from tailrace_embedded.stack import Endpoints
from tailrace_shop.chat import HELPERS
from tests.support import browser as support
from tests.support.shops import WAIT_S_MAX, Whole, whole_shop
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.browser, pytest.mark.timeout(600)]

LATENCIES_MS = {"serial": 150, "parallel": 100, "queued": 50}
"""What each way takes of the simulated outside alone."""
LOOK_MS_MAX = 10_000
PRESS_MS = 250
"""From one press to the next, as fast as a hand is; a drawing takes longer."""
TYPE_MS = 50
FAST_ROUNDS = 3
FAST_WORDS = 8
ARRIVED_S_MAX = 240
"""Until the last of a storm's lines is indexed, where all of it runs on one busy machine."""


@pytest.fixture(scope="module")
def whole(
    stack: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Whole]:
    with whole_shop(stack, folder=tmp_path_factory.mktemp("shop")) as one:
        yield one


@pytest.fixture(scope="module")
def shop_url(whole: Whole) -> Generator[str]:
    with support.dashboard(whole.shop.connections) as url:
        yield f"{url}/shop"


def tab(page: Page, url: str, name: str) -> Locator:
    """Open the page, and return what the tab of this name shows."""
    page.goto(url)
    return opened_tab(page, name)


def opened_tab(page: Page, name: str) -> Locator:
    """Click on a tab, and return what it shows."""
    page.get_by_role("tab", name=name).click()
    return page.get_by_role("tabpanel", name=name)


def rows(panel: Locator) -> list[list[str]]:
    """Return what the first table of a tab holds, row by row.

    It is drawn on a canvas, behind which it stands once more for who cannot see.
    """
    found = panel.get_by_test_id("stDataFrame").first.locator("tbody tr").all()
    return [row.locator("td").all_text_contents() for row in found]


def begin(panel: Locator, load: str) -> None:
    """Click on a load's button, and wait until the page says that it runs."""
    panel.get_by_role("button", name=load).click()
    runs = panel.get_by_text("It runs; refresh in a few seconds")
    expect(runs).to_be_visible(timeout=60_000)


def refreshed_until(page: Page, found: Locator) -> None:
    """Click on Refresh, as a person does, and look for a while, until it is there."""

    def look() -> bool:
        page.get_by_role("button", name="Refresh").click()
        try:
            # A click before the page is drawn would begin it anew.
            found.first.wait_for(state="attached", timeout=LOOK_MS_MAX)
        except NotThere:
            return False
        return True

    eventually(look, ARRIVED_S_MAX)


def test_registration_shows_the_three_ways_side_by_side(
    page: Page, shop_url: str
) -> None:
    panel = tab(page, shop_url, "Registration")
    expect(panel.get_by_text("Nobody has registered yet.")).to_be_visible()
    begin(panel, "Register 20 users in each way")
    for way in LATENCIES_MS:
        row = panel.locator(f'tr:has(td:text-is("{way}")):has(td:text-is("20"))')
        refreshed_until(page, row)
    assert [row[0] for row in rows(panel)] == list(LATENCIES_MS)
    expect(panel.get_by_test_id("stVegaLiteChart")).to_be_visible()
    for way, _users, median_ms, *_ in rows(panel):
        assert float(median_ms) >= LATENCIES_MS[way]


def test_a_flash_sale_shows_that_client_and_log_counted_alike(
    page: Page, shop_url: str
) -> None:
    panel = tab(page, shop_url, "Flash sale")
    expect(panel.get_by_text("There was no flash sale yet.")).to_be_visible()
    begin(panel, "Hold a flash sale")
    equal = panel.get_by_text("All 25,000 answers that the client counted stand in the")
    refreshed_until(page, equal)
    # Drawn after the sentence above it: it may still be empty, or say what was before.
    admitted = panel.locator('tr:has(td:text-is("admitted"))')
    expect(admitted.locator('td:text-is("500")')).to_have_count(2)
    assert all(client == log for _answer, client, log in rows(panel))
    refreshed_until(page, panel.get_by_text("500 of 500 sold"))
    expect(panel.get_by_test_id("stVegaLiteChart")).to_be_visible()


def test_a_bad_deploy_is_found_on_the_page(
    page: Page, shop_url: str, whole: Whole
) -> None:
    panel = tab(page, shop_url, "Incidents")
    panel.get_by_role("button", name="Bad deploy").click()
    eventually(lambda: whole.shop.link.state().incidents, WAIT_S_MAX)
    orders = opened_tab(page, "Orders")
    orders.get_by_role("button", name="Place 200 orders").click()
    eventually(lambda: whole.shop.waiting("fulfilment"), WAIT_S_MAX)
    opened_tab(page, "Incidents")
    refreshed_until(page, panel.locator(f'td:text-is("{ORDERS_FAIL}")'))
    blamed = panel.get_by_text("most came while orders 1.4.1 was in place: look at it")
    refreshed_until(page, blamed)
    expect(panel.get_by_test_id("stVegaLiteChart")).to_be_visible()
    # Whoever orders next is not to meet it.
    eventually(lambda: not whole.shop.link.state().incidents, WAIT_S_MAX)


def test_the_queue_grows_while_the_inventory_is_stopped_and_drains(
    page: Page, shop_url: str
) -> None:
    panel = tab(page, shop_url, "Orders")
    inventory = panel.get_by_test_id("stMetric").filter(has_text="Inventory")
    expect(inventory).to_contain_text("runs")
    panel.get_by_role("button", name="Stop the inventory").click()
    expect(inventory).to_contain_text("is stopped")
    panel.get_by_role("button", name="Place 200 orders").click()
    expect(inventory).to_contain_text("200 waiting", timeout=60_000)
    expect(panel.get_by_test_id("stVegaLiteChart")).to_be_visible()
    panel.get_by_role("button", name="Start the inventory").click()
    expect(inventory).to_contain_text("0 waiting", timeout=60_000)
    expect(inventory).not_to_contain_text("200 waiting")
    expect(inventory).to_contain_text("runs")


def test_two_people_meet_in_the_chat_room_and_one_helper_answers(
    page: Page, chromium: Browser, shop_url: str
) -> None:
    def enter(at: Page, name: str) -> Locator:
        panel = tab(at, shop_url, "Chat")
        box = panel.get_by_label("Name", exact=True)
        box.fill(name)
        box.press("Enter")
        return panel

    eva = enter(page, "eva")
    context = chromium.new_context()
    bob = enter(context.new_page(), "bob")
    for panel in (eva, bob):
        # And the guest, whom both were before they had a name, has left.
        expect(panel.get_by_text("Present: bob, eva")).to_be_visible(timeout=60_000)

    def say(panel: Locator, text: str) -> None:
        line = panel.get_by_placeholder("Say something")
        line.fill(text)
        line.press("Enter")

    say(eva, "is anybody **here**?")
    for panel in (eva, bob):
        expect(panel.get_by_text("eva: is anybody **here**?")).to_be_visible()
    say(bob, "@helpdesk where is my order?")
    answer = bob.get_by_text("bob, about 'where is my order?': we look into it.")
    expect(answer).to_have_count(1)
    assert answer.inner_text().partition(":")[0] in HELPERS
    context.close()
    # Who left is silent, and soon present no more.
    expect(eva.get_by_text("Present: bob, eva")).to_have_count(0, timeout=30_000)


def test_each_of_many_fast_presses_is_acted_upon_once_and_in_its_turn(
    page: Page, shop_url: str, whole: Whole
) -> None:
    """Each comes amid a drawing, which Refresh ends at once; no hand is faster than the shop.

    Of two presses that wait at once Streamlit keeps one of each button, and not their turn
    (ARCHITECTURE.md); so the next order is given when the shop has heard the last one,
    which is long before the page is drawn.
    """

    def told() -> list[str]:
        log = whole.shop.connections.data_dir / SHOP_DIR / "logs" / "access.log"
        return re.findall(r'"POST /control/(\S+) HTTP', log.read_text())[before:]

    before = 0
    before = len(told())
    panel = tab(page, shop_url, "Orders")
    inventory = panel.get_by_test_id("stMetric").filter(has_text="Inventory")
    expect(inventory).to_contain_text("runs")
    presses = {
        "Orders": {
            "Stop the inventory": "services/inventory/stop",
            "Start the inventory": "services/inventory/start",
        },
        "Incidents": {"Cron job stops": "incidents/cron-stops"},
    }
    orders: list[str] = []
    for _round in range(FAST_ROUNDS):
        for name, buttons in presses.items():
            panel = opened_tab(page, name)
            for text, order in buttons.items():
                panel.get_by_role("button", name=text).click(delay=PRESS_MS)
                page.get_by_role("button", name="Refresh").click(delay=PRESS_MS)
                orders.append(order)
                eventually(lambda: len(told()) >= len(orders), WAIT_S_MAX)
                assert told() == orders
    opened_tab(page, "Orders")
    expect(inventory).to_contain_text("runs", timeout=60_000)


def test_words_that_are_said_fast_are_each_heard_once_and_in_their_turn(
    page: Page, shop_url: str, whole: Whole
) -> None:
    panel = tab(page, shop_url, "Chat")
    expect(panel.get_by_text("Present:")).to_be_visible(timeout=60_000)
    words = [f"word {number}" for number in range(FAST_WORDS)]
    line = panel.get_by_placeholder("Say something")
    for word in words:
        line.press_sequentially(word, delay=TYPE_MS)
        line.press("Enter")
    for word in words:
        expect(panel.get_by_text(f"guest: {word}", exact=True)).to_have_count(1)
    said = [one.text for one in whole.shop.shop.chat.room.said()]
    assert [text for text in said if text in words] == words
