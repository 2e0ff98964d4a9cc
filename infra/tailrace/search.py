"""How `tailrace search` asks Elasticsearch: pages of the newest, and what arrives."""

from __future__ import annotations

import http
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from tailrace.answers import Row, is_partial, read_page
from tailrace.elasticsearch import Elastic
from tailrace.errors import CommandFailed
from tailrace.follow import MAXIMA_BODY, PAGE_ROWS, Arrivals, read_maxima
from tailrace.query import (
    ROWS_MAX,
    Body,
    SearchRequest,
    events_alias,
    explain_query_error,
    next_request,
    reading_body,
    search_body,
)


class Asks(Protocol):
    """Who answers a search."""

    def __call__(self, *, index: str, body: Body, query: str) -> Mapping[str, Any]:
        """Return the answer.

        Raises:
            TailraceError: there is no such index, Elasticsearch is away, or it cannot
                read the query.
        """
        ...


class AsksElastic:
    """Asks the real one; what it refuses becomes a sentence for the person who asked."""

    def __init__(self, elastic: Elastic) -> None:
        self._elastic = elastic

    def __call__(self, *, index: str, body: Body, query: str) -> Mapping[str, Any]:
        """Return the answer.

        Raises:
            CommandFailed: nothing was indexed yet.
            QueryInvalid: the query cannot be read.
            ServiceUnavailable: Elasticsearch is away, or refuses.
        """
        answer = self._elastic.look_up("POST", f"/{index}/_search", body=body)
        if answer.is_success:
            return answer.json()
        if answer.status == http.HTTPStatus.NOT_FOUND:
            raise CommandFailed(
                f"Nothing was indexed yet: Elasticsearch at {self._elastic.address} has"
                f" no index behind {index!r}.",
                remedy="ship a first line (`tailrace up`, or `tailrace agent`);"
                " `tailrace status` says what is missing",
            )
        explained = explain_query_error(query, answer=answer.json())
        if answer.status == http.HTTPStatus.BAD_REQUEST and explained is not None:
            raise explained
        raise self._elastic.refusal(answer)


class Searcher:
    """Searches the events of one namespace."""

    def __init__(self, ask: Asks, *, namespace: str) -> None:
        self._ask = ask
        self._index = events_alias(namespace)

    def newest(self, request: SearchRequest) -> list[Row]:
        """Return the newest rows, the newest first, page by page where there are many.

        Raises:
            QueryInvalid: the query or the range cannot be read.
            CommandFailed: only a part of what matches was found.
        """
        wanted = request.size_max
        rows: list[Row] = []
        page_request = replace(request, size_max=min(wanted, ROWS_MAX))
        while True:
            body = search_body(page_request)
            answer = self._ask(index=self._index, body=body, query=request.query)
            page = read_page(answer, size_max=page_request.size_max)
            if page.is_partial:
                raise _answered_in_part()
            rows.extend(page.rows)
            reading = reading_body(request.query, asked=body, answer=answer)
            if reading is not None:
                self._ask(index=self._index, body=reading, query=request.query)
            if len(rows) >= wanted or not page.next_after:
                return rows[:wanted]
            page_request = next_request(page_request, page=page)

    def arrivals(self, request: SearchRequest, *, now_ms: int) -> Arrivals:
        """Return where arrivals begin: after all that is there now.

        Raises:
            CommandFailed: not all that is there could be looked at.
        """
        arrivals = Arrivals()
        answer = self._ask(index=self._index, body=MAXIMA_BODY, query="")
        if is_partial(answer):
            raise _answered_in_part()
        arrivals.start_near(read_maxima(answer))
        for _row in self.arrived(request, arrivals=arrivals, now_ms=now_ms):
            pass
        return arrivals

    def arrived(
        self, request: SearchRequest, *, arrivals: Arrivals, now_ms: int
    ) -> Iterator[Row]:
        """Yield what has arrived since the last look, each once.

        What a look left out, because its time ran out or a shard failed, comes with one
        of the next: nothing is left behind before a look was whole.
        """
        query = search_body(replace(request, size_max=1))["query"]
        after: list[Any] = []
        while True:
            answer = self._ask(
                index=self._index,
                body=arrivals.body(query, after=after),
                query=request.query,
            )
            hits: list[Mapping[str, Any]] = answer["hits"]["hits"]
            for hit in arrivals.take(hits, now_ms=now_ms):
                yield Row(
                    document_id=hit["_id"],
                    index=hit["_index"],
                    document=hit["_source"],
                    cursor=tuple(hit["sort"]),
                    ignored=tuple(hit.get("_ignored", ())),
                )
            if is_partial(answer):
                return
            if len(hits) < PAGE_ROWS:
                break
            after = list(hits[-1]["sort"])
        arrivals.settle(now_ms=now_ms)


def _answered_in_part() -> CommandFailed:
    return CommandFailed(
        "Elasticsearch answered in part only: a shard failed, or the time ran out.",
        remedy="ask for a shorter time with --since, or try again;"
        " `tailrace status` tells of lost shards",
    )
