"""Which masked texts are one template."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.template_grouping import WORDS_MAX, group
from tailrace.template_text import MASK, shown

NAMES = ("root", "anna", "boris", "carla", "dirk", "emil")


def groups(texts: list[str]) -> set[str]:
    found = group(text.replace("<*>", MASK) for text in texts)
    return {shown(text) for text in found.values()}


def test_a_place_of_many_words_is_variable() -> None:
    texts = [f"session opened for user {name} by <*>" for name in NAMES]
    assert groups(texts) == {"session opened for user <*> by <*>"}


def test_a_place_of_few_words_tells_templates_apart() -> None:
    texts = [f"warning for torus {wire} wire <*>" for wire in ("upper", "lower")]
    assert groups(texts) == set(texts)


def test_two_names_behind_a_word_that_announces_one_are_enough() -> None:
    texts = [f"session closed for user {name}" for name in NAMES[:2]]
    assert groups(texts) == {"session closed for user <*>"}


def test_a_word_where_others_have_a_value_is_one_too() -> None:
    texts = ["invalid user <*> from <*>", "invalid user admin from <*>"]
    assert groups(texts) == {"invalid user <*> from <*>"}


def test_a_word_in_capitals_where_others_have_a_value_is_one_too() -> None:
    texts = ["synchronized to <*>, stratum <*>", "synchronized to LOCAL, stratum <*>"]
    assert groups(texts) == {"synchronized to <*>, stratum <*>"}


def test_two_variable_places_are_found_one_after_the_other() -> None:
    texts = [
        f"user {name} joined channel {channel} again"
        for name in NAMES
        for channel in ("red", "green", "blue", "white")
    ]
    assert groups(texts) == {"user <*> joined channel <*> again"}


def test_a_word_that_is_said_twice_is_one_place() -> None:
    texts = [f"loading hive {one} from config {one} now" for one in NAMES]
    assert groups(texts) == {"loading hive <*> from config <*> now"}


def test_lists_of_any_length_are_one_template() -> None:
    texts = [
        "changing view acls to: anna,boris",
        "changing view acls to: anna,boris,carla",
    ]
    assert groups(texts) == {"changing view acls to: <*>"}


@pytest.mark.parametrize(
    "words",
    [
        ("true", "false", "null", "none", "on", "off"),
        ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"),
        ("RUNNING", "FAILED", "NEW", "KILLED"),
    ],
)
def test_states_are_no_variables(words: tuple[str, ...]) -> None:
    texts = [f"the state of it became {word} now" for word in words]
    assert groups(texts) == set(texts)


def test_texts_without_other_words_stay_apart() -> None:
    texts = ["onExpanding", "closeQs", "instantCollapse", "cancelPeek", "flush", "go"]
    assert groups(texts) == set(texts)


def test_an_empty_value_is_a_value() -> None:
    texts = ["login failed; ruser= rhost=<*>", "login failed; ruser=anna rhost=<*>"]
    assert groups(texts) == {"login failed; ruser=<*> rhost=<*>"}


_WORDS = st.sampled_from(["user", "anna", "boris", "opened", "true", "=", MASK, "NEW"])
_TEXTS = st.lists(st.lists(_WORDS, min_size=1, max_size=6).map(" ".join), max_size=25)


@settings(max_examples=60, deadline=None)
@given(_TEXTS, st.integers())
def test_the_order_of_texts_changes_nothing(texts: list[str], seed: int) -> None:
    shuffled = [*texts, *texts]
    random.Random(seed).shuffle(shuffled)
    assert group(shuffled) == group(texts)


@settings(max_examples=60, deadline=None)
@given(_TEXTS)
def test_each_text_has_a_template_that_is_masked_no_less(texts: list[str]) -> None:
    found = group(texts)
    assert set(found) == set(texts)
    for text, template in found.items():
        assert template.count(MASK) >= text.count(MASK)


def test_only_so_many_texts_are_compared() -> None:
    texts = [f"session opened for user {name} by <*>" for name in NAMES]
    assert group(texts, texts_max=0) == {text: text for text in texts}


def test_the_words_of_a_very_long_text_are_bounded() -> None:
    long = " ".join(f"w{chr(97 + n % 26)}" for n in range(WORDS_MAX * 3))
    assert groups([long, long + " more"]) == {long, long + " more"}
