"""What of the shop is shown as it happens: the queue before the inventory, the chat room."""

from __future__ import annotations

from collections import deque
from typing import cast

import streamlit as st

from tailrace.shop_link import RoomState, ShopState
from tailrace.text import printable
from tailrace_dashboard.rows import markdown
from tailrace_dashboard.shop_charts import queue_chart
from tailrace_dashboard.sources import Sources
from tailrace_dashboard.views.parts import answer_of

LOOK_S = 2
SAMPLES_MAX = 150
WORDS_SHOWN_MAX = 30
NAME_CHARACTERS_MAX = 40


def draw_orders(sources: Sources) -> None:
    """Draw the inventory's queue, with buttons that stop and start the inventory."""
    st.caption(
        "Stop the inventory, and orders go on: they wait in Kafka. Start it, and it"
        " catches up, and counts each order once."
    )
    if not sources.shop.is_there():
        return

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
        "Name", key="chat_member", value="guest", max_chars=NAME_CHARACTERS_MAX
    ).strip()
    text = st.chat_input("Say something, or ask the @helpdesk", max_chars=500)
    if text and member:
        spoken = sources.shop.speak(member, text=str(text), kind="said")
        answer_of(spoken, what="Asking the shop", clock=sources.clock, key="chat_say")

    @st.fragment(run_every=LOOK_S)
    def live() -> None:
        _draw_room(sources, member=member)

    live()


def _draw_queue(sources: Sources) -> None:
    with st.container(horizontal=True, gap="small"):
        order = next(
            (
                order
                for text, order in (
                    ("Stop the inventory", "services/inventory/stop"),
                    ("Start the inventory", "services/inventory/start"),
                    ("Place 200 orders", "loads/orders"),
                )
                if st.button(text, key=f"shop_{order}")
            ),
            None,
        )
    asked = sources.shop.tell(order) if order else sources.shop.state()
    state: ShopState | None = answer_of(
        asked, what="Asking the shop", clock=sources.clock, key="shop_queue"
    )
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
    room: RoomState | None = answer_of(
        looked, what="Asking the shop", clock=sources.clock, key="chat_room"
    )
    if room is None:
        return
    st.caption(f"Present: {markdown(', '.join(room.present)) or 'nobody'}")
    for word in room.said[-WORDS_SHOWN_MAX:]:
        # As text, never as Markdown: anyone may say anything here.
        st.text(f"{printable(word.member)}: {printable(word.text)}")
