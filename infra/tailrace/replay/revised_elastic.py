"""The indices of revised documents in Elasticsearch, and the alias that shows or hides them."""

from __future__ import annotations

import http
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec
import orjson

from tailrace.clock import Clock
from tailrace.dead.index import knows_field
from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace.index_templates import REVISIONS, events_alias, template_name
from tailrace.point_in_time import refresh
from tailrace.query import Body
from tailrace.replay.compare import Version
from tailrace.replay.made import MadeDocument
from tailrace.replay.marked import marked_source
from tailrace.replay.resend import bulk_lines
from tailrace.revised_indices import REVISED_BY, Standing, standing_of

BULK_PATH: Final = (
    "/_bulk?filter_path=items.*._id,items.*.status,items.*.error.type"
    ",items.*.error.reason,items.*.error.caused_by.reason"
)
TRIES_MAX: Final = 8
WAIT_MS: Final = 500
"""Before a document that the server could not take now is sent again; doubled each time."""
BUSY: Final = frozenset(
    {http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.SERVICE_UNAVAILABLE}
)
DETAIL_CHARACTERS_MAX: Final = 500


class _Cause(msgspec.Struct):
    reason: str | None = ""


class _Error(msgspec.Struct):
    type: str = ""
    reason: str | None = ""
    caused_by: _Cause | None = None

    def sentence(self) -> str:
        deeper = f" ({self.caused_by.reason})" if self.caused_by else ""
        return f"{self.type}: {self.reason}{deeper}"[:DETAIL_CHARACTERS_MAX]


class _Item(msgspec.Struct, rename={"id": "_id"}):
    id: str
    status: int
    error: _Error = msgspec.field(default_factory=_Error)


class _Bulk(msgspec.Struct):
    items: list[dict[str, _Item]] = []


