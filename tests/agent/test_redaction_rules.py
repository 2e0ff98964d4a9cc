"""What the rules take out of a text, and what they leave."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.redaction import rules as redaction
from tailrace.redaction.cards import is_card
from tailrace.redaction.private_keys import KEY_BYTES_MAX
from tailrace.redaction.redactor import Redactor, replaced
from tailrace.redaction.rules import BUILT_IN, pattern_problem, redactor_of
from tailrace.redaction.tokens import Tokens

TOKENS = Tokens(b"a key of this test")


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule as settings ask for it."""

    name: str
    pattern: str | None = None


def redactor(*names: str, **own: str) -> Redactor:
    asked = [*(Asked(name) for name in names), *(Asked(*item) for item in own.items())]
    return redactor_of(asked, tokens=TOKENS)


ALL = redactor(*BUILT_IN)
JWT = (
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
)
SECRETS = {
    "password=hunter2hunter": "hunter2hunter",
    "DB_PASSWORD: hunter2hunter, next": "hunter2hunter",
    "spring.datasource.password = hunter2hunter": "hunter2hunter",
    '{"password":"hun\\"ter2hunter","n":1}': 'hun\\"ter2hunter',
    '{"msg":"{\\"password\\":\\"hunter2hunter\\"}"}': "hunter2hunter",
    "{'passwd': 'hunter2hunter'}": "hunter2hunter",
    r'{"log":"{\"password\":\"abc\u0026hunter2\"}\n","stream":"x"}': "hunter2",
    r'{"log":"{\"password\":\"\u0026hunter2\"}\n","stream":"x"}': "hunter2",
    r'{"log":"{\"password\":\"p\\\"hunter2\"}"}': "hunter2",
    r'{"log":"{\"password\":\"p\\\\hunter2\"}"}': "hunter2",
    r'{"log":"{\"password\":\"p\\nhunter2\"}"}': "hunter2",
    r'{"log":"{\"password\":\"p\\u00fchunter2\"}"}': "hunter2",
    r"""it: {"log":"{\"password\":\"it's hunter2\"}"}""": "hunter2",
    r'{"a":"{\"b\":\"{\\\"password\\\":\\\"p\\nhunter2\\\"}\"}"}': "hunter2",
    'Authorization: Digest username="bob", nonce="n", response="6629fae4"': "6629fae4",
    r'{"Authorization":"Digest username=\"bob\", response=\"6629fae4\""}': "6629fae4",
    "private_key=hunter2hunter": "hunter2hunter",
    "DB_PASS=hunter2hunter": "hunter2hunter",
    "mysqldump --password hunter2hunter shop": "hunter2hunter",
    "curl -u bob:hunter2hunter https://shop/": "hunter2hunter",
    "<soap:password>hunter2hunter</soap:password>": "hunter2hunter",
    '{"log":"password=hunter2hunter\\n","stream":"stdout"}': "hunter2hunter",
    "GET /login?user=bob&token=abcdef12345&x=1 HTTP/1.1": "abcdef12345",
    "x-api-key: abcdef12345": "abcdef12345",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": "wJalrXUtnFEMI",
    "PWD=s3cretworth; UID=sa": "s3cretworth",
    "id AKIAIOSFODNN7EXAMPLE used": "AKIAIOSFODNN7EXAMPLE",
    '{"m":"key\\nAKIAIOSFODNN7EXAMPLE"}': "AKIAIOSFODNN7EXAMPLE",
    "Authorization: Bearer abc.def-ghi": "abc.def-ghi",
    '"Authorization":["Basic dXNlcjpwYXNz"]': "dXNlcjpwYXNz",
    "sent bearer abcdefghijklmnop123": "abcdefghijklmnop123",
    f"jwt {JWT} seen": JWT,
    "push with ghp_abcdefghijklmnopqrstuvwxyz0123456789": "ghp_abcdefghijklmnopq",
    "postgres://bob:p@ss:w0rd@db:5432/x": "p@ss:w0rd",
    "amqp://bob@corp.example:pa55word@mq/x": "pa55word",
    "GET /to?u=amqp%3A%2F%2Fbob%3Ahunter2%40mq%2Fx HTTP/1.1": "hunter2",
    "GET /to?u=amqp%3a%2f%2fbob%3ahun%40ter2%40mq%2fx HTTP/1.1": "ter2",
    "GET /to?u=https%253A%252F%252Fbob%253Ahunter2%2540mq HTTP/1.1": "hunter2",
    "GET /in?next=%2Fa%3Fpassword%3Dhunter2%26x%3D1 HTTP/1.1": "hunter2",
    "GET /in?next=%2Fa%3Ftoken%3Dhun%2Fter2%26x%3D1 HTTP/1.1": "ter2",
    '<password type="x">hunter2</password>': "hunter2",
    '<soap:password wsu:Id="a" Type="b">hunter2</soap:password>': "hunter2",
    "<db.password>hunter2</db.password>": "hunter2",
    '{"m":"<password type=\\"x\\">hunter2</password>"}': "hunter2",
    "CREATE USER bob WITH PASSWORD 'hunter2'": "hunter2",
    "ALTER ROLE bob ENCRYPTED PASSWORD 'it''s hunter2'": "hunter2",
    "SET PASSWORD FOR bob = PASSWORD('hunter2')": "hunter2",
    "CREATE USER 'bob'@'%' IDENTIFIED BY 'hunter2'": "hunter2",
    "create user bob identified with caching_sha2_password by 'hunter2'": "hunter2",
    'CREATE USER bob IDENTIFIED BY "hunter2"': "hunter2",
    "GRANT ALL TO bob IDENTIFIED BY PASSWORD '*0123456789ABCDEF'": "*0123456789ABCDEF",
    r'{"sql":"CREATE USER bob IDENTIFIED BY \"hunter2\""}': "hunter2",
    """q {"sql":"CREATE USER bob PASSWORD 'hunter2'"}""": "hunter2",
    "GET /o?X-Amz-Expires=60&X-Amz-Signature=fe5f80f77d5fa3be HTTP/1.1": "fe5f80f77d5f",
    "u=https%3A%2F%2Fs3%2Fo%3FX-Amz-Signature%3Dfe5f80f77d5f%26x%3D1": "fe5f80f77d5f",
    "GET /o?X-Goog-Signature=fe5f80f77d5fa3be HTTP/1.1": "fe5f80f77d5fa3be",
    "GET /o?sv=2024&sig=fe5f80f7%2B7d5fa3be%3D&se=1": "fe5f80f7",
    "Authorization: AWS4-HMAC-SHA256 Credential=A/b, Signature=fe5f80f77d": "fe5f80f77d",
    '{"name":"password","value":"hunter2"}': "hunter2",
    '{"name": "DB_PASSWORD", "type": "text", "value": "hun\\"ter2"}': "ter2",
    '{"value":"hunter2","name":"password"}': "hunter2",
    '[{"key":"user","value":"bob"},{"key":"api_key","value":"hunter2"}]': "hunter2",
    '[{"value":"bob","key":"user"},{"value":"hunter2","key":"api_key"}]': "hunter2",
    '{"name":"Authorization","value":"Bearer hunter2"}': "hunter2",
    '{"headers":{"X-Api-Key":["hunter2"],"Accept":["*/*"]}}': "hunter2",
    '{"secret": [ "a\\"b" , "hunter2" ],"n":1}': "hunter2",
    r'{"log":"{\"token\":[\"a\", \"hunter2\"]}\n"}': "hunter2",
    "{'password': ['it', 'hunter2']}": "hunter2",
    '{"args":["run","--db-password","hunter2","--v"]}': "hunter2",
    r'{"log":"{\"args\":[\"--token\",\"hunter2\"]}"}': "hunter2",
    "exec ['mysqldump', '--password', 'hunter2']": "hunter2",
    r'{"log":"{\"name\":\"password\",\"value\":\"hunter2\"}\n"}': "hunter2",
    r'{"log":"{\"value\":\"hunter2\",\"name\":\"password\"}\n"}': "hunter2",
    "{'name': 'password', 'value': 'hunter2'}": "hunter2",
    '<add key="password" value="hunter2"/>': "hunter2",
    r'{"pem":"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg"}': "MIIEvQIBADANBg",
    r"pem: -----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBAD": "MIIEvQIBAD",
}
CARDS = {
    "card 4111111111111111 taken": "4111111111111111",
    "4111-1111-1111-1111": "4111-1111-1111-1111",
    "at 18 4111 1111 1111 1111 200": "4111 1111 1111 1111",
    "2026 1126 0943 18 4111 1111 1111 1111": "4111 1111 1111 1111",
    "amex 3782 822463 10005.": "3782 822463 10005",
    "/pay?card=4111%201111%201111%201111&x=1": "4111%201111%201111%201111",
    '{"card":5555555555554444}': "5555555555554444",
    '"text\\n4111111111111111"': "4111111111111111",
}
ADDRESSES = {
    "to bob.smith+x@example.co.uk now": "bob.smith+x@example.co.uk",
    "/u?mail=bob%40example.com HTTP/1.1": "bob%40example.com",
    '{"m":"a\\nbob@example.com"}': "bob@example.com",
    "Zoë <zoë@exämple.de>": "zoë@exämple.de",
}
PLAIN = (
    "max_tokens=12 secretary=joe, the password was wrong",
    '{"msg":"Enter password:","user":"bob"}',
    "token=null password=***** secret=xxxx",
    "docker run -u 1000:1000 shop; tests pass, --passive; compass=north",
    "PWD=/srv/app OLDPWD=/",
    "took 0.4111111111111111 s, id 41111111111111112, 4111111111111112",
    "trace a4111111111111111 at 1764150000000 and 1764150000000000",
    "@timestamp user@ @host a@b, http://host:80/a@b",
    '"-----BEGIN PRIVATE KEY-----" was expected',
    r"-----BEGIN PRIVATE KEY-----\nwas expected here",
    '{"name":"user","value":"joe"},{"name":"password","type":"t"},{"value":"joe"}',
    '{"a":"the password ","b":"c"} <passwordless of="joe">list</passwordless>',
    "GET /to?u=https%3A%2F%2Fhost%3A80%2Fa HTTP/1.1",
    '{"args":["--password","--verbose"],"secret":[],"token":[1,2],"a":["b"]}',
    "select signature, password from users where identified as of today",
)


