"""OTLP requests, written by the published library, become their log records, each once."""

from __future__ import annotations

import math
from typing import Any, cast

import crc32c
import orjson
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as PublishedRecord
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs

from tailrace_stream.foreign.config import ForeignSettings
from tailrace_stream.foreign.otlp import (
    DEPTH_MAX,
    OtlpError,
    log_records_of,
    may_be_request,
)
from tailrace_stream.foreign.otlp_fields import otlp
from tailrace_stream.foreign.protobuf import ProtobufError, fields_in
from tests.stream.foreign.builders import TOPIC, batch, foreign_record, made_of

texts = st.text(max_size=20)
whole = st.integers(-(2**63), 2**63 - 1)


def any_value(value: Any) -> AnyValue:  # noqa: ANN401 - JSON
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, list):
        made = AnyValue()
        made.array_value.SetInParent()
        made.array_value.values.extend(map(any_value, value))  # pyright: ignore[reportUnknownArgumentType]
        return made
    if isinstance(value, dict):
        made = AnyValue()
        made.kvlist_value.SetInParent()
        made.kvlist_value.values.extend(pairs(value))  # pyright: ignore[reportUnknownArgumentType]
        return made
    return AnyValue(string_value=str(value))


def pairs(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        texts, st.booleans(), whole, st.floats(allow_nan=False, allow_infinity=False)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def published(draw: st.DrawFn) -> PublishedRecord:
    record = PublishedRecord(
        time_unix_nano=draw(st.integers(0, 2**63)),
        observed_time_unix_nano=draw(st.integers(0, 2**63)),
        severity_number=draw(st.integers(0, 24)),  # pyright: ignore[reportArgumentType]
        severity_text=draw(texts),
        flags=draw(st.integers(0, 255)),
        trace_id=draw(st.sampled_from([b"", bytes(range(16))])),
        span_id=draw(st.sampled_from([b"", bytes(range(8))])),
        event_name=draw(texts),
    )
    record.attributes.extend(pairs(draw(st.dictionaries(texts, values, max_size=3))))
    if draw(st.booleans()):
        record.body.CopyFrom(any_value(draw(values)))
    return record


@st.composite
def requests(draw: st.DrawFn) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        resource_logs = ResourceLogs(schema_url=draw(texts))
        resource_logs.resource.attributes.extend(
            pairs(draw(st.dictionaries(texts, values, max_size=2)))
        )
        for _ in range(draw(st.integers(0, 2))):
            scope_logs = ScopeLogs()
            scope_logs.scope.name = draw(texts)
            scope_logs.log_records.extend(draw(st.lists(published(), max_size=3)))
            resource_logs.scope_logs.append(scope_logs)
        request.resource_logs.append(resource_logs)
    return request


def records_in(request: ExportLogsServiceRequest) -> list[PublishedRecord]:
    return [
        record
        for resource_logs in request.resource_logs
        for scope_logs in resource_logs.scope_logs
        for record in scope_logs.log_records
    ]


def as_json(record: PublishedRecord) -> dict[str, Any]:
    """Return a record as OTLP/JSON has it: proto3's, but for ids in hexadecimal."""
    found = MessageToDict(record, use_integers_for_enums=True)
    for name, value in (("traceId", record.trace_id), ("spanId", record.span_id)):
        if value:
            found[name] = value.hex()
    return found


def without_empty(record: dict[str, Any]) -> dict[str, Any]:
    """Leave out what proto3 does not write: fields that hold what they hold by default."""
    return {
        key: value for key, value in record.items() if value not in ("", 0, "0", {})
    }


def plain(value: object) -> object:
    """Give each number and each empty value one writing."""
    if isinstance(value, dict):
        object_ = cast("dict[str, object]", value)
        known = {key: plain(inner) for key, inner in object_.items()}
        if known.keys() == {"doubleValue"}:
            return {"doubleValue": float(str(known["doubleValue"]))}
        if known.keys() == {"key"}:
            return {**known, "value": {}}
        if known.keys() == {"value"}:
            return {"key": "", **known}
        nothing: object = {}
        return {k: nothing if v == {"values": []} else v for k, v in known.items()}
    if isinstance(value, list):
        return [plain(item) for item in cast("list[object]", value)]
    return value


def test_x9_a_request_of_which_the_size_looks_like_json_is_what_it_is() -> None:
    """Its first bytes are a line end and a brace: the field, and 123 bytes of it."""
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add()
    resource_logs.scope_logs.add().log_records.add().body.string_value = "a line"
    resource_logs.schema_url = "s" * (123 - len(resource_logs.SerializeToString()) - 2)
    value = request.SerializeToString()
    assert value.startswith(b"\n{")

    (record,) = log_records_of(value)
    assert orjson.loads(record.stored)["logRecord"]["body"] == {"stringValue": "a line"}
    with pytest.raises(OtlpError):
        log_records_of(b'\n{"resourceLogs":[1]}')
    assert log_records_of(b'\n {"resourceLogs":[]}') == []


@given(requests())
def test_every_log_record_of_a_protobuf_request_is_one_event(
    request: ExportLogsServiceRequest,
) -> None:
    found = log_records_of(request.SerializeToString())
    wanted = records_in(request)
    assert len(found) == len(wanted)
    for one, record in zip(found, wanted, strict=True):
        own = record.SerializeToString()
        assert (one.checksum, one.size_bytes) == (crc32c.crc32c(own), len(own))
        read = plain(without_empty(orjson.loads(one.stored)["logRecord"]))
        assert read == plain(without_empty(as_json(record)))


@given(requests())
def test_protobuf_and_json_say_the_same(request: ExportLogsServiceRequest) -> None:
    said = MessageToDict(request, use_integers_for_enums=True)
    for resource_logs, own in zip(
        said.get("resourceLogs", []), request.resource_logs, strict=True
    ):
        for scope_logs, inner in zip(
            resource_logs.get("scopeLogs", []), own.scope_logs, strict=True
        ):
            if inner.log_records:
                scope_logs["logRecords"] = [as_json(r) for r in inner.log_records]
    of_json = log_records_of(orjson.dumps({"resourceLogs": [], **said}))
    of_protobuf = log_records_of(request.SerializeToString())
    assert len(of_json) == len(of_protobuf)
    for one, other in zip(of_json, of_protobuf, strict=True):
        first, second = (otlp(orjson.loads(x.stored)) for x in (one, other))
        assert first.known == second.known
        assert first.attributes == second.attributes


def test_numbers_that_json_has_not_are_written_as_words() -> None:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.attributes.extend(pairs({"a": math.nan, "b": math.inf, "c": -math.inf}))
    (one,) = log_records_of(request.SerializeToString())
    assert otlp(orjson.loads(one.stored)).attributes == {
        "a": "NaN",
        "b": "Infinity",
        "c": "-Infinity",
    }


def test_x9_values_in_values_without_end_are_no_request() -> None:
    request = ExportLogsServiceRequest()
    value: object = "x"
    for _ in range(DEPTH_MAX + 2):
        value = [value]
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.body.CopyFrom(any_value(value))
    with pytest.raises(OtlpError):
        log_records_of(request.SerializeToString())


@given(st.binary(max_size=200))
def test_k11_bytes_of_any_kind_are_records_or_refused(value: bytes) -> None:
    for each in (value, b"\n" + value, b'{"resourceLogs":' + value):
        try:
            found = log_records_of(each)
        except OtlpError:
            continue
        assert may_be_request(each) or not each.strip() or not found
        for one in found:
            otlp(orjson.loads(one.stored))


@given(requests(), st.data())
def test_k11_a_request_that_was_cut_is_read_or_refused(
    request: ExportLogsServiceRequest, data: st.DataObject
) -> None:
    value = request.SerializeToString()
    cut = data.draw(st.integers(0, len(value)))
    try:
        found = log_records_of(value[:cut])
    except OtlpError:
        return
    assert len(found) <= len(records_in(request))


@pytest.mark.parametrize(
    "message", [b"\x0b", b"\x00", b"\x08", b"\x08" + b"\xff" * 10, b"\x0a\x05ab"]
)
def test_what_is_no_message_is_said_to_be_none(message: bytes) -> None:
    with pytest.raises(ProtobufError):
        list(fields_in(message))


@pytest.mark.parametrize("is_json", [True, False], ids=["json", "protobuf"])
@pytest.mark.parametrize("seen_alone", [True, False], ids=["observed", "told"])
def test_the_time_is_the_record_s_in_both_encodings(
    *, is_json: bool, seen_alone: bool
) -> None:
    """Its nanoseconds have 19 digits, and are text in OTLP/JSON."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.time_unix_nano = 0 if seen_alone else 1_795_499_998_120_000_001
    record.observed_time_unix_nano = 1_795_499_999_000_000_000
    said = MessageToDict(request, use_integers_for_enums=True)
    value = orjson.dumps(said) if is_json else request.SerializeToString()
    source = ForeignSettings(topic=TOPIC, shape="otlp")

    (stored,) = made_of(batch([foreign_record(value)], source=source)).stored

    assert stored.document["@timestamp"] == (
        "2026-11-24T05:59:59.000Z" if seen_alone else "2026-11-24T05:59:58.120000001Z"
    )
    assert "tailrace.time_source" not in stored.document
