"""What the records of Filebeat, Fluent Bit, Vector and rsyslog say, each in its own words.

Pure: one object of JSON in, fields and attributes out. Nothing is lost where a record is odd:
what is not understood stands in the attributes. `shape_of` tells whose a record is.
"""

from __future__ import annotations

import re
from datetime import datetime

from tailrace.identity import EARLIEST_BEFORE_MS
from tailrace_stream.foreign.names import (
    FACILITY,
    SEVERITY,
    Json,
    is_object,
    keep,
    number_of,
    put,
    take,
    take_rest,
    text_of,
    walk,
)
from tailrace_stream.foreign.places import AHEAD_MS_MAX, BELIEVED_FROM_MS
from tailrace_stream.parsers.fields import ROOTS, TIME, Fields, fields_of, plan_of
from tailrace_stream.parsers.json_objects import object_of
from tailrace_stream.parsers.record_times import epoch_ns
from tailrace_stream.parsers.syslog import LEVELS

_ECS_ROOTS = ROOTS | {
    "@metadata", "agent", "client", "cloud", "container", "destination", "ecs",
    "fields", "host", "input", "kubernetes", "labels", "network", "orchestrator",
    "related", "server", "systemd", "tags",
}  # fmt: skip
"""What Beats put beside the keys of a decoded line, under names that are ECS's."""
_RSYSLOG_KEYS = frozenset(
    {
        "syslogtag", "syslog-tag", "syslogseverity", "syslogfacility",
        "syslogseverity-text", "syslogfacility-text", "timereported", "timegenerated",
        "rawmsg", "inputname", "fromhost-ip", "structured-data", "programname",
    }
)  # fmt: skip
_TAG = re.compile(r"([^\s:\[\]]{1,128})(?:\[(\d{1,10})\])?:?\s*")


def shape_of(record: Json) -> str:
    """Return which collector wrote a record; empty where none of them did."""
    metadata, agent = record.get("@metadata"), record.get("agent")
    if is_object(metadata) and "beat" in metadata:
        return "filebeat"
    if is_object(agent) and TIME in record and ("ecs" in record or "type" in agent):
        return "filebeat"
    if isinstance(record.get("source_type"), str):
        return "vector"
    if len(_RSYSLOG_KEYS & record.keys()) > (0 if "msg" in record else 1):
        return "rsyslog"
    if "syslogtag" in record or "syslog-tag" in record:
        return "rsyslog"
    has_time = isinstance(record.get(TIME), int | float) or "date" in record
    is_container = "stream" in record and "time" in record
    if "log" in record and (has_time or is_container or TIME in record):
        return "fluent_bit"
    if is_object(record.get(_MERGED)) and (has_time or TIME in record):
        return "fluent_bit"
    # No other collector writes a number there.
    return "fluent_bit" if isinstance(record.get(TIME), float) else ""


def filebeat(record: Json) -> Fields:
    """Read an event of Filebeat or another Beat: ECS, but for what a user added."""
    found = Fields()
    old = _of_old_beats(found, record)
    left = {key: value for key, value in record.items() if key not in old}
    envelope = {k: v for k, v in left.items() if k.split(".")[0] in _ECS_ROOTS}
    own = {k: v for k, v in left.items() if k not in envelope}
    used = take(found, own, {n: n for n in (TIME, "message", "stream")})
    left = walk(found, envelope)
    # What the topic and the index were chosen by says nothing of the event.
    left.pop("@metadata", None)
    for key, value in left.items():
        keep(found.attributes, key, value)
    used |= _of_syslog_input(found, own)
    take_rest(found, own, without=used)
    return found


_BEATS_SYSLOG = {
    "facility": FACILITY,
    "facility_label": "log.syslog.facility.name",
    "priority": "log.syslog.priority",
    "severity_label": "log.syslog.severity.name",
}


def _of_syslog_input(found: Fields, own: Json) -> set[str]:
    """Read what the input `syslog` of Filebeat says, which is older than ECS's names."""
    said = own.get("syslog")
    if not is_object(said):
        return set()
    used = take(found, said, _BEATS_SYSLOG)
    # The event's severity is syslog's here; of other inputs it is whatever they count in.
    severity = number_of(said.get("severity", found.known.get("event.severity")))
    priority = number_of(found.known.get("log.syslog.priority"))
    if severity is None and priority is not None:
        severity = priority & 7
    if _put_severity(found, severity):
        used.add("severity")
    # Its words are others than those of the numbers: `Informational`.
    put(found, "log.level", said.get("severity_label"))
    process = found.attributes.get("process")
    if is_object(process) and put(found, "process.name", process.get("program")):
        left = {k: v for k, v in process.items() if k != "program"}
        found.attributes.pop("process")
        keep(found.attributes, "process", left)
    left = {key: value for key, value in said.items() if key not in used}
    keep(found.attributes, "syslog", left)
    return {"syslog"}


