"""What each collector's records become: named as in ECS, with the message read as a line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import orjson
import pytest

from tailrace.index_templates import Capabilities, event_types, index_templates
from tailrace_stream.foreign.collectors import shape_of
from tailrace_stream.foreign.config import ForeignSettings, Shape
from tailrace_stream.foreign.names import FIELDS, NUMBERS, put_addresses
from tailrace_stream.foreign.otlp_fields import NAMES, otlp
from tailrace_stream.parsers.fields import Fields
from tests.stream.builders import Stored
from tests.stream.enrich.builders import only
from tests.stream.foreign.builders import TOPIC, batch, foreign_record, made_of
from tests.stream.test_datasets import PUBLISHED, family, published_family

RECORDS: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "records.toml").read_text("utf-8")
)["record"]
NAMED = [record["name"] for record in RECORDS]
NOT_OF_ECS = frozenset(
    name for name in FIELDS if name.split(".")[0] in {"kubernetes", "stream", "systemd"}
)


def document_of(
    text: str, *, shape: Shape, dataset: str = "generic", time_zone: str = "UTC"
) -> Stored:
    source = ForeignSettings(
        topic=TOPIC, shape=shape, dataset=dataset, time_zone=time_zone
    )
    made = made_of(batch([foreign_record(text.encode())], source=source))
    assert not made.dead
    (stored,) = made.stored
    return stored


@pytest.mark.parametrize("record", RECORDS, ids=NAMED)
@pytest.mark.parametrize("is_told", [True, False], ids=["told", "auto"])
def test_a_record_becomes_what_its_collector_says(
    record: dict[str, Any], *, is_told: bool
) -> None:
    shape = record["shape"] if is_told else "auto"
    document = document_of(record["text"], shape=shape).document
    wanted = record["becomes"]
    assert {name: document.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("record", RECORDS, ids=NAMED)
def test_the_record_stands_as_it_came_in_its_document(record: dict[str, Any]) -> None:
    document = document_of(record["text"], shape="auto").document
    if record["shape"] == "otlp":
        parts = orjson.loads(document["event.original"])
        assert parts["logRecord"]["body"] == {"stringValue": "Example log record"}
        assert document["tailrace.original_size_bytes"] > 0
        return
    assert document["event.original"] == record["text"]


@pytest.mark.parametrize("record", RECORDS, ids=NAMED)
def test_whose_a_record_is_tells_its_shape(record: dict[str, Any]) -> None:
    if record["shape"] == "otlp" or not record["text"].startswith("{"):
        return
    assert shape_of(orjson.loads(record["text"])) == record["shape"]


@pytest.mark.parametrize(
    "text",
    [
        '{"level":"info","msg":"hello"}',
        '{"message":"hello","timestamp":"2026-11-24T05:59:58Z"}',
        '{"log":"hello"}',
        '{"agent":{"id":"x"}}',
        "{}",
    ],
)
def test_json_of_nobody_is_read_as_any_json_line(text: str) -> None:
    assert shape_of(orjson.loads(text)) == ""
    document = document_of(text, shape="auto").document
    assert document.get("event.kind") is None


def test_every_field_that_a_record_can_fill_is_in_the_index_template() -> None:
    body = index_templates("tailrace", capabilities=Capabilities())["tailrace-events"]
    properties = body["template"]["mappings"]["properties"]
    assert not FIELDS - properties.keys()
    assert not set(NAMES.values()) - FIELDS


@pytest.mark.parametrize("field", sorted(FIELDS - NOT_OF_ECS))
def test_a_field_that_a_record_can_fill_is_of_the_type_that_ecs_publishes(
    field: str,
) -> None:
    known = PUBLISHED["ecs"]
    assert family(event_types()[field]) == published_family(field, known)
    assert (field in NUMBERS) == (known[field] == "long")


def test_what_ecs_does_not_have_is_named_by_who_made_its_name() -> None:
    """Kubernetes as Elastic's processor names it, and what Beats say of streams and units."""
    others = {name for name in NOT_OF_ECS if not name.startswith("kubernetes.")}
    assert others == {"stream", "systemd.unit"}
    assert not NOT_OF_ECS & PUBLISHED["ecs"].keys()


