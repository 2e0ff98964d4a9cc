"""How Elasticsearch is asked: each question a future whose cancelling cancels the search.

Questions run on one event loop in a thread of their own. Cancelling one closes its
connection, by which Elasticsearch learns that nobody waits any more and stops searching.
"""

from __future__ import annotations

import asyncio
import http
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import quote

import elastic_transport
from elasticsearch import AsyncElasticsearch

from tailrace.credentials import ElasticsearchKeys, elasticsearch_tls
from tailrace.elasticsearch import JSON, RequestTimedOut
from tailrace.errors import QueryInvalid, ServiceUnavailable, TailraceError
from tailrace.lucene import reasons_in
from tailrace.query import Body, explain_query_error, reading_body
from tailrace.settings import Connections
from tailrace.shut_indices import shut_by

REQUEST_TIMEOUT_S = 25
"""A little more than the body's own `timeout`, so that partial results come back."""
SILENCE_S = 5.0
"""So long a search may say nothing before its server is asked whether it lives, and so long
may that answer take: a server that stands still is told after twice of it, as `search` does
after ten seconds. One that searches slowly has the whole time above."""
ALIVE_PATH = "/_cluster/health?local=true&filter_path=status"
"""Answered from memory; a user who may not ask this is told so, which is an answer too."""

T = TypeVar("T")


class NoIndexYet(TailraceError):
    """Nothing was ever indexed under this namespace: the index is not there."""

    def __init__(self, index: str) -> None:
        super().__init__(
            f"There is no index behind {index!r} yet.",
            remedy="start an agent; its first lines make the index",
        )


class SearchGateway(Protocol):
    """Who answers searches."""

    def ask(self, *, index: str, body: Body, query: str = "") -> Future[Body]:
        """Return the answer to come; `query` is what the person typed, for errors.

        The future raises `ServiceUnavailable`, `NoIndexYet` or `QueryInvalid`.
        """
        ...


