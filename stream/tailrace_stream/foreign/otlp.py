"""How one OTLP request becomes its log records: each with its resource and its scope.

A record of Kafka that a collector's exporter wrote is an `ExportLogsServiceRequest`, as
protobuf or as OTLP/JSON. What is stored of each log record is JSON, in the words of
OTLP/JSON; its checksum is that of its own bytes in the request, so that its id does not
depend on how they are written down here.
"""

from __future__ import annotations

import math
import struct
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import crc32c
import msgspec

from tailrace_stream.foreign.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    ProtobufError,
    bytes_of,
    fields_in,
    number_of,
    text_of,
)

DEPTH_MAX = 32
"""Of values in values; deeper ones nobody writes, and none may end the process."""
_FIRST_BYTE = 0x0A
"""Field 1, bytes: how every request with anything in it begins."""
_encode = msgspec.json.Encoder().encode
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One log record of a request."""

    stored: bytes
    """One object of JSON: `resource`, `scope` and `logRecord`."""
    checksum: int
    size_bytes: int
    """Of its own bytes in the request."""


class OtlpError(ValueError):
    """The bytes are no request."""


class _ScopeLogs(msgspec.Struct, rename="camel"):
    scope: msgspec.Raw = msgspec.Raw(b"{}")
    log_records: list[msgspec.Raw] = []


class _ResourceLogs(msgspec.Struct, rename="camel"):
    resource: msgspec.Raw = msgspec.Raw(b"{}")
    scope_logs: list[_ScopeLogs] = []


class _Request(msgspec.Struct, rename="camel"):
    resource_logs: list[_ResourceLogs]


_json_request = msgspec.json.Decoder(_Request)


def log_records_of(value: bytes) -> list[LogRecord]:
    """Return the log records of a request, in their order; it may have none.

    Raises:
        OtlpError: the bytes are no request.
    """
    try:
        if value.lstrip()[:1] == b"{":
            try:
                return list(_of_json(value))
            except msgspec.MsgspecError:
                # Resource logs of 123 bytes begin with a line end and a brace, too.
                if value[0] != _FIRST_BYTE:
                    raise
        return list(_of_protobuf(value))
    except (msgspec.MsgspecError, ProtobufError, UnicodeError, RecursionError) as error:
        raise OtlpError(f"no ExportLogsServiceRequest: {error}") from error


def may_be_request(value: bytes) -> bool:
    """Tell cheaply whether bytes may be a request: almost all that are none are not."""
    if value[:1] == b"\n":
        return True
    return value.lstrip()[:1] == b"{" and b'"resourceLogs"' in value


def _of_json(value: bytes) -> Iterator[LogRecord]:
    for resource_logs in _json_request.decode(value).resource_logs:
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                original = bytes(record)
                yield LogRecord(
                    _joined(
                        bytes(resource_logs.resource),
                        bytes(scope_logs.scope),
                        original,
                    ),
                    crc32c.crc32c(original),
                    len(original),
                )


def _of_protobuf(value: bytes) -> Iterator[LogRecord]:
    if value and value[0] != _FIRST_BYTE:
        raise ProtobufError("it does not begin with resource logs")
    for number, kind, field in fields_in(value):
        if number != 1:
            raise ProtobufError(f"a request has the field {number}")
        yield from _resource_logs(bytes_of(kind, field))


def _resource_logs(message: bytes) -> Iterator[LogRecord]:
    resource, scopes = _owner_and_parts(message, attributes=1)
    for scope_logs in scopes:
        yield from _scope_logs(scope_logs, resource=resource)


def _scope_logs(message: bytes, *, resource: bytes) -> Iterator[LogRecord]:
    scope, records = _owner_and_parts(message, attributes=3)
    for record in records:
        yield LogRecord(
            _joined(resource, scope, _encode(_log_record(record))),
            crc32c.crc32c(record),
            len(record),
        )


def _owner_and_parts(message: bytes, *, attributes: int) -> tuple[bytes, list[bytes]]:
    """Return whose the parts are, as JSON, and the parts: they may stand before it."""
    owner, parts = b"{}", list[bytes]()
    for number, kind, field in fields_in(message):
        if number == 1:
            owner = _encode(_named(bytes_of(kind, field), attributes=attributes))
        elif number == 2:
            parts.append(bytes_of(kind, field))
    return owner, parts


def _joined(resource: bytes, scope: bytes, record: bytes) -> bytes:
    return b'{"resource":%b,"scope":%b,"logRecord":%b}' % (resource, scope, record)


def _named(message: bytes, *, attributes: int) -> Json:
    """Return a resource, or a scope, whose attributes have another number."""
    found: Json = {}
    for number, kind, field in fields_in(message):
        if number == attributes:
            found.setdefault("attributes", []).append(_key_value(bytes_of(kind, field)))
        elif attributes != 1 and number in (1, 2):
            found["name" if number == 1 else "version"] = text_of(kind, field)
    return found


_TEXTS = {3: "severityText", 12: "eventName"}
_TIMES = {1: "timeUnixNano", 11: "observedTimeUnixNano"}
_IDS = {9: "traceId", 10: "spanId"}


def _log_record(message: bytes) -> Json:
    found: Json = {}
    for number, kind, field in fields_in(message):
        if number in _TIMES:
            # OTLP/JSON writes what has 64 bits as text.
            found[_TIMES[number]] = str(number_of(kind, field, as_kind=FIXED64))
        elif number in _TEXTS:
            found[_TEXTS[number]] = text_of(kind, field)
        elif number in _IDS:
            found[_IDS[number]] = bytes_of(kind, field).hex()
        elif number == 2:
            found["severityNumber"] = number_of(kind, field, as_kind=VARINT)
        elif number == 5:
            found["body"] = _any_value(bytes_of(kind, field), depth=0)
        elif number == 6:
            found.setdefault("attributes", []).append(_key_value(bytes_of(kind, field)))
        elif number == 8:
            found["flags"] = number_of(kind, field, as_kind=FIXED32)
    return found


def _key_value(message: bytes, *, depth: int = 0) -> Json:
    found: Json = {"key": "", "value": {}}
    for number, kind, field in fields_in(message):
        if number == 1:
            found["key"] = text_of(kind, field)
        elif number == 2:
            found["value"] = _any_value(bytes_of(kind, field), depth=depth)
    return found


def _any_value(message: bytes, *, depth: int) -> Json:
    if depth > DEPTH_MAX:
        raise ProtobufError(f"values lie deeper than {DEPTH_MAX} in one another")
    found: Json = {}
    for number, kind, field in fields_in(message):
        # Of several the last one counts, as in every field that may be there once.
        if number == 1:
            found = {"stringValue": text_of(kind, field)}
        elif number == 2:
            found = {"boolValue": bool(number_of(kind, field, as_kind=VARINT))}
        elif number == 3:
            unsigned = number_of(kind, field, as_kind=VARINT)
            found = {"intValue": str(unsigned - (unsigned >> 63 << 64))}
        elif number == 4:
            bits = number_of(kind, field, as_kind=FIXED64)
            found = {"doubleValue": _double(bits)}
        elif number in (5, 6):
            found = _values(number, bytes_of(kind, field), depth=depth + 1)
        elif number == 7:
            found = {"bytesValue": b64encode(bytes_of(kind, field)).decode()}
    return found


def _values(number: int, message: bytes, *, depth: int) -> Json:
    parts = [bytes_of(k, f) for n, k, f in fields_in(message) if n == 1 and k == BYTES]
    if number == 5:
        return {"arrayValue": {"values": [_any_value(p, depth=depth) for p in parts]}}
    return {"kvlistValue": {"values": [_key_value(p, depth=depth) for p in parts]}}


def _double(bits: int) -> float | str:
    (number,) = struct.unpack("<d", bits.to_bytes(8, "little"))
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
