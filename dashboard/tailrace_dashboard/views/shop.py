"""The Shop page: what message queues are good for, measured from the shop's own logs."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from tailrace.alerts.store import alerts_index
from tailrace.errors import TailraceError
from tailrace.moments import MINUTE_MS, TimeRange
from tailrace.query import Body, events_alias
from tailrace_dashboard.gateway import NoIndexYet
from tailrace_dashboard.rows import markdown
from tailrace_dashboard.shop import (
    EXPECTED_RATIOS,
    ModeFigures,
    findings,
    measured_body,
    orders_body,
    ratios,
    read_measured,
    read_orders,
    read_troubles,
    troubles_body,
)
from tailrace_dashboard.shop_alerts import alert_rows, alerts_body, read_alerts
from tailrace_dashboard.shop_charts import (
    ANSWER_NAMES,
    answers_chart,
    modes_chart,
    troubles_chart,
)
from tailrace_dashboard.shop_sale import (
    Answers,
    Storm,
    answers_body,
    read_answers,
    read_storm,
    storms_body,
)
from tailrace_dashboard.sources import Sources
from tailrace_dashboard.views.parts import (
    answer_of,
    draw_problem,
    draw_table,
    viewer_zone,
    wait_for,
)
from tailrace_dashboard.views.shop_live import draw_chat, draw_orders
from tailrace_dashboard.views.shop_presses import draw_outcome, order_button

MEASURED_MS = 15 * MINUTE_MS
INCIDENTS = {
    "incidents/slow-gateway": "Slow SMS gateway",
    "incidents/bad-deploy": "Bad deploy",
    "incidents/cron-stops": "Cron job stops",
}
NO_SHOP = (
    "No shop runs. `tailrace up --demo` starts one beside everything else, and"
    " `tailrace shop run` one alone."
)


def show(sources: Sources) -> None:
    """Draw a tab for each of the scenarios."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("#### The shop")
        st.button("Refresh", key="shop_refresh", icon=":material/refresh:")
    # A place that is always there: what follows must not move, least of all amid a press.
    with st.container():
        if not sources.shop.is_there():
            st.info(NO_SHOP, icon=":material/storefront:")
    registration, orders, sale, chat, incidents = st.tabs(
        ["Registration", "Orders", "Flash sale", "Chat", "Incidents"]
    )
    with registration:
        _draw_registration(sources)
    with orders:
        draw_orders(sources)
        _draw_counted(sources)
    with sale:
        _draw_sale(sources)
    with chat:
        draw_chat(sources)
    with incidents:
        _draw_incidents(sources)


def _draw_registration(sources: Sources) -> None:
    st.caption(
        "Writing a user, an e-mail and an SMS take 50 ms each: one after another, the"
        " messages at once, or left to a queue. Medians of the service's log, of the"
        " last 15 minutes."
    )
    _draw_load(sources, "Register 20 users in each way", order="loads/registration")
    answer = _found(sources, measured_body(_range(sources)), key="shop_measured")
    if answer is None:
        return
    figures = read_measured(answer)
    if not figures:
        st.info("Nobody has registered yet.", icon=":material/info:")
        return
    table, chart = st.columns((1, 1), gap="medium")
    with table:
        draw_table(_mode_rows(figures))
    with chart:
        st.altair_chart(modes_chart(figures), width="stretch")


def _mode_rows(figures: tuple[ModeFigures, ...]) -> list[dict[str, object]]:
    measured = ratios(figures)
    return [
        {
            "Way": one.mode,
            "Users": one.count,
            "Median (ms)": round(one.median_ms, 1),
            "A second": round(one.per_s, 1),
            "Times as fast": round(measured[one.mode], 2) if measured else None,
            "To be expected": EXPECTED_RATIOS[one.mode],
        }
        for one in figures
    ]


def _draw_counted(sources: Sources) -> None:
    answer = _found(sources, orders_body(_range(sources)), key="shop_counted")
    if answer is None:
        return
    counts = read_orders(answer)
    st.caption("Of the last 15 minutes, by the services' logs:")
    draw_table(
        [
            {
                "Orders accepted": counts.accepted,
                "Counted by the inventory": counts.taken,
                "More than there was": counts.sold_out,
                "Came again, and changed nothing": counts.duplicate,
            }
        ]
    )


