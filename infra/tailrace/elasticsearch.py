"""How Elasticsearch is spoken to: requests by path, any status a value, bytes both ways.

The official client brings nodes, TLS and connections; requests go through its transport
with plain JSON media types, because its own methods ask for the compatibility mode of its
major version, which older servers refuse. No sniffing, and never `GET /`, which some builds
lack and restricted users may not ask.
"""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

import elastic_transport
import orjson
from elasticsearch import Elasticsearch

from tailrace.clock import Clock, SystemClock
from tailrace.credentials import ElasticsearchKeys, elasticsearch_tls
from tailrace.errors import NoAnswer, RightMissing, ServiceUnavailable
from tailrace.index_templates import SEQUENCE_NUMBERS, Capabilities
from tailrace.rights import REMEDY, error_reason, missing_right
from tailrace.settings import Connections
from tailrace.shut_indices import shut_by

# The node's logger decodes every body to text before it asks whether anyone listens.
logging.getLogger("elastic_transport.node").propagate = False

REQUEST_TIMEOUT_S = 30.0
INTERACTIVE_TIMEOUT_S = 10.0
"""For a person who waits; each question that gets no answer must be the last one."""
JSON = "application/json"
NDJSON = "application/x-ndjson"
MISSING_IS_NONE = "?ignore_unavailable=true&allow_no_indices=true"
"""Behind a path: an index that is not there, or is closed, holds nothing."""
WHOLE_SEARCH = "/_search?allow_partial_search_results=false"
"""A search in a point in time that is an error where a shard does not answer."""
SHARDS_WAIT_MS_MAX = 10_000
"""How long a search waits for the shards of an index that was made just now."""
SHARDS_LOOK_MS = 100
NO_SHARDS = b"no_shard_available_action_exception"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: any status, with the body as it came."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300

    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """Return the body decoded; what is not JSON comes as its text."""
        try:
            return orjson.loads(self.body) if self.body else None
        except orjson.JSONDecodeError:
            return self.body.decode("utf-8", "replace")


class RequestTimedOut(NoAnswer):
    """No answer came in time; the request may have been carried out all the same."""

    def __init__(self, *, address: str, timeout_s: float) -> None:
        super().__init__("Elasticsearch", address=address, wait_s=timeout_s)


class _Bytes(elastic_transport.Serializer):
    """Passes bodies as they are: nothing is decoded that nobody reads."""

    def __init__(self, mimetype: str) -> None:
        self.mimetype = mimetype  # pyright: ignore[reportAttributeAccessIssue] - a class variable there

    def loads(self, data: bytes) -> bytes:
        return data

    def dumps(self, data: object) -> bytes:
        assert isinstance(data, bytes)
        return data


def client_of(
    connections: Connections, *, connections_per_node: int = 10
) -> Elasticsearch:
    """Return a client whose transport gives and takes bytes.

    Its own methods ask for a compatibility mode: use `Elastic` unless the server is
    known to have the client's major version.
    """
    plain = {name: _Bytes(name) for name in (JSON, NDJSON, "text/plain", "text/html")}
    options: dict[str, Any] = {}
    if (context := elasticsearch_tls(connections)) is not None:
        options["ssl_context"] = context
    return Elasticsearch(
        connections.elasticsearch_urls,
        serializers=plain,
        connections_per_node=connections_per_node,
        max_retries=0,
        retry_on_timeout=False,
        request_timeout=REQUEST_TIMEOUT_S,
        **options,
    )


