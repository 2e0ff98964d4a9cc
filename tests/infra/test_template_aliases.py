"""Which ids are one template, by what was told of them."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.template_aliases import TemplateAlias, TemplateGroups, alias_key


def alias(
    template_id: str, group_id: str, *, text: str = "user <*>", revision: int = 1
) -> TemplateAlias:
    return TemplateAlias(
        template_id=template_id, group_id=group_id, text=text, revision=revision
    )


_IDS = st.sampled_from("abcdefghij")
_ALIASES = st.lists(
    st.builds(
        alias,
        _IDS,
        _IDS,
        text=st.sampled_from(["one two", "one <*>", "<*> two", "<*> of <*>"]),
        revision=st.integers(1, 3),
    ),
    max_size=12,
)


def told(groups: TemplateGroups) -> dict[str, tuple[str, tuple[str, ...], str]]:
    return {
        one: (groups.group_of(one), groups.ids_of(one), groups.text_of(one))
        for one in "abcdefghij"
    }


def test_a_template_without_an_alias_is_its_own_group() -> None:
    groups = TemplateGroups([alias("a", "b")])
    assert (groups.group_of("c"), groups.ids_of("c")) == ("c", ("c",))
    assert (groups.text_of("c"), groups.is_group("c")) == ("", False)


def test_an_alias_of_an_alias_is_of_the_same_group() -> None:
    groups = TemplateGroups([alias("a", "b"), alias("c", "d"), alias("b", "d")])
    assert {groups.group_of(one) for one in "abcd"} == {"d"}
    assert groups.ids_of("a") == ("a", "b", "c", "d")
    assert len(groups) == 1


def test_a_group_says_what_its_widest_pattern_says() -> None:
    groups = TemplateGroups(
        [
            alias("a", "d", text="user <*> on alpha"),
            alias("b", "d", text="user <*> on alpha"),
            alias("c", "d", text="user <*> on <*>"),
        ]
    )
    assert groups.text_of("a") == "user <*> on <*>"


@settings(max_examples=200, deadline=None)
@given(_ALIASES, st.integers())
def test_no_order_or_repetition_changes_what_follows(
    aliases: list[TemplateAlias], seed: int
) -> None:
    shuffled = [*aliases, *aliases[:3]]
    random.Random(seed).shuffle(shuffled)
    assert told(TemplateGroups(shuffled)) == told(TemplateGroups(aliases))


@settings(max_examples=200, deadline=None)
@given(_ALIASES, _ALIASES)
def test_what_was_one_stays_one_whatever_is_told_besides(
    before: list[TemplateAlias], more: list[TemplateAlias]
) -> None:
    """Also where two miners that do not know of each other tell circles."""
    first, then = TemplateGroups(before), TemplateGroups([*before, *more])
    for one in "abcdefghij":
        assert set(first.ids_of(one)) <= set(then.ids_of(one))
        # Who stands for a group is one of it, and all of it agrees.
        assert then.group_of(one) in then.ids_of(one)
        assert {then.group_of(other) for other in then.ids_of(one)} == {
            then.group_of(one)
        }


def test_of_the_same_pair_the_last_word_counts() -> None:
    early, late = alias("a", "b"), alias("a", "b", text="<*> <*>", revision=9)
    for order in ([early, late], [late, early]):
        assert TemplateGroups(order).aliases == {alias_key(late): late}
