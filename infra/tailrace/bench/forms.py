"""In which forms an index could hold the same documents: ours, and each with one change.

Every form is what `tailrace provision` writes for events, but for what its name says, so
that two figures differ by one cause. Some are no choice of ours (`is_for_report`): they
need a licence, or give up what something stands on.
"""

from __future__ import annotations

import copy
import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.index_templates import (
    SEQUENCE_NUMBERS,
    Capabilities,
    index_templates,
    template_name,
)

CHOSEN = "as it is made"
NUMBERS = frozenset({"long", "integer", "short", "float", "double"})
WITH_COLUMNS = frozenset({*NUMBERS, "keyword", "ip", "boolean"})
"""Types whose values a column gives back as they were, up to order and repetition."""
TRACE_IDS = ("trace.id", "span.id", "http.request.id")
ID_BYTES = 21
SHORT_ID_BYTES = 16

_ACTION = re.compile(
    rb'^\{"create":\{"_index":"[^"]+","_id":"([^"]+)"\}\}$', re.MULTILINE
)

Body = dict[str, Any]
IdOf = Callable[[bytes], bytes]
"""Makes another `_id` of ours; an empty one leaves it to Elasticsearch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How an index is made, and by which ids documents stand in it."""

    name: str
    body: Body
    """Settings and mappings, as an index is created with them."""
    id_of: IdOf | None = None
    """None keeps ours."""
    is_for_report: bool = False
    """Whether it is measured to know what it would bring, and cannot be chosen."""


def forms(*, capabilities: Capabilities) -> list[Form]:
    """Return every form that is measured, the one in use first."""
    made = index_templates("any", capabilities=capabilities)
    events = made[template_name("any", kind="events")]["template"]
    body: Body = {"settings": events["settings"], "mappings": events["mappings"]}
    # Copies would cost a second time, and a cluster of one node has none anyway.
    body["settings"]["index"] |= {
        "auto_expand_replicas": False,
        "number_of_replicas": 0,
    }
    return [
        Form(name=CHOSEN, body=body),
        _changed(body, "default codec", _with_default_codec),
        _changed(body, "every number indexed", _with_every_number_indexed),
        _changed(body, "sequence numbers indexed", _with_indexed_sequence_numbers),
        _changed(body, "sorted by host and time", _sorted_by("host.name")),
        _changed(
            body, "sorted by template and time", _sorted_by("tailrace.template.id")
        ),
        _changed(body, "LogsDB, stored source", _in_logsdb("stored")),
        _changed(
            body, "LogsDB, synthetic source", _in_logsdb("synthetic"), for_report=True
        ),
        _changed(body, "columns not in source", _without_columns, for_report=True),
        _changed(body, "words without positions", _without_positions, for_report=True),
        _changed(body, "attributes without columns", _bare_attributes, for_report=True),
        _changed(body, "trace ids without columns", _bare_trace_ids, for_report=True),
        Form(name="ids of 16 bytes", body=body, id_of=_short_id, is_for_report=True),
        Form(name="ids in no order", body=body, id_of=_random_id, is_for_report=True),
        Form(name="ids of Elasticsearch", body=body, id_of=_no_id, is_for_report=True),
    ]


def addressed(
    bodies: Sequence[bytes], *, index: str, id_of: IdOf | None
) -> list[bytes]:
    """Return bulk bodies with the same documents for one index, under other ids."""

    def action(match: re.Match[bytes]) -> bytes:
        known = match.group(1)
        wanted = known if id_of is None else id_of(known)
        named = b',"_id":"%b"' % wanted if wanted else b""
        return b'{"create":{"_index":"%b"%b}}' % (index.encode(), named)

    return [_ACTION.sub(action, body) for body in bodies]


def _changed(
    body: Body, name: str, change: Callable[[Body], None], *, for_report: bool = False
) -> Form:
    other = copy.deepcopy(body)
    change(other)
    return Form(name=name, body=other, is_for_report=for_report)


def _with_default_codec(body: Body) -> None:
    del body["settings"]["index"]["codec"]


def _with_every_number_indexed(body: Body) -> None:
    for said in body["mappings"]["properties"].values():
        if said["type"] in NUMBERS:
            said.pop("index", None)


def _with_indexed_sequence_numbers(body: Body) -> None:
    body["settings"]["index"].pop(SEQUENCE_NUMBERS, None)


def _sorted_by(field: str) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        body["settings"]["index"] |= {
            "sort.field": [field, "@timestamp"],
            "sort.order": ["asc", "desc"],
        }

    return change


def _in_logsdb(source: str) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        body["settings"]["index"] |= {"mode": "logsdb", "mapping.source.mode": source}

    return change


def _without_columns(body: Body) -> None:
    """Keep in `_source` only what no column gives back; a digest is then of nothing."""
    mappings = body["mappings"]
    mappings["_source"] = {
        "excludes": [
            name
            for name, said in mappings["properties"].items()
            if said["type"] in WITH_COLUMNS and said.get("doc_values", True)
        ]
    }


def _without_positions(body: Body) -> None:
    """What `match_only_text` keeps, which not every build has; phrases find nothing so."""
    for said in body["mappings"]["properties"].values():
        if said["type"] == "text" and said.get("index", True):
            said["index_options"] = "docs"


def _bare_attributes(body: Body) -> None:
    """Find attributes as ever, and neither sort by them nor count them."""
    body["mappings"]["properties"]["attributes"]["doc_values"] = False


def _bare_trace_ids(body: Body) -> None:
    """Find a trace as ever, and count no lines by trace."""
    for name in TRACE_IDS:
        body["mappings"]["properties"][name]["doc_values"] = False


def _short_id(known: bytes) -> bytes:
    return urlsafe_b64encode(urlsafe_b64decode(known)[:SHORT_ID_BYTES]).rstrip(b"=")


def _random_id(known: bytes) -> bytes:
    return urlsafe_b64encode(hashlib.blake2b(known, digest_size=ID_BYTES).digest())


def _no_id(_known: bytes) -> bytes:
    return b""
