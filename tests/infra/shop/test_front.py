"""How the shop's web server takes what comes, how long incidents last, who is present."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from tailrace_shop.chat import PRESENT_MS, Room, Said, SaidKind
from tailrace_shop.http import Request, Response, serve
from tailrace_shop.incidents import (
    BAD_VERSION,
    GOOD_VERSION,
    Deploys,
    Incident,
    Incidents,
)
from tests.support.standing_clock import StandingClock


def answered(sent: bytes) -> bytes:
    """Return all that the server answers to these bytes, up to the connection's end."""

    async def echo(request: Request) -> Response:
        said = f"{request.method} {request.path} {request.query} ".encode()
        return Response(body=said + request.body, content_type="text/plain")

    def ask(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65_536), b""))

    async def once() -> bytes:
        server = await serve(echo, address="127.0.0.1", port=0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await asyncio.to_thread(ask, port)

    return asyncio.run(once())


def test_a_kept_connection_has_its_requests_answered_in_order() -> None:
    said = answered(
        b"POST /a?x=1 HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n"
    )
    assert said.count(b"HTTP/1.1 200 OK") == 2
    assert said.index(b"POST /a {'x': '1'} abc") < said.index(b"GET /b {} ")


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nuser-agent: x\n192.0.2.1 - - forged\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["no request", "forged line", "too long", "negative", "chunked", "long head"],
)
def test_what_is_not_understood_is_refused(sent: bytes) -> None:
    said = answered(sent)
    assert said.startswith(b"HTTP/1.1 400 Bad Request")
    assert said.count(b"HTTP/1.1") == 1


def test_an_incident_is_over_once_its_time_is() -> None:
    clock = StandingClock(0)
    incidents = Incidents(length_ms=1_000, clock=clock)
    assert incidents.under_way() == []
    incidents.cause(Incident.BAD_DEPLOY)
    clock.at_ms = 600
    incidents.cause(Incident.BAD_DEPLOY)
    clock.at_ms = 1_599
    assert incidents.is_on(Incident.BAD_DEPLOY)
    assert incidents.under_way() == ["bad-deploy"]
    clock.at_ms = 1_600
    assert not incidents.is_on(Incident.BAD_DEPLOY)
    assert incidents.under_way() == []


def test_each_version_has_its_line_before_it_does_anything(tmp_path: Path) -> None:
    clock = StandingClock(0)
    incidents = Incidents(length_ms=1_000, clock=clock)
    deploys = Deploys(incidents, logs=tmp_path, clock=clock)

    def told() -> list[str]:
        lines = (tmp_path / "deploys.log").read_text().splitlines()
        return [json.loads(line)["service.version"] for line in lines]

    versions: list[str] = []
    for at_ms in (0, 100, 200, 1_200):
        clock.at_ms = at_ms
        if at_ms == 100:
            incidents.cause(Incident.BAD_DEPLOY)
        versions.append(deploys.version())
        assert told()[-1] == versions[-1]
    deploys.close()
    assert versions == [GOOD_VERSION, BAD_VERSION, BAD_VERSION, GOOD_VERSION]
    assert told() == [GOOD_VERSION, BAD_VERSION, GOOD_VERSION]


def test_who_is_silent_for_long_or_says_so_is_not_present() -> None:
    room = Room()
    for member, kind, at_ms in (
        ("eva", SaidKind.HERE, 0),
        ("bob", SaidKind.SAID, 1),
        ("kim", SaidKind.HERE, 2),
        ("kim", SaidKind.LEFT, 3),
    ):
        room.hear(Said(member=member, kind=kind, at_ms=at_ms, text="hello"))
    room.hear(Said(member="bob", at_ms=1, text="hello"))  # Sent again.
    assert room.present(now_ms=5) == ["bob", "eva"]
    assert room.present(now_ms=PRESENT_MS) == ["bob"]
    assert [said.member for said in room.said()] == ["bob"]
