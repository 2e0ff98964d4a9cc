"""The index of alerts: what is on, what is still to be told, up to when rules were judged.

It is the whole state: whoever leads next reads it and goes on. Records are made by `create`
under their own id, so two that find the same make one; and changed only as they were read
(`if_seq_no`), so that one who leads no more, and does not know it yet, changes nothing.
"""

from __future__ import annotations

import http
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast
from urllib.parse import quote

import orjson

from tailrace.alerts.records import (
    DUE_FIELD,
    ID_FIELD,
    OVER_FIELD,
    STATUS_FIELD,
    Alert,
    alert_document,
    read_alert,
)
from tailrace.elasticsearch import MISSING_IS_NONE, WHOLE_SEARCH, Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.index_templates import Capabilities, index_templates, template_name
from tailrace.query import Body

PAGE_MAX = 1_000
OPEN_MAX = 20_000
"""Alerts that are on, or still to be told of; more are an error, and no list."""
OLD_MAX = 500
"""How many old records one look takes away."""
CURSORS_ID = "cursors"
CURSORS_FIELD = "tailrace.alert.judged_to_ms"


def alerts_index(namespace: str) -> str:
    """Return the index in which alerts are recorded."""
    return f"{namespace}-alerts"


class AlertChanged(ServiceUnavailable):
    """Another has changed a record since it was read: all is read anew before going on."""

    def __init__(self, alert_id: str, *, address: str) -> None:
        super().__init__(
            "Elasticsearch",
            address=address,
            reason=f"another changed the alert {alert_id} meanwhile",
        )


@dataclass(frozen=True, slots=True)
class AlertState:
    """What the index says when one begins to lead."""

    alerts: tuple[Alert, ...] = ()
    """Those that are on, or of which something is still to be told."""
    judged_to_ms: Mapping[str, int] = field(default_factory=dict[str, int])
    """By rule, the last moment that was judged."""


class AlertStore(Protocol):
    """Where alerts are recorded."""

    def load(self) -> AlertState:
        """Return what is open, and up to when rules were judged.

        Raises:
            ServiceUnavailable: it does not answer.
        """
        ...

    def create(self, alert: Alert) -> bool:
        """Record an alert; False where it is recorded already, and stays as it is.

        Raises:
            ServiceUnavailable: it does not answer; it may be recorded all the same.
        """
        ...

    def replace(self, alert: Alert) -> None:
        """Write a record that this store has read or made.

        Raises:
            AlertChanged: another has changed it.
            ServiceUnavailable: it does not answer; it may be written all the same.
        """
        ...

    def save_cursors(self, judged_to_ms: Mapping[str, int]) -> None:
        """Keep up to when rules were judged.

        Raises:
            AlertChanged: another has changed it.
            ServiceUnavailable: it does not answer.
        """
        ...

    def remove_old(self, *, before_ms: int) -> int:
        """Remove some that were over before a moment; return how many.

        Raises:
            ServiceUnavailable: it does not answer.
        """
        ...