class ElasticsearchGateway:
    """The real Elasticsearch, over one connection pool for all who look."""

    def __init__(
        self,
        connections: Connections,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._connections = connections
        self._timeout_s = timeout_s
        self._silence_s = silence_s
        self._client: AsyncElasticsearch | None = None
        self._keys = ElasticsearchKeys(connections)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="elasticsearch", daemon=True
        )
        self._thread.start()

    def ask(self, *, index: str, body: Body, query: str = "") -> Future[Body]:
        """Start one search."""
        return self._start(self._ask(index=index, body=body, query=query))

    def close(self) -> None:
        """Let go of every connection; no question may follow."""
        if self._client is not None:
            self._start(self._client.close()).result(REQUEST_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(REQUEST_TIMEOUT_S)
        self._loop.close()

    def _start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _ask(self, *, index: str, body: Body, query: str) -> Body:
        answer = await self._ask_once(index=index, body=body, query=query)
        reading = reading_body(query, asked=body, answer=answer)
        if reading is not None:
            await self._ask_once(index=index, body=reading, query=query)
        return answer

    async def _ask_once(self, *, index: str, body: Body, query: str) -> Body:
        if self._client is None:
            self._client = _client(self._connections)
        address = self._connections.elasticsearch_url
        known_by = self._keys.header()
        answer = await self._send_watched(index, body, known_by)
        if answer.meta.status == http.HTTPStatus.UNAUTHORIZED:
            other = self._keys.header_instead_of(known_by)
            if other is not None:
                answer = await self._send_watched(index, body, other)
        if answer.meta.status >= 400:
            raise api_error(
                answer.meta.status,
                body=answer.body,
                index=index,
                query=query,
                address=address,
            )
        return cast("Body", answer.body)

    async def _send_watched(
        self, index: str, body: Body, known_by: dict[str, str]
    ) -> elastic_transport.TransportApiResponse:
        """Search, and give up once the server answers nothing else either."""
        search = asyncio.ensure_future(self._send(index, body, known_by))
        silent = asyncio.ensure_future(self._silent(known_by))
        try:
            await asyncio.wait({search, silent}, return_when=asyncio.FIRST_COMPLETED)
            if search.done():
                return search.result()
            raise RequestTimedOut(
                address=self._connections.elasticsearch_url,
                timeout_s=2 * self._silence_s,
            )
        finally:
            # Also where the person left: cancelled, the search closes its connection.
            search.cancel()
            silent.cancel()
            await asyncio.gather(search, silent, return_exceptions=True)

    async def _silent(self, known_by: dict[str, str]) -> None:
        """Return once no node has answered a question that costs nothing."""
        assert self._client is not None
        answered = True
        while answered:
            await asyncio.sleep(self._silence_s)
            # The nodes take turns: so each is asked, as any may be the one that searches.
            answers = await asyncio.gather(
                *(
                    self._client.transport.perform_request(
                        "GET",
                        ALIVE_PATH,
                        headers={"accept": JSON, **known_by},
                        request_timeout=self._silence_s,
                        max_retries=0,
                    )
                    for _node in self._connections.elasticsearch_urls
                ),
                return_exceptions=True,
            )
            answered = not all(isinstance(one, BaseException) for one in answers)

    async def _send(
        self, index: str, body: Body, known_by: dict[str, str]
    ) -> elastic_transport.TransportApiResponse:
        assert self._client is not None
        address = self._connections.elasticsearch_url
        try:
            # Plain JSON: the client's own methods ask for the compatibility mode of its
            # major version, which older servers refuse.
            return await self._client.transport.perform_request(
                "POST",
                f"/{quote(index, safe='')}/_search",
                body=body,
                headers={"accept": JSON, "content-type": JSON, **known_by},
                request_timeout=self._timeout_s,
                # A person who waits is told at once; they have a button to try again.
                max_retries=0,
            )
        except elastic_transport.ConnectionTimeout as error:
            raise RequestTimedOut(address=address, timeout_s=self._timeout_s) from error
        except elastic_transport.TransportError as error:
            raise ServiceUnavailable(
                "Elasticsearch", address=address, reason=_short(error)
            ) from error


def api_error(
    status: int, *, body: object, index: str, query: str, address: str
) -> TailraceError:
    """Return what a refusal by Elasticsearch means to the person who asked."""
    if status == 404:
        return NoIndexYet(index)
    shut = shut_by(body)
    if shut is not None:
        return shut
    if status == 400:
        explained = explain_query_error(query, answer=body)
        if explained is not None:
            return explained
        return QueryInvalid(
            f"Elasticsearch refused the search: {_first_reason(body)}",
            remedy="take away the last filter or word, and search again",
        )
    if status in {401, 403}:
        return ServiceUnavailable(
            "Elasticsearch",
            address=address,
            reason=f"it does not let this user search (status {status})",
            remedy=(
                "give the dashboard a user that may read, by"
                " TAILRACE_ELASTICSEARCH_USERNAME and TAILRACE_ELASTICSEARCH_PASSWORD_FILE"
            ),
        )
    return ServiceUnavailable(
        "Elasticsearch",
        address=address,
        reason=f"it answered {status}: {_first_reason(body)}",
    )


def _client(connections: Connections) -> AsyncElasticsearch:
    options: dict[str, Any] = {}
    if (context := elasticsearch_tls(connections)) is not None:
        options["ssl_context"] = context
    return AsyncElasticsearch(connections.elasticsearch_urls, **options)


def _short(error: elastic_transport.TransportError) -> str:
    text = str(error.errors[-1] if error.errors else error.message).split("\n")[0]
    return "nothing listens there" if "onnect call failed" in text else text


def _first_reason(body: object) -> str:
    reasons = [text for text in reasons_in(body) if " " in text]
    return (reasons[0] if reasons else str(body))[:300]
