"""What a search finds is stated as complete no later than it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.completeness import (
    DOCUMENTS_MAX,
    FOREIGN_AGENT,
    completeness_body,
    completeness_of,
)
from tailrace.completeness_answer import read_completeness
from tailrace.completeness_text import statement
from tailrace.silence import AHEAD_MS_MAX, GONE_MS
from tailrace.topics import partition_of

NOW_MS = 1_700_000_000_000 + 12 * 3_600_000
LATER_MS = 9_000_000_000_000
PARTITION = str(partition_of(b"g1"))


def heartbeat(host: str, *, swept_ago_ms: int, said_ago_ms: int = 0) -> dict[str, Any]:
    return {
        "@timestamp": NOW_MS - said_ago_ms,
        "tailrace.hop": "heartbeat",
        "host.name": host,
        "agent.id": f"agent-{host}",
        "tailrace.swept_at_ms": NOW_MS - swept_ago_ms,
        "tailrace.interval_ms": 10_000,
    }


def word(
    hop: str,
    *,
    host: str = "web-1",
    number: int,
    observed_ago_ms: int = 0,
    generation: str = "g1",
    **more: int,
) -> dict[str, Any]:
    return {
        "@timestamp": NOW_MS,
        "tailrace.hop": hop,
        "tailrace.generation": generation,
        "host.name": host,
        "tailrace.next_event_number": number,
        "tailrace.observed_at_ms": NOW_MS - observed_ago_ms,
        **{f"tailrace.{name}": value for name, value in more.items()},
    }


def newest_word(at_ms: float) -> dict[str, Any]:
    return {"indexed": {"present": {"at": {"value": at_ms}}}}


def said(*documents: dict[str, Any], until_ms: int = LATER_MS) -> str:
    return statement(completeness_of(documents, now_ms=NOW_MS, until_ms=until_ms))


def test_a_host_of_which_all_is_stored_is_complete_up_to_the_last_look() -> None:
    told = completeness_of(
        [
            heartbeat("web-1", swept_ago_ms=1_500),
            word("agent", number=7),
            word("indexer", number=7, observed_ago_ms=60_000),
        ],
        now_ms=NOW_MS,
        until_ms=LATER_MS,
    )

    assert told.complete_to_ms == NOW_MS - 1_500
    assert statement(told).startswith("complete up to ")
    assert "behind" not in statement(told)


def test_a_host_that_lags_is_complete_up_to_its_oldest_lagging_file() -> None:
    documents = [
        heartbeat("web-3", swept_ago_ms=0),
        word("agent", host="web-3", number=1_300),
        word("indexer", host="web-3", number=60, observed_ago_ms=40_000),
        word("agent", host="web-3", number=9, generation="g2"),
        word(
            "indexer", host="web-3", number=9, observed_ago_ms=99_000, generation="g2"
        ),
    ]

    text = said(*documents)

    assert "web-3 is 40 s behind" in text
    assert "1,240 lines in Kafka" in text


def rested(number: int, *rests: tuple[int, int]) -> dict[str, Any]:
    """Return an agent's word with moments of rest, each so long ago and at an offset."""
    told = [[NOW_MS - ago_ms, end_offset] for ago_ms, end_offset in rests]
    return {**word("agent", number=number), "figures.rests": told}


def test_a_quiet_file_whose_new_line_waits_is_complete_up_to_its_last_rest() -> None:
    stored = word("indexer", number=4, observed_ago_ms=7_200_000, next_offset=400)
    rests = ((60_000, 300), (1_500, 400), (400, 500))

    text = said(heartbeat("web-1", swept_ago_ms=300), rested(6, *rests), stored)

    assert "behind" not in text
    assert "2 lines in Kafka" in text
    told = completeness_of(
        [heartbeat("web-1", swept_ago_ms=300), rested(6, *rests), stored],
        now_ms=NOW_MS,
        until_ms=LATER_MS,
    )
    # What stands before 500 is not all stored.
    assert told.complete_to_ms == NOW_MS - 1_500


