"""How we are known to the servers: reloaded while running, and never seen."""

from __future__ import annotations

import base64
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from tailrace.credentials import (
    ElasticsearchKeys,
    LivePassword,
    kafka_password,
)
from tailrace.elasticsearch import Elastic
from tailrace.errors import ConfigError, ServiceUnavailable
from tailrace.kafka_options import kafka_options
from tailrace.settings import Connections, read_connections
from tailrace_dashboard.gateway import ElasticsearchGateway
from tests.support.certificates import Authority
from tests.support.guarded import GuardedServer

CANARY = "canary-5d1e"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GuardedServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    with GuardedServer(folder).serving() as serving:
        yield serving


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def test_e11_a_key_that_was_changed_in_its_file_serves_the_next_request(
    server: GuardedServer, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("id:old")
    connections = Connections(
        elasticsearch_url=f"http://{server.address}", elasticsearch_api_key_file=key
    )
    server.accepted = "ApiKey " + base64.b64encode(b"id:old").decode()
    with Elastic(connections) as elastic:
        assert elastic.request("GET", "/a").status == 200

        server.accepted = "ApiKey " + base64.b64encode(b"id:new").decode()
        assert elastic.request("GET", "/a").status == 401
        key.write_text("id:new\n")

        assert elastic.request("GET", "/a").status == 200


def test_e11_a_refused_request_is_sent_again_with_the_key_that_the_file_holds_by_then(
    server: GuardedServer, tmp_path: Path
) -> None:
    """It was changed between the request's being sent and its being refused."""
    password = tmp_path / "password"
    password.write_text("old")
    connections = Connections(
        elasticsearch_url=f"http://{server.address}",
        elasticsearch_username="writer",
        elasticsearch_password_file=password,
    )
    server.accepted = basic("writer", "new")
    server.on_refusal = lambda: password.write_text("new")
    with Elastic(connections) as elastic:
        assert elastic.request("POST", "/a", body=b"{}").status == 200
    assert server.seen == [basic("writer", "old"), basic("writer", "new")]


def test_e11_a_refused_request_is_not_sent_again_with_the_same_key(
    server: GuardedServer, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("old")
    keys = ElasticsearchKeys(
        Connections(
            elasticsearch_url=f"http://{server.address}",
            elasticsearch_username="writer",
            elasticsearch_password_file=password,
        )
    )
    sent = keys.header()
    assert keys.header_instead_of(sent) is None

    password.write_text("new")
    assert keys.header_instead_of(sent) == {"authorization": basic("writer", "new")}


def test_e11_a_certificate_of_another_authority_is_refused_until_the_ca_file_has_it(
    server: GuardedServer, tmp_path: Path
) -> None:
    first, second = Authority("first"), Authority("second")
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(first.certificate)
    server.show(first.signs("es"))
    connections = Connections(
        elasticsearch_url=f"https://{server.address}", elasticsearch_ca_file=trusted
    )
    gateway = ElasticsearchGateway(connections)
    with Elastic(connections) as elastic:
        assert elastic.request("GET", "/a").status == 200
        assert gateway.ask(index="i", body={}).result(10) == {}

        server.show(second.signs("es"))
        with pytest.raises(ServiceUnavailable, match=r"(?i)certificate"):
            elastic.request("GET", "/a")
        with pytest.raises(ServiceUnavailable, match=r"(?i)certificate"):
            gateway.ask(index="i", body={}).result(10)

        trusted.write_bytes(second.certificate)
        assert elastic.request("GET", "/a").status == 200
        assert gateway.ask(index="i", body={}).result(10) == {}
    gateway.close()


def test_e11_a_certificate_for_another_place_is_refused(
    server: GuardedServer, tmp_path: Path
) -> None:
    authority = Authority()
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(authority.certificate)
    server.show(authority.signs("es", addresses=("127.0.0.9",)))
    connections = Connections(
        elasticsearch_url=f"https://{server.address}", elasticsearch_ca_file=trusted
    )
    with Elastic(connections) as elastic, pytest.raises(ServiceUnavailable):
        elastic.request("GET", "/a")


def test_e11_the_dashboard_takes_a_key_that_was_changed_in_its_file(
    server: GuardedServer, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("b2xk")
    server.accepted = "ApiKey b2xk"
    gateway = ElasticsearchGateway(
        Connections(
            elasticsearch_url=f"http://{server.address}", elasticsearch_api_key_file=key
        )
    )
    assert gateway.ask(index="i", body={}).result(10) == {}

    server.accepted = "ApiKey bmV3"
    with pytest.raises(ServiceUnavailable, match="401"):
        gateway.ask(index="i", body={}).result(10)
    key.write_text("bmV3")

    assert gateway.ask(index="i", body={}).result(10) == {}
    gateway.close()


def test_e11_each_of_several_nodes_is_asked_and_no_other_is_looked_for(
    server: GuardedServer, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    with GuardedServer(folder).serving() as other:
        urls = f"http://{server.address},http://{other.address}"
        with Elastic(Connections(elasticsearch_url=urls)) as elastic:
            for _ in range(4):
                assert elastic.request("GET", "/_cluster/health").status == 200
    # One request that was answered, each: nobody asked for nodes besides.
    assert len(server.seen) == len(other.seen) == 2


def test_k7_the_password_of_kafka_is_read_at_each_connection(tmp_path: Path) -> None:
    sasl = cast("Any", importlib.import_module("kafka.net.sasl"))
    file = tmp_path / "password"
    file.write_text("first")
    options = kafka_options(
        Connections(
            kafka_security_protocol="SASL_PLAINTEXT",
            kafka_sasl_mechanism="PLAIN",
            kafka_username="agent",
            kafka_password_file=file,
        ),
        client_id="tests",
    )
    make = sasl.get_sasl_mechanism("PLAIN")
    sent: list[bytes] = [make(**options).auth_bytes()]
    file.write_text("second")
    sent.append(make(**options).auth_bytes())

    assert sent == [b"agent\0agent\0first", b"agent\0agent\0second"]


def test_x10_a_password_of_kafka_shows_nothing_where_it_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(CANARY)
    for connections in (
        Connections(kafka_password_file=file),
        Connections(kafka_password=SecretStr(CANARY)),
    ):
        password = kafka_password(connections)
        assert isinstance(password, LivePassword)
        assert password.read() == CANARY
        shown = f"{password} {password!r} {[password]}"
        assert CANARY not in shown + repr(connections)


def test_x10_a_secret_that_is_given_twice_is_refused_and_not_shown(
    tmp_path: Path,
) -> None:
    config = tmp_path / "tailrace.toml"
    config.write_text(
        f'[connections]\nkafka_password = "{CANARY}"\n'
        'kafka_password_file = "/run/p"\nkafka_key_file = "/run/k"\n'
    )
    with pytest.raises(ConfigError) as raised:
        read_connections(config)
    text = str(raised.value)
    assert "kafka_password and kafka_password_file are both given" in text
    assert "kafka_key_file is given without kafka_certificate_file" in text
    assert CANARY not in text


def test_x13_the_leader_has_keys_of_its_own_where_they_are_given() -> None:
    shared = Connections(
        elasticsearch_username="writer", elasticsearch_password=SecretStr("w")
    )
    assert shared.for_leader() is shared
    apart = shared.model_copy(
        update={"elasticsearch_leader_api_key": SecretStr("bGVhZA==")}
    )

    assert ElasticsearchKeys(apart).header() == {"authorization": basic("writer", "w")}
    leader = ElasticsearchKeys(apart.for_leader())
    assert leader.header() == {"authorization": "ApiKey bGVhZA=="}
