"""Where the keys of structured lines go: to fields of ECS, or together into `attributes`.

The same keys in the same order come again and again, so how a set of keys is read is
worked out once and kept. What fits no field, by name or by type, loses nothing: it stands
in `attributes`, which the index flattens, so that no user's key can explode a mapping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

import msgspec

ATTRIBUTES_DEPTH_MAX = 10
"""Deeper values are kept as JSON text; `flattened` refuses a document beyond 20."""
LONG_MAX = 2**63
TIME = "@timestamp"

TEXT_FIELDS = frozenset(
    {
        "error.message", "error.type", "error.stack_trace", "error.code",
        "http.request.method", "http.request.referrer", "http.version",
        "url.original", "url.path", "url.query", "url.domain",
        "user_agent.original", "user.name", "user.id",
        "process.name", "process.thread.name", "host.hostname", "source.address",
        "log.logger", "service.name", "service.version", "service.environment",
        "service.node.name", "trace.id", "span.id", "transaction.id",
        "event.action", "event.category", "event.outcome",
    }
)  # fmt: skip
NUMBER_FIELDS = frozenset(
    {
        "http.response.status_code", "http.response.body.bytes",
        "http.request.body.bytes", "process.pid", "event.duration", "source.port",
    }
)  # fmt: skip
FIELDS = TEXT_FIELDS | NUMBER_FIELDS | {TIME, "log.level", "message"}
ROOTS = frozenset(name.split(".")[0] for name in FIELDS if "." in name)

# In the order in which they are believed, where a line has several.
ALIASES = {
    TIME: (TIME, "timestamp", "time", "ts", "datetime", "asctime", "@t"),
    "log.level": (
        "log.level",
        "level",
        "severity",
        "levelname",
        "lvl",
        "loglevel",
        "@l",
    ),
    "message": ("message", "msg", "log", "short_message", "@m", "@mt"),
    "log.logger": ("log.logger", "logger", "logger_name", "loggerName"),
    "process.thread.name": ("thread", "thread_name", "threadName"),
    "service.name": ("service", "service_name", "app"),
    "trace.id": ("trace_id", "traceId", "traceid", "otelTraceID"),
    "span.id": ("span_id", "spanId", "spanid", "otelSpanID"),
    "error.message": ("error", "err"),
    "error.stack_trace": ("exception", "stack_trace", "stacktrace", "exc_info", "@x"),
    "host.hostname": ("hostname", "host"),
    "process.pid": ("pid", "process_id"),
    "user.name": ("user", "username"),
}
_TARGETS = {
    alias: (target, rank)
    for target, aliases in ALIASES.items()
    for rank, alias in enumerate(aliases)
}

# The numbers of bunyan and pino; others write names.
_NUMBERED_LEVELS = {
    10: "trace",
    20: "debug",
    30: "info",
    40: "warn",
    50: "error",
    60: "fatal",
}


@dataclass(slots=True)
class Fields:
    """One line's fields: each in its own type, and the rest."""

    known: dict[str, str | int | float] = field(
        default_factory=dict[str, str | int | float]
    )
    attributes: dict[str, object] = field(default_factory=dict[str, object])
    conflicts: tuple[str, ...] = ()
    """Fields of which the line names a value that is not of their type; it stands in the
    attributes."""


def fields_of(record: Mapping[str, object]) -> Fields:
    """Sort the keys of one structured line into fields and attributes."""
    found = Fields()
    known, attributes = found.known, found.attributes
    for key, target in plan_of(tuple(record)):
        value = record[key]
        if target is not None:
            read = _READERS[target](value)
            if read is not None:
                known.setdefault(target, read)
                continue
        if value is None:
            continue
        if isinstance(value, dict) and key in ROOTS:
            rest = _nested(cast("dict[str, object]", value), key, found)
            if rest:
                attributes[attribute_key(key)] = rest
            continue
        if target is not None and value != "":
            found.conflicts += (target,)
        attributes[attribute_key(key)] = kept(cast("object", value), depth=1)
    return found


