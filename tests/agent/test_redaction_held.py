"""What is taken out of objects, lists and cookies, and what stands beside it and stays."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.redaction.redactor import replaced
from tests.agent.test_redaction_rules import redactor

ALL = redactor("secrets")
CANARY, CLEAR = "hunter2", "kept-99"
HELD = (
    '{"password": {"value": "hunter2"}, "user": "kept-99"}',
    '{"password":{"kind":{"a":["x","hunter2"]},"pin":4711,"none":null},"z":"kept-99"}',
    '{"token": [{"v": "hunter2"}, {"v": "hunter2"}], "z": ["kept-99"]}',
    r'{"m":"{\"password\":{\"value\":\"a\\\"hunter2\"},\"z\":\"kept-99\"}\n"}',
    r'{"m":"token={a=\"hunter2\"}","z":"kept-99"}',
    '{"m":"secret={a=hunter2, b={c=hunter2}} kept-99"}',
    '{"m":"secret={a=hunter2","z":"kept-99"}',
    "password => {'value' => 'hunter2'}, 'user' => 'kept-99'",
    "password: {value: hunter2} kept-99",
    '{"passwords": ["hunter2"], "z": "kept-99"}',
    '{"tokens": {"a": "hunter2"}, "max_tokens": 100, "z": "kept-99"}',
    "passwords=hunter2,hunter2 user=kept-99",
    "tokens=hunter2,user=kept-99 token=hunter2,user=kept-99",
    "api_keys: hunter2; user kept-99",
    "secrets: [hunter2, hunter2] kept-99",
)
COOKIES = (
    "Cookie: sid=hunter2; theme=hunter2",
    "Set-Cookie: sid=hunter2; Path=/kept-99; HttpOnly",
    "< Set-Cookie: sid=hunter2; Expires=Wed, 21 Oct 2026 07:28:00 kept-99; Secure",
    'Cookie: a="hunter2"; b=hunter2',
    '{"headers":{"Cookie":"sid=hunter2; b=hunter2","Host":"kept-99"}}',
    '{"headers":{"set-cookie":["sid=hunter2; Path=/kept-99","b=hunter2"]}}',
    r'{"m":"{\"Cookie\":\"sid=hunter2; b=hunter2\",\"z\":\"kept-99\"}"}',
    '{"m":"Cookie: sid=hunter2; b=hunter2","z":"kept-99"}',
    '{"cookies":{"sid":"hunter2"},"z":"kept-99"}',
    '{"headers":[["cookie","sid=hunter2"],["host","kept-99"]]}',
    "[(b'cookie', b'sid=hunter2'), (b'host', b'kept-99')]",
    '{"name":"Cookie","value":"sid=hunter2"}',
    'req.cookie="sid=hunter2; b=hunter2" status=kept-99',
    "GET /x?cookie=sid%3Dhunter2&a=kept-99 HTTP/1.1",
    "map[Cookie:[a=hunter2; b=hunter2] Host:[kept-99]]",
    "{Cookie=a=hunter2; b=hunter2, Host=kept-99}",
    "Cookie: a=hunter2; b=hunter2, Host: kept-99",
    "curl -H 'Cookie: sid=hunter2' http://kept-99",
    "curl -s -b 'sid=hunter2' http://kept-99",
    "curl --cookie sid=hunter2 http://kept-99",
)
PLAIN = (
    "cookie consent: accepted, cookies enabled: true, cookie_name=sid, Cookie: none yet",
    '{"max_tokens": 100, "tokens": "4096", "usage": {"prompt_tokens": 10}, "secrets": 3}',
    '{"cookie":null,"cookies":[],"password":{},"token":{"a":null,"b":true},"secret":[1]}',
    '{"m":"Unexpected token: {","level":"error","a":{"b":1}}',
    '{"m":"Cookie: a=","level":"error"}',
    "curl --cookie jar.txt http://host; grep -b a=b",
    '{"fields":["password","user"],"resources":["secrets"]}',
    "the passwords: none",
)


@pytest.mark.parametrize("text", [*HELD, *COOKIES])
def test_x11_what_a_secret_holds_is_taken_out_and_nothing_beside_it(text: str) -> None:
    line = text.encode()

    shown = replaced(line, ALL.find(line), offset=0).decode()

    assert CANARY not in shown
    assert shown.count(CLEAR) == text.count(CLEAR)
    if text.startswith("{") and '"' in text:
        json.loads(shown)


@pytest.mark.parametrize("text", PLAIN)
def test_x11_words_of_cookies_and_counts_of_tokens_stay(text: str) -> None:
    assert ALL.find(text.encode()) == []


def test_x11_a_cookie_has_one_token_in_every_header_that_has_it() -> None:
    text = (
        b"Set-Cookie: sid=hunter2; Path=/\nCookie: theme=dark; sid=hunter2\n"
        b'{"cookies":{"sid":"hunter2"}} {"cookie":["sid=hunter2"]}'
    )

    tokens = [one.token for one in ALL.find(text)]

    assert len(tokens) == 5
    assert len(set(tokens)) == 2


@given(
    st.lists(
        st.sampled_from(
            [*"{}[]\"'\\:=,;a \n", '\\"', "cookie", "Cookie: ", '"tokens":', "secret="]
        )
    )
)
def test_x11_brackets_and_quotes_of_any_kind_break_no_line(pieces: list[str]) -> None:
    text = "".join(pieces).encode()

    found = ALL.find(text)

    assert replaced(text, found, offset=0).count(b"\n") == text.count(b"\n")
    alone = [replaced(line, ALL.find(line), offset=0) for line in text.split(b"\n")]
    assert replaced(text, found, offset=0) == b"\n".join(alone)


@pytest.mark.parametrize(
    "piece",
    [
        *('token={x"', '"token":{', '{"token":{"a":"', 'token={a="', 'secret={"'),
        *("cookie: a, x: ", 'cookie="', "cookie=[", "cookie: a;", 'cookie: a="b";'),
        *('"cookies":[{"a":"x","', "curl -b ", "tokens=a,", "cookie={'a':"),
    ],
)
def test_x8_what_is_opened_again_and_again_is_walked_once(piece: str) -> None:
    line = piece.encode() * (200_000 // len(piece))
    started_s = time.process_time()

    ALL.find(line)

    assert time.process_time() - started_s < 10e-6 * len(line)