class Elastic:
    """One Elasticsearch, asked by path; safe to share between threads."""

    def __init__(
        self,
        connections: Connections,
        *,
        connections_per_node: int = 10,
        timeout_s: float = REQUEST_TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        self._address = connections.elasticsearch_url
        self._clock = clock or SystemClock()
        self._timeout_s = timeout_s
        self._client = client_of(connections, connections_per_node=connections_per_node)
        self._keys = ElasticsearchKeys(connections)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        return self._address

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = JSON,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send one request, once, and return the answer whatever its status.

        It is waited for as long as was said at the beginning, unless `timeout_s` is given.
        One that was refused because nobody knows us (401) was not carried out, and is
        sent once more where the key's file holds another key by now.

        Raises:
            RequestTimedOut: no answer came in time; it may have been carried out.
            ServiceUnavailable: no node can be reached, TLS fails, or a key's file was
                never in good order.
        """
        if timeout_s is None:
            timeout_s = self._timeout_s
        headers = {"accept": JSON}
        if body is not None:
            headers["content-type"] = content_type
        known_by = self._keys.header()
        answer = self._send(
            method, path, headers | known_by, body=body, timeout_s=timeout_s
        )
        if answer.status == http.HTTPStatus.UNAUTHORIZED:
            other = self._keys.header_instead_of(known_by)
            if other is not None:
                return self._send(
                    method, path, headers | other, body=body, timeout_s=timeout_s
                )
        return answer

    def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        *,
        body: bytes | None,
        timeout_s: float,
    ) -> Answer:
        try:
            answer = self._client.transport.perform_request(
                method,
                path,
                body=body,
                headers=headers,
                max_retries=0,
                request_timeout=timeout_s,
            )
        except elastic_transport.ConnectionTimeout as error:
            raise RequestTimedOut(address=self._address, timeout_s=timeout_s) from error
        except (elastic_transport.TransportError, OSError) as error:
            raise ServiceUnavailable(
                "Elasticsearch", address=self._address, reason=_short(error)
            ) from error
        return Answer(answer.meta.status, cast("bytes | None", answer.body) or b"")

    def ask(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Send one request that must succeed, and return the decoded answer.

        Raises:
            ServiceUnavailable: it cannot be reached, or answers with an error.
        """
        raw = None if body is None else orjson.dumps(body)
        return self.decoded(self.request(method, path, body=raw))

    def decoded(self, answer: Answer) -> Any:  # noqa: ANN401 - any JSON value
        """Return what an answer of success says.

        Raises:
            ServiceUnavailable: it is an error.
        """
        if not answer.is_success:
            raise self.refusal(answer)
        return answer.json()

    def add_fields(self, index: str, *, properties: Mapping[str, Any]) -> None:
        """Add fields to the mapping of an index, if it is there.

        Raises:
            ServiceUnavailable: it cannot be reached, or has one of another type.
        """
        raw = orjson.dumps({"properties": properties})
        answer = self.request("PUT", f"/{quote(index)}/_mapping", body=raw)
        if answer.status != http.HTTPStatus.NOT_FOUND:
            self.decoded(answer)

    def refusal(self, answer: Answer) -> ServiceUnavailable:
        """Return what an answer that is an error means to a user."""
        remedy = None
        right = missing_right(error_reason(answer.json(), characters_max=None))
        if right is not None:
            what, name = right.sentence(), right.name
            return RightMissing(what, right=name, address=self._address, remedy=REMEDY)
        if (shut := shut_by(answer.json())) is not None:
            return shut
        if answer.status in {401, 403}:
            remedy = (
                "give this role a user or key with the rights it needs, by"
                " TAILRACE_ELASTICSEARCH_USERNAME and TAILRACE_ELASTICSEARCH_PASSWORD_FILE,"
                " or TAILRACE_ELASTICSEARCH_API_KEY_FILE"
            )
        return ServiceUnavailable(
            "Elasticsearch",
            address=self._address,
            reason=f"it answered {answer.status}: {error_reason(answer.json())}",
            remedy=remedy,
        )

    def look_up(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None
    ) -> Answer:
        """Send one search or count, or open a point in time; return whatever is answered.

        An index can be seen a moment before it can be searched, and is then no error: it
        is asked again for as long as `SHARDS_WAIT_MS_MAX`.

        Raises:
            ServiceUnavailable: no node can be reached, or TLS fails.
        """
        raw = None if body is None else orjson.dumps(body)
        deadline_ms = self._clock.monotonic_ms() + SHARDS_WAIT_MS_MAX
        while True:
            answer = self.request(method, path, body=raw)
            # With no failed shard named, none was there to fail either.
            has_none = answer.status == http.HTTPStatus.SERVICE_UNAVAILABLE and (
                NO_SHARDS in answer.body or b'"failed_shards":[]' in answer.body
            )
            if not has_none or self._clock.monotonic_ms() >= deadline_ms:
                return answer
            self._clock.sleep_ms(SHARDS_LOOK_MS)

    def search(self, index: str, *, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a search.

        Raises:
            ServiceUnavailable: it cannot be reached, or refuses the search.
        """
        path = f"/{quote(index, safe=',*')}/_search"
        return self.decoded(self.look_up("POST", path, body=body))

    def count(self, index: str, *, query: Mapping[str, Any] | None = None) -> int:
        """Return how many documents a search would find now; 0 where no index is.

        With a query only those that it matches.

        Raises:
            ServiceUnavailable: it cannot be reached, or refuses.
        """
        path = f"/{quote(index, safe=',*')}/_count{MISSING_IS_NONE}"
        body = None if query is None else {"query": query}
        return int(self.decoded(self.look_up("POST", path, body=body))["count"])

    def has_shards(self, index: str) -> bool:
        """Tell whether a shard that can be searched is behind a name.

        A search of an index whose shards all start is an error, of which the server
        writes a whole trace into its log; this question is none, also without an index.

        Raises:
            ServiceUnavailable: it cannot be reached, or refuses.
        """
        path = f"/_cluster/health/{quote(index, safe=',*')}?timeout=0s"
        answer = self.request("GET", f"{path}&filter_path=active_primary_shards")
        # Without an index the time is out at once, which is an answer too.
        if answer.status != http.HTTPStatus.REQUEST_TIMEOUT:
            self.decoded(answer)
        return b'"active_primary_shards":0' not in answer.body and bool(answer.body)

    def refresh(self, index: str) -> None:
        """Let what is written be found.

        Raises:
            ServiceUnavailable: it cannot be reached, or refuses.
        """
        self.ask("POST", f"/{quote(index, safe=',*')}/_refresh{MISSING_IS_NONE}")

    def health(self) -> str:
        """Return the cluster's colour.

        Raises:
            ServiceUnavailable: it cannot be reached, or refuses.
        """
        return str(self.ask("GET", "/_cluster/health?filter_path=status")["status"])

    def capabilities(self) -> Capabilities:
        """Return what this build has beyond the common ground.

        Something is there if a template that uses it could be made; none is.

        Raises:
            ServiceUnavailable: it cannot be reached, or does not say.
        """
        text = {"properties": {"message": {"type": "match_only_text"}}}
        numbers = {f"index.{SEQUENCE_NUMBERS}": "doc_values_only"}
        return Capabilities(
            has_match_only_text=self._takes_template({"mappings": text}),
            has_lean_sequence_numbers=self._takes_template({"settings": numbers}),
        )

    def _takes_template(self, template: Mapping[str, Any]) -> bool:
        body = {
            "index_patterns": ["tailrace-capability-*"],
            "priority": 1_000_000,
            "template": template,
        }
        answer = self.request(
            "POST", "/_index_template/_simulate", body=orjson.dumps(body)
        )
        # Any other refusal says nothing of the template: it would be written with less.
        if answer.status != http.HTTPStatus.BAD_REQUEST:
            self.decoded(answer)
        return answer.is_success

    def template_fingerprint(self, name: str) -> str:
        """Return what our template of that name says of itself, "" where none is.

        Raises:
            ServiceUnavailable: it cannot be reached, or refuses.
        """
        answer = self.request("GET", f"/_index_template/{quote(name)}")
        if answer.status == 404:
            return ""
        found: Any = self.decoded(answer)["index_templates"][0]["index_template"]
        meta: dict[str, Any] = found.get("_meta") or {}
        return str(meta.get("fingerprint", ""))

    def put_template(self, name: str, *, body: Mapping[str, Any]) -> None:
        """Write an index template.

        Raises:
            ServiceUnavailable: it cannot be reached, or refuses.
        """
        self.ask("PUT", f"/_index_template/{quote(name)}", body=body)


def _short(error: Exception) -> str:
    text = str(getattr(error, "message", "") or error).split("\n", maxsplit=1)[0]
    if "refused" in text:
        return "nothing listens there"
    return text[:300]
