"""The script that Streamlit runs: its pages, and what they show."""  # noqa: INP001 - Streamlit puts its folder first on sys.path, so it holds nothing else

from __future__ import annotations

from pathlib import Path

import streamlit as st

import tailrace_dashboard
from tailrace.errors import TailraceError
from tailrace_dashboard.sources import Sources, from_environment
from tailrace_dashboard.views import fleet, overview, search, shop, templates
from tailrace_dashboard.views.parts import draw_problem
from tailrace_dashboard.views.session import arrive

# A named icon would be fetched from another host.
ICON = Path(tailrace_dashboard.__file__).with_name("assets") / "icon.svg"
SHOP_TITLE = "Shop"


@st.cache_resource(show_spinner=False)
def real_sources() -> Sources:
    """Connect once for all visitors."""
    return from_environment()


def main() -> None:
    """Draw the navigation and the page that was chosen."""
    st.set_page_config(page_title="Tailrace", page_icon=str(ICON), layout="wide")
    st.logo(str(ICON), size="small")
    try:
        sources = real_sources()
    except TailraceError as problem:
        draw_problem(problem, key="start")
        return
    pages = [
        st.Page(
            lambda: search.show(sources),
            title="Search",
            icon=":material/search:",
            url_path="search",
            default=True,
        ),
        st.Page(
            lambda: overview.show(sources),
            title="Overview",
            icon=":material/stacked_bar_chart:",
            url_path="overview",
        ),
        st.Page(
            lambda: templates.show(sources),
            title="Templates",
            icon=":material/pattern:",
            url_path="templates",
        ),
        st.Page(
            lambda: fleet.show(sources),
            title="Fleet",
            icon=":material/dns:",
            url_path="fleet",
        ),
    ]
    # Where no demonstration runs, nobody needs its page; who is on it stays.
    if sources.shop.is_there() or st.session_state.get("page") == SHOP_TITLE:
        pages.append(
            st.Page(
                lambda: shop.show(sources),
                title=SHOP_TITLE,
                icon=":material/storefront:",
                url_path="shop",
            )
        )
    page = st.navigation(pages, position="top")
    arrive(page.title)
    page.run()


main()
