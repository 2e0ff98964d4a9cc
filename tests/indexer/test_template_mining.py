"""Which known templates are one, and what is told of that."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.template_aliases import TemplateGroups
from tailrace_indexer.template_mining import KnownTemplate, mined

NAMES = ("anna", "boris", "carla", "dirk", "emil", "fritz")


def template_id(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


def known(
    *texts: str, datasets: Iterable[str] = ("app",), first_ms: int = 1_000
) -> dict[str, KnownTemplate]:
    """Return templates, each seen first a second after the one before it."""
    return {
        template_id(text): KnownTemplate(
            text=text,
            first_seen_ms=first_ms + 1_000 * place,
            last_seen_ms=first_ms + 9_000,
            datasets=frozenset(datasets),
        )
        for place, text in enumerate(texts)
    }


def opened(names: Iterable[str]) -> list[str]:
    return [f"session opened for user {name} by <*>" for name in names]


def grown(
    templates: Mapping[str, KnownTemplate], groups: TemplateGroups, *, now_ms: int = 5
) -> TemplateGroups:
    """Return the groups when nothing is left to be told."""
    for _ in range(10):
        found = mined(templates, groups, now_ms=now_ms)
        if not found:
            return groups
        groups = TemplateGroups([*groups.aliases.values(), *found])
    raise AssertionError("it finds something new for ever")


def test_texts_that_differ_in_a_name_are_one_whose_first_stands_for_all() -> None:
    templates = known(*opened(NAMES), "disk is full")
    groups = grown(templates, TemplateGroups())
    first = template_id(opened(NAMES)[0])
    assert groups.group_of(template_id(opened(NAMES)[5])) == first
    assert len(groups.ids_of(first)) == len(NAMES)
    assert groups.text_of(first) == "session opened for user <*> by <*>"
    assert not groups.is_group(template_id("disk is full"))


def test_datasets_are_looked_at_each_by_itself() -> None:
    templates = {
        **known(*opened(NAMES[:1]), datasets=["app"]),
        **known(*opened(NAMES[1:2]), datasets=["web"]),
    }
    assert mined(templates, TemplateGroups(), now_ms=5) == []


def test_what_one_template_joins_in_two_datasets_is_one() -> None:
    both = opened(NAMES[:1])
    templates = {
        **known(*opened(NAMES[1:3]), datasets=["app"]),
        **known(*opened(NAMES[3:5]), datasets=["web"]),
        **known(*both, datasets=["app", "web"]),
    }
    groups = grown(templates, TemplateGroups())
    assert len(groups.ids_of(template_id(both[0]))) == 5


def test_one_that_comes_when_its_companions_are_forgotten_joins_them() -> None:
    sent = [f"job {name} was sent to the queue" for name in (*NAMES, "zoe")]
    groups = grown(known(*sent[:-1]), TemplateGroups())
    first = groups.group_of(template_id(sent[0]))
    # Of the old ones one is left, by which the group is known to be of this dataset: two
    # words in one place would be states.
    later = known(sent[-1], sent[3], first_ms=10**6)
    assert mined(later, TemplateGroups(), now_ms=5) == []
    again = grown(later, groups)
    assert again.group_of(template_id(sent[-1])) == first


def test_a_group_keeps_its_first_when_one_comes_that_is_older() -> None:
    groups = grown(known(*opened(NAMES[:4]), first_ms=10**6), TemplateGroups())
    first = groups.group_of(template_id(opened(NAMES)[0]))
    again = grown(
        known(*opened(NAMES[:4]), first_ms=10**6) | known(*opened(NAMES[4:])), groups
    )
    assert again.group_of(template_id(opened(NAMES)[5])) == first


def test_of_two_groups_that_become_one_the_older_stands_for_both() -> None:
    hosts = ("alpha", "beta", "gamma", "delta", "epsilon")
    old = [f"user {name} joined channel alpha again" for name in NAMES]
    new = [f"user {name} joined channel beta again" for name in NAMES]
    between = [f"user {NAMES[0]} joined channel {host} again" for host in hosts]
    templates = known(*old) | known(*new, first_ms=10**6)
    groups = grown(templates, TemplateGroups())
    olds, news = (groups.group_of(template_id(one[0])) for one in (old, new))
    assert olds != news
    again = grown(templates | known(*between, first_ms=10**7), groups)
    assert {again.group_of(one) for one in templates} == {olds}
    assert again.text_of(olds) == "user <*> joined channel <*> again"


def test_a_group_grows_to_a_limit_and_no_further() -> None:
    templates = known(*opened(NAMES))
    assert mined(templates, TemplateGroups(), now_ms=5, group_ids_max=5) == []
    assert len(mined(templates, TemplateGroups(), now_ms=5, group_ids_max=6)) == 5
    # Those that are forgotten count, too.
    groups = grown(templates, TemplateGroups())
    later = known(*opened([*NAMES[:2], "zoe"]))
    assert mined(later, groups, now_ms=5, group_ids_max=6) == []
    assert len(mined(later, groups, now_ms=5, group_ids_max=7)) == 1


def test_one_text_under_two_ids_is_one_template() -> None:
    """As when the masks of a newer version gave it another."""
    templates = known("disk is full")
    templates["0123456789abcdef"] = KnownTemplate(
        text="disk is full",
        first_seen_ms=10**6,
        last_seen_ms=10**6,
        datasets=frozenset({"app"}),
    )
    (told,) = mined(templates, TemplateGroups(), now_ms=5)
    assert told.template_id == "0123456789abcdef"
    assert told.group_id == template_id("disk is full")


_WORDS = st.sampled_from(["user", "anna", "boris", "carla", "dirk", "true", "<*>"])
_TEXTS = st.lists(
    st.lists(_WORDS, min_size=2, max_size=4).map(" ".join), max_size=30, unique=True
)


def _known(texts: list[str], seed: int) -> dict[str, KnownTemplate]:
    chance = random.Random(seed)
    found: dict[str, KnownTemplate] = {}
    for text in texts:
        datasets = chance.choice([("app",), ("web",), ("app", "web")])
        found |= known(text, datasets=datasets, first_ms=chance.randrange(100))
    return found


@settings(max_examples=60, deadline=None)
@given(_TEXTS, st.integers())
def test_the_order_in_which_templates_are_known_changes_nothing(
    texts: list[str], seed: int
) -> None:
    templates = _known(texts, seed)
    names = list(templates)
    random.Random(seed).shuffle(names)
    shuffled = {name: templates[name] for name in names}
    told = mined(templates, TemplateGroups(), now_ms=5)
    assert mined(shuffled, TemplateGroups(), now_ms=5) == told


@settings(max_examples=60, deadline=None)
@given(_TEXTS, _TEXTS, st.integers())
def test_growth_parts_nothing_and_moves_no_group_that_only_grows(
    texts: list[str], more: list[str], seed: int
) -> None:
    templates = _known(texts, seed)
    groups = grown(templates, TemplateGroups())
    new = {
        name: one for name, one in _known(more, seed).items() if name not in templates
    }
    # Some of the old ones are forgotten by then.
    kept = dict(list(templates.items())[::2])
    again = grown(kept | new, groups)
    for name in templates:
        assert set(groups.ids_of(name)) <= set(again.ids_of(name))
        merged = {
            groups.group_of(one) for one in again.ids_of(name) if groups.is_group(one)
        }
        if len(merged) == 1:
            assert again.group_of(name) == groups.group_of(name)
        elif merged:
            assert again.group_of(name) in merged


@settings(max_examples=60, deadline=None)
@given(_TEXTS, st.integers())
def test_who_knows_what_was_told_tells_nothing_twice_and_no_circle(
    texts: list[str], seed: int
) -> None:
    templates = _known(texts, seed)
    groups = grown(templates, TemplateGroups())
    assert mined(templates, groups, now_ms=9) == []
    # Each id is an alias at most once, and of one that stands for all there was.
    names = [alias.template_id for alias in groups.aliases.values()]
    assert len(names) == len(set(names))
    for alias in groups.aliases.values():
        assert groups.group_of(alias.group_id) not in names