def test_a_new_file_is_complete_up_to_the_sweep_at_which_it_was_not_there() -> None:
    text = said(heartbeat("web-1", swept_ago_ms=0), rested(6, (1_000, 0)))

    assert text.startswith("complete up to ")


@pytest.mark.parametrize("rests", [7, [7], [["a", 1]], [[1, 2, 3]], {"a": 1}])
def test_moments_of_rest_that_cannot_be_read_claim_nothing(rests: object) -> None:
    agent = {**word("agent", number=5), "figures.rests": rests}

    text = said(heartbeat("web-1", swept_ago_ms=0), agent)

    assert text.startswith("nothing of some files of web-1 is stored yet")


def test_what_the_stream_knows_and_the_agent_has_not_said_is_waiting_too() -> None:
    text = said(
        heartbeat("web-1", swept_ago_ms=0),
        word("stream", number=5),
        word("indexer", number=4, observed_ago_ms=30_000),
    )

    assert "1 line in Kafka" in text


def test_a_file_of_which_nothing_is_stored_leaves_nothing_complete() -> None:
    text = said(heartbeat("web-1", swept_ago_ms=0), word("agent", number=5))

    assert text.startswith("nothing of some files of web-1 is stored yet")


def test_an_agent_is_silent_after_three_intervals() -> None:
    lively = heartbeat("a", swept_ago_ms=29_000, said_ago_ms=30_000)
    silent = heartbeat("b", swept_ago_ms=31_000, said_ago_ms=30_001)

    assert "silent" not in said(lively)
    assert said(lively, silent).endswith("1 agent silent")
    others = {**silent, "host.name": "c"}
    assert said(lively, silent, others).endswith("2 agents silent")


@pytest.mark.parametrize("hop", ["agent", "stream", "indexer"])
def test_agents_are_called_silent_only_where_other_words_came_since(hop: str) -> None:
    """Heartbeats come by the indexers; where these stand still, nobody is heard."""
    silent = heartbeat("b", swept_ago_ms=40_000, said_ago_ms=39_000)
    others = heartbeat("c", swept_ago_ms=41_000, said_ago_ms=39_500)
    old = {**word(hop, host="b", number=0), "@timestamp": NOW_MS - 37_000}

    for beats, who in (
        ((silent,), "the agent does"),
        ((silent, others), "all 2 agents do"),
    ):
        assert said(*beats, old).endswith(
            "; nothing was indexed since 10:12:43 UTC: the indexers stand still, or"
            f" {who}"
        )
        assert "silent" not in said(*beats, old)
        new = {**old, "@timestamp": NOW_MS - 3_000}
        text = said(*beats, old, new)
        assert "indexed" not in text
        assert text.endswith(f"{len(beats)} agent{'s' * (len(beats) > 1)} silent")


def test_an_agent_that_is_gone_says_nothing_of_the_indexers() -> None:
    gone = heartbeat("b", swept_ago_ms=GONE_MS + 9, said_ago_ms=GONE_MS + 1)
    silent = heartbeat("c", swept_ago_ms=40_000, said_ago_ms=39_000)

    assert said(gone).endswith("; 1 agent silent")
    assert said(gone, silent).endswith("or the agent does; 1 agent silent")


def test_the_newest_word_is_that_of_all_hosts_and_not_of_those_asked_for() -> None:
    """The search is about some hosts; that others were indexed since tells enough."""
    silent = heartbeat("b", swept_ago_ms=40_000, said_ago_ms=39_000)
    answer = {
        "hits": {"hits": [{"_source": silent}], "total": {"value": 1}},
        "aggregations": newest_word(NOW_MS - 39_000.0),
    }
    newer = {"aggregations": newest_word(NOW_MS - 1_000.0)}

    texts = [
        statement(read_completeness(each, now_ms=NOW_MS, until_ms=LATER_MS))
        for each in (answer, {**answer, **newer}, {**answer, "timed_out": True})
    ]

    assert ["nothing was indexed" in text for text in texts] == [True, False, False]
    body = completeness_body(hosts=["b"])
    assert body["aggs"]["indexed"]["global"] == {}
    present = body["aggs"]["indexed"]["aggs"]["present"]
    assert present["filter"] == {"range": {"@timestamp": {"lte": "now+5s"}}}