class RevisedElastic:
    """Those of one namespace; its user may make indices and change aliases."""

    def __init__(self, elastic: Elastic, *, namespace: str, clock: Clock) -> None:
        self._elastic = elastic
        self._namespace = namespace
        self._alias = events_alias(namespace)
        self._clock = clock

    def standing(self) -> Standing:
        """Return what stands behind the alias now.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
            CommandFailed: an index has a filter there that is none of ours.
        """
        # The pattern of events, to which dead letters and alerts are like, too.
        path = f"/{quote(self._namespace)}-*-*/_alias"
        answer = self._elastic.request("GET", path)
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return Standing()
        return standing_of(self._elastic.decoded(answer), alias=self._alias)

    def greatest_mark(self) -> int:
        """Return the greatest number that a document behind the alias is marked with.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        greatest: Body = {"greatest": {"max": {"field": REVISED_BY}}}
        path = f"/{quote(self._alias)}/_search?allow_partial_search_results=false"
        answer = self._elastic.look_up("POST", path, body={"size": 0, "aggs": greatest})
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return 0
        found: dict[str, Any] = self._elastic.decoded(answer).get("aggregations") or {}
        return int(found.get("greatest", {}).get("value") or 0)

    def drop(self, index: str) -> None:
        """Delete a draft; one that is not there is fine.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        answer = self._elastic.request("DELETE", f"/{quote(index, safe='')}")
        if not answer.is_success and answer.status != http.HTTPStatus.NOT_FOUND:
            raise self._elastic.refusal(answer)

    def make(self, index: str) -> None:
        """Make an index that no alias shows yet.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
            CommandFailed: it would be seen at once, as its template is not ours.
        """
        name = template_name(self._namespace, kind=REVISIONS)
        if not self._elastic.template_fingerprint(name):
            raise CommandFailed(
                f"Elasticsearch has no template {name!r}, without which half of a replay"
                " would be seen.",
                remedy="`tailrace provision` writes it, and is safe to run again",
            )
        path = f"/{quote(index, safe='')}"
        self._elastic.ask("PUT", path)
        if index in self.standing().hiding:
            raise CommandFailed(
                f"The new index {index!r} stands behind {self._alias!r} at once.",
                remedy=f"delete it, and the template of {self._namespace}-*-* that is"
                " not ours; `tailrace provision` writes ours",
            )

    def prepare(self, index: str) -> None:
        """Let documents of an index be told apart by their marks.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        path = f"/{quote(index, safe='')}/_mapping"
        told = self._elastic.ask("GET", path)
        if not knows_field(told[index]["mappings"], REVISED_BY):
            body = {"properties": {REVISED_BY: {"type": "integer"}}}
            self._elastic.ask("PUT", path, body=body)

    def create(
        self, documents: Sequence[tuple[str, MadeDocument]]
    ) -> Mapping[str, str]:
        """Create documents, each in the index beside it; return by `_id` why one is refused.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or takes nothing.
        """
        refused: dict[str, str] = {}
        left = {made.document_id: (index, made) for index, made in documents}
        wait_ms = WAIT_MS
        for _ in range(TRIES_MAX):
            body = b"".join(bulk_lines(index, made) for index, made in left.values())
            busy: set[str] = set()
            for item in self._bulk(body):
                if item.status in BUSY:
                    busy.add(item.id)
                elif item.status == http.HTTPStatus.BAD_REQUEST:
                    refused[item.id] = item.error.sentence()
                # One that is there came with a try that was not answered.
                elif item.status >= 300 and item.status != http.HTTPStatus.CONFLICT:
                    raise self._taken_not(item)
            left = {name: each for name, each in left.items() if name in busy}
            if not left:
                return refused
            self._clock.sleep_ms(wait_ms)
            wait_ms *= 2
        raise ServiceUnavailable(
            "Elasticsearch",
            address=self._elastic.address,
            reason="it had no room for documents, time after time",
            remedy="run the replay again when it has less to do; nothing has changed",
        )

    def mark(self, formers: Sequence[Version], *, revision: int) -> None:
        """Mark documents that nobody altered since they were read.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses one.
            CommandFailed: one was altered.
        """
        if not formers:
            return
        lines = [line for each in formers for line in _mark_lines(each, revision)]
        for item in self._bulk(b"\n".join([*lines, b""])):
            if item.status == http.HTTPStatus.CONFLICT:
                raise CommandFailed(
                    f"The document {item.id} was altered while it was replayed.",
                    remedy="run the replay again; nothing has changed for anybody",
                )
            if item.status >= 300:
                raise self._taken_not(item)

    def count_in(self, indices: Collection[str]) -> int:
        """Return how many documents these indices hold, once all of them are found.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        return self._count(indices, query={"match_all": {}})

    def count_marked(self, indices: Collection[str], *, revision: int) -> int:
        """Return how many documents in these indices bear the mark.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        return self._count(indices, query={"term": {REVISED_BY: {"value": revision}}})

    def swap(self, actions: Sequence[dict[str, Any]]) -> None:
        """Change the alias by all of these actions at once, or by none.

        Raises:
            ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
        """
        self._elastic.ask("POST", "/_aliases", body={"actions": list(actions)})

    def _count(self, indices: Collection[str], *, query: Body) -> int:
        count = 0
        for index in sorted(indices):
            refresh(self._elastic, index, clock=self._clock)
            count += self._elastic.count(index, query=query)
        return count

    def _bulk(self, body: bytes) -> Iterator[_Item]:
        answer = self._elastic.request(
            "POST", BULK_PATH, body=body, content_type=NDJSON
        )
        if not answer.is_success:
            raise self._elastic.refusal(answer)
        for each in msgspec.json.decode(answer.body, type=_Bulk).items:
            yield from each.values()

    def _taken_not(self, item: _Item) -> ServiceUnavailable:
        return ServiceUnavailable(
            "Elasticsearch",
            address=self._elastic.address,
            reason=f"it answered {item.status} for {item.id}: {item.error.sentence()}",
            remedy="put right what it says, and run the replay again; nothing has"
            " changed for anybody",
        )


def _mark_lines(former: Version, revision: int) -> tuple[bytes, bytes]:
    action = {
        "_index": former.index,
        "_id": former.document_id,
        "if_seq_no": former.sequence_number,
        "if_primary_term": former.primary_term,
    }
    # Not `update`, by which Elasticsearch would spell the whole source anew.
    return orjson.dumps({"index": action}), marked_source(former, revision=revision)