def kept(value: object, *, depth: int = 1) -> object:
    """Return a value as `attributes` may hold it, `depth` below their root."""
    if isinstance(value, str):
        return value.replace("\0", "\\0") if "\0" in value else value
    if not isinstance(value, dict | list):
        return value
    if depth >= ATTRIBUTES_DEPTH_MAX:
        return msgspec.json.encode(value).decode()
    if isinstance(value, list):
        return [kept(item, depth=depth + 1) for item in cast("list[object]", value)]
    return {
        attribute_key(name): kept(inner, depth=depth + 1)
        for name, inner in cast("dict[str, object]", value).items()
    }


@lru_cache(maxsize=4_096)
def plan_of(keys: tuple[str, ...]) -> tuple[tuple[str, str | None], ...]:
    """Return each key with its field; of two keys for one field the better one wins."""
    best: dict[str, tuple[int, str]] = {}
    for key in keys:
        target, rank = _target(key)
        if key == "service" and "dyno" in keys and "connect" in keys:
            continue  # Of Heroku's router: how long a request was served.
        if target is not None and (target not in best or rank < best[target][0]):
            best[target] = (rank, key)
    chosen = {key: target for target, (_, key) in best.items()}
    return tuple((key, chosen.get(key)) for key in keys)


def _target(key: str) -> tuple[str | None, int]:
    if key in _TARGETS:
        return _TARGETS[key]
    return (key, 0) if key in FIELDS else (None, 0)


def _nested(value: dict[str, object], path: str, found: Fields) -> dict[str, object]:
    """Take the fields out of a nested object; return what is left of it."""
    left: dict[str, object] = {}
    for name, inner in value.items():
        inner_path = f"{path}.{name}"
        is_field = inner_path in FIELDS
        if is_field and (read := _READERS[inner_path](inner)) is not None:
            found.known.setdefault(inner_path, read)
        elif isinstance(inner, dict) and inner_path.count(".") < 3:
            if is_field:
                found.conflicts += (inner_path,)
            rest = _nested(cast("dict[str, object]", inner), inner_path, found)
            if rest:
                left[attribute_key(name)] = rest
        elif inner is not None:
            if is_field and inner != "":
                found.conflicts += (inner_path,)
            left[attribute_key(name)] = kept(
                cast("object", inner), depth=2 + path.count(".")
            )
    return left


def attribute_key(key: str) -> str:
    """Return a name under which an index takes what stands in `attributes`."""
    # An index takes neither an empty name nor one with a NUL or without a letter.
    cleaned = key.replace("\0", "\\0")
    return cleaned if cleaned.strip(". \t\r\n") else f"_{cleaned.strip()}"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def is_identifier(target: str) -> bool:
    """Tell whether a field takes a number for a name."""
    return _READERS[target] is _identifier


def _identifier(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value)


def number_of(value: object) -> int | None:
    """Return a whole number, also one that is written as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value) if len(value) < 19 else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if -LONG_MAX <= value < LONG_MAX else None


def level_of(value: object) -> str | None:
    """Return a level as it is compared, of its name or its number."""
    if isinstance(value, str):
        return value.strip().lower() or None
    return _NUMBERED_LEVELS.get(value) if isinstance(value, int) else None


def _time(value: object) -> str | int | float | None:
    if isinstance(value, bool):
        return None
    return value if isinstance(value, str | int | float) else None


_READERS: dict[str, Callable[[object], str | int | float | None]] = {
    **dict.fromkeys(TEXT_FIELDS, _text),
    **dict.fromkeys(NUMBER_FIELDS, number_of),
    "user.id": _identifier,
    "trace.id": _identifier,
    "span.id": _identifier,
    "error.code": _identifier,
    "message": _text,
    "log.level": level_of,
    TIME: _time,
}
