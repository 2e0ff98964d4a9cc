"""Groups of templates, as a real Elasticsearch tells of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tailrace import template_alias_index, template_list
from tailrace.alerts.kinds import Kinds
from tailrace.alerts.questions import ElasticQuestions
from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tailrace.template_alias_index import FULL_MS, AliasReader, all_aliases, asking
from tailrace.template_aliases import TemplateAlias, TemplateGroups
from tailrace.template_list import list_templates
from tailrace.template_records import TemplateRecord
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.template_documents import alias_lines, template_lines

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
NOON_MS = 1_790_000_000_000


@dataclass(slots=True)
class Indices:
    """Indices of one namespace, made by our templates."""

    namespace: str
    elastic: Elastic

    def put(self, *lines: bytes) -> None:
        answer = self.elastic.request(
            "POST", "/_bulk?refresh=true", body=b"".join(lines), content_type=NDJSON
        )
        assert not self.elastic.decoded(answer)["errors"], answer.body[:2_000]

    def see(
        self,
        name: str,
        text: str,
        *,
        count: int = 1,
        partition: int = 0,
        at_ms: int = 0,
    ) -> None:
        record = TemplateRecord(
            template_id=name,
            text=text,
            partition=partition,
            part=0,
            raw_topic_id="topic",
            raw_next_offset=1,
            revision=1,
            count=count,
            first_seen_ms=NOON_MS + at_ms,
            last_seen_ms=NOON_MS + at_ms + 5,
            datasets=("app", f"p{partition}"),
        )
        self.put(template_lines(record, namespace=self.namespace))

    def tell(self, name: str, group: str, text: str, *, revision: int = 1) -> None:
        alias = TemplateAlias(
            template_id=name, group_id=group, text=text, revision=revision
        )
        self.put(alias_lines(alias, namespace=self.namespace))

    def store(self, name: str, *, created_ms: int) -> None:
        path = f"/{self.namespace}-app-2026.09.21/_doc?refresh=true"
        moment_ms = NOON_MS + created_ms
        document = {
            "@timestamp": moment_ms,
            "event.created": moment_ms,
            "tailrace.template.id": name,
        }
        self.elastic.ask("POST", path, body=document)


@pytest.fixture
def indices(stack: Endpoints, namespace: str) -> Iterator[Indices]:
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url, namespace=namespace
    )
    provision_templates(connections)
    with Elastic(connections) as elastic:
        made = Indices(namespace, elastic)
        # Without an index nothing is known, and nothing fails.
        ask = asking(elastic, namespace=namespace)
        assert all_aliases(ask) == []
        none = list_templates(ask, TemplateGroups(), dataset="", size_max=10)
        assert none == []
        for index in ("templates", "app-2026.09.21"):
            elastic.ask("PUT", f"/{namespace}-{index}")
        yield made


def test_templates_are_listed_by_groups_page_by_page(
    indices: Indices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template_list, "PAGE_MAX", 2)
    indices.see("anna", "user anna left", count=3, at_ms=40)
    indices.see("anna", "user anna left", count=2, at_ms=20, partition=1)
    indices.see("zoe", "user zoe left", count=1, at_ms=90)
    indices.see("disk", "disk is full", count=4)
    indices.see("idle", "nothing to do", count=1, partition=2)
    indices.tell("zoe", "anna", "user <*> left")
    ask = asking(indices.elastic, namespace=indices.namespace)
    groups = TemplateGroups(all_aliases(ask))
    found = list_templates(ask, groups, dataset="", size_max=2)
    assert [(one.text, one.count, one.ids) for one in found] == [
        ("user <*> left", 6, ("anna", "zoe")),
        ("disk is full", 4, ("disk",)),
    ]
    assert (found[0].first_seen_ms, found[0].last_seen_ms) == (
        NOON_MS + 20,
        NOON_MS + 95,
    )
    assert found[0].datasets == ("app", "p0", "p1")
    (idle,) = list_templates(ask, groups, dataset="p2", size_max=9)
    assert idle.text == "nothing to do"


def test_aliases_are_read_page_by_page_and_then_what_is_new(
    indices: Indices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template_alias_index, "PAGE_MAX", 2)
    asked = asking(indices.elastic, namespace=indices.namespace)
    bodies: list[template_alias_index.Body] = []

    def ask(body: template_alias_index.Body) -> Mapping[str, Any]:
        bodies.append(body)
        return asked(body)

    for name in ("b", "c", "d", "e", "f"):
        indices.tell(name, "a", "user <*> left", revision=NOON_MS)
    reader = AliasReader(ask, fresh_ms=1_000)
    assert reader.groups(now_ms=NOON_MS).ids_of("d") == ("a", "b", "c", "d", "e", "f")
    assert len(bodies) == 3
    # What is fresh enough is not asked for, and then only what is new.
    indices.tell("g", "a", "user <*> left", revision=NOON_MS + 500)
    assert "g" not in reader.groups(now_ms=NOON_MS + 999).ids_of("a")
    assert len(bodies) == 3
    indices.tell("h", "a", "user <*> left", revision=1)
    assert "g" in reader.groups(now_ms=NOON_MS + FULL_MS - 1).ids_of("a")
    assert "h" not in reader.groups(now_ms=NOON_MS + FULL_MS - 1).ids_of("a")
    # From time to time all of them, so also what was told long ago and stored late.
    assert "h" in reader.groups(now_ms=NOON_MS + 2 * FULL_MS).ids_of("a")


def test_a_template_is_of_a_kind_by_its_alias_or_by_its_text(indices: Indices) -> None:
    """Older is what any of a group was, and however it is known to be of it."""

    def kinds() -> Kinds:
        questions = ElasticQuestions(indices.elastic, namespace=indices.namespace)
        asked = {"carl", "zoe", "odd", "untold"}
        return questions.kinds(asked, before_ms=NOON_MS, now_ms=NOON_MS)

    indices.store("anna", created_ms=-1_000)
    indices.store("odd", created_ms=1_000)
    for name in ("anna", "zoe", "carl"):
        indices.see(name, f"user {name} left")
    indices.see("odd", "odd one came")
    # While there is no group at all, nobody waits for a text.
    assert kinds() == Kinds()
    indices.tell("carl", "anna", "user <*> left")
    indices.tell("even", "odd", "odd <*> came")
    assert kinds() == Kinds(
        older=frozenset({"carl", "zoe"}), untold=frozenset({"untold"})
    )
