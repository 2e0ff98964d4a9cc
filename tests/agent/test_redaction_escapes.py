"""What is secret in a line is so, too, where JSON writes that line, in whatever way."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.redaction.redactor import Redactor, Replacement, replaced
from tailrace.redaction.rules import BUILT_IN
from tests.agent.test_redaction_rules import (
    ADDRESSES,
    ALL,
    CARDS,
    PLAIN,
    SECRETS,
    redactor,
)

FRAME = b'{"log":"%s\\n","stream":"stdout","time":"2026-11-24T01:02:03.1Z"}'
OWN = redactor(
    *BUILT_IN, ticket=r"^id (\w+)|seen$", note='it\'s "([^"]+)"', tab=r"ü\t(\w+)"
)
SHORT = {
    '"': '\\"',
    "\\": "\\\\",
    "/": "\\/",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
TEXTS = st.lists(
    st.one_of(
        st.sampled_from([*SECRETS, *CARDS, *ADDRESSES, *PLAIN]),
        st.sampled_from(
            [
                *("password", "token", ":", "=", "\t", " ", '"', "'", "\\", "/", "://"),
                *(
                    "u:p&X@host/",
                    "hunter2",
                    "id ",
                    "seen",
                    'it\'s "x"',
                    "ü\tx",
                    "-u a:b",
                ),
                *("<", ">", "&", "+", "{", "}", ",", "@", "4111", "😀", "é", "\r"),
                *("\\t", "\\u0026", "\\n"),
            ]
        ),
        st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="\n"),
            max_size=3,
        ),
    ),
    max_size=4,
).map("".join)


def ways(character: str) -> list[str]:
    """Return the ways in which JSON may write a character."""
    units = character.encode("utf-16-be")
    codes = [units[at : at + 2].hex() for at in range(0, len(units), 2)]
    found = ["".join(f"\\u{code}" for code in codes)]
    found.append(found[0].upper().replace("\\U", "\\u"))
    if character in SHORT:
        found.append(SHORT[character])
    if character >= " " and character not in '"\\':
        found.append(character)
    return found


def hidden(
    found: Iterable[Replacement], pieces: list[bytes], *, start: int
) -> set[int]:
    """Return which of the pieces, of which a text at `start` is made, are replaced."""
    places: list[tuple[int, int]] = []
    for piece in pieces:
        places.append((start, start + len(piece)))
        start += len(piece)
    return {
        number
        for number, (begin, end) in enumerate(places)
        for one in found
        if one.start < end and begin < one.end
    }


def written(text: str, *, chance: random.Random) -> list[str]:
    """Return a text as some encoder of JSON writes it, character by character."""
    share = chance.choice([0.0, 0.05, 1.0])
    return [
        chance.choice(ways(character))
        if chance.random() < share
        else json.dumps(character, ensure_ascii=share > 0)[1:-1]
        for character in text
    ]


@pytest.mark.parametrize("rules", [ALL, OWN], ids=["built-in", "own"])
@given(text=TEXTS, chance=st.randoms(use_true_random=False))
def test_x11_what_is_hidden_of_a_line_is_hidden_of_it_in_a_line_of_docker(
    rules: Redactor, text: str, chance: random.Random
) -> None:
    """Whatever encoder of JSON wrote it; and the line stays JSON that says the rest."""
    pieces = written(text, chance=chance)
    line = FRAME % "".join(pieces).encode()
    assert json.loads(line)["log"] == text + "\n"
    plain = rules.find(text.encode())

    found = rules.find(line)

    expected = hidden(plain, [each.encode() for each in text], start=0)
    begin = FRAME.index(b"%")
    assert expected <= hidden(found, [each.encode() for each in pieces], start=begin)
    end = begin + len("".join(pieces).encode())
    assert all(begin <= one.start and one.end <= end for one in found)
    shown = json.loads(replaced(line, found, offset=0))
    assert set(shown) == {"log", "stream", "time"}
    if not found:
        assert shown["log"] == text + "\n"


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (r'{"msg":"password:\tabc","n":1}', "abc"),
        (r'{"msg":"u https:\/\/u:p\u0026abc@host\/","n":1}', "abc"),
        (r'{"msg":"{\"a\":\"token: \\tabc\"}","n":1}', "abc"),
        (r'{"msg":"password\u003dabc","n":1}', "abc"),
        (r'{"msg":"password\t= abc","n":1}', "abc"),
        (r'{"msg":"password \u0027abc\u0027","n":1}', "abc"),
        (r'{"msg":"\u003cpassword a\u003eabc\u003c/password\u003e","n":1}', "abc"),
        (r'{"msg":"{\u0022token\u0022:\u0022abc\u0022}","n":1}', "abc"),
        (r'{"msg":"GET /?x=1\u0026sig\u003dabc","n":1}', "abc"),
        (r'{"msg":"to a@\u00e4bc.example","n":1}', "bc"),
        (r'{"msg":"card 4111\u002B1111\u002B1111\u002B1111","n":1}', "4111"),
        (r'{"msg":"mail bob\u0040example.com","n":1}', "bob"),
        (r'{"msg":"card 4111\u00201111\u00201111\u00201111","n":1}', "4111"),
        (r'{"log":"-u bob:abc\n","stream":"stdout"}', "abc"),
        (r'{"log":"{\"card\":4111111111111111}\n","stream":"stdout"}', "4111"),
    ],
)
def test_x11_what_json_says_is_asked_wherever_it_stands(line: str, secret: str) -> None:
    found = ALL.find(line.encode())

    shown = replaced(line.encode(), found, offset=0).decode()

    assert secret not in shown
    assert json.loads(shown).keys() == json.loads(line).keys()


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (r'{"log":"id abc\n","stream":"stdout"}', "abc"),
        (r'{"log":"it\u0027s \"abc\"","stream":"stdout"}', "abc"),
        (r'{"log":"{\"m\":\"\u00fc\\tabc\"}\n","stream":"stdout"}', "abc"),
        (r'{"m":"a\nid abc","n":1}', "abc"),
        (r'{"m":"C:\dir, ü\tabc","n":1}', "abc"),
        ('{"m":"\x00 it\'s \\"abc\\"","n":1}', "abc"),
    ],
)
def test_x11_patterns_of_a_user_are_asked_of_what_json_says(
    line: str, secret: str
) -> None:
    other = '{"log":"x\\n","stream":"stdout","time":"x"}'
    text = f"{other}\n{line}\n{other}".encode()

    shown = replaced(text, OWN.find(text), offset=0).decode()

    assert secret not in shown
    assert shown.count(other) == 2


@pytest.mark.parametrize(
    "begun",
    [r"card 4111\u00201111\u002011", r"sent bearer\u0020a\u0062c\u00", "AKIAQ\\"],
)
def test_x11_the_beginning_of_a_secret_is_told_by_what_it_says(begun: str) -> None:
    line = f'{{"log":"{begun}'.encode()

    (one,) = ALL.find(line, is_open=True)

    assert one.end == len(line)


def test_x11_one_secret_has_one_token_however_json_writes_it() -> None:
    plain = b"u https://u:p&X@host/"
    (expected,) = ALL.find(plain)
    for text in (rb"u https://u:p\u0026X@host/", rb"u https:\/\/u:p&X\u0040host/"):
        (one,) = ALL.find(FRAME % text)

        assert one.token == expected.token


@given(st.lists(st.tuples(TEXTS, st.randoms(use_true_random=False)), max_size=6))
def test_x11_what_a_line_of_docker_hides_is_told_by_it_alone(
    lines: list[tuple[str, random.Random]],
) -> None:
    """A chunk's cut decides nothing of what JSON says, too."""
    texts = [FRAME % "".join(written(t, chance=c)).encode() for t, c in lines]
    texts = [text for text in texts if b"PRIVATE KEY" not in text]
    together = b"\n".join(texts)

    shown = replaced(together, OWN.find(together), offset=0)

    alone = [replaced(text, OWN.find(text), offset=0) for text in texts]
    assert shown == b"\n".join(alone)
