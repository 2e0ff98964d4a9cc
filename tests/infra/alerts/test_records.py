from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailrace.alerts.news import Sighting, new_templates
from tailrace.alerts.records import (
    Alert,
    alert_document,
    alert_id,
    new_alert,
    read_alert,
)


def alert(**changed: object) -> Alert:
    given: dict[str, Any] = {
        "rule": "many",
        "severity": "warning",
        "fields": {"host.name": "web-1"},
        "key": "1000",
        "status": "on",
        "start_ms": 1_000,
        "raised_at_ms": 2_000,
        "value": 11,
        "message": "11 events",
        "channels": ("mail", "ops"),
    }
    given.update(changed)
    return new_alert(**given)


texts = st.text(max_size=4)


@given(
    one=st.tuples(texts, st.dictionaries(texts, texts, max_size=3), texts),
    other=st.tuples(texts, st.dictionaries(texts, texts, max_size=3), texts),
)
def test_two_alerts_have_one_id_only_where_rule_group_and_key_are_the_same(
    one: tuple[str, dict[str, str], str], other: tuple[str, dict[str, str], str]
) -> None:
    ids = [alert_id(rule, fields, key=key) for rule, fields, key in (one, other)]
    assert (ids[0] == ids[1]) is (one == other)


def test_a_record_comes_back_from_its_document_as_it_was() -> None:
    kept = alert().is_over(at_ms=3_000, value=0, is_silenced=False)
    assert read_alert(alert_document(kept)) == kept
    assert read_alert({"message": "x"}) is None


def test_x16_what_stood_in_a_line_is_text_of_one_line_in_an_alert() -> None:
    made = alert(fields={"host.name": "a\x1b[31m\nb\u202e"}, message="x\r\n\x00y")
    assert made.fields["host.name"].isprintable()
    assert made.message.isprintable()


def test_who_was_told_of_the_beginning_is_told_of_the_end() -> None:
    half = alert().without_due("raised/ops", is_told=True)
    assert half.due == ("raised/mail",)
    over = half.is_over(at_ms=3_000, value=0, is_silenced=False)
    assert over.due == ("over/mail", "over/ops")
    assert over.without_due("over/ops", is_told=True).due == ("over/mail",)


def test_what_began_and_ended_in_silence_is_told_to_nobody() -> None:
    assert alert().is_over(at_ms=3_000, value=0, is_silenced=True).due == ()


def test_what_was_told_before_the_silence_is_told_of_its_end() -> None:
    half = alert().without_due("raised/ops", is_told=True)
    assert half.is_over(at_ms=3_000, value=0, is_silenced=True).due == ("over/ops",)


def test_who_never_took_it_is_not_told_of_its_end() -> None:
    given_up = alert(channels=("ops",)).without_due("raised/ops", is_told=False)
    assert given_up.is_over(at_ms=3_000, value=0, is_silenced=False).due == ()


def sighting(name: str, *, at_ms: int = 0, dataset: str = "app") -> Sighting:
    return Sighting(template_id=name, first_seen_ms=at_ms, count=1, dataset=dataset)


def test_what_was_never_there_is_told_in_the_order_it_came() -> None:
    found = [sighting("a", at_ms=3), sighting("b", at_ms=2)]
    new = new_templates(found, learnt={"app"})
    assert [one.template_id for one in new] == ["b", "a"]


def test_of_a_dataset_that_is_being_learnt_nothing_is_new() -> None:
    found = [sighting("a"), sighting("b", dataset="young")]
    new = new_templates(found, learnt={"app"})
    assert [one.template_id for one in new] == ["a"]