def test_the_messages_of_a_dataset_are_read_by_its_parser() -> None:
    text = orjson.dumps(
        {"@metadata": {"beat": "filebeat"}, "message": "no line of nginx"}
    ).decode()
    stored = document_of(text, shape="filebeat", dataset="nginx.access")
    assert stored.index == "tailrace-nginx.access-2026.11.24"
    assert stored.document["event.kind"] == "pipeline_error"
    assert stored.document["error.message"] == "not a line of nginx.access"
    assert stored.document["message"] == "no line of nginx"


@pytest.mark.parametrize(
    ("line", "is_lines"),
    [
        # Whole: the line's own.
        ("2026-11-24T05:00:00.5Z INFO x", True),
        # Without a zone it may be hours off: the collector's.
        ("2026-11-24 05:00:00,500 INFO x", False),
        ("x", False),
    ],
)
def test_a_time_that_stands_whole_in_the_message_is_the_events(
    line: str, *, is_lines: bool
) -> None:
    record = {
        "source_type": "file",
        "message": line,
        "timestamp": "2026-11-24T06:00:00Z",
    }
    document = document_of(orjson.dumps(record).decode(), shape="vector").document
    wanted = "2026-11-24T05:00:00.5" if is_lines else "2026-11-24T06:00:00.0"
    assert document["@timestamp"].startswith(wanted)
    assert "tailrace.time_source" not in document


@pytest.mark.parametrize(
    ("read_at", "line", "is_lines"),
    [
        # An archive is read late, a clock is hardly days ahead.
        ("2026-11-24T06:00:00Z", "2017-01-01T00:00:00Z", True),
        ("2026-11-24T06:00:00Z", "2026-11-26T05:59:59Z", True),
        ("2026-11-24T06:00:00Z", "2016-01-01T00:00:00Z", False),
        ("2026-11-24T06:00:00Z", "2026-11-26T06:00:01Z", False),
        ("2026-11-24T06:00:00Z", "1970-01-01T00:00:12Z", False),
        ("2026-11-24T06:00:00Z", "2099-01-01T00:00:00Z", False),
        ("2026-11-24T06:00:00Z", "2262-01-01T00:00:00Z", False),
        # A collector that does not know the year tells nothing of its lines.
        ("1970-01-01T00:00:12Z", "2026-11-24T06:00:00Z", True),
    ],
)
@pytest.mark.parametrize("is_object", [True, False], ids=["merged", "text"])
def test_s7_a_line_s_time_far_from_when_its_collector_read_it_is_not_the_events(
    read_at: str, line: str, *, is_lines: bool, is_object: bool
) -> None:
    said = {"ts": line, "msg": "no stock"}
    record: dict[str, Any] = {"@timestamp": 1795499998.427, "time": read_at}
    if is_object:
        record["log_processed"] = said
    else:
        record["log"] = orjson.dumps(said).decode()
    document = document_of(orjson.dumps(record).decode(), shape="fluent_bit").document
    wanted = line if is_lines else read_at
    assert document["@timestamp"][:19] == wanted[:19]
    assert document["message"] == "no stock"
    assert line in document["event.original"]


def test_s7_a_time_without_a_zone_is_better_than_one_of_a_collector_without_a_clock() -> (
    None
):
    record = {
        "source_type": "file",
        "message": "2026-11-24 05:00:00,500 INFO x",
        "timestamp": "1970-01-01T00:00:12Z",
    }
    document = document_of(orjson.dumps(record).decode(), shape="vector").document
    assert document["@timestamp"].startswith("2026-11-24T05:00:00.5")
    assert document["tailrace.time_source"] == "guessed"


def test_without_any_other_time_the_guessed_one_is_taken_and_marked() -> None:
    record = {"source_type": "file", "message": "2026-11-24 07:00:00,500 INFO x"}
    document = document_of(
        orjson.dumps(record).decode(), shape="vector", time_zone="Europe/Vienna"
    ).document
    assert document["@timestamp"].startswith("2026-11-24T06:00:00.5")
    assert document["tailrace.time_source"] == "guessed"


def test_what_the_collector_says_wins_over_what_is_read_out_of_the_message() -> None:
    record = {
        "@metadata": {"beat": "filebeat"},
        "log": {"level": "warn"},
        "message": '{"level":"info","msg":"x","colour":"red"}',
        "fields": {"colour": "blue"},
    }
    document = document_of(orjson.dumps(record).decode(), shape="filebeat").document
    assert document["log.level"] == "warn"
    assert document["message"] == "x"
    assert document["attributes"] == {"colour": "red", "fields": {"colour": "blue"}}