def _of_old_beats(found: Fields, record: Json) -> set[str]:
    """Read what Beats before 7.0 wrote in other words."""
    beat = record.get("beat")
    if not is_object(beat):
        return set()
    put(found, "host.name", beat.get("hostname") or beat.get("name"))
    put(found, "agent.version", beat.get("version"))
    is_path = put(found, "log.file.path", record.get("source"))
    return {"beat", "source"} if is_path else {"beat"}


_FLUENT_BIT = {
    "log": "message",
    "message": "message",
    "MESSAGE": "message",
    TIME: TIME,
    "date": TIME,
    "stream": "stream",
    "filename": "log.file.path",
    "file": "log.file.path",
    "hostname": "host.name",
    "host": "host.name",
    "_HOSTNAME": "host.name",
    "_SYSTEMD_UNIT": "systemd.unit",
    "_PID": "process.pid",
    "SYSLOG_IDENTIFIER": "process.name",
    "ident": "process.name",
    "pid": "process.pid",
    "container_id": "container.id",
    "container_name": "container.name",
}
_FLUENT_BIT_KUBERNETES = {
    "pod_name": "kubernetes.pod.name",
    "namespace_name": "kubernetes.namespace",
    "pod_id": "kubernetes.pod.uid",
    "host": "kubernetes.node.name",
    "container_name": "kubernetes.container.name",
    "docker_id": "container.id",
    "container_image": "container.image.name",
}


def fluent_bit(record: Json) -> Fields:
    """Read a record of Fluent Bit: whatever its inputs and filters made, and its time."""
    found = Fields()
    # A time without a year, as of its syslog input, says less than the record's own.
    time = record.get("time")
    is_whole = not isinstance(time, str) or time[:4].isdigit()
    if is_whole and put(found, TIME, time):
        # A container's own runtime knows better when a line was written.
        names = {k: v for k, v in _FLUENT_BIT.items() if v != TIME}
        used = {"time", TIME, "date"}
    else:
        names, used = _FLUENT_BIT, set[str]()
    used |= take(found, record, names)
    used |= _with_object(found, record, "kubernetes", _FLUENT_BIT_KUBERNETES)
    used |= _with_merged(found, record)
    _put_severity(found, record.get("PRIORITY"))
    pri = number_of(record.get("pri"))
    if pri is not None and pri < 192:
        put(found, "log.syslog.priority", pri)
        put(found, FACILITY, pri >> 3)
        _put_severity(found, pri & 7)
    take_rest(found, record, without=used)
    return found


_MERGED = "log_processed"
"""Under which Fluent Bit's documentation has its filter put what it read out of a line."""
_WHOLE_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,12})? ?(?:Z|[+-]\d\d:?\d\d)"
)


def _with_merged(found: Fields, record: Json) -> set[str]:
    """Read the object that the Kubernetes filter made of `log` (`Merge_Log`, `Merge_Log_Key`).

    Such an object is that of the usual key, or says what the text of `log` says.
    """
    key = _merged_key(record)
    merged = record.get(key)
    if not is_object(merged):
        return set()
    inner = fields_of(merged)
    time = inner.known.pop(TIME, None)
    if time is not None and _is_better(time, found.known.get(TIME)):
        # When the line was written; its collector says when it was read.
        found.known[TIME] = time
    elif time is not None and found.known.setdefault(TIME, time) != time:
        named = (name for name, field in plan_of(tuple(merged)) if field == TIME)
        keep(found.attributes, next(named, TIME), time)
    for name, value in inner.known.items():
        if found.known.setdefault(name, value) != value and name != "message":
            found.attributes.setdefault(name, value)
    for name, value in inner.attributes.items():
        found.attributes.setdefault(name, value)
    return {key}


def _is_better(time: object, collectors: object) -> bool:
    """Tell whether a time is a moment, and one at which its collector may have read it."""
    at, read_at = _ms_of(time), _ms_of(collectors)
    if at is None or read_at is None or read_at < BELIEVED_FROM_MS:
        return at is not None
    return read_at - EARLIEST_BEFORE_MS <= at < read_at + AHEAD_MS_MAX