@pytest.mark.parametrize("text", [*SECRETS, *CARDS, *ADDRESSES])
def test_x11_what_is_secret_is_taken_out(text: str) -> None:
    secret = {**SECRETS, **CARDS, **ADDRESSES}[text]
    line = text.encode()
    found = ALL.find(line)

    shown = replaced(line, found, offset=0).decode()

    assert secret not in shown
    assert "[" in shown
    if text.startswith("{"):
        json.loads(shown.replace("'", '"'))


@pytest.mark.parametrize("text", PLAIN)
def test_x11_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert ALL.find(text.encode()) == []


@given(st.data())
def test_x11_a_text_is_redacted_line_by_line_whatever_stands_around(
    data: st.DataObject,
) -> None:
    """A chunk's cut decides nothing: many lines together give what each one gives."""
    known = [*SECRETS, *CARDS, *ADDRESSES, *PLAIN, "", "plain", '"', "\\"]
    # Of a private key the lines after its head are told by it, as far as they look so.
    known = [text for text in known if "PRIVATE KEY" not in text]
    lines = data.draw(st.lists(st.sampled_from(known), max_size=12))
    both = redactor(*BUILT_IN, ticket=r"^id (\w+)|seen$")
    text = "\n".join(lines).encode()

    together = replaced(text, both.find(text), offset=0)

    alone = [replaced(x, both.find(x), offset=0) for x in text.split(b"\n")]
    assert together == b"\n".join(alone)