def test_an_agent_that_came_back_under_another_id_leaves_none_silent() -> None:
    """Its folder was lost: the one before it will never speak again."""
    lost = heartbeat("a", swept_ago_ms=600_000, said_ago_ms=600_000)
    lost |= {"figures.host_id": "host-1"}
    there = {**heartbeat("a", swept_ago_ms=900), "agent.id": "agent-new"}
    there |= {"figures.host_id": "host-1"}

    told = completeness_of([lost, there], now_ms=NOW_MS, until_ms=LATER_MS)

    assert told.complete_to_ms == NOW_MS - 900
    assert told.silent_agents == 0
    # Of another host it says nothing, and where both are silent the later one is told.
    other = {**there, "figures.host_id": "host-2"}
    assert said(lost, other).endswith("1 agent silent")
    silent = {**there, "@timestamp": NOW_MS - 500_000}
    assert said(lost, silent, word("stream", number=0)).endswith("1 agent silent")


def test_a_host_without_a_heartbeat_is_named_and_nothing_is_claimed() -> None:
    text = said(heartbeat("web-1", swept_ago_ms=0), word("agent", host="x", number=0))

    assert text.startswith("how complete x is cannot be said")


def test_nothing_is_claimed_from_an_empty_ledger() -> None:
    assert said().startswith("how complete this is cannot be said")


def test_a_range_that_ended_before_is_complete_to_its_end() -> None:
    told = completeness_of(
        [heartbeat("web-1", swept_ago_ms=0)], now_ms=NOW_MS, until_ms=NOW_MS - 60_000
    )

    assert told.complete_to_ms == NOW_MS - 60_000


def test_lost_bytes_and_unread_bytes_are_said() -> None:
    text = said(
        heartbeat("web-1", swept_ago_ms=0),
        word("agent", number=0, seen_size_bytes=70, next_offset=20, lost_bytes=1_000),
    )

    assert "50 bytes not yet read" in text
    assert "1,000 bytes declared lost" in text


def test_x4_what_waits_for_room_is_unread_though_no_generation_tells_of_it() -> None:
    """Nor is it of one that is gone, for whose files nobody waits."""
    waiting = {"figures.waiting_bytes": 50}
    gone = heartbeat("web-2", swept_ago_ms=0, said_ago_ms=GONE_MS + 1)

    text = said({**heartbeat("web-1", swept_ago_ms=0), **waiting}, {**gone, **waiting})

    assert "50 bytes not yet read" in text


def test_what_a_life_lost_that_is_over_is_waited_for_by_nobody() -> None:
    lost = word("agent", number=0, seen_size_bytes=70, next_offset=20, lost_bytes=50)

    over = said(heartbeat("web-1", swept_ago_ms=0), {**lost, "figures.is_closed": True})

    assert "not yet read" not in over
    assert over.startswith("complete up to ")
    assert "50 bytes declared lost" in over


def test_f3_what_a_copy_lacks_of_a_life_is_waited_for_by_nobody() -> None:
    lost = word("agent", number=0, seen_size_bytes=70, next_offset=20, lost_bytes=30)
    held = {**lost, "figures.held_by": {"inode": 7}}

    assert "20 bytes not yet read" in said(heartbeat("web-1", swept_ago_ms=0), held)


def test_f8_what_may_have_stood_in_another_life_is_lost_and_nothing_is_read_for_it() -> (
    None
):
    lost = word("agent", number=0, seen_size_bytes=70, next_offset=20, lost_bytes=45)
    held = {
        **lost,
        "figures.held_by": {"inode": 7},
        "figures.lost_bytes.doubtful": 15,
    }
    text = said(heartbeat("web-1", swept_ago_ms=0), held)

    asked = completeness_body(hosts=["web-1"])["_source"]
    assert set(held) - {"figures.lost_bytes"} <= set(asked)
    assert "20 bytes not yet read" in text
    assert "45 bytes declared lost" in text