class ElasticAlerts:
    """The index in Elasticsearch."""

    def __init__(self, elastic: Elastic, *, namespace: str) -> None:
        self._elastic = elastic
        self._namespace = namespace
        self._index = alerts_index(namespace)
        self._versions: dict[str, tuple[int, int]] = {}
        """By `_id`, sequence number and term as they were read or written last."""

    def load(self) -> AlertState:
        """Return what is open, and up to when rules were judged.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or more are open than fit.
        """
        self._versions.clear()
        self._make_index()
        # What was written a moment ago, by whoever led before, is found too.
        self._elastic.refresh(self._index)
        is_open: Body = {
            "bool": {
                "should": [
                    {"term": {STATUS_FIELD: "on"}},
                    {"exists": {"field": DUE_FIELD}},
                ],
                "minimum_should_match": 1,
            }
        }
        alerts: list[Alert] = []
        for hit in self._hits(is_open):
            alert = read_alert(hit["_source"])
            if alert is not None and len(alerts) < OPEN_MAX:
                self._know(str(hit["_id"]), hit)
                alerts.append(alert)
        return AlertState(tuple(alerts), self._cursors())

    def _make_index(self) -> None:
        """Make the index where it is not there, also where no template of ours is yet."""
        path = f"/{self._index}"
        if self._elastic.request("HEAD", path).is_success:
            return
        templates = index_templates(self._namespace, capabilities=Capabilities())
        body = templates[template_name(self._namespace, kind="alerts")]["template"]
        answer = self._elastic.request("PUT", path, body=orjson.dumps(body))
        if b"resource_already_exists_exception" not in answer.body:
            self._elastic.decoded(answer)

    def create(self, alert: Alert) -> bool:
        """Record an alert; False where it is recorded already, and stays as it is."""
        path = f"/{self._index}/_create/{alert.alert_id}?refresh=true"
        answer = self._elastic.request(
            "PUT", path, body=orjson.dumps(alert_document(alert))
        )
        if answer.status == http.HTTPStatus.CONFLICT:
            return False
        self._know(alert.alert_id, self._elastic.decoded(answer))
        return True

    def replace(self, alert: Alert) -> None:
        """Write a record that this store has read or made."""
        self._put(alert.alert_id, alert_document(alert))

    def save_cursors(self, judged_to_ms: Mapping[str, int]) -> None:
        """Keep up to when rules were judged."""
        document = {CURSORS_FIELD: dict(judged_to_ms)}
        self._put(CURSORS_ID, document)

    def remove_old(self, *, before_ms: int) -> int:
        """Remove some that were over, or happened, before a moment; return how many."""
        is_old: Body = {
            "bool": {
                "must_not": [{"term": {STATUS_FIELD: "on"}}],
                "filter": [
                    {"exists": {"field": STATUS_FIELD}},
                    {"range": {"@timestamp": {"lt": before_ms}}},
                ],
                "should": [
                    {"range": {OVER_FIELD: {"lt": before_ms}}},
                    {"term": {STATUS_FIELD: "happened"}},
                ],
                "minimum_should_match": 1,
            }
        }
        body: Body = {"size": OLD_MAX, "query": is_old, "_source": False}
        hits = self._search(body)
        if not hits:
            return 0
        lines = [
            {"delete": {"_index": self._index, "_id": str(hit["_id"])}} for hit in hits
        ]
        answer = self._elastic.request(
            "POST",
            "/_bulk",
            body=b"".join(orjson.dumps(line) + b"\n" for line in lines),
            content_type="application/x-ndjson",
        )
        self._elastic.decoded(answer)
        return len(hits)

    def judged_to_ms(self) -> dict[str, int]:
        """Return up to when each rule was judged.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer.
        """
        return self._cursors()

    def newest(self, *, size_max: int, is_on: bool) -> list[Alert]:
        """Return the newest alerts, of those that are on or of all.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer.
        """
        wanted: Body = {"exists": {"field": STATUS_FIELD}}
        if is_on:
            wanted = {"term": {STATUS_FIELD: "on"}}
        body: Body = {
            "size": size_max,
            "query": {"bool": {"filter": [wanted]}},
            "sort": [{"@timestamp": "desc"}, {ID_FIELD: "asc"}],
        }
        found = [read_alert(hit["_source"]) for hit in self._search(body)]
        return [alert for alert in found if alert is not None]

    def _put(self, document_id: str, document: Mapping[str, Any]) -> None:
        known = self._versions.get(document_id)
        path = f"/{self._index}/_create/{quote(document_id)}?refresh=true"
        if known is not None:
            path = (
                f"/{self._index}/_doc/{quote(document_id)}"
                f"?if_seq_no={known[0]}&if_primary_term={known[1]}&refresh=true"
            )
        answer = self._elastic.request("PUT", path, body=orjson.dumps(document))
        if answer.status == http.HTTPStatus.CONFLICT:
            raise AlertChanged(document_id, address=self._elastic.address)
        self._know(document_id, self._elastic.decoded(answer))

    def _cursors(self) -> dict[str, int]:
        found = self._get(CURSORS_ID) or {}
        kept = cast("dict[str, Any]", found.get(CURSORS_FIELD) or {})
        return {name: int(at_ms) for name, at_ms in kept.items()}

    def _get(self, document_id: str) -> dict[str, Any] | None:
        answer = self._elastic.request(
            "GET", f"/{self._index}/_doc/{quote(document_id)}"
        )
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return None
        found = self._elastic.decoded(answer)
        self._know(document_id, found)
        return cast("dict[str, Any]", found["_source"])

    def _hits(self, query: Body) -> Iterator[dict[str, Any]]:
        after: list[Any] | None = None
        while True:
            body: Body = {
                "size": PAGE_MAX,
                "query": query,
                "sort": [{"@timestamp": "asc"}, {ID_FIELD: "asc"}],
                "seq_no_primary_term": True,
                "track_total_hits": False,
            }
            if after is not None:
                body["search_after"] = after
            hits = self._search(body)
            yield from hits
            if len(hits) < PAGE_MAX:
                return
            after = hits[-1]["sort"]

    def _search(self, body: Body) -> list[dict[str, Any]]:
        path = f"/{self._index}{WHOLE_SEARCH}&{MISSING_IS_NONE[1:]}"
        answer = self._elastic.decoded(self._elastic.look_up("POST", path, body=body))
        return cast("list[dict[str, Any]]", answer["hits"]["hits"])

    def _know(self, document_id: str, told: Mapping[str, Any]) -> None:
        self._versions[document_id] = (int(told["_seq_no"]), int(told["_primary_term"]))
