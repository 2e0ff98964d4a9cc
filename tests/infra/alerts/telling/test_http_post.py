from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tailrace.alerts.telling.destinations import (
    DestinationRefused,
    choose_address,
    is_outside,
)
from tailrace.alerts.telling.http_post import SendFailed, post
from tests.infra.alerts.telling.hooks import hook_server
from tests.support.certificates import Authority

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:0:5ef5:79fb:0:0:80ff:fffe",
    "not an address",
]
OUTSIDE = [
    "8.8.8.8",
    "1.1.1.1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize("address", INSIDE)
def test_x14_an_address_inside_is_refused_however_it_is_written(address: str) -> None:
    assert not is_outside(address)
    with pytest.raises(DestinationRefused):
        choose_address("hook.example.com", [address], allowed=())


@pytest.mark.parametrize("address", OUTSIDE)
def test_x14_an_address_outside_is_taken(address: str) -> None:
    assert choose_address("hook.example.com", [address], allowed=()) == address


def test_x14_a_name_that_leads_inside_and_outside_is_refused_as_a_whole() -> None:
    with pytest.raises(DestinationRefused):
        choose_address("hook.example.com", ["8.8.8.8", "10.0.0.1"], allowed=())


def test_x14_what_is_inside_is_reached_where_a_setting_names_it() -> None:
    for allowed in (["Hook.internal"], ["10.0.0.1"]):
        found = choose_address("hook.internal", ["10.0.0.1"], allowed=allowed)
        assert found == "10.0.0.1"
    with pytest.raises(DestinationRefused):
        choose_address("other.internal", ["10.0.0.2"], allowed=["10.0.0.1"])


def resolves_to(*answers: list[str]) -> Callable[[str, int], list[str]]:
    """Return a name server that gives another answer each time it is asked."""
    waiting = list(answers)

    def resolver(host: str, port: int) -> list[str]:
        del host, port
        return waiting.pop(0)

    return resolver


def test_x14_a_request_goes_to_the_address_that_was_judged_and_to_no_second_one() -> (
    None
):
    """A name server that gives an address inside at the second asking is asked once."""
    with hook_server() as hook:
        url = f"http://hook.example.com:{hook.port}/a?b=c"
        post(
            url,
            b"{}",
            allowed=["127.0.0.1"],
            resolver=resolves_to(["127.0.0.1"]),
        )
        (path, headers, body), *more = hook.posts
        assert (path, body, more) == ("/a?b=c", b"{}", [])
        assert headers["Host"] == f"hook.example.com:{hook.port}"

        with pytest.raises(SendFailed):
            post(url, b"{}", resolver=resolves_to(["127.0.0.1"]))
        assert len(hook.posts) == 1


def test_x14_a_redirect_is_not_followed() -> None:
    with hook_server() as inside, hook_server() as hook:
        hook.status = 307
        hook.headers = {"Location": inside.url}
        with pytest.raises(SendFailed, match="it answered 307"):
            post(hook.url, b"{}", allowed=["127.0.0.1"])
        assert len(hook.posts) == 1
        assert inside.posts == []


def test_x14_no_proxy_of_the_environment_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with hook_server() as proxy, hook_server() as hook:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        post(hook.url, b"{}", allowed=["127.0.0.1"])
        assert (len(proxy.posts), len(hook.posts)) == (0, 1)


def test_x14_a_name_of_numbers_is_judged_as_the_address_it_is() -> None:
    for host in ("2130706433", "0x7f000001", "127.1", "localhost"):
        with pytest.raises(SendFailed):
            post(f"http://{host}:1/", b"{}")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/s3cr3t",
        "https://127.0.0.1:1/s3cr3t",
        "http://127.0.0.1:99999/s3cr3t",
        "http://127.0.0.1:1/s3cr3t\r\nX: y",
        "http://s3cr3t.invalid/",
    ],
)
def test_what_fails_names_no_secret(url: str) -> None:
    with pytest.raises(SendFailed) as caught:
        post(url, b"{}", allowed=["127.0.0.1"])
    assert "s3cr3t" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_over_tls_the_certificate_is_asked_for_the_name(tmp_path: Path) -> None:
    authority = Authority()
    pair = authority.signs("localhost", addresses=())
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(*pair.write(tmp_path, "hook"))
    trusting = ssl.create_default_context(cadata=authority.certificate.decode())
    with hook_server(serving) as hook:
        for name, is_taken in (
            ("localhost", True),
            ("other.example.com", False),
        ):
            try:
                post(
                    f"https://{name}:{hook.port}/",
                    b"{}",
                    allowed=["127.0.0.1"],
                    resolver=resolves_to(["127.0.0.1"]),
                    context=trusting,
                )
            except SendFailed:
                assert not is_taken
            else:
                assert is_taken
        assert len(hook.posts) == 1
