"""Which templates are of a group, before the miner has said so and after."""

from __future__ import annotations

from tailrace.alerts.kinds import TEXT_WAIT_MS, Kinds, companions
from tailrace.template_aliases import TemplateAlias, TemplateGroups
from tailrace.template_patterns import TemplatePatterns

GROUPS = TemplateGroups(
    [TemplateAlias(template_id="b", group_id="a", text="user <*> left", revision=1)]
)


def found(**texts: str) -> dict[str, tuple[str, ...]]:
    return companions(
        {"b", *texts},
        texts=texts,
        groups=GROUPS,
        patterns=TemplatePatterns(GROUPS.patterns()),
    )


def test_an_alias_and_a_text_that_fits_are_of_the_group() -> None:
    assert found(new="user zoe left", other="user zoe came") == {
        "b": ("a", "b"),
        "new": ("a", "b"),
    }


def test_one_whose_text_is_not_known_is_looked_at_again_for_a_moment() -> None:
    kinds = Kinds(untold=frozenset({"x", "y"}))
    seen_ms = {"x": 1_000, "y": 1_000 + TEXT_WAIT_MS}
    assert kinds.waiting(seen_ms, now_ms=1_000 + TEXT_WAIT_MS) == {"y"}
