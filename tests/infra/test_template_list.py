"""Templates as they are listed: a group is one."""

from __future__ import annotations

from tailrace.template_aliases import TemplateAlias, TemplateGroups
from tailrace.template_list import ListedTemplate, grouped, read_counts


def listed(
    template_id: str, *, count: int, at_ms: int, dataset: str = "app"
) -> ListedTemplate:
    return ListedTemplate(
        template_id=template_id,
        ids=(template_id,),
        count=count,
        first_seen_ms=at_ms,
        last_seen_ms=at_ms + 5,
        datasets=(dataset,),
    )


def test_a_group_has_the_sum_the_earliest_and_the_latest() -> None:
    groups = TemplateGroups(
        [TemplateAlias(template_id="b", group_id="a", text="user <*> left", revision=1)]
    )
    found = grouped(
        [
            listed("a", count=2, at_ms=30),
            listed("b", count=3, at_ms=10, dataset="web"),
            listed("c", count=4, at_ms=20),
        ],
        groups,
    )
    assert found == [
        ListedTemplate(
            template_id="a",
            ids=("a", "b"),
            count=5,
            first_seen_ms=10,
            last_seen_ms=35,
            datasets=("app", "web"),
            text="user <*> left",
        ),
        listed("c", count=4, at_ms=20),
    ]


def test_without_an_index_there_is_no_template() -> None:
    assert read_counts({"hits": {"hits": []}}) == ([], None)
