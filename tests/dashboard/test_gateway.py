from __future__ import annotations

import socket
from collections.abc import Generator
from concurrent.futures import CancelledError
from contextlib import closing
from pathlib import Path

import pytest

from tailrace.elasticsearch import INTERACTIVE_TIMEOUT_S, Elastic
from tailrace.errors import NoAnswer, QueryInvalid, ServiceUnavailable, TailraceError
from tailrace.query import SearchRequest, search_body
from tailrace.settings import Connections
from tailrace_dashboard.gateway import (
    SILENCE_S,
    ElasticsearchGateway,
    NoIndexYet,
    api_error,
)
from tailrace_embedded.stack import Endpoints
from tests.dashboard.doubles import EmptyThenSilentServer, SilentServer
from tests.support.waiting import eventually

WAIT_S = 10
BODY = search_body(SearchRequest(since_ms=1, until_ms=2))


def gateway_to(url: str) -> ElasticsearchGateway:
    # The environment would win over an argument.
    return ElasticsearchGateway(
        Connections().model_copy(update={"elasticsearch_url": url})
    )


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (404, {}, NoIndexYet, "no index behind 'i'"),
        (400, {"error": {"reason": "bad sort here"}}, QueryInvalid, "bad sort here"),
        (401, {}, ServiceUnavailable, "does not let this user search"),
        (403, {}, ServiceUnavailable, "does not let this user search"),
        (
            429,
            {"error": {"reason": "too busy now"}},
            ServiceUnavailable,
            "too busy now",
        ),
        (503, "<html>proxy</html>", ServiceUnavailable, "503: <html>proxy"),
        (400, "", QueryInvalid, "refused the search"),
    ],
)
def test_a_refusal_says_what_it_means_to_the_person(
    status: int, body: object, kind: type[TailraceError], said: str
) -> None:
    error = api_error(status, body=body, index="i", query="q", address="http://x:1")
    assert type(error) is kind
    assert said in str(error)
    assert error.remedy


@pytest.fixture
def silent() -> Generator[SilentServer, None, None]:
    with closing(SilentServer()) as server:
        yield server


def test_cancelling_closes_the_connection_so_that_the_search_is_stopped(
    silent: SilentServer,
) -> None:
    with closing(gateway_to(silent.url)) as gateway:
        asked = gateway.ask(index="i", body=BODY)
        eventually(silent.has_asked.is_set, WAIT_S)
        assert not silent.has_left.is_set()
        asked.cancel()
        eventually(silent.has_left.is_set, WAIT_S, what="the connection is closed")
        with pytest.raises(CancelledError):
            asked.result(0)


def test_where_nothing_listens_is_said_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with (
        closing(gateway_to(url)) as gateway,
        pytest.raises(ServiceUnavailable, match="nothing listens there"),
    ):
        gateway.ask(index="i", body=BODY).result(WAIT_S)


def test_one_that_takes_questions_and_never_answers_is_not_to_be_started(
    silent: SilentServer,
) -> None:
    connections = Connections().model_copy(update={"elasticsearch_url": silent.url})
    with (
        closing(ElasticsearchGateway(connections, timeout_s=0.2)) as gateway,
        pytest.raises(NoAnswer, match=r"no answer within 0\.2 s") as caught,
    ):
        gateway.ask(index="i", body=BODY).result(WAIT_S)
    assert "it may be busy or stand still" in caught.value.remedy


def test_one_that_stands_still_is_told_long_before_a_slow_search_would_be(
    silent: SilentServer,
) -> None:
    """Its kernel takes every connection, and nothing is ever answered."""
    connections = Connections().model_copy(update={"elasticsearch_url": silent.url})
    with (
        closing(ElasticsearchGateway(connections, silence_s=0.2)) as gateway,
        pytest.raises(NoAnswer, match=r"no answer within 0\.4 s"),
    ):
        gateway.ask(index="i", body=BODY).result(WAIT_S)
    eventually(silent.has_left.is_set, WAIT_S, what="the search is given up")


def test_a_slow_search_has_its_time_where_the_server_lives() -> None:
    with closing(EmptyThenSilentServer()) as server:
        connections = Connections().model_copy(update={"elasticsearch_url": server.url})
        slow = search_body(SearchRequest(query="slow", since_ms=1, until_ms=2))
        with (
            closing(
                ElasticsearchGateway(connections, timeout_s=2, silence_s=0.2)
            ) as gateway,
            pytest.raises(NoAnswer, match="no answer within 2 s"),
        ):
            gateway.ask(index="i", body=slow).result(WAIT_S)


def test_a_person_waits_no_longer_than_at_the_command_line() -> None:
    assert 2 * SILENCE_S == INTERACTIVE_TIMEOUT_S


@pytest.mark.stack
@pytest.mark.timeout(120, func_only=True)
def test_the_real_server_answers_refuses_and_explains(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    index = f"{namespace}-shop-2026.11.24"
    connections = Connections().model_copy(
        update={"elasticsearch_url": stack.elasticsearch_url, "data_dir": tmp_path}
    )
    with (
        closing(gateway_to(stack.elasticsearch_url)) as gateway,
        Elastic(connections) as elastic,
    ):
        with pytest.raises(NoIndexYet):
            gateway.ask(index=index, body=BODY).result(WAIT_S)
        elastic.ask("PUT", f"/{index}")
        # Nothing is mapped yet: sorting must not fail for that.
        found = gateway.ask(index=index, body=BODY).result(WAIT_S)
        assert found["hits"]["hits"] == []
        put = b'{"@timestamp": "1970-01-01T00:00:01Z", "message": "one"}'
        elastic.request("PUT", f"/{index}/_doc/1?refresh=true", body=put)
        for query, said in (
            ("a AND (", "cannot be read at its end"),
            ("a:b:c", "at character 4, before ':c'"),
            ("*a", "begins with `*`"),
            ('"a', "cannot be read at its end"),
        ):
            # Elasticsearch reads no words where no document lies within the range.
            for until_ms in (5_000, 500):
                request = SearchRequest(query=query, since_ms=1, until_ms=until_ms)
                body = search_body(request)
                with pytest.raises(QueryInvalid) as caught:
                    gateway.ask(index=index, body=body, query=query).result(WAIT_S)
                assert said in str(caught.value)
        elastic.ask("DELETE", f"/{index}")