def test_a_part_of_the_ledger_is_said_to_be_a_part() -> None:
    hits = [{"_source": heartbeat("web-1", swept_ago_ms=0)}]
    whole = {"hits": {"hits": hits, "total": {"value": 1}}}
    part = {"hits": {"hits": hits, "total": {"value": 2}}}

    read = [
        statement(read_completeness(answer, now_ms=NOW_MS, until_ms=LATER_MS))
        for answer in (whole, part, {**whole, "timed_out": True})
    ]

    assert ["part of the ledger" in text for text in read] == [False, True, True]


def test_a_hostile_host_name_cannot_steer_a_terminal() -> None:
    text = said(heartbeat("web\x1b[2J", swept_ago_ms=90_000, said_ago_ms=1_000))

    assert "\x1b" not in text
    assert "is 90 s behind" in text


def test_hosts_are_filtered_by_the_search_itself() -> None:
    body = completeness_body(hosts=["b", "a"])

    assert {"terms": {"host.name": ["a", "b"]}} in body["query"]["bool"]["filter"]
    assert body["size"] == DOCUMENTS_MAX


@pytest.mark.parametrize(
    "answer",
    [{}, {"hits": {}}, {"hits": {"hits": [{"_source": {"host.name": 7}}]}}],
)
def test_an_answer_of_another_shape_says_nothing(answer: dict[str, Any]) -> None:
    told = read_completeness(answer, now_ms=NOW_MS, until_ms=LATER_MS)

    assert statement(told).startswith("how complete this is cannot be said")


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 90_000)),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 90_000),
)
def test_never_later_than_the_last_look_nor_than_any_file_that_lags(
    files: list[tuple[int, int, int]], swept_ago_ms: int
) -> None:
    documents = [heartbeat("web-1", swept_ago_ms=swept_ago_ms)]
    for place, (sent, stored, observed_ago_ms) in enumerate(files):
        name = f"g{place}"
        documents.append(word("agent", number=sent, generation=name))
        documents.append(
            word(
                "indexer",
                number=stored,
                observed_ago_ms=observed_ago_ms,
                generation=name,
            )
        )

    told = completeness_of(documents, now_ms=NOW_MS, until_ms=LATER_MS)

    lags = [ago for sent, stored, ago in files if sent > stored]
    assert told.complete_to_ms == NOW_MS - max([swept_ago_ms, *lags])


def test_an_agent_that_is_gone_holds_nothing_back_and_is_named_as_silent() -> None:
    gone_ms = GONE_MS + 1
    documents = [
        heartbeat("web-1", swept_ago_ms=2_000, said_ago_ms=1_000),
        heartbeat("web-9", swept_ago_ms=gone_ms, said_ago_ms=gone_ms),
    ]

    stated = completeness_of(documents, now_ms=NOW_MS, until_ms=NOW_MS)

    assert stated.complete_to_ms == NOW_MS - 2_000
    assert stated.silent_agents == 1


def test_what_other_collectors_send_holds_nothing_back() -> None:
    foreign = {
        "tailrace.hop": "stream",
        "tailrace.generation": "f" * 32,
        "host.name": "foreign",
        "agent.id": FOREIGN_AGENT,
        "tailrace.next_event_number": 9,
        "tailrace.observed_at_ms": 1,
    }
    beat = heartbeat("web-1", swept_ago_ms=2_000, said_ago_ms=1_000)

    stated = completeness_of([beat, foreign], now_ms=NOW_MS, until_ms=NOW_MS)

    assert stated.complete_to_ms == NOW_MS - 2_000


def test_bytes_that_wait_in_a_file_hold_the_moment_back() -> None:
    documents = [
        heartbeat("web-1", swept_ago_ms=1_000),
        word("agent", number=7, next_offset=100, seen_size_bytes=10_000),
        word("indexer", number=7, observed_ago_ms=60_000),
    ]

    told = completeness_of(documents, now_ms=NOW_MS, until_ms=LATER_MS)

    assert told.complete_to_ms == NOW_MS - 60_000