@pytest.mark.parametrize(
    "said",
    [
        {"time": 12},
        {"ts": "0001-01-01T00:00:00Z"},
        {"ts": "2031-01-01T00:00:00Z"},
        {"ts": "2026-13-45T00:00:00Z"},
        {"time": "soon"},
    ],
)
def test_what_is_no_moment_in_a_merged_object_takes_no_collectors_time(
    said: dict[str, Any],
) -> None:
    record = {
        "@timestamp": 1795499998.427,
        "log_processed": {"msg": "no stock", **said},
        "time": "2026-11-24T05:59:58.4Z",
    }
    document = document_of(orjson.dumps(record).decode(), shape="fluent_bit").document
    assert document["@timestamp"].startswith("2026-11-24T05:59:58.4")
    assert document["message"] == "no stock"
    assert document["attributes"] == said


@pytest.mark.parametrize(
    ("address", "is_domain"),
    [
        ("a-1.example", True),
        ("db_1", True),
        ("203.0.113.9:50123", False),
        ("203.0.113.9, 10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("203.0.113", False),
    ],
)
def test_only_what_may_be_a_hosts_name_is_a_domain(
    address: str, *, is_domain: bool
) -> None:
    found = Fields(known={"client.address": address})
    put_addresses(found)
    assert found.known.get("client.domain") == (address if is_domain else None)
    assert "client.ip" not in found.known


def test_a_severity_by_number_names_the_level_whatever_its_label() -> None:
    record = {
        "@metadata": {"beat": "filebeat"},
        "@timestamp": "2026-11-24T05:59:58Z",
        "message": "x",
        "event": {"severity": 6},
        "syslog": {"severity_label": "Informational", "priority": 30},
    }
    document = document_of(orjson.dumps(record).decode(), shape="filebeat").document
    assert document["log.level"] == "info"


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        # The client stands behind a proxy, whose port is not its own.
        (
            {"http.client_ip": "203.0.113.9", "net.sock.peer.addr": "10.0.0.1"},
            {"client.address": "203.0.113.9"},
        ),
        (
            {"http.client_ip": "10.0.0.1", "net.sock.peer.addr": "10.0.0.1"},
            {"client.address": "10.0.0.1", "client.port": 50123},
        ),
        # Who a URL names is asked; a peer of another name may be anybody.
        ({"http.url": "http://a.example/", "net.peer.name": "b.example"}, {}),
        ({"http.url": "http://[::1/", "net.peer.name": "b.example"}, {}),
        (
            {"url.full": "http://B.example/", "net.peer.name": "b.example"},
            {"server.address": "b.example", "server.port": 50123},
        ),
        # Two words against one another.
        ({"http.route": "/", "db.system": "redis", "net.peer.ip": "10.0.0.1"}, {}),
        ({"net.peer.ip": "10.0.0.1"}, {}),
    ],
)
def test_which_side_the_peer_of_a_connection_is_must_be_told(
    said: dict[str, str], becomes: dict[str, Any]
) -> None:
    pairs: list[Any] = [
        {"key": k, "value": {"stringValue": v}} for k, v in said.items()
    ]
    pairs.append({"key": "net.sock.peer.port", "value": {"intValue": "50123"}})
    found = otlp({"logRecord": {"attributes": pairs}})
    sides = ("client.address", "client.port", "server.address", "server.port")
    assert {n: found.known[n] for n in sides if n in found.known} == becomes
    told = {**said, "net.sock.peer.port": 50123}
    lost = {k for k, v in told.items() if v not in found.known.values()}
    assert lost <= found.attributes.keys()


def test_a_table_by_host_is_asked_for_the_host_that_the_record_names(
    tmp_path: Path,
) -> None:
    file = tmp_path / "owners.csv"
    file.write_text("host,team\nweb1,shop\nforeign,nobody\n", "utf-8")
    by = only(tables=[{"file": file, "key": "host.name"}])
    values = [b'{"source_type":"x","host":"web1","message":"a"}', b"b"]
    records = [foreign_record(value, offset=n) for n, value in enumerate(values)]
    made = made_of(batch(records), enrichment=by)
    teams = [one.document.get("labels") for one in made.stored]
    assert teams == [{"team": "shop"}, {"team": "nobody"}]
