"""The Templates page: what the lines say, how often, since when and until when."""

from __future__ import annotations

import streamlit as st

from tailrace.errors import TailraceError
from tailrace_dashboard.rows import markdown
from tailrace_dashboard.sources import Sources
from tailrace_dashboard.templates import template_rows
from tailrace_dashboard.views.parts import (
    draw_problem,
    draw_table,
    viewer_zone,
    zone_text,
)

SHOWN_MAX = 500


def show(sources: Sources) -> None:
    """Draw the templates of most events, of all datasets or of one."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        dataset = st.text_input(
            "Dataset", key="templates_dataset", placeholder="all", width=300
        ).strip()
        st.button("Refresh", key="templates_refresh", icon=":material/refresh:")
    try:
        found = sources.templates.listed(dataset=dataset, size_max=SHOWN_MAX)
    except TailraceError as problem:
        draw_problem(problem, key="templates")
        return
    if not found:
        st.info("No template is known yet.", icon=":material/info:")
        return
    zone = viewer_zone()
    draw_table(
        template_rows(found, zone=zone),
        columns={
            "events": st.column_config.NumberColumn("Events", format="localized"),
            "text": st.column_config.TextColumn("Template", width="large"),
            "datasets": st.column_config.TextColumn("Datasets"),
            "first": st.column_config.TextColumn("First seen"),
            "last": st.column_config.TextColumn("Last seen"),
            "ids": st.column_config.NumberColumn("Ids", format="localized"),
            "id": st.column_config.TextColumn("tailrace.template.id"),
        },
    )
    st.caption(
        f"Those of the most events, at most {SHOWN_MAX}, times in"
        f" {markdown(zone_text(zone))}. A search for `tailrace.template.id:` and an id"
        " finds the lines of all ids of its template."
    )