@given(st.lists(st.sampled_from([*'4111 -abX=:/@.\\"n\n{}', "password", "://"])))
def test_x11_any_text_keeps_all_that_is_not_replaced(pieces: list[str]) -> None:
    text = "".join(pieces).encode()
    found = ALL.find(text)

    shown = replaced(text, found, offset=0)

    assert shown.count(b"\n") == text.count(b"\n")
    ends = [0, *(one.end for one in found)]
    starts = [*(one.start for one in found), len(text)]
    assert all(end <= start for end, start in zip(ends, starts, strict=True))
    kept = b"".join(text[e:s] for e, s in zip(ends, starts, strict=True))
    assert len(shown) == len(kept) + sum(len(one.token) for one in found)


def test_x11_one_secret_has_one_token_however_it_is_written() -> None:
    text = (
        b"4111-1111-1111-1111 4111111111111111 card=4111+1111+1111+1111\n"
        b'Bob@Example.com bob%40example.com\npassword=hunter2 "token":"hunter2"'
    )

    tokens = [one.token for one in ALL.find(text)]

    assert len(tokens) == 7
    assert len(set(tokens)) == 3
    assert (
        redactor_of([Asked("cards")], tokens=Tokens(b"another key")).find(text)[0].token
        not in tokens
    )


def test_x11_a_number_of_a_card_is_told_by_its_last_digit() -> None:
    chance = random.Random(1)
    for _ in range(200):
        digits = f"4{chance.randrange(10**14):014}"
        right = [n for n in range(10) if is_card(f"{digits}{n}".encode())]
        assert len(right) == 1


