"""What a template's record becomes in the index."""

from __future__ import annotations

from random import Random

import orjson

from tailrace.kafka_consumer import Partition, Record
from tailrace.template_aliases import TemplateAlias
from tailrace.template_records import TemplateRecord, template_key
from tailrace.topics import TEMPLATE_ALIASES, TEMPLATES, Topic
from tailrace.wire import encode
from tailrace_indexer.admission import Admission, admit
from tests.support.fakes.elasticsearch import MemoryElasticsearch

INDEX = "t-templates"


def record(*, partition: int = 1, revision: int = 7, count: int = 9) -> TemplateRecord:
    return TemplateRecord(
        template_id="08e779e64b56fede",
        text="opened <*>",
        partition=partition,
        part=2,
        raw_topic_id="topic",
        raw_next_offset=revision,
        revision=revision,
        count=count,
        first_seen_ms=1_000 - revision,
        last_seen_ms=2_000 + revision,
        datasets=("app", "java.log"),
    )


def admitted(value: bytes | None, *, topic: Topic = TEMPLATES) -> Admission:
    read = Record(
        partition=Partition(topic.name("t"), 1),
        offset=0,
        key=b"k",
        value=value,
        headers=[],
    )
    return admit(read, namespace="t", now_ms=5)


def test_a_record_is_a_document_with_all_that_is_searched() -> None:
    asked = admitted(encode(record()))
    assert asked.document_count == 1
    action, document = asked.body.split(b"\n")[:2]
    assert orjson.loads(action)["index"] == {
        "_index": INDEX,
        "_id": template_key(record()).decode(),
        "version": 7,
        "version_type": "external_gte",
    }
    assert orjson.loads(document) == {
        "@timestamp": 2_007,
        "template.id": "08e779e64b56fede",
        "template.text": "opened <*>",
        "template.count": 9,
        "template.first_seen": 993,
        "template.last_seen": 2_007,
        "event.dataset": ["app", "java.log"],
    }


def test_the_greatest_revision_stays_in_whatever_order_records_come() -> None:
    """So the time first seen never moves later."""
    records = [record(revision=n, count=n) for n in range(1, 8)] * 2
    Random(4).shuffle(records)
    index = MemoryElasticsearch()
    index.create_index(INDEX)
    for one in records:
        index.bulk(admitted(encode(one)).body)
    (document,) = index.indices[INDEX].values()
    assert document["template.count"] == 7
    assert document["template.first_seen"] == 993


def test_each_partition_has_a_document_of_its_own() -> None:
    keys = {template_key(record(partition=n)) for n in range(8)}
    assert len(keys) == 8


def test_what_is_no_record_is_a_dead_letter_and_a_tombstone_is_nothing() -> None:
    asked = admitted(b'{"template_id":5}')
    assert asked.letter is not None
    assert asked.letter.reason == "template_unreadable"
    assert admitted(None).document_count == 0


def test_an_alias_is_a_document_of_both_ids_that_counts_nothing() -> None:
    alias = TemplateAlias(
        template_id="b", group_id="a", text="user <*> left", revision=4
    )
    asked = admitted(encode(alias), topic=TEMPLATE_ALIASES)
    action, document = map(orjson.loads, asked.body.splitlines())
    assert action["index"]["_id"] == "alias|b|a"
    assert (action["index"]["_index"], action["index"]["version"]) == (INDEX, 4)
    assert document == {
        "@timestamp": 4,
        "template.id": "b",
        "template.alias_of": "a",
        "template.text": "user <*> left",
    }


def test_an_alias_that_cannot_be_read_is_a_dead_letter() -> None:
    asked = admitted(b"{", topic=TEMPLATE_ALIASES)
    assert asked.letter is not None
    assert asked.letter.reason == "alias_unreadable"
