"""X11: what stands in a field that is named is hidden there and wherever the line has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tailrace.errors import ConfigError
from tailrace.redaction.tokens import Tokens
from tailrace.settings import read_role_settings
from tailrace_stream.chunk import process_chunk
from tailrace_stream.config import StreamSettings
from tailrace_stream.redact.config import RedactionSettings
from tailrace_stream.redact.redaction import Redaction
from tests.stream.builders import (
    ACCESS_LINE,
    NAMESPACE,
    origin,
    placement,
    stored,
)
from tests.stream.enrich.builders import only
from tests.stream.poison import poison_at
from tests.stream.redact.test_canaries import KEY, Said, record_of, redaction


def by_fields(*names: str) -> Redaction:
    return redaction(rules=[], fields=list(names))


def documents(line: bytes | str, *names: str, parser: str) -> list[dict[str, Any]]:
    value = (line if isinstance(line, bytes) else line.encode()) + b"\n"
    chunk = process_chunk(
        value,
        origin=origin(value, placed=placement(parser, dataset="x")),
        namespace=NAMESPACE,
        enrichment=only(geo=True, severity=True),
        redaction=by_fields(*names),
    )
    assert not chunk.dead
    return [one.document for one in stored(chunk)]


def token(value: str, name: str) -> str:
    return Tokens(KEY.encode()).of(value.encode(), label=name).decode()


def test_x11_name_is_hidden_in_its_field_and_in_the_line() -> None:
    document = documents(ACCESS_LINE, "user.name", parser="access")[0]
    assert document["user.name"] == token("frank", "user.name")
    assert document["message"] == ACCESS_LINE.decode().replace(
        "frank", token("frank", "user.name")
    )
    assert document["tailrace.original_size_bytes"] == len(ACCESS_LINE)


def test_x11_address_is_no_address_any_more_and_its_country_stays() -> None:
    line = ACCESS_LINE.replace(b"203.0.113.7", b"193.0.6.139")
    document = documents(line, "source.ip", parser="access")[0]
    assert "source.ip" not in document
    assert document["source.address"] == token("193.0.6.139", "source.ip")
    assert document["source.geo.country_iso_code"] == "NL"
    assert "193.0.6.139" not in json.dumps(document)


def test_x11_value_is_hidden_in_the_lists_that_hold_it() -> None:
    line = b"e.com 10.0.0.2, " + ACCESS_LINE.replace(b" - frank ", b" - 10.0.0.2 ")
    document = documents(line, "source.ip", "user.name", parser="access")[0]
    assert document["nginx.access.remote_ip_list"] == [
        token("10.0.0.2", "user.name"),
        token("203.0.113.7", "source.ip"),
    ]
    assert "203.0.113.7" not in json.dumps(document)
    assert "10.0.0.2" not in json.dumps(document)


def test_x11_part_of_a_field_is_hidden_in_the_fields_that_hold_it() -> None:
    document = documents(ACCESS_LINE, "url.query", parser="access")[0]
    assert "c=d" not in json.dumps(document)
    assert document["url.original"] == f"/a/b?{token('c=d', 'url.query')}"


@pytest.mark.parametrize(
    "value", ["plain", 'say "x"', "back\\slash", "a/b", "Zoë", "tab\there", "日本"]
)
@pytest.mark.parametrize("is_ascii", [True, False])
def test_x11_value_is_found_however_json_writes_it(value: str, is_ascii: bool) -> None:
    line = json.dumps(
        {"message": "m", "customer": value, "n": 1}, ensure_ascii=is_ascii
    )
    document = documents(line, "attributes.customer", parser="json")[0]
    hidden = token(value, "attributes.customer")
    assert document["attributes"] == {"customer": hidden, "n": 1}
    written = json.dumps(value, ensure_ascii=is_ascii)
    assert document["event.original"] == line.replace(written, f'"{hidden}"')


def test_x11_line_in_which_the_value_is_not_found_is_left_out() -> None:
    line = '{"message":"m","customer":"\\u0066rank","other":"kept"}'
    document = documents(line, "attributes.customer", parser="json")[0]
    assert document["event.original"] == token("frank", "attributes.customer")
    assert document["message"] == "m"
    assert document["attributes"]["other"] == "kept"


def test_x11_number_and_nested_value_are_hidden_and_json_stays_json() -> None:
    line = '{"message":"m","order":{"id":4711,"who":["anna","bob"]},"again":4711}'
    document = documents(line, "attributes.order", parser="json")[0]
    assert document["attributes"] == {
        "order": {
            "id": token("4711", "attributes.order"),
            "who": [
                token("anna", "attributes.order"),
                token("bob", "attributes.order"),
            ],
        },
        "again": token("4711", "attributes.order"),
    }
    assert "4711" not in json.dumps(document)
    assert "anna" not in json.dumps(document)


@pytest.mark.parametrize(
    ("fields", "attributes"),
    [
        ('"user.name":["anna","bob"]', {"user.name": ["<anna>", "<bob>"]}),
        ('"user":{"name":["anna"],"x":1}', {"user": {"name": ["<anna>"], "x": 1}}),
        ('"username":["anna"],"other":"x"', {"username": ["<anna>"], "other": "x"}),
        ('"user":7,"n":8', {"user": "<7>", "n": 8}),
    ],
)
def test_x11_value_that_does_not_fit_its_field_is_hidden_where_it_was_put(
    fields: str, attributes: dict[str, Any]
) -> None:
    line = f'{{"message":"m",{fields}}}'
    document = documents(line, "user.name", parser="json")[0]
    assert document["tailrace.conflicts"] == ["user.name"]
    told = json.dumps(attributes)
    for value in ("anna", "bob", "7"):
        told = told.replace(f"<{value}>", token(value, "user.name"))
    assert document["attributes"] == json.loads(told)
    for value in ("anna", "bob"):
        assert value not in json.dumps(document)


def test_x11_of_a_value_whose_key_is_not_known_every_attribute_is_hidden() -> None:
    """MongoDB's line has what a line says of its thread under a key of its own."""
    line = (
        '{"t":{"$date":"2026-11-24T01:02:03.004+00:00"},"s":"I","c":"NETWORK",'
        '"id":22943,"ctx":["anna"],"msg":"m","attr":{"who":"bob"}}'
    )
    document = documents(line, "mongodb.log.context", parser="mongodb.log")[0]
    assert document["tailrace.conflicts"] == ["mongodb.log.context"]
    assert "anna" not in json.dumps(document)
    assert "bob" not in json.dumps(document)