def test_x11_a_private_key_is_taken_out_of_the_lines_that_it_takes() -> None:
    body = [chr(ord("A") + n) * 64 for n in range(5)]
    head, foot = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    ways = {
        "{}": [head, *body, "abc=", foot],
        "2026-11-26T09:00:00Z stdout F {}": [head, *body, "abc=", foot],
        '{{"log":"{}\\n","stream":"stdout","time":"x"}}': [head, *body, "abc", foot],
        "app: {}": [head, "Proc-Type: 4,ENCRYPTED", "", *body, "x/y=", foot],
    }
    for frame, lines in ways.items():
        text = "\n".join(frame.format(line) for line in lines).encode()

        shown = replaced(text, ALL.find(text), offset=0).decode()

        framed = shown.split("\n")
        assert framed[0] == frame.format(head)
        assert framed[-1] == frame.format(foot)
        assert not any(line in shown for line in [*body, lines[-2]])


def test_x11_a_private_key_within_one_line_is_taken_out() -> None:
    escaped = "\\n".join(["A" * 64, "B" * 64, "abc="])
    whole = (
        '{"k":"-----BEGIN PRIVATE KEY-----\\n'
        + escaped
        + "\\n-----END PRIVATE KEY-----"
    )
    for text in (whole + '\\n","z":1}', whole.partition("\\n-----END")[0] + '","z":1}'):
        shown = replaced(text.encode(), ALL.find(text.encode()), offset=0).decode()

        assert set(json.loads(shown)) == {"k", "z"}
        assert "AAAA" not in shown
        assert "abc=" not in shown


def test_x11_a_key_is_over_where_nothing_looks_like_one() -> None:
    """A head that is only spoken of, or was cut short, takes no words of later lines."""
    head = b"-----BEGIN PRIVATE KEY-----\n"
    spoken_of = head + b"one word\n" * 10
    assert ALL.find(spoken_of) == []

    cut_short = head + b"A" * 64 + b"\n" + b"last word\n" * KEY_BYTES_MAX
    found = ALL.find(cut_short)
    assert found[-1].end <= len(head) + KEY_BYTES_MAX + len(b"last word\n")


def test_x11_what_stands_before_tells_what_is_secret_behind_it() -> None:
    key = b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 64 + b"\n"
    before = ALL.context(b"x\n" * 100 + key)
    text = b"B" * 64 + b"\nabc=\n-----END PRIVATE KEY-----\nlast word\n"

    found = ALL.find(before + text, begin=len(before))

    assert [one.end - one.start for one in found] == [64, 4]
    assert ALL.context(b"a line\n") == b""
    assert ALL.context(b"a line\nhalf a l") == b"half a l"
    assert ALL.context(key + b"-----END PRIVATE KEY-----\n") == b""


