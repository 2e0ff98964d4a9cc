"""Whoever leads judges the rules, records each alert once, and tells of it at least once."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from tailrace.alerts.aside import RETRY_MS_MAX, Aside
from tailrace.alerts.book import Book
from tailrace.alerts.config import AlertSettings
from tailrace.alerts.fact_watch import Lags
from tailrace.alerts.questions import RuleFault
from tailrace.alerts.records import alert_id
from tailrace.alerts.store import AlertChanged
from tailrace.alerts.watch import Watch
from tailrace.alerts.watermark import LESS_WAIT_MS_MAX, MORE_WAIT_MS_MAX, SETTLE_MS
from tailrace.errors import ServiceUnavailable
from tailrace.retention_pause import LateTopic
from tests.infra.alerts.doubles import Killed, LeadGone, MemoryStore, Scene
from tests.infra.alerts.rules import MINUTE_MS, NOON_MS, minutes
from tests.infra.alerts.test_facts import NOW_MS, file_word, heartbeat
from tests.infra.alerts.test_records import alert
from tests.support.standing_clock import StandingClock

MANY: dict[str, Any] = {
    "name": "many",
    "kind": "threshold",
    "above": 10,
    "window_ms": MINUTE_MS,
}
CHANNELS: list[dict[str, Any]] = [
    {"name": name, "kind": "webhook", "url": "https://example.com/x"}
    for name in ("ops", "mail")
]


def scene(*rules: dict[str, Any], **settings: object) -> Scene:
    given: dict[str, object] = {
        "rules": list(rules),
        "channels": CHANNELS,
        "built_in_off": ["dead-letters-rising"],
    }
    return Scene(
        AlertSettings.model_validate(given | settings),
        StandingClock(NOON_MS + SETTLE_MS),
    )


def pass_minutes(one: Scene, count: int, *, watch: Watch | None = None) -> Watch:
    """Let a process look each ten seconds for so many minutes; return it."""
    watch = watch or one.watch()
    for _ in range(count * 6):
        watch.look()
        one.clock.sleep_ms(10_000)
    return watch


def told(one: Scene, channel: str = "ops") -> list[str]:
    return [
        note.rpartition("-")[2] for name, note in one.mailbox.sent if name == channel
    ]


def test_an_alert_is_recorded_once_and_told_when_it_begins_and_when_it_is_over() -> (
    None
):
    one = scene(MANY)
    one.events.counts = {(): minutes(0, 11, 12, 0, 0)}
    pass_minutes(one, 6)
    (alert,) = one.index.alerts()
    assert alert.status == "over"
    assert alert.start_ms == NOON_MS + 2 * MINUTE_MS
    assert alert.alert_id == alert_id("many", {}, key=str(alert.start_ms))
    assert told(one, "ops") == told(one, "mail") == ["raised", "over"]
    assert "11 events in 1 min, more than 10" in alert.message


@pytest.mark.parametrize("seed", range(60))
def test_whoever_is_killed_wherever_an_alert_has_one_record_and_is_told_at_most_once_more(
    seed: int,
) -> None:
    """Each writing and each sending may be the last of its process."""
    chance = random.Random(seed)
    one = scene(MANY | {"group_by": ["host.name"], "rounds": 2})
    counts = {(name,): [chance.choice([0, 11]) for _ in range(12)] for name in "abc"}
    one.events.counts = {group: minutes(*each) for group, each in counts.items()}
    calm = scene(MANY | {"group_by": ["host.name"], "rounds": 2})
    calm.events.counts = one.events.counts
    pass_minutes(calm, 14)

    kills = 0
    watch = one.watch()
    until_ms = one.clock.now_ms() + 14 * MINUTE_MS
    while one.clock.now_ms() < until_ms:
        fate = chance.random()
        if fate < 0.2:
            one.index.killed_before = one.index.writings + chance.randint(1, 3)
        elif fate < 0.4:
            one.index.killed_after = one.index.writings + chance.randint(1, 3)
        elif fate < 0.5:
            one.mailbox.killed_after_sending = True
        try:
            watch.look()
        except Killed:
            kills += 1
            one.index.killed_before = one.index.killed_after = None
            watch = one.watch()
            continue
        one.clock.sleep_ms(10_000)
    watch.look()

    assert sorted(one.index.created) == sorted(calm.index.created)
    assert len(set(one.index.created)) == len(one.index.created)
    assert all(not alert.due for alert in one.index.alerts())
    spans = {a.alert_id: (a.start_ms, a.over_at_ms) for a in one.index.alerts()}
    assert spans == {
        a.alert_id: (a.start_ms, a.over_at_ms) for a in calm.index.alerts()
    }
    for name, note in set(calm.mailbox.sent):
        sent = one.mailbox.sent.count((name, note))
        # One that was over before it was told is told of both at once.
        ends = one.mailbox.sent.count((name, note.replace("-raised", "-over")))
        assert sent + ends >= 1
    repeated = len(one.mailbox.sent) - len(set(one.mailbox.sent))
    assert repeated <= kills


def test_who_takes_over_much_later_judges_the_moments_in_between() -> None:
    one = scene(MANY)
    one.events.counts = {(): minutes(0, 0, 11, 0, 0, 0, 11, 0, 0, 0)}
    pass_minutes(one, 1)
    one.clock.sleep_ms(10 * MINUTE_MS)
    one.watch().look()
    assert sorted(alert.start_ms for alert in one.index.alerts()) == [
        NOON_MS + 3 * MINUTE_MS,
        NOON_MS + 7 * MINUTE_MS,
    ]


def test_who_leads_no_more_records_nothing_and_tells_nobody() -> None:
    one = scene(MANY)
    one.events.counts = {(): minutes(11)}
    one.clock.sleep_ms(MINUTE_MS)
    with pytest.raises(LeadGone):
        one.watch(leads=False).look()
    assert one.index.alerts() == []
    assert one.mailbox.sent == []


def test_each_change_asks_first_who_leads() -> None:
    one = scene(MANY)

    def gone() -> None:
        raise LeadGone

    asked = Book(MemoryStore(one.index), require=gone)
    asked.judged("many", to_ms=1)
    for change in (
        lambda: asked.begin(alert()),
        lambda: asked.change(alert()),
        lambda: asked.save(rules=["many"]),
        lambda: asked.remove_old(before_ms=0),
    ):
        with pytest.raises(LeadGone):
            change()
    assert (one.index.records, one.index.judged_to_ms) == ({}, {})


def test_who_slept_while_another_led_changes_nothing() -> None:
    one = scene(MANY)
    one.events.counts = {(): minutes(11, 11, 0, 0)}
    one.mailbox.failing = {"ops", "mail"}
    slept = pass_minutes(one, 2)
    one.mailbox.failing = set()
    pass_minutes(one, 1)
    sent = list(one.mailbox.sent)
    with pytest.raises(AlertChanged):
        pass_minutes(one, 10, watch=slept)
    pass_minutes(one, 1, watch=slept)
    # It had sent before it could know; from then on it knows what the other did.
    assert one.mailbox.sent[: len(sent)] == sent
    assert len(one.index.created) == 1


def test_what_is_on_its_way_is_waited_for_and_less_longer_than_more() -> None:
    few = {"name": "few", "kind": "threshold", "below": 1, "window_ms": MINUTE_MS}
    one = scene(MANY, few)
    one.events.counts = {(): minutes(11)}
    one.events.complete_to_ms = NOON_MS
    one.index.judged_to_ms = {"many": NOON_MS, "few": NOON_MS}
    pass_minutes(one, 5)
    assert one.index.alerts() == []

    watch = pass_minutes(one, MORE_WAIT_MS_MAX // MINUTE_MS - 3)
    assert [alert.rule for alert in one.index.alerts()] == ["many"]

    one.events.complete_to_ms = NOON_MS + 2 * MINUTE_MS
    pass_minutes(one, 1, watch=watch)
    assert {alert.rule for alert in one.index.alerts()} == {"many", "few"}
    assert LESS_WAIT_MS_MAX > MORE_WAIT_MS_MAX


@pytest.mark.parametrize(
    "fault",
    [RuleFault("it has more than 1,000 groups"), ZeroDivisionError("division by zero")],
    ids=["asks too much", "raises"],
)
def test_s11_a_rule_that_fails_is_put_aside_and_the_others_go_on(
    fault: Exception,
) -> None:
    one = scene({**MANY, "name": "broken"}, MANY)
    one.events.faults = {"broken": fault}
    one.events.counts = {(): minutes(0, 11, 11, 11, 11, 11, 11)}
    watch = pass_minutes(one, 5)
    on = {alert.rule: alert for alert in one.index.alerts()}
    assert on.keys() == {"many", "rule-put-aside"}
    reason = str(fault) if not isinstance(fault, RuleFault) else fault.reason
    assert reason in on["rule-put-aside"].message
    # It is tried ever more rarely, and said once.
    assert one.events.asked.count("broken") <= 4
    assert [e["event"] for e in one.log].count("rule_put_aside") == 1

    one.events.faults = {}
    pass_minutes(one, 6, watch=watch)
    on = {alert.rule: alert for alert in one.index.alerts()}
    assert on["rule-put-aside"].status == "over"
    assert on["broken"].status in {"on", "over"}


def test_s11_a_rule_that_fails_for_ever_is_tried_at_most_once_an_hour() -> None:
    aside, now_ms, tries = Aside(), 0, 0
    while now_ms < 24 * RETRY_MS_MAX:
        if not aside.is_waiting("broken", now_ms=now_ms):
            tries += 1
            aside.failed("broken", "x", now_ms=now_ms)
        now_ms += 1_000
    assert 24 <= tries <= 24 + 8


def test_s11_without_an_answer_no_rule_is_put_aside_and_what_is_due_is_told() -> None:
    one = scene(MANY, {**MANY, "name": "other"})
    one.mailbox.failing = {"ops", "mail"}
    one.events.counts = {(): minutes(11, 11, 11, 11, 11, 11)}
    pass_minutes(one, 2)
    one.mailbox.failing = set()
    away = ServiceUnavailable("Elasticsearch", address="x", reason="not every shard")
    one.events.faults = {"many": away, "other": away}
    watch = one.watch()
    for _ in range(30):
        one.clock.sleep_ms(10_000)
        try:
            watch.look()
        except ServiceUnavailable:
            continue
    assert told(one) == ["raised", "raised"]
    assert all(alert.rule != "rule-put-aside" for alert in one.index.alerts())


def test_a_channel_that_fails_is_told_later_and_hinders_no_other() -> None:
    one = scene(MANY)
    one.events.counts = {(): minutes(11, 11, 11, 11, 11, 11, 11, 11, 11)}
    one.mailbox.failing = {"ops"}
    watch = pass_minutes(one, 4)
    assert told(one, "mail") == ["raised"]
    one.mailbox.failing = set()
    pass_minutes(one, 5, watch=watch)
    assert told(one, "ops") == ["raised"]
    assert told(one, "mail") == ["raised"]
    said = [event["event"] for event in one.log]
    assert said.count("channel_failed") == 1
    assert "example.com" not in str(one.log)


def test_what_is_over_before_it_could_be_told_is_told_as_one() -> None:
    one = scene(MANY)
    one.events.counts = {(): minutes(11, 0, 0, 0, 0, 0, 0, 0, 0)}
    one.mailbox.failing = {"ops", "mail"}
    watch = pass_minutes(one, 3)
    one.mailbox.failing = set()
    pass_minutes(one, 5, watch=watch)
    assert told(one) == ["over"]


def test_what_could_not_be_told_for_a_day_and_is_over_is_given_up() -> None:
    one = scene(MANY)
    one.events.counts = {(): minutes(11, 0)}
    one.mailbox.failing = {"ops", "mail"}
    watch = pass_minutes(one, 3)
    one.clock.sleep_ms(24 * 60 * MINUTE_MS + 1)
    watch.look()
    assert all(not alert.due for alert in one.index.alerts())
    assert one.mailbox.sent == []


def test_in_a_silence_alerts_are_recorded_and_told_only_if_they_outlast_it() -> None:
    until_ms = NOON_MS + 5 * MINUTE_MS
    silence = {"until": datetime.fromtimestamp(until_ms / 1_000, tz=UTC).isoformat()}
    one = scene(MANY | {"group_by": ["host.name"]}, silences=[silence])
    one.events.counts = {
        ("short",): minutes(11, 0, 0, 0, 0, 0, 0),
        ("long",): minutes(11, 11, 11, 11, 11, 11, 11, 11),
    }
    watch = pass_minutes(one, 4)
    assert {alert.fields["host.name"] for alert in one.index.alerts()} == {
        "short",
        "long",
    }
    assert one.mailbox.sent == []
    pass_minutes(one, 3, watch=watch)
    assert told(one) == ["raised"]


def test_an_alert_of_a_rule_that_was_taken_out_is_over() -> None:
    one = scene(MANY)
    one.events.counts = {(): minutes(11, 11)}
    pass_minutes(one, 2)
    one.settings = AlertSettings(channels=one.settings.channels)
    one.watch().look()
    assert [alert.status for alert in one.index.alerts()] == ["over"]


def test_an_idle_system_writes_no_line_and_hardly_a_record() -> None:
    one = scene(MANY)
    pass_minutes(one, 60)
    assert one.log == []
    assert one.index.writings <= 13


NEW: dict[str, Any] = {"name": "new", "kind": "new_template", "learn_ms": 60_000}


def test_a_kind_of_line_never_seen_before_is_one_alert_within_seconds_and_for_good() -> (
    None
):
    one = scene(NEW)
    now_ms = one.clock.now_ms()
    one.events.templates = {"old": [now_ms - 10 * MINUTE_MS]}
    watch = one.watch()
    watch.look()
    one.events.templates["old"] += [now_ms + 1_000]
    one.events.templates["strange"] = [now_ms + 1_000, now_ms + 1_500]
    for _ in range(5):
        one.clock.sleep_ms(1_000)
        watch.look()
    (alert,) = one.index.alerts()
    assert alert.fields == {"tailrace.template.id": "strange"}
    assert "a line of strange" in alert.message
    assert told(one) == ["raised"]

    one.events.templates["strange"] += [now_ms + 120_000]
    pass_minutes(one, 3)
    one.clock.sleep_ms(3 * 24 * 60 * MINUTE_MS)
    one.watch().look()
    assert len(one.index.created) == 1


def test_another_of_a_group_that_was_there_before_is_no_new_kind() -> None:
    one = scene(NEW)
    now_ms = one.clock.now_ms()
    one.events.templates = {"user-anna": [now_ms - 10 * MINUTE_MS]}
    one.events.group_of = {
        "user-zoe": ("user-anna", "user-zoe"),
        "odd-one": ("odd-one", "odd-two"),
    }
    watch = one.watch()
    watch.look()
    one.events.templates |= {"user-zoe": [now_ms + 1_000], "odd-one": [now_ms + 1_000]}
    pass_minutes(one, 2, watch=watch)
    # Of the other group nothing is older, so it is new although it is one already.
    assert [a.fields["tailrace.template.id"] for a in one.index.alerts()] == ["odd-one"]


def test_a_template_whose_text_is_not_known_yet_is_told_of_a_moment_later() -> None:
    one = scene(NEW)
    now_ms = one.clock.now_ms()
    one.events.templates = {"old": [now_ms - 10 * MINUTE_MS]}
    watch = one.watch()
    watch.look()
    one.clock.sleep_ms(2_000)
    one.events.templates["strange"] = [one.clock.now_ms() - 500]
    one.events.untold = {"strange"}
    watch.look()
    assert one.index.alerts() == []
    # Its text may never come, as when too many are new at once.
    one.clock.sleep_ms(2_000)
    watch.look()
    assert [a.fields["tailrace.template.id"] for a in one.index.alerts()] == ["strange"]


def test_a_template_that_was_stored_late_is_new_all_the_same() -> None:
    one = scene(NEW)
    now_ms = one.clock.now_ms()
    one.events.templates = {"old": [now_ms - 10 * MINUTE_MS]}
    one.events.complete_to_ms = now_ms - MINUTE_MS
    watch = pass_minutes(one, 2)
    one.events.templates["late"] = [now_ms - 50_000]
    pass_minutes(one, 1, watch=watch)
    assert [a.fields["tailrace.template.id"] for a in one.index.alerts()] == ["late"]


def test_of_what_is_being_learnt_nothing_is_told() -> None:
    one = scene(NEW)
    one.events.templates = {"first": [one.clock.now_ms()]}
    pass_minutes(one, 5)
    assert one.index.alerts() == []


def rules_on(one: Scene) -> dict[str, str]:
    return {alert.rule: alert.status for alert in one.index.alerts()}


def test_built_in_rules_tell_of_what_is_so_now() -> None:
    one = scene()
    one.events.lost = [file_word(lost=5)]
    one.events.gaps = [file_word(gaps=[[1, 9]])]
    late = LateTopic(topic="t.raw", group="s", partitions=1)
    one.lags = Lags(topics=(late,), is_ledger_read=True)
    watch = pass_minutes(one, 3)
    assert rules_on(one) == {"bytes-lost": "happened", "retention-lag": "on"}
    watch = pass_minutes(one, 4, watch=watch)
    assert rules_on(one)["ledger-hole"] == "on"

    one.events.gaps = []
    one.lags = Lags(topics=(), is_ledger_read=True)
    pass_minutes(one, 1, watch=watch)
    assert rules_on(one) == {
        "bytes-lost": "happened",
        "retention-lag": "over",
        "ledger-hole": "over",
    }
    # It comes again, and is told again.
    one.lags = Lags(topics=(late,), is_ledger_read=True)
    pass_minutes(one, 1, watch=watch)
    assert [a.rule for a in one.index.alerts()].count("retention-lag") == 2


def test_a_silent_agent_is_one_alert_whoever_leads_and_over_when_it_speaks() -> None:
    one = scene()
    one.clock.at_ms = NOW_MS
    one.events.heartbeats = [heartbeat("a", ago_ms=40_000)]
    pass_minutes(one, 3)
    assert rules_on(one) == {"agent-silent": "on"}
    # Of whom Kafka or the indexers do not tell, nothing is decided.
    one.is_kafka_away = True
    pass_minutes(one, 1)
    assert rules_on(one) == {"agent-silent": "on"}
    one.is_kafka_away = False
    pass_minutes(one, 1)
    assert rules_on(one) == {"agent-silent": "on"}
    assert len(one.index.created) == 1

    one.events.heartbeats = [heartbeat("a", ago_ms=-5 * MINUTE_MS)]
    pass_minutes(one, 1)
    assert rules_on(one) == {"agent-silent": "over"}


def test_a_loss_that_grows_is_told_again_and_not_at_each_look() -> None:
    one = scene()
    watch = one.watch()
    for lost in range(1, 200):
        one.events.lost = [file_word(lost=lost)]
        pass_minutes(one, 1, watch=watch)
    assert 3 <= len(one.index.created) <= 5


def test_a_built_in_rule_that_is_off_tells_nothing() -> None:
    one = scene(built_in_off=["bytes-lost", "dead-letters-rising"])
    one.events.lost = [file_word(lost=5)]
    pass_minutes(one, 1)
    assert one.index.alerts() == []
