"""What every page needs: waiting for an answer, and saying what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, tzinfo
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from tailrace.clock import Clock
from tailrace.errors import QueryInvalid, TailraceError
from tailrace_dashboard.gateway import NoIndexYet
from tailrace_dashboard.rows import markdown

POLL_S = 0.1
CANCEL_SHOWN_AFTER_MS = 700
"""A shorter wait needs no way out, and a button that flashes up is only unrest."""

T = TypeVar("T")


def wait_for(future: Future[T], *, what: str, key: str, clock: Clock) -> T | None:
    """Return the answer, or None when the person cancelled; show how long it takes.

    Drawing is where Streamlit lets a newer run of the page take over: it raises through
    here, and the search that nobody waits for any more is cancelled with it.
    """
    cancelled = f"{key}_cancelled"

    def draw_way_out() -> None:
        st.button(
            "Cancel",
            key=f"{key}_cancel",
            on_click=lambda: st.session_state.update({cancelled: True}),
        )

    try:
        if st.session_state.pop(cancelled, False):
            return None
        return _awaited(future, what=what, clock=clock, draw_way_out=draw_way_out)
    finally:
        # Without effect on one that is done.
        future.cancel()


def settled(future: Future[T], *, what: str, clock: Clock) -> T:
    """Return the answer to what nobody takes back; show how long it takes.

    A newer run of the page may take over here, too, and finds it going on.

    Raises:
        TailraceError: as the future does.
    """
    return _awaited(future, what=what, clock=clock, draw_way_out=None)


def answer_of(future: Future[T], *, what: str, key: str, clock: Clock) -> T | None:
    """Return the answer as `wait_for` does; where there is none, say why."""
    try:
        return wait_for(future, what=what, key=key, clock=clock)
    except TailraceError as problem:
        draw_problem(problem, key=key)
        return None


def draw_problem(
    problem: TailraceError, *, key: str, on_retry: Callable[[], None] | None = None
) -> None:
    """Say in a sentence what went wrong and what to do, with a button to try again."""
    text = f"{markdown(str(problem))}  \n{_sentence(problem.remedy)}"
    if isinstance(problem, QueryInvalid):
        st.warning(text, icon=":material/edit:")
        return
    st.error(text, icon=":material/cloud_off:")
    st.button("Retry", key=f"{key}_retry", on_click=on_retry, icon=":material/refresh:")


def draw_nothing_yet(problem: NoIndexYet, *, key: str) -> None:
    """Greet a person whose first line has not arrived."""
    del problem
    with st.container(border=True):
        st.markdown("#### No logs yet")
        st.markdown(
            "Nothing has been indexed so far. Ship the first lines of this machine with:"
        )
        st.code("tailrace up --watch '/var/log/**/*.log'", language="shell")
        st.markdown(
            "or, on another host, point an agent at the same Kafka with"
            " `tailrace agent`. A new line is found here within seconds."
        )
        st.button("Look again", key=f"{key}_retry", icon=":material/refresh:")


def draw_table(
    rows: Sequence[Mapping[str, Any]],
    *,
    columns: Mapping[str, ColumnConfig] | None = None,
) -> None:
    """Draw rows as a table; its cells are text, never Markdown or HTML."""
    # Streamlit's signature names pandas types that have no stubs.
    draw = cast("Callable[..., object]", st.dataframe)  # pyright: ignore[reportUnknownMemberType]
    draw(list(rows), hide_index=True, row_height=28, column_config=columns)


def viewer_zone() -> tzinfo:
    """Return the zone of the person's browser, or UTC where it names none we know."""
    name = st.context.timezone
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):
        return UTC


def zone_text(zone: tzinfo) -> str:
    """Return the zone's name as a person knows it."""
    return zone.key if isinstance(zone, ZoneInfo) else "UTC"


def _awaited(
    future: Future[T],
    *,
    what: str,
    clock: Clock,
    draw_way_out: Callable[[], None] | None,
) -> T:
    place = st.empty()
    started_ms = clock.monotonic_ms()
    ticker = None
    try:
        while True:
            try:
                answer = future.result(timeout=POLL_S)
                place.empty()
                return answer
            except TimeoutError:
                if future.done():
                    raise
            waited_ms = clock.monotonic_ms() - started_ms
            is_long = waited_ms >= CANCEL_SHOWN_AFTER_MS
            if is_long and ticker is None and draw_way_out is not None:
                with place.container(
                    horizontal=True, vertical_alignment="center", gap="small"
                ):
                    ticker = st.empty()
                    draw_way_out()
            (ticker or place).caption(f"{what} … {waited_ms / 1_000:.1f} s")
    except TailraceError:
        place.empty()
        raise


def _sentence(remedy: str) -> str:
    """Return a remedy as a sentence; its `code` stays code."""
    pieces = remedy.split("`")
    drawn = [
        f"`{piece}`" if place % 2 else markdown(piece)
        for place, piece in enumerate(pieces)
    ]
    text = "".join(drawn)
    return f"{text[:1].upper()}{text[1:]}\\."
