"""Provisioning: what is missing is made, what differs is put right, or refused."""

from __future__ import annotations

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.errors import CommandFailed
from tailrace.index_templates import Capabilities, index_templates
from tailrace.kafka_admin import KafkaAdmin, NewTopic
from tailrace.provision import (
    provision,
    provision_templates,
    provision_topics,
    refuse_other_partitions,
    settings_of,
)
from tailrace.settings import Connections
from tailrace.topics import DOCS, TOPICS
from tailrace_embedded.stack import Endpoints


@pytest.fixture
def connections(stack: Endpoints, namespace: str) -> Connections:
    return Connections(
        kafka_bootstrap=stack.kafka_bootstrap,
        elasticsearch_url=stack.elasticsearch_url,
        namespace=namespace,
    )


def test_events_get_the_alias_and_no_other_index_of_ours_does() -> None:
    templates = index_templates("t", capabilities=Capabilities())
    events = templates.pop("t-events")

    assert events["template"]["aliases"] == {"t-events": {}}
    assert events["index_patterns"] == ["t-*-*"]
    for body in templates.values():
        assert "aliases" not in body["template"]
        assert body["priority"] > events["priority"]


def test_e9_revised_events_have_the_fields_of_events_and_are_seen_by_nobody() -> None:
    templates = index_templates(
        "t", capabilities=Capabilities(has_match_only_text=True)
    )
    events, revised = templates["t-events"], templates["t-revisions"]

    assert revised["template"]["mappings"] == events["template"]["mappings"]
    assert revised["template"]["settings"] == events["template"]["settings"]
    assert revised["index_patterns"] == ["t-*-*-r*"]
    assert "aliases" not in revised["template"]
    assert (
        len({body["priority"] for body in (events, revised, templates["t-dead"])}) == 3
    )


def test_a_template_says_which_of_our_versions_it_is() -> None:
    plain = index_templates("t", capabilities=Capabilities())
    rich = index_templates("t", capabilities=Capabilities(has_match_only_text=True))

    assert plain == index_templates("t", capabilities=Capabilities())
    assert plain["t-events"]["_meta"] != rich["t-events"]["_meta"]
    assert plain["t-rates"]["_meta"] == rich["t-rates"]["_meta"]


def test_a_partition_count_that_differs_is_refused_with_every_name() -> None:
    wanted = {"t.docs": DOCS, "t.other": DOCS}

    with pytest.raises(CommandFailed) as refused:
        refuse_other_partitions(wanted, counts={"t.docs": 3, "t.other": 9})

    assert "t.docs has 3 partitions, not 8" in str(refused.value)
    assert "t.other has 9" in str(refused.value)
    refuse_other_partitions(wanted, counts={"t.docs": 8})


@pytest.mark.parametrize(("copies", "insync"), [(1, "1"), (2, "1"), (3, "2")])
def test_k3_of_three_copies_two_must_have_each_record(copies: int, insync: str) -> None:
    assert settings_of(DOCS, copies=copies)["min.insync.replicas"] == insync


@pytest.mark.stack
@pytest.mark.timeout(60)
def test_provisioning_is_safe_to_repeat_and_puts_settings_right(
    connections: Connections,
) -> None:
    names = {topic.name(connections.namespace) for topic in TOPICS}
    first = provision(connections)
    assert set(first.topics_created) == names

    again = provision(connections)
    assert set(again.topics_unchanged) == names
    assert not again.templates_written

    docs = DOCS.name(connections.namespace)
    with KafkaAdmin(connections) as admin:
        admin.alter_topic_settings({docs: {"max.message.bytes": "1000"}})
        assert provision(connections).topics_corrected == (docs,)
        found = admin.topic_settings([docs])[docs]
    assert found["max.message.bytes"] == str(DOCS.message_bytes_max)
    with Elastic(connections) as elastic:
        elastic.ask("DELETE", f"/_index_template/{connections.namespace}-rates")
    assert provision(connections).templates_written == (
        f"{connections.namespace}-rates",
    )


@pytest.mark.stack
@pytest.mark.timeout(60)
def test_the_one_index_of_rates_gains_the_fields_that_its_template_gained(
    connections: Connections,
) -> None:
    """It was made by an older version: what its documents say anew could not be found."""
    rates = f"{connections.namespace}-rates"
    old = {"dynamic": False, "properties": {"log.level": {"type": "keyword"}}}
    with Elastic(connections) as elastic:
        elastic.ask("PUT", f"/{rates}", body={"mappings": old})
        provision_templates(connections)
        found = elastic.ask("GET", f"/{rates}/_mapping")[rates]["mappings"]
        template = found["properties"]["tailrace"]["properties"]["template"]
        assert template["properties"]["id"]["type"] == "keyword"
        elastic.ask("DELETE", f"/{rates}")


@pytest.mark.stack
@pytest.mark.timeout(60)
def test_the_one_index_of_templates_gains_the_field_by_which_aliases_are_found(
    connections: Connections,
) -> None:
    templates = f"{connections.namespace}-templates"
    old = {"dynamic": False, "properties": {"template.id": {"type": "keyword"}}}
    with Elastic(connections) as elastic:
        elastic.ask("PUT", f"/{templates}", body={"mappings": old})
        provision_templates(connections)
        found = elastic.ask("GET", f"/{templates}/_mapping")[templates]["mappings"]
        assert "alias_of" in found["properties"]["template"]["properties"]
        elastic.ask("DELETE", f"/{templates}")


@pytest.mark.stack
@pytest.mark.timeout(60)
def test_a_topic_with_other_partitions_is_left_as_it_is(
    connections: Connections,
) -> None:
    docs = DOCS.name(connections.namespace)
    with KafkaAdmin(connections) as admin:
        admin.create_topics(
            [NewTopic(name=docs, partitions=3, replication_factor=1, settings={})]
        )
        with pytest.raises(CommandFailed):
            provision_topics(connections)
        assert admin.partition_counts()[docs] == 3
