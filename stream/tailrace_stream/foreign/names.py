"""Which fields of ECS a collector's record may fill, and how a value is read for each.

All of them are in the index template. What fits none, by name or by type, stands in
`attributes`, and the whole record in `event.original`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import TypeGuard, cast

from tailrace_stream.parsers.fields import (
    NUMBER_FIELDS,
    TEXT_FIELDS,
    TIME,
    Fields,
    attribute_key,
    fields_of,
    kept,
    number_of,
)
from tailrace_stream.parsers.syslog import LEVELS

FACILITY, SEVERITY = "log.syslog.facility.code", "log.syslog.severity.code"
SIDES = ("client", "destination", "server", "source")
NUMBERS = NUMBER_FIELDS | {
    FACILITY,
    SEVERITY,
    "destination.bytes",
    "event.severity",
    "http.request.bytes",
    "http.response.bytes",
    "log.origin.file.line",
    "log.syslog.priority",
    "process.thread.id",
    "source.bytes",
    "url.port",
    *(f"{side}.port" for side in SIDES),
}
TEXTS = TEXT_FIELDS | {
    "agent.id", "agent.type", "agent.version",
    "cloud.account.id", "cloud.account.name", "cloud.availability_zone",
    "cloud.instance.id", "cloud.instance.name", "cloud.machine.type",
    "cloud.project.id", "cloud.project.name", "cloud.provider", "cloud.region",
    "cloud.service.name",
    "container.id", "container.image.name", "container.name", "container.runtime",
    "event.code", "event.id", "event.provider", "event.reason",
    "host.architecture", "host.id", "host.name", "host.os.family", "host.os.kernel",
    "host.os.name", "host.os.platform", "host.os.type", "host.os.version",
    "kubernetes.cluster.name", "kubernetes.container.image",
    "kubernetes.container.name", "kubernetes.deployment.name",
    "kubernetes.namespace", "kubernetes.node.name", "kubernetes.pod.name",
    "kubernetes.pod.uid",
    "log.file.path", "log.origin.file.name", "log.origin.function",
    "log.syslog.appname", "log.syslog.facility.name", "log.syslog.hostname",
    "log.syslog.msgid", "log.syslog.procid", "log.syslog.severity.name",
    "http.request.id", "network.protocol", "network.transport", "network.type",
    "orchestrator.cluster.name", "service.type", "stream", "systemd.unit",
    "url.extension", "url.fragment", "url.full", "url.scheme",
    *(f"{side}.address" for side in SIDES), *(f"{side}.domain" for side in SIDES),
}  # fmt: skip
ADDRESSES = frozenset(f"{side}.ip" for side in SIDES)
_IDENTIFIERS = frozenset({"trace.id", "span.id", "user.id", "error.code", "event.code"})
_HOST = re.compile(r"[0-9_.-]*[A-Za-z][A-Za-z0-9_.-]*")
"""A name of a host: no address with a port, with a zone, or among others, has its form."""
DEPTH_MAX = 4
"""No field of ECS that is filled here has more names in one another."""

Json = Mapping[str, object]


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Tell whether a value of JSON is an object, whose keys are text."""
    return isinstance(value, dict)


def put(found: Fields, name: str, value: object) -> bool:
    """Fill a field, unless it is filled; return whether it holds the value now."""
    read = _READERS[name](value)
    return read is not None and found.known.setdefault(name, read) == read


def keep(attributes: dict[str, object], name: str, value: object) -> None:
    """Put a value among attributes, unless it says nothing."""
    if value is not None and value != {} and value != []:
        attributes.setdefault(attribute_key(name), kept(value))


def take(found: Fields, record: Json, names: Mapping[str, str]) -> set[str]:
    """Fill the fields that keys of a record stand for; return which keys were used."""
    return {
        key
        for key, field in names.items()
        if key in record and put(found, field, record[key])
    }


def take_rest(found: Fields, record: Json, *, without: set[str]) -> None:
    """Sort all other keys as those of any JSON line: by names that are in common use."""
    rest = fields_of({k: v for k, v in record.items() if k not in without})
    for name, value in rest.known.items():
        if found.known.setdefault(name, value) != value:
            found.attributes.setdefault(name, value)
    for name, value in rest.attributes.items():
        found.attributes.setdefault(name, value)


def walk(found: Fields, value: Json, *, path: str = "") -> dict[str, object]:
    """Fill the fields that stand under their own names of ECS; return all others.

    A name may be nested, dotted, or some of both, as Beats write them.
    """
    left: dict[str, object] = {}
    for key, inner in value.items():
        name = f"{path}.{key}" if path else key
        if name in _READERS and put(found, name, inner):
            continue
        if is_object(inner) and name.count(".") < DEPTH_MAX:
            rest = walk(found, inner, path=name)
            if rest:
                left[key] = rest
        elif inner is not None:
            left[key] = inner
    return left


def text_of(value: object) -> str | None:
    """Return a text that says something."""
    return value if isinstance(value, str) and value else None


def level_of(value: object) -> str | None:
    """Return a level by its name, or by its number in syslog."""
    if isinstance(value, str):
        value = value.strip()
        if not value.isdigit():
            return value.lower() or None
    number = number_of(value)
    return None if number is None else LEVELS.get(number)


def put_addresses(found: Fields) -> None:
    """Tell of each address which is said whether it is one of IP or a name, as ECS does."""
    for side in SIDES:
        address = found.known.get(f"{side}.address")
        if not isinstance(address, str) or address.startswith("/"):
            continue  # A socket of this host has a path.
        if put(found, f"{side}.ip", address) or f"{side}.ip" in found.known:
            continue
        if _HOST.fullmatch(address):
            found.known.setdefault(f"{side}.domain", address)


def _ip(value: object) -> str | None:
    # An index takes no zone of an interface.
    if not isinstance(value, str) or "%" in value:
        return None
    try:
        return str(ip_address(value))
    except ValueError:
        return None


def _identifier(value: object) -> str | None:
    number = number_of(value)
    return text_of(value) or (None if number is None else str(number))


def _message(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _time(value: object) -> str | int | float | None:
    is_time = isinstance(value, str | int | float) and not isinstance(value, bool)
    return cast("str | int | float", value) if is_time and value != "" else None


_READERS: dict[str, Callable[[object], str | int | float | None]] = {
    **dict.fromkeys(TEXTS, text_of),
    **dict.fromkeys(ADDRESSES, _ip),
    **dict.fromkeys(_IDENTIFIERS, _identifier),
    **dict.fromkeys(NUMBERS, number_of),
    "log.level": level_of,
    "message": _message,
    TIME: _time,
}
FIELDS = frozenset(_READERS)
