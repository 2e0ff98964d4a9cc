"""What is secret in a container's two streams is taken out, wherever its pieces stand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace_agent.forms import PLAIN, with_redactor, with_rule
from tests.agent.test_container_chunking import cri
from tests.agent.test_multiline_chunking import Reader
from tests.agent.test_redaction_chunks import KEY, events_of, stored
from tests.agent.test_redaction_rules import ALL, CARDS, SECRETS
from tests.agent.test_streams_chunking import line_of, rule

PIECES = with_redactor(with_rule(PLAIN, rule("pieces", container="cri")), ALL)
CARD = "4111 1111 1111 1111"


def text_of(event: bytes, *, container: str) -> str:
    lines = event.decode().split("\n")
    if container == "docker":
        return "".join(str(json.loads(line)["log"]) for line in lines)
    return "".join(line.split(" ", 3)[3] for line in lines)


@pytest.mark.parametrize("container", ["cri", "docker"])
def test_x11_a_secret_in_pieces_is_hidden_though_the_other_stream_stands_between(
    container: str,
) -> None:
    lines = [
        ("stdout", "x 4111 1111", True),
        ("stderr", f"card {CARD}.", False),
        ("stderr", "y 4111 11", True),
        ("stdout", " 1111 1111 y", False),
        ("stderr", "11 1111 1111 z", False),
    ]
    content = b"".join(line_of(line, container=container) for line in lines)
    form = with_rule(PLAIN, rule("pieces", container=container))
    found = stored(content, form=with_redactor(form, ALL))
    texts = [text_of(event, container=container).strip() for event in found]
    assert len(texts) == 3
    assert not any("1111" in text for text in texts)
    assert [text.count("[card:") for text in texts] == [1, 1, 1]
    assert [(t[0], t[-1]) for t in texts] == [("x", "y"), ("c", "."), ("y", "z")]


@pytest.mark.parametrize(
    ("pieces", "secret"),
    [
        (("password:", "\t", "hunter2hunter2 x"), "hunter2hunter2"),
        (("u https://bob:hun", "ter2&x@host/"), "hun"),
        (("-u bob:hunter2", "hunter2 x"), "hunter2"),
    ],
)
@pytest.mark.parametrize("container", ["cri", "docker"])
def test_x11_a_secret_in_pieces_is_told_by_what_they_say(
    container: str, pieces: tuple[str, ...], secret: str
) -> None:
    lines = [("stdout", piece, True) for piece in pieces[:-1]]
    lines.append(("stdout", pieces[-1], False))
    content = b"".join(line_of(line, container=container) for line in lines)
    content = content.replace(b"&", b"\\u0026" if container == "docker" else b"&")
    form = with_rule(PLAIN, rule("pieces", container=container))

    (event,) = stored(content, form=with_redactor(form, ALL))

    text = text_of(event, container=container)
    assert secret not in text
    assert text.count("[secret:") == 1


@pytest.mark.parametrize("container", ["cri", "docker"])
def test_x11_lines_of_a_trace_are_not_taken_for_pieces_of_one(container: str) -> None:
    """A number that ends one line and begins the next one is none."""
    lines = [
        ("stderr", "java.lang.Error: 4111 1111", False),
        ("stdout", "between", False),
        ("stderr", " 1111 1111", False),
        ("stderr", "\tat a.b(c) token=hunter2hunter2", False),
    ]
    content = b"".join(line_of(line, container=container) for line in lines)
    form = with_rule(PLAIN, rule("java", container=container))
    first, second = stored(content, form=with_redactor(form, ALL))
    assert first.count(b"111 1111") == 2
    assert b"hunter2" not in first
    assert b"between" in second


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["stdout", "stderr"]),
            st.sampled_from([*SECRETS, *CARDS, "plain", *[k.decode() for k in KEY]]),
            st.booleans(),
        ),
        max_size=12,
    ),
    st.integers(200, 2_000),
)
def test_x11_chunks_change_nothing_of_what_two_streams_hide(
    lines: list[tuple[str, str, bool]], chunk_bytes: int
) -> None:
    content = b"".join(line_of(line, container="cri") for line in lines)
    plain = Reader(with_rule(PLAIN, rule("pieces", container="cri")), 65_536)
    plain.read(content, is_flushing=True)
    whole, small = Reader(PIECES, 65_536), Reader(PIECES, chunk_bytes)
    whole.read(content, is_flushing=True)
    small.read(content, is_flushing=True)
    expected = {
        offset: (event.original_size_bytes, event.stored)
        for offset, event in events_of(whole.chunks).items()
    }
    assert {
        offset: (event.original_size_bytes, event.stored)
        for offset, event in events_of(small.chunks).items()
    } == expected
    assert [(o, size) for o, (size, _) in expected.items()] == [
        (o, event.original_size_bytes) for o, event in events_of(plain.chunks).items()
    ]


def test_x11_what_is_hidden_in_one_run_takes_nothing_of_another() -> None:
    content = (
        cri("a token=hunter2hunter2", tag="P")
        + cri("oops", stream="stderr")
        + cri(" and the rest")
    )
    first, second = stored(content, form=PIECES)
    assert text_of(first, container="cri").endswith("] and the rest")
    assert second.endswith(b"oops")
