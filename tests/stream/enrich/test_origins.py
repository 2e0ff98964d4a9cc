"""What a source says of its host stands where ECS has it."""

from __future__ import annotations

from typing import Any

import msgspec

from tailrace_stream.intake import read_record
from tailrace_stream.work import parse_record
from tests.stream.builders import NAMESPACE, origin, placement, raw_record, stored
from tests.stream.enrich.builders import enriched, only

FIELDS = {
    "cloud.region": "eu-north-1",
    "kubernetes.node.name": "node-7",
    "service.name": "shop",
    "team": "payments",
    "host.name": "another",
}


def documents(
    *lines: str, parser: str = "plain", on: bool = True
) -> list[dict[str, Any]]:
    value = "".join(f"{line}\n" for line in lines).encode()
    made = msgspec.structs.replace(
        origin(value, placed=placement(parser, dataset="x")), fields=FIELDS
    )
    return enriched(*lines, by=only(origin_fields=on), made=made)


def test_fields_that_ecs_has_stand_at_their_place_and_others_are_labels() -> None:
    document = documents("x")[0]
    assert document["cloud.region"] == "eu-north-1"
    assert document["kubernetes.node.name"] == "node-7"
    assert document["host.id"] == "h1"
    assert document["labels"] == {"team": "payments", "host.name": "another"}
    assert document["host.name"] == "web1"


def test_what_a_line_says_itself_comes_first() -> None:
    lines = ['{"message":"x","service":"cart"}', '{"message":"x"}']
    made = documents(*lines, parser="json")
    assert [one["service.name"] for one in made] == ["cart", "shop"]


def test_switched_off_all_are_labels() -> None:
    document = documents("x", on=False)[0]
    assert document["labels"] == FIELDS
    assert "host.id" not in document


def test_record_of_another_collector_has_no_host_of_ours() -> None:
    record = raw_record(b"hello\n")
    assert read_record(record, topic_id="t", died_at_ms=1)
    parsed = parse_record(
        record,
        topic_id="t",
        namespace=NAMESPACE,
        now_ms=1,
        enrichment=only(origin_fields=True),
    )
    assert parsed.processed is not None
    assert "host.id" not in stored(parsed.processed)[0].document
