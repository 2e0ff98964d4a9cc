"""What is kept of an alert, and what is still to be told of it. Pure.

The record is the state: an alert is on because its record says so, and somebody is still to
be told because its `due` says so. It is made once, under an id that rule, group and key
give, and changed by whoever leads.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Literal, TypeAlias

import msgspec

from tailrace.alerts.rule_settings import Severity
from tailrace.text import printable

Status: TypeAlias = Literal["on", "over", "happened"]
What: TypeAlias = Literal["raised", "over"]

ID_BYTES: Final = 16
VALUE_CHARACTERS_MAX: Final = 300
MESSAGE_CHARACTERS_MAX: Final = 1_000
RECORD_FIELD: Final = "tailrace.alert.record"
ID_FIELD: Final = "tailrace.alert.id"
STATUS_FIELD: Final = "tailrace.alert.status"
DUE_FIELD: Final = "tailrace.alert.due"
OVER_FIELD: Final = "tailrace.alert.over_at"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert, from its beginning on."""

    rule: str
    severity: Severity
    fields: dict[str, str]
    """Its group: the values by the names of the fields."""
    key: str
    """What tells it from others of this group: its beginning, or what it is about."""
    status: Status
    start_ms: int
    raised_at_ms: int
    over_at_ms: int | None = None
    value: float | None
    message: str
    due: tuple[str, ...] = ()
    """What is still to be told to whom: `raised/CHANNEL` and `over/CHANNEL`."""
    told: tuple[str, ...] = ()
    """The channels that took what they were told of its beginning."""

    @property
    def alert_id(self) -> str:
        """Its name, which nothing but rule, group and key gives."""
        return alert_id(self.rule, self.fields, key=self.key)

    def is_over(self, *, at_ms: int, value: float | None, is_silenced: bool) -> Alert:
        """Return it when it is over.

        Who was never told that it began is told of both at once; or of neither, if it
        began and ended in silence.
        """
        waiting = {one.partition("/")[2] for one in self.due if _what(one) == "raised"}
        heard = set(self.told)
        if not is_silenced:
            heard |= waiting
        return msgspec.structs.replace(
            self,
            status="over",
            over_at_ms=at_ms,
            value=self.value if value is None else value,
            due=tuple(f"over/{channel}" for channel in sorted(heard)),
        )

    def without_due(self, entry: str, *, is_told: bool) -> Alert:
        """Return it with one thing less to tell."""
        channel = entry.partition("/")[2]
        is_new = is_told and _what(entry) == "raised" and channel not in self.told
        return msgspec.structs.replace(
            self,
            due=tuple(one for one in self.due if one != entry),
            told=(*self.told, channel) if is_new else self.told,
        )


def _what(entry: str) -> str:
    return entry.partition("/")[0]


def alert_id(rule: str, fields: Mapping[str, str], *, key: str) -> str:
    """Return the id of an alert: 32 hexadecimal digits."""
    parts = (rule, key, *(text for pair in sorted(fields.items()) for text in pair))
    # Each with its length: no part can pass for two.
    named = "".join(f"{len(part)}:{part}" for part in parts)
    raw = named.encode("utf-8", "surrogatepass")
    return blake2b(raw, digest_size=ID_BYTES).hexdigest()


def new_alert(
    *,
    rule: str,
    severity: Severity,
    fields: Mapping[str, str],
    key: str,
    status: Status,
    start_ms: int,
    raised_at_ms: int,
    value: float | None,
    message: str,
    channels: tuple[str, ...],
) -> Alert:
    """Return an alert that begins, of which all channels are still to be told.

    What comes from lines is made harmless here, once: whoever shows it shows text.
    """
    return Alert(
        rule=rule,
        severity=severity,
        fields={name: harmless(value) for name, value in fields.items()},
        key=key,
        status=status,
        start_ms=start_ms,
        raised_at_ms=raised_at_ms,
        value=value,
        message=printable(message)[:MESSAGE_CHARACTERS_MAX],
        due=tuple(f"raised/{channel}" for channel in channels),
    )


def harmless(value: str) -> str:
    """Return a value of a group as one short line without control characters."""
    return printable(value)[:VALUE_CHARACTERS_MAX]


def alert_document(alert: Alert) -> dict[str, Any]:
    """Return what stands in the index: fields to search by, and the record itself."""
    document: dict[str, Any] = {
        "@timestamp": _iso(alert.start_ms),
        "event.kind": "alert",
        "rule.id": alert.rule,
        "rule.name": alert.rule,
        "log.level": alert.severity,
        "message": alert.message,
        "labels": alert.fields,
        ID_FIELD: alert.alert_id,
        STATUS_FIELD: alert.status,
        DUE_FIELD: list(alert.due),
        RECORD_FIELD: msgspec.to_builtins(alert),
    }
    if alert.over_at_ms is not None:
        document[OVER_FIELD] = _iso(alert.over_at_ms)
    for name in ("host.name", "event.dataset"):
        if name in alert.fields:
            document[name] = alert.fields[name]
    return document


def read_alert(document: Mapping[str, Any]) -> Alert | None:
    """Return the record in a document, None where it holds none that can be read."""
    try:
        return msgspec.convert(document.get(RECORD_FIELD), type=Alert)
    except msgspec.ValidationError:
        return None


def _iso(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1_000, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
