"""What a press on the Shop page does: the shop is told at once, whatever the page is at.

Streamlit draws the page anew for every press, also amid a drawing, which ends there and so
may never come to the line that would ask whether its own button was pressed. A callback is
called before anything is drawn: the shop is told in there, and the drawing only says what
came of it. No button stands in what is drawn every two seconds (a fragment): a press in
there waits for the drawing that is under way, and is lost if another press ends that.
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Literal, cast

import streamlit as st

from tailrace.errors import TailraceError
from tailrace_dashboard.sources import Sources
from tailrace_dashboard.views.parts import draw_problem, settled

CHAT = "chat"
CHAT_LINE = "chat_line"
CHAT_NAME = "chat_member"


def order_button(
    sources: Sources,
    text: str,
    *,
    order: str,
    icon: str | None = None,
    type: Literal["primary", "secondary"] = "secondary",  # noqa: A002 - as Streamlit's
) -> None:
    """Draw a button that gives the shop an order, once for each press."""
    st.button(
        text,
        key=f"shop_{order}",
        icon=icon,
        type=type,
        on_click=partial(_press, sources, order),
    )


def chat_line(sources: Sources, *, is_open: bool) -> None:
    """Draw a line that says in the chat room what is typed, once, by whoever is named."""

    def say() -> None:
        text, member = st.session_state[CHAT_LINE], st.session_state[CHAT_NAME].strip()
        if text and member:
            spoken = sources.shop.speak(member, text=str(text), kind="said")
            _pressed(CHAT).append(spoken)

    st.chat_input(
        "Say something, or ask the @helpdesk",
        key=CHAT_LINE,
        max_chars=500,
        disabled=not is_open,
        on_submit=say,
    )


def draw_outcome(sources: Sources, order: str) -> bool:
    """Draw why the shop refused what was pressed since the last drawing; tell if it did it.

    A drawing that another one ends leaves what it had not drawn to that one.
    """
    pressed, is_done = _pressed(order), False
    for number, one in enumerate(tuple(pressed)):
        try:
            settled(one, what="Asking the shop", clock=sources.clock)
            is_done = True
        except TailraceError as problem:
            draw_problem(
                problem,
                key=f"shop_{order}_{number}",
                on_retry=None if order == CHAT else partial(_press, sources, order),
            )
        with suppress(ValueError):  # A drawing that began meanwhile was quicker.
            pressed.remove(one)
    return is_done


def _press(sources: Sources, order: str) -> None:
    _pressed(order).append(sources.shop.tell(order))


def _pressed(order: str) -> list[Future[Any]]:
    """Return what the shop was told by this person, and is not yet drawn."""
    waiting = st.session_state.setdefault("shop_pressed", {})
    return cast("list[Future[Any]]", waiting.setdefault(order, []))
