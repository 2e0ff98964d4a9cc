"""What an entry of a journal says, in systemd's Journal Export Format: fields, some binary.

An entry is read from its bytes and not from its text: sizes stand in it as bytes. Of one that
was cut, or that time ended in its middle, it gives what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from tailrace.multiline.journald import NAME, SIZE_BYTES, size_of_value
from tailrace_stream.parsers.columns import GUESSED, TIME_NS
from tailrace_stream.parsers.fields import NUMBER_FIELDS, Fields, kept
from tailrace_stream.parsers.structured import frame_of
from tailrace_stream.parsers.syslog import LEVELS
from tailrace_stream.times import LAST_NS, NS_PER_US

VALUE_CHARACTERS_MAX = 8_191
"""A longer value is not searchable among `attributes`; it stands in `event.original`."""
NUMBERS = NUMBER_FIELDS | {
    "log.origin.file.line",
    "log.syslog.facility.code",
    "log.syslog.priority",
    "log.syslog.severity.code",
}
FIELD_OF = {
    "message": ("MESSAGE",),
    "host.hostname": ("_HOSTNAME",),
    "host.id": ("_MACHINE_ID",),
    "process.name": ("SYSLOG_IDENTIFIER", "_COMM"),
    "process.pid": ("_PID", "SYSLOG_PID"),
    "systemd.unit": ("_SYSTEMD_UNIT",),
    "user.id": ("_UID",),
    "container.id": ("CONTAINER_ID_FULL", "CONTAINER_ID"),
    "log.origin.file.name": ("CODE_FILE",),
    "log.origin.file.line": ("CODE_LINE",),
    "log.origin.function": ("CODE_FUNC",),
    "log.syslog.facility.code": ("SYSLOG_FACILITY",),
    "log.syslog.severity.code": ("PRIORITY",),
}
"""In the order in which they are believed; the other one stays among the attributes."""
_SEVERITY = "log.syslog.severity.code"
_FACILITY = "log.syslog.facility.code"
_TIME = "__REALTIME_TIMESTAMP"
_ADDRESS = "__"
"""Begins the fields that say where in its journal an entry stands."""


def parse(entries: Sequence[bytes]) -> pl.DataFrame:
    """Return the fields of each entry; what has no field at all is none."""
    found: list[Fields | None] = []
    times_ns: list[int | None] = []
    for entry in entries:
        fields = _fields(entry)
        found.append(_sorted(fields) if fields else None)
        times_ns.append(_time_ns(fields))
    return frame_of(found, time_zone="UTC", numbers=NUMBERS).with_columns(
        pl.Series(TIME_NS, times_ns, pl.Int64), pl.lit(value=False).alias(GUESSED)
    )


def _fields(entry: bytes) -> dict[str, list[bytes]]:
    fields: dict[str, list[bytes]] = {}
    for name, value in _pairs(entry):
        fields.setdefault(name, []).append(value)
    return fields


def _pairs(entry: bytes) -> Iterator[tuple[str, bytes]]:
    at, size = 0, len(entry)
    while at < size:
        newline = entry.find(b"\n", at)
        end = size if newline < 0 else newline
        name = NAME.match(entry, at, end)
        at, start = end + 1, at
        if name is None:
            continue
        if name.end() < end:
            if entry[name.end()] == 0x3D:
                yield name[0].decode(), entry[name.end() + 1 : end]
            continue
        value_bytes = size_of_value(entry, end + 1)
        if end + 1 + SIZE_BYTES <= size and value_bytes is not None:
            start = end + 1 + SIZE_BYTES
            at = start + value_bytes
            yield name[0].decode(), entry[start:at]
            # Should no newline follow, the rest of that line is nobody's.
            at = entry.find(b"\n", at) + 1 or size


def _sorted(fields: dict[str, list[bytes]]) -> Fields:
    """Return fields of ECS, and what has no name there."""
    found = Fields()
    known = found.known
    taken: set[str] = set()
    for target, names in FIELD_OF.items():
        for name in names:
            if name not in fields:
                continue
            value = _value(target, fields[name][0])
            if value is not None:
                known[target] = value
                taken.add(name)
                break
    severity, facility = known.get(_SEVERITY), known.get(_FACILITY)
    if isinstance(severity, int):
        known["log.level"] = known["log.syslog.severity.name"] = LEVELS[severity]
        if isinstance(facility, int):
            known["log.syslog.priority"] = facility * 8 + severity
    for name, values in fields.items():
        rest = values[1:] if name in taken else values
        if not rest or (name.startswith(_ADDRESS) and name not in taken):
            continue
        texts = [text for one in rest if (text := _attribute(one)) is not None]
        if texts:
            found.attributes[name] = texts[0] if len(texts) == 1 else texts
    return found


def _attribute(value: bytes) -> object | None:
    text = _text(value)
    return kept(text) if len(text) <= VALUE_CHARACTERS_MAX else None


def _value(target: str, value: bytes) -> str | int | None:
    if target not in NUMBERS:
        return _text(value)
    if not value.isdigit() or len(value) > 18:
        return None
    number = int(value)
    if target == _SEVERITY:
        return number if number in LEVELS else None
    if target == _FACILITY:
        return number if number < 128 else None
    return number


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _time_ns(fields: dict[str, list[bytes]]) -> int | None:
    """Return when the journal took the entry: whole microseconds, in UTC."""
    written = fields.get(_TIME)
    if not written or not written[0].isdigit() or len(written[0]) > 18:
        return None
    at_ns = int(written[0]) * NS_PER_US
    return at_ns if at_ns <= LAST_NS else None
