"""The Fleet page: which agents are alive, and what waits in Kafka, each on its own."""

from __future__ import annotations

import streamlit as st

from tailrace.errors import TailraceError
from tailrace_dashboard.fleet import (
    Agent,
    PartitionLag,
    age_text,
    shared_host_ids,
    waiting_text,
)
from tailrace_dashboard.rows import markdown, shown
from tailrace_dashboard.sources import Sources
from tailrace_dashboard.views.parts import draw_problem, draw_table, wait_for


def show(sources: Sources) -> None:
    """Draw agents, then lag; one server's absence leaves the other part alone."""
    # Both are asked before either is waited for.
    agents, lags = sources.fleet.agents(), sources.lags.lags()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("#### Agents")
        st.button("Refresh", key="fleet_refresh", icon=":material/refresh:")
    try:
        alive = wait_for(
            agents, what="Asking ZooKeeper", key="agents", clock=sources.clock
        )
        if alive is not None:
            _draw_agents(alive, now_ms=sources.clock.now_ms())
    except TailraceError as problem:
        draw_problem(problem, key="agents")
    st.markdown("#### Waiting in Kafka")
    try:
        known = wait_for(lags, what="Asking Kafka", key="lags", clock=sources.clock)
        if known is not None:
            _draw_lags(known)
    except TailraceError as problem:
        draw_problem(problem, key="lags")


def _draw_agents(agents: tuple[Agent, ...], *, now_ms: int) -> None:
    if not agents:
        st.info(
            "No agent is registered. Agents ship without ZooKeeper too, so rows may"
            " arrive all the same; start one with `tailrace agent`.",
            icon=":material/info:",
        )
        return
    for host_id, hosts in shared_host_ids(agents).items():
        st.warning(
            f"{markdown(', '.join(hosts))} have one host id, {markdown(host_id[:12])}…:"
            " lines of cloned hosts can be taken for one another. Give each its own"
            " machine id, or set `TAILRACE_AGENT_HOST_ID`.",
            icon=":material/content_copy:",
        )
    draw_table(
        [
            {
                "Host": shown(agent.host, 100),
                "Version": shown(agent.version, 40),
                "Sources": [shown(source, 60) for source in agent.sources],
                "Up for": age_text(now_ms - agent.started_at_ms)
                if agent.started_at_ms
                else "",
                "Agent": shown(agent.agent_id, 60),
            }
            for agent in sorted(agents, key=lambda agent: (agent.host, agent.agent_id))
        ],
        columns={"Sources": st.column_config.ListColumn(width="large")},
    )


def _draw_lags(lags: tuple[PartitionLag, ...]) -> None:
    if not lags:
        st.info(
            "No worker has read anything yet: neither the stream nor the indexer has"
            " committed a position.",
            icon=":material/info:",
        )
        return
    text = waiting_text(lags)
    st.caption(f"{text[:1].upper()}{text[1:]}.")
    most = max(lag.lag_records for lag in lags)
    draw_table(
        [
            {
                "Group": shown(lag.group, 100),
                "Topic": shown(lag.topic, 100),
                "Partition": lag.partition,
                "Waiting": lag.lag_records,
                "Next": lag.next_offset,
                "End": lag.end_offset,
            }
            for lag in sorted(lags, key=lambda lag: (lag.topic, lag.partition))
        ],
        columns={
            "Waiting": st.column_config.ProgressColumn(
                "Waiting (records)", format="%d", min_value=0, max_value=max(most, 1)
            ),
        },
    )