def _draw_sale(sources: Sources) -> None:
    st.caption(
        "500 pieces, and 25,000 requests at 5,000 a second: the gate admits the first"
        " 500 into the queue and tells the others at once, and the seller behind it"
        " never meets the storm."
    )
    _draw_load(sources, "Hold a flash sale", order="loads/sale")
    answer = _found(sources, storms_body(_range(sources)), key="shop_storm")
    storm = None if answer is None else read_storm(answer)
    if storm is None:
        if answer is not None:
            st.info("There was no flash sale yet.", icon=":material/info:")
        return
    answer = _found(sources, answers_body(storm.sale), key="shop_answers")
    if answer is None:
        return
    answers = read_answers(answer)
    _draw_comparison(storm, answers)
    table, chart = st.columns((1, 2), gap="medium")
    with table:
        draw_table(_answer_rows(storm, answers.counts))
        of_stock = "" if answers.stock is None else f" of {answers.stock:,}"
        st.caption(
            f"{answers.sold:,}{of_stock} sold, by the seller's log; {storm.per_s:,.0f}"
            " requests a second."
        )
    if answers.points:
        with chart:
            st.altair_chart(answers_chart(answers), width="stretch")


def _draw_comparison(storm: Storm, answers: Answers) -> None:
    """Say whether client and access log agree, answer by answer."""
    answered, logged = sum(storm.counts.values()), sum(answers.counts.values())
    if dict(answers.counts) == dict(storm.counts):
        st.success(
            f"All {answered:,} answers that the client counted stand in the access log,"
            " each once.",
            icon=":material/check:",
        )
    elif storm.unanswered and logged > answered:
        st.warning(
            f"The client counted {answered:,} answers, and {storm.unanswered:,} of its"
            f" requests stayed without one; the access log has {logged:,} lines, as it"
            " also has the answers that did not reach the client.",
            icon=":material/link_off:",
        )
    else:
        st.warning(
            f"The client counted {answered:,} answers; {logged:,} lines of the access log"
            " have arrived so far.",
            icon=":material/hourglass_top:",
        )


def _answer_rows(storm: Storm, logged: Mapping[int, int]) -> list[dict[str, object]]:
    return [
        {
            "Answer": ANSWER_NAMES.get(status, str(status)),
            "By the client": storm.counts.get(status, 0),
            "By the log": logged.get(status, 0),
        }
        for status in sorted({*storm.counts, *logged})
    ]


def _draw_incidents(sources: Sources) -> None:
    st.caption(
        "An incident is over after a minute. Find it: here in the alerts and in the"
        " errors by service, and on the page Search by `tags:shop AND log.level:error`."
    )
    with st.container(horizontal=True, gap="small"):
        for order, text in INCIDENTS.items():
            order_button(sources, text, order=order, icon=":material/bolt:")
    with st.container():
        for order in INCIDENTS:
            draw_outcome(sources, order)
    time_range = _range(sources)
    _draw_alerts(sources, time_range)
    answer = _found(sources, troubles_body(time_range), key="shop_troubles")
    if answer is None:
        return
    troubles = read_troubles(answer)
    for said in findings(troubles, now_ms=sources.clock.now_ms()):
        st.warning(markdown(said), icon=":material/troubleshoot:")
    if troubles.points:
        chart = troubles_chart(troubles, time_range=time_range)
        st.altair_chart(chart, width="stretch")
    else:
        st.info(
            "No errors and no warnings in the last 15 minutes.", icon=":material/check:"
        )


def _draw_alerts(sources: Sources, time_range: TimeRange) -> None:
    """Draw what the shop's rules have said, the newest first."""
    question = sources.search.ask(
        index=alerts_index(sources.namespace), body=alerts_body(time_range)
    )
    try:
        answer = wait_for(
            question, what="Asking", key="shop_alerts", clock=sources.clock
        )
    except NoIndexYet:
        return  # Nobody has judged a rule yet.
    except TailraceError as problem:
        draw_problem(problem, key="shop_alerts")
        return
    if answer is not None and (alerts := read_alerts(answer)):
        draw_table(alert_rows(alerts, zone=viewer_zone()))


def _draw_load(sources: Sources, text: str, *, order: str) -> None:
    order_button(sources, text, order=order, type="primary", icon=":material/speed:")
    with st.container():
        if draw_outcome(sources, order):
            st.info(
                "It runs; refresh in a few seconds, when its lines have arrived.",
                icon=":material/hourglass_top:",
            )


def _found(sources: Sources, body: Body, *, key: str) -> Body | None:
    index = events_alias(sources.namespace)
    question = sources.search.ask(index=index, body=body)
    return answer_of(question, what="Asking", clock=sources.clock, key=key)


def _range(sources: Sources) -> TimeRange:
    now_ms = sources.clock.now_ms()
    return TimeRange(now_ms - MEASURED_MS, now_ms)