@pytest.mark.parametrize(
    "text",
    ["card 4111 1111 11", "sent AKIAIOSFO", "Bearer ab", "u://bob:pa", "bob@exam"],
)
def test_x11_the_beginning_of_a_secret_is_taken_out_where_a_line_is_cut(
    text: str,
) -> None:
    line = text.encode()
    assert ALL.find(line) == []

    (one,) = ALL.find(line, is_open=True)

    assert one.end == len(line)
    assert line[: one.start].strip() in (b"card", b"sent", b"Bearer", b"u://", b"")


@pytest.mark.parametrize("letters", ["M", "MIIEvQIBADANBg", "Q" * 39])
@pytest.mark.parametrize("between", ["", "DEK-Info: AES-256-CBC,00FF\n\n"])
def test_x11_a_key_that_is_cut_within_its_first_line_is_taken_out(
    letters: str, between: str
) -> None:
    text = f"-----BEGIN RSA PRIVATE KEY-----\n{between}{letters}".encode()

    (one,) = ALL.find(text, is_open=True)

    assert (one.end - one.start, one.end) == (len(letters), len(text))
    assert ALL.find(b"-----END RSA PRIVATE KEY-----\nMIIE", is_open=True) == []
    assert ALL.find(b"-----BEGIN PRIVATE KEY-----\nnot here", is_open=True) == []


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "missing )"),
        (r"(?=a)b", "(?="),
        (r"(a)\1", "invalid escape"),
        (r"x*", "where nothing stands"),
        (r"\Aid", "begins or ends"),
        (r"(?s-m)^a", "begins or ends"),
        ("(a)(b)", "2 groups"),
        ("a{2000}", "repetition"),
    ],
)
def test_x11_a_pattern_that_cannot_be_one_is_refused(
    pattern: str, problem: str
) -> None:
    assert problem in str(pattern_problem(pattern))


def test_x8_a_pattern_that_hangs_other_engines_takes_no_time() -> None:
    """`re` needs more than the age of the world for this."""
    evil = redactor(evil=r"(?:a+)+$")

    assert evil.find(b"a" * 100_000 + b"b") == []


def test_x8_no_text_makes_the_built_in_rules_slow() -> None:
    """Each of these would take minutes, were a rule quadratic in it."""
    for piece in (
        b"4",
        b"4 ",
        b"41111111 ",
        b"a@",
        b"a.",
        b"://a:",
        b'\\"',
        b"\\",
        b"-",
    ):
        ALL.find(piece * (200_000 // len(piece)))
    for piece in (
        b"password=",
        b"-----BEGIN PRIVATE KEY-----\\n",
        b"bearer ",
        b"%3A%2F%2Fa%3A",
        b"password%3D",
        b"<password a",
        b"<a_",
        b"identified with a by ",
        b"password '",
        b'"name":"password",',
        b'"value":"a",',
        b'\\"value\\":\\"a\\",',
        b'name="token" ',
        b"&sig=",
        b"password=\\u005c",
        b'"\\password=',
        b'{"log":"{\\"log\\":\\"token=1\\\\n\\"}\\n","stream":"stdout"}\n',
    ):
        ALL.find(piece * (200_000 // len(piece)))
        ALL.context(piece * 1_000)


def test_x11_own_patterns_are_asked_line_by_line_and_replace_their_group() -> None:
    own = redactor(ticket=r"(?i)ticket=(\w+)", umlaut="straße [^x]+")
    text = "TICKET=abc1 x\nstraße 12\nticket=é".encode()

    shown = replaced(text, own.find(text), offset=0).decode()

    assert shown.startswith("TICKET=[ticket:")
    assert "\n[umlaut:" in shown
    assert shown.endswith("\nticket=é")  # \w are letters of ASCII, as RE2 has it.


def test_x11_each_built_in_rule_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert redaction.rule_problem("cards", has_pattern=False) is None

    def one_is_missing(_: str) -> tuple[str, ...]:
        return ("re2",)

    monkeypatch.setattr(redaction, "missing_modules", one_is_missing)

    assert "tailrace[redaction]" in str(
        redaction.rule_problem("cards", has_pattern=False)
    )
