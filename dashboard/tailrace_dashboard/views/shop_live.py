"""What of the shop is shown as it happens: the queue before the inventory, the chat room."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import TypeVar, cast

import streamlit as st

from tailrace.errors import TailraceError
from tailrace.shop_link import RoomState, ShopState
from tailrace.text import printable
from tailrace_dashboard.rows import markdown
from tailrace_dashboard.shop_charts import queue_chart
from tailrace_dashboard.sources import Sources
from tailrace_dashboard.views.parts import draw_problem, settled
from tailrace_dashboard.views.shop_presses import (
    CHAT,
    CHAT_NAME,
    chat_line,
    draw_outcome,
    order_button,
)

LOOK_S = 2
SAMPLES_MAX = 150
WORDS_SHOWN_MAX = 30
NAME_CHARACTERS_MAX = 40
ORDERS = {
    "services/inventory/stop": "Stop the inventory",
    "services/inventory/start": "Start the inventory",
    "loads/orders": "Place 200 orders",
}

T = TypeVar("T")


def draw_orders(sources: Sources) -> None:
    """Draw the inventory's queue, with buttons that stop and start the inventory."""
    st.caption(
        "Stop the inventory, and orders go on: they wait in Kafka. Start it, and it"
        " catches up, and counts each order once."
    )
    if not sources.shop.is_there():
        return
    with st.container(horizontal=True, gap="small"):
        for order, text in ORDERS.items():
            order_button(sources, text, order=order)
    with st.container():
        for order in ORDERS:
            draw_outcome(sources, order)

    @st.fragment(run_every=LOOK_S)
    def live() -> None:
        _draw_queue(sources)

    live()


def draw_chat(sources: Sources) -> None:
    """Draw the chat room: who is there, what was said, a line to say something."""
    st.caption(
        "What is said goes to everyone (publish and subscribe); what begins with"
        " `@helpdesk` also to one of the two who answer (point to point)."
    )
    if not sources.shop.is_there():
        return
    member = st.text_input(
        "Name", key=CHAT_NAME, value="guest", max_chars=NAME_CHARACTERS_MAX
    ).strip()
    chat_line(sources, is_open=bool(member))
    with st.container():
        draw_outcome(sources, CHAT)

    @st.fragment(run_every=LOOK_S)
    def live() -> None:
        _draw_room(sources, member=member)

    live()


def _draw_queue(sources: Sources) -> None:
    state: ShopState | None = _seen(sources, sources.shop.state(), key="shop_queue")
    if state is None:
        return
    samples = cast(
        "deque[tuple[int, int]]",
        st.session_state.setdefault("shop_samples", deque(maxlen=SAMPLES_MAX)),
    )
    samples.append((sources.clock.now_ms(), state.waiting.get("inventory", 0)))
    with st.container(horizontal=True, gap="medium"):
        for name, is_running in state.services.items():
            st.metric(
                name.capitalize(),
                f"{state.waiting.get(name, 0):,} waiting",
                "runs" if is_running else "is stopped",
                delta_color="normal" if is_running else "off",
                delta_arrow="off",
                border=True,
            )
    st.altair_chart(queue_chart(samples), width="stretch")


def _draw_room(sources: Sources, *, member: str) -> None:
    # Looking is a sign of life: who is on the page is there.
    looked = (
        sources.shop.speak(member, text="", kind="here")
        if member
        else sources.shop.room()
    )
    room: RoomState | None = _seen(sources, looked, key="chat_room")
    if room is None:
        return
    st.caption(f"Present: {markdown(', '.join(room.present)) or 'nobody'}")
    for word in room.said[-WORDS_SHOWN_MAX:]:
        # As text, never as Markdown: anyone may say anything here.
        st.text(f"{printable(word.member)}: {printable(word.text)}")


def _seen(sources: Sources, look: Future[T], *, key: str) -> T | None:
    """Return what a look at the shop shows; where it shows nothing, say why.

    Without a way out: a press on one would wait until the look is over.
    """
    try:
        return settled(look, what="Asking the shop", clock=sources.clock)
    except TailraceError as problem:
        draw_problem(problem, key=key)
        return None
    finally:
        # Of a drawing that another ends, so that no look waits for nobody.
        look.cancel()