def _standing_on(told_ago_ms: int | None, *, said_ago_ms: int) -> list[dict[str, Any]]:
    """Return a heartbeat that stands on a record of now, and what is read of that file."""
    beat = heartbeat("web-1", swept_ago_ms=1_000, said_ago_ms=500)
    if told_ago_ms is not None:
        beat["figures"] = {"told_at_ms": {PARTITION: NOW_MS - told_ago_ms}}
    read = word("agent", number=7)
    read |= {"agent.id": "agent-web-1", "@timestamp": NOW_MS - said_ago_ms}
    return [beat, read, word("indexer", number=7)]


def test_a_heartbeat_holds_where_all_that_it_stands_on_is_read() -> None:
    documents = _standing_on(800, said_ago_ms=800)

    told = completeness_of(documents, now_ms=NOW_MS, until_ms=LATER_MS)

    assert told.complete_to_ms == NOW_MS - 1_000


def test_a_heartbeat_that_is_read_before_what_it_stands_on_claims_less() -> None:
    """The indexers lag on that file's partition: more may have been sent of it."""
    documents = _standing_on(800, said_ago_ms=60_000)

    told = completeness_of(documents, now_ms=NOW_MS, until_ms=LATER_MS)

    # Half a second lay between sweep and heartbeat, and ten seconds between two of them.
    assert told.complete_to_ms == NOW_MS - 60_000 - 500 - 10_000


@pytest.mark.parametrize(
    ("before_ago_ms", "complete_ago_ms"),
    [
        (60_000, 7_000),  # What the claim before stood on is read: it holds.
        (59_999, 60_000 + 500 + 10_000),  # Not even that is.
        (None, 60_000 + 500 + 10_000),  # It stood on the record that is not read.
    ],
)
def test_p9_what_the_claim_before_stood_on_may_be_read_already(
    before_ago_ms: int | None, complete_ago_ms: int
) -> None:
    """Else the moment would go back by how seldom that partition hears of anything."""
    documents = _standing_on(800, said_ago_ms=60_000)
    before = {} if before_ago_ms is None else {PARTITION: NOW_MS - before_ago_ms}
    documents[0]["figures"] |= {
        "told_before_ms": before,
        "swept_before_ms": NOW_MS - 7_000,
    }

    told = completeness_of(documents, now_ms=NOW_MS, until_ms=LATER_MS)

    assert told.complete_to_ms == NOW_MS - complete_ago_ms


def test_a_heartbeat_of_which_nothing_is_read_yet_claims_nothing() -> None:
    beat, *_ = _standing_on(800, said_ago_ms=0)

    told = completeness_of([beat], now_ms=NOW_MS, until_ms=LATER_MS)

    assert told.complete_to_ms == 0


def test_another_agents_word_in_the_partition_is_not_the_one_that_is_missing() -> None:
    beat, read, stored = _standing_on(800, said_ago_ms=60_000)
    other = {**read, "agent.id": "agent-other", "@timestamp": NOW_MS}

    told = completeness_of(
        [beat, read, stored, other], now_ms=NOW_MS, until_ms=LATER_MS
    )

    assert told.complete_to_ms == NOW_MS - 60_000 - 500 - 10_000


def test_an_agent_that_lost_its_folder_stands_on_what_its_host_had_told() -> None:
    """What it restored bears the agent id from before, and is its own all the same."""
    beat, read, stored = _standing_on(800, said_ago_ms=800)
    restored = {**read, "agent.id": "agent-lost"}
    host = {"host_id": "host-1"}
    known = {**beat, "figures": {**beat["figures"], **host}}

    def complete_to_ms(*documents: dict[str, Any]) -> int | None:
        told = completeness_of(documents, now_ms=NOW_MS, until_ms=LATER_MS)
        return told.complete_to_ms

    assert (
        complete_to_ms(known, {**restored, "figures": host}, stored) == NOW_MS - 1_000
    )
    # Of another host it is not the record that is missing, nor of one that is not told.
    other = {"figures": {"host_id": "host-2"}}
    assert complete_to_ms(known, {**restored, **other}, stored) == 0
    assert complete_to_ms(known, restored, stored) == 0
    # Where only one of them has a host's id, the agent's own tells.
    assert complete_to_ms(known, read, stored) == NOW_MS - 1_000
    assert complete_to_ms(beat, {**read, "figures": host}, stored) == NOW_MS - 1_000