def test_x11_number_of_a_typed_field_is_left_out() -> None:
    line = b"Nov 24 01:02:03 web1 app[31337]: hello"
    document = documents(line, "process.pid", parser="syslog")[0]
    assert "process.pid" not in document
    assert "31337" not in json.dumps(document)


def test_x11_event_of_which_no_document_was_made_is_withheld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows which of its words stand in the field."""
    poison_at(monkeypatch)
    line = ACCESS_LINE.replace(b"frank", b"frank-POISON")
    record = record_of(line, ACCESS_LINE, placed=placement("access", dataset="x"))
    said = Said([record], by=by_fields("user.name"), folder=tmp_path)
    assert b"frank" not in said.all_bytes()
    (letter,) = said.letters()
    assert letter.original == b"[withheld: %d bytes]" % len(line)
    assert letter.detail == "ValueError"


def test_x11_document_that_is_too_large_is_dead_without_the_value() -> None:
    line = ACCESS_LINE + b" frank" * 2_000
    value = line + b"\n"
    chunk = process_chunk(
        value,
        origin=origin(value, placed=placement("access", dataset="x")),
        namespace=NAMESPACE,
        redaction=by_fields("user.name"),
        piece_bytes_max=5_000,
    )
    (dead,) = chunk.dead
    assert dead.reason == "document_too_large"
    assert b"frank" not in dead.original


def test_x11_row_without_the_field_stays_as_it_is() -> None:
    lines = [ACCESS_LINE.replace(b"frank", b"-"), ACCESS_LINE]
    made = documents(b"\n".join(lines), "user.name", parser="access")
    assert made[0]["message"] == lines[0].decode()
    assert "tailrace.original_size_bytes" not in made[0]
    assert "frank" not in made[1]["message"]


def test_x11_value_is_not_looked_for_in_tokens_of_others() -> None:
    line = '{"message":"m","a":"user","b":"e"}'
    document = documents(line, "attributes.a", "attributes.b", parser="json")[0]
    attributes = document["attributes"]
    assert set(attributes.values()) == {
        token("user", "attributes.a"),
        token("e", "attributes.b"),
    }


def test_x11_token_of_an_agent_in_a_field_stays_as_it_is() -> None:
    hidden = token("hunter2", "secret")
    line = json.dumps({"message": "m", "a": hidden, "b": "hunter3"})
    document = documents(line, "attributes.a", "attributes.b", parser="json")[0]
    assert document["attributes"] == {
        "a": hidden,
        "b": token("hunter3", "attributes.b"),
    }


json_values = st.recursive(
    st.text('abc"\\/é\n\t \x00{}[],:', min_size=1, max_size=12)
    | st.integers(10, 10**6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=60)
@given(json_values)
def test_x11_whatever_stands_in_the_field_every_document_is_whole(
    value: object,
) -> None:
    """Digest and JSON hold, and the marked value is nowhere."""
    marked = ["Kanarienvogel", value]
    line = json.dumps({"message": "m Kanarienvogel", "secret": marked})
    document = documents(line, "attributes.secret", parser="json")[0]
    assert "Kanarienvogel" not in json.dumps(document)


@pytest.mark.parametrize(
    "given_keys", ['key = "CANARY-OF-A-KEY-1"\nkey_file = "/x"', 'key = "CANARY"']
)
def test_x10_key_is_in_no_message_about_settings(
    tmp_path: Path, given_keys: str
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f'[stream.redaction]\nrules = ["secrets"]\n{given_keys}\n')
    with pytest.raises(ConfigError) as refused:
        read_role_settings(StreamSettings, config_file=path)
    assert "stream.redaction" in str(refused.value)
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize(
    ("given_settings", "words"),
    [
        ({"fields": ["user.name"]}, "need key_file"),
        ({"rules": ["secrets"]}, "need key_file"),
        ({"fields": ["log.offset"], "key": KEY}, "log.offset cannot be hidden"),
        ({"key": "short"}, "at least 16 characters"),
        ({"rules": ["nonesuch"], "key": KEY}, "no rule is named 'nonesuch'"),
        ({"key": KEY, "key_file": "/x"}, "give one"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    given_settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        RedactionSettings.model_validate(given_settings)