def _ms_of(time: object) -> int | None:
    if not isinstance(time, str) or not _WHOLE_TIME.fullmatch(time):
        at_ns = epoch_ns(time)
        return None if at_ns is None else at_ns // 1_000_000
    day, clock = time[:10], time[11:].replace(" ", "")
    try:
        return int(datetime.fromisoformat(f"{day}T{clock}").timestamp() * 1_000)
    except (ValueError, OverflowError):
        return None


def _merged_key(record: Json) -> str:
    if is_object(record.get(_MERGED)):
        return _MERGED
    text = text_of(record.get("log"))
    if text is None or not text.startswith("{"):
        return ""
    others = [k for k, v in record.items() if k != "kubernetes" and is_object(v)]
    said = object_of(text) if others else None
    return next((key for key in others if record[key] == said), "")


_VECTOR = {
    "message": "message",
    "timestamp": TIME,
    "host": "host.name",
    "hostname": "host.hostname",
    "file": "log.file.path",
    "stream": "stream",
    "appname": "process.name",
    "procid": "process.pid",
    "severity": "log.level",
    "facility": "log.syslog.facility.name",
    "msgid": "log.syslog.msgid",
    "source_ip": "source.address",
    "container_id": "container.id",
    "container_name": "container.name",
    "image": "container.image.name",
    "_SYSTEMD_UNIT": "systemd.unit",
    "_PID": "process.pid",
    "SYSLOG_IDENTIFIER": "process.name",
}
_VECTOR_KUBERNETES = {
    "pod_name": "kubernetes.pod.name",
    "pod_namespace": "kubernetes.namespace",
    "pod_uid": "kubernetes.pod.uid",
    "pod_node_name": "kubernetes.node.name",
    "container_name": "kubernetes.container.name",
    "container_id": "container.id",
    "container_image": "container.image.name",
}


def vector(record: Json) -> Fields:
    """Read an event of Vector, of any of its sources."""
    found = Fields()
    used = take(found, record, _VECTOR)
    used |= _with_object(found, record, "kubernetes", _VECTOR_KUBERNETES)
    _put_severity(found, record.get("PRIORITY"))
    take_rest(found, record, without=used)
    return found


_RSYSLOG = {
    "msg": "message",
    "message": "message",
    "timereported": TIME,
    "timestamp": TIME,
    TIME: TIME,
    "timegenerated": TIME,
    "hostname": "host.name",
    "host": "host.name",
    "fromhost": "host.name",
    "programname": "process.name",
    "app-name": "log.syslog.appname",
    "procid": "process.pid",
    "msgid": "log.syslog.msgid",
    "fromhost-ip": "source.address",
    "syslogfacility-text": "log.syslog.facility.name",
    "syslogseverity-text": "log.level",
    "severity": "log.level",
    "syslogfacility": FACILITY,
    "facility": "log.syslog.facility.name",
    "pri": "log.syslog.priority",
}
_RSYSLOG_TAGS = ("syslogtag", "syslog-tag", "tag")
_RSYSLOG_DROPPED = frozenset({"rawmsg", "rawmsg-after-pri", "uuid", "pri-text"})
"""What says once more what other keys say; the record has it in `event.original`."""


def rsyslog(record: Json) -> Fields:
    """Read a message of rsyslog: a template of JSON, or `%jsonmesg%`, all its properties."""
    found = Fields()
    said = {key: value for key, value in record.items() if value not in ("-", "")}
    used = take(found, said, _RSYSLOG)
    for key in _RSYSLOG_TAGS:
        tag = _TAG.fullmatch(text_of(said.get(key)) or "")
        if tag is not None:
            put(found, "process.name", tag[1])
            put(found, "process.pid", tag[2])
            used.add(key)
    severity = said.get("syslogseverity", said.get("severity"))
    if _put_severity(found, severity):
        used |= {"syslogseverity", "severity"}
    message = found.known.get("message")
    if isinstance(message, str):
        # What stands between the tag's colon and the text belongs to neither.
        found.known["message"] = message.removeprefix(" ")
    take_rest(found, said, without=used | _RSYSLOG_DROPPED)
    return found


def _put_severity(found: Fields, value: object) -> bool:
    number = number_of(value)
    if number not in LEVELS:
        return False
    put(found, SEVERITY, number)
    put(found, "log.syslog.severity.name", LEVELS[number])
    put(found, "log.level", LEVELS[number])
    return True


def _with_object(
    found: Fields, record: Json, key: str, names: dict[str, str]
) -> set[str]:
    """Fill fields from a nested object; what is left of it goes to the attributes."""
    value = record.get(key)
    if not is_object(value):
        return set()
    used = take(found, value, names)
    keep(found.attributes, key, {k: v for k, v in value.items() if k not in used})
    return {key}
