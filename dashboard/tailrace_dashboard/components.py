"""The two pieces of page that Streamlit lacks: rows that open, and filters as chips.

Both get their texts as data and only ever make text nodes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import streamlit as st
from streamlit.components.v2 import component

from tailrace_dashboard.rows import View

_ASSETS = Path(__file__).with_name("assets")
_STYLE = (_ASSETS / "rows.css").read_text("utf-8")

_rows = component(
    "tailrace_rows",
    html='<div class="log" role="list" data-testid="log-rows"></div>',
    css=_STYLE,
    js=(_ASSETS / "rows.js").read_text("utf-8"),
)
_chips = component(
    "tailrace_chips",
    html='<div class="chips" data-testid="filter-chips"></div>',
    css=_STYLE,
    js=(_ASSETS / "chips.js").read_text("utf-8"),
)


def draw_rows(
    rows: Sequence[View],
    *,
    zone: str,
    has_date: bool,
    on_action: Callable[[Mapping[str, Any]], None],
) -> None:
    """Draw the rows; `on_action` hears of a filter picked or surroundings asked for."""
    _rows(
        key="rows",
        data={"rows": list(rows), "zone": zone, "has_date": has_date},
        on_action_change=lambda: _tell("rows", on_action),
    )


def draw_chips(
    chips: Sequence[View], *, on_action: Callable[[Mapping[str, Any]], None]
) -> None:
    """Draw the filters; `on_action` hears which one was turned round or taken away."""
    _chips(
        key="chips",
        data={"chips": list(chips)},
        on_action_change=lambda: _tell("chips", on_action),
    )


def _tell(key: str, on_action: Callable[[Mapping[str, Any]], None]) -> None:
    action = st.session_state[key].action
    if isinstance(action, Mapping):
        on_action(cast("Mapping[str, Any]", action))