def ahead(host: str, by_ms: int = 400_000) -> dict[str, Any]:
    return heartbeat(host, swept_ago_ms=-by_ms, said_ago_ms=-by_ms)


def test_a_heartbeat_from_the_future_claims_nothing_and_no_life() -> None:
    """What it says was stored an hour ahead may be of any moment before now."""
    told = completeness_of(
        [ahead("a"), heartbeat("b", swept_ago_ms=900)], now_ms=NOW_MS, until_ms=LATER_MS
    )

    assert [host.complete_to_ms for host in told.hosts] == [None, NOW_MS - 900]
    assert told.complete_to_ms is None
    assert told.ahead_agents == 1
    assert statement(told).startswith(
        "how complete a is cannot be said: by a clock that is ahead"
    )
    assert statement(told).endswith(
        "; whether 1 agent lives is not known, as its clock is ahead"
    )
    assert said(ahead("a"), ahead("b")).endswith(
        "; whether 2 agents live is not known, as their clocks are ahead"
    )
    assert "ahead" not in said(ahead("a", AHEAD_MS_MAX))


def test_a_clock_that_is_a_little_ahead_claims_so_much_less() -> None:
    """Its sweep began before now, however its clock calls that moment."""
    lead_ms = AHEAD_MS_MAX - 100
    told = completeness_of(
        [heartbeat("a", swept_ago_ms=700 - lead_ms, said_ago_ms=-lead_ms)],
        now_ms=NOW_MS,
        until_ms=LATER_MS,
    )
    assert [host.complete_to_ms for host in told.hosts] == [NOW_MS - 700]


def test_at_a_standstill_what_waits_is_told_as_of_its_moment() -> None:
    """More may have come since, and what is in the index tells nothing of it."""
    silent = heartbeat("b", swept_ago_ms=40_000, said_ago_ms=39_000)
    unread = word("agent", host="b", number=0, seen_size_bytes=70, next_offset=20)
    unread = {**unread, "@timestamp": NOW_MS - 39_000}
    text = said(silent, unread)
    assert text.endswith("or the agent does; 50 bytes not yet read by then")
    assert text.count("not yet read") == 1


def test_words_from_the_future_hide_no_standstill() -> None:
    """One clock that is ahead, and a frozen indexer would be blamed on the agents."""
    silent = heartbeat("b", swept_ago_ms=40_000, said_ago_ms=39_000)
    future = {**word("indexer", number=0), "@timestamp": NOW_MS + 400_000}

    for other in (future, ahead("a")):
        text = said(silent, other)
        assert "nothing was indexed since 10:12:41 UTC: the indexers stand" in text
        assert "silent" not in text
    hits = {"hits": [{"_source": silent}], "total": {"value": 1}}
    answer = {"hits": hits, "aggregations": newest_word(NOW_MS + 400_000.0)}
    told = read_completeness(answer, now_ms=NOW_MS, until_ms=LATER_MS)
    assert told.standstill is not None
    assert told.standstill.since_ms == NOW_MS - 39_000


def test_a_life_whose_clock_was_ahead_hides_not_the_one_after_it() -> None:
    host = {"figures.host_id": "host-1"}
    lost = {**ahead("a"), **host}
    there = {**heartbeat("a", swept_ago_ms=900), "agent.id": "agent-new", **host}
    silent = {**there, "@timestamp": NOW_MS - 40_000}
    others = word("stream", number=0)

    assert "not known" not in said(lost, there)
    text = said(lost, silent, others)
    assert "1 agent silent; whether 1 agent lives is not known" in text
