"""What a log record of OTLP says: names of OpenTelemetry to names of ECS."""

from __future__ import annotations

from typing import Final, cast

import msgspec

from tailrace_stream.foreign import otlp_connection
from tailrace_stream.foreign.names import (
    Json,
    is_object,
    keep,
    number_of,
    put,
    put_addresses,
    text_of,
)
from tailrace_stream.parsers.fields import TIME, Fields, fields_of

DEPTH_MAX: Final = 64
_SAME = (
    "client.address", "client.port", "cloud.account.id", "cloud.availability_zone",
    "cloud.provider", "cloud.region", "container.id", "container.image.name",
    "container.name", "container.runtime", "destination.address", "destination.port",
    "error.message", "error.type", "host.id", "host.name", "http.request.method",
    "http.response.status_code", "log.file.path", "network.transport", "network.type",
    "process.pid", "server.address", "server.port", "service.name", "service.version",
    "source.address", "source.port", "url.domain", "url.extension", "url.fragment",
    "url.full", "url.original", "url.path", "url.port", "url.query", "url.scheme",
    "user.id", "user.name", "user_agent.original",
)  # fmt: skip
"""Names that both have for the same."""
NAMES = {
    **{name: name for name in _SAME},
    "cloud.platform": "cloud.service.name",
    "code.file.path": "log.origin.file.name",
    "code.filepath": "log.origin.file.name",
    "code.function": "log.origin.function",
    "code.function.name": "log.origin.function",
    "code.line.number": "log.origin.file.line",
    "code.lineno": "log.origin.file.line",
    "deployment.environment": "service.environment",
    "deployment.environment.name": "service.environment",
    "enduser.id": "user.id",
    "exception.message": "error.message",
    "exception.stacktrace": "error.stack_trace",
    "exception.type": "error.type",
    "host.arch": "host.architecture",
    "http.client_ip": "client.address",
    "http.flavor": "http.version",
    "http.method": "http.request.method",
    "http.request.body.size": "http.request.body.bytes",
    "http.request.size": "http.request.bytes",
    "http.request_content_length": "http.request.body.bytes",
    "http.response.body.size": "http.response.body.bytes",
    "http.response.size": "http.response.bytes",
    "http.response_content_length": "http.response.body.bytes",
    "http.scheme": "url.scheme",
    "http.status_code": "http.response.status_code",
    "http.target": "url.original",
    "http.url": "url.full",
    "http.user_agent": "user_agent.original",
    "k8s.cluster.name": "orchestrator.cluster.name",
    "k8s.container.name": "kubernetes.container.name",
    "k8s.deployment.name": "kubernetes.deployment.name",
    "k8s.namespace.name": "kubernetes.namespace",
    "k8s.node.name": "kubernetes.node.name",
    "k8s.pod.name": "kubernetes.pod.name",
    "k8s.pod.uid": "kubernetes.pod.uid",
    "log.iostream": "stream",
    "net.host.name": "server.address",
    "net.host.port": "server.port",
    "net.protocol.name": "network.protocol",
    "network.protocol.name": "network.protocol",
    "os.type": "host.os.type",
    "os.version": "host.os.version",
    "process.executable.name": "process.name",
    "service.instance.id": "service.node.name",
    "telemetry.sdk.name": "agent.type",
    "telemetry.sdk.version": "agent.version",
    "thread.id": "process.thread.id",
    "thread.name": "process.thread.name",
}
"""Of the semantic conventions, the older names of `http.*` and `net.*` too; each to a field
of the same meaning."""
_LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
_PER_LEVEL = 4


def otlp(record: Json) -> Fields:
    """Read one log record with its resource and its scope, as `foreign.otlp` stores it.

    A name that record, scope and resource have is believed in this order.
    """
    found = Fields()
    log_record, scope = _object(record, "logRecord"), _object(record, "scope")
    times = map(log_record.get, ("timeUnixNano", "observedTimeUnixNano"))
    put(found, TIME, next(filter(None, map(_nanoseconds, times)), None))
    _put_level(found, log_record)
    for key, name in (("traceId", "trace.id"), ("spanId", "span.id")):
        identifier = text_of(log_record.get(key))
        if identifier and identifier.strip("0"):
            put(found, name, identifier.lower())
    put(found, "event.action", log_record.get("eventName"))
    put(found, "log.logger", scope.get("name"))
    _put_body(found, _value(log_record.get("body")))
    said = _attributes(log_record)
    for name, value in said.items():
        if name not in otlp_connection.NAMES:
            _take(found, name, value, rest=found.attributes)
    for name, value in otlp_connection.rest_of_connection(found, said).items():
        keep(found.attributes, name, value)
    for owner, holder in (("scope", scope), ("resource", _object(record, "resource"))):
        rest: dict[str, object] = {}
        for name, value in _attributes(holder).items():
            _take(found, name, value, rest=rest)
        keep(found.attributes, owner, rest)
    put_addresses(found)
    if "url.full" in found.known:
        found.known.setdefault("url.original", found.known["url.full"])
    return found


def _take(found: Fields, name: str, value: object, *, rest: dict[str, object]) -> None:
    field = NAMES.get(name)
    if field is not None and field not in found.known and put(found, field, value):
        return
    keep(rest, name, value)


def _put_level(found: Fields, log_record: Json) -> None:
    number = number_of(log_record.get("severityNumber"))
    if number is not None and 0 < number <= _PER_LEVEL * len(_LEVELS):
        put(found, "log.level", _LEVELS[(number - 1) // _PER_LEVEL])
    else:
        put(found, "log.level", log_record.get("severityText"))


def _put_body(found: Fields, body: object) -> None:
    """Read the body: text is the message, an object is like any line of JSON."""
    if isinstance(body, str):
        put(found, "message", body)
    elif is_object(body):
        inner = fields_of(body)
        for name, value in inner.known.items():
            found.known.setdefault(name, value)
        keep(found.attributes, "body", inner.attributes)
    elif body is not None:
        put(found, "message", msgspec.json.encode(body).decode())


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _object(record: Json, key: str) -> Json:
    value = record.get(key)
    return value if is_object(value) else {}


def _attributes(holder: Json) -> dict[str, object]:
    """Return the attributes by their names; the first of two of one name stays."""
    found: dict[str, object] = {}
    for pair in _list(holder.get("attributes")):
        # What is empty is left out of JSON.
        if is_object(pair) and isinstance(key := pair.get("key", ""), str):
            found.setdefault(key, _value(pair.get("value")))
    return found


def _value(value: object, *, depth: int = 0) -> object:
    """Return what an `AnyValue` holds; an odd one stays as it is."""
    if not is_object(value) or len(value) != 1 or depth > DEPTH_MAX:
        return value
    ((kind, inner),) = value.items()
    if kind == "intValue":
        # OTLP/JSON writes what has 64 bits as text.
        return int(inner) if isinstance(inner, str) and _is_int(inner) else inner
    if kind == "arrayValue":
        values = inner.get("values") if is_object(inner) else None
        return [_value(item, depth=depth + 1) for item in _list(values)]
    if kind == "kvlistValue":
        pairs = inner.get("values") if is_object(inner) else None
        return {
            str(pair.get("key", "")): _value(pair.get("value"), depth=depth + 1)
            for pair in _list(pairs)
            if is_object(pair)
        }
    return inner


def _nanoseconds(value: object) -> int | None:
    """Return a time, which OTLP/JSON writes as text: it has 64 bits."""
    if isinstance(value, str):
        return int(value) if _is_int(value) else None
    return number_of(value)


def _is_int(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 20
