"""What is taken out of a file's events, whatever its chunks are and wherever reading begins."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.framing import FLAG_CUT, FLAG_UNTERMINATED, MappedEvent, decode_mapped
from tailrace.redaction.redactor import replaced
from tailrace_agent.building import MAPPED_EVENTS_MAX
from tailrace_agent.chunking import Chunker, Limits
from tailrace_agent.forms import (
    INFLATED,
    PLAIN,
    Form,
    form_of,
    with_redactor,
    with_rule,
)
from tailrace_agent.hiding import hidden_of_long, text_before
from tailrace_agent.positions import Chunk, OpenEvent, Position, Reading, tail_of
from tests.agent.test_chunking import BytesFile
from tests.agent.test_container_chunking import cri, docker, documents
from tests.agent.test_multiline_chunking import EVENT_BYTES_MAX, Reader
from tests.agent.test_redaction_rules import ALL, CARDS, SECRETS
from tests.agent.test_redaction_rules import PLAIN as UNSUSPECTED
from tests.infra.multiline.oracle import rule

HIDING = with_redactor(PLAIN, ALL)
KEY = [
    b"-----BEGIN RSA PRIVATE KEY-----",
    b"A" * 64,
    b"B" * 64,
    b"abc=",
    b"-----END RSA PRIVATE KEY-----",
]
LINES = st.lists(
    st.sampled_from([text.encode() for text in (*SECRETS, *CARDS, *UNSUSPECTED)])
    | st.sampled_from([*KEY, b"", b"\r", b"plain", b"z" * 600])
    | st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")),
    max_size=14,
)


def events_of(chunks: list[Chunk]) -> dict[int, MappedEvent]:
    """Return every event by its offset."""
    found: dict[int, MappedEvent] = {}
    for chunk in chunks:
        if chunk.framing == "mapped":
            found |= {one.offset: one for one in decode_mapped(chunk.value)}
            continue
        offset = chunk.first_offset
        for line in chunk.value.removesuffix(b"\n").split(b"\n"):
            found[offset] = MappedEvent(offset, len(line), 0, line)
            offset += len(line) + 1
    return found


def stored(content: bytes, *, form: Form, chunk_bytes: int = 65_536) -> list[bytes]:
    reader = Reader(form, chunk_bytes)
    reader.read(content, is_flushing=True, is_settled=True)
    return [one.stored for one in events_of(reader.chunks).values()]


@given(LINES, st.integers(128, 400), st.booleans())
def test_x11_chunks_and_places_to_begin_change_nothing(
    lines: list[bytes], chunk_bytes: int, is_ended: bool
) -> None:
    """Event by event: offset, length, number and checksum of the file, and one text."""
    content = b"\n".join([b"-", *lines]) + b"\n" * is_ended
    plain = Reader(PLAIN, 65_536)
    plain.read(content, is_flushing=True)
    whole = Reader(HIDING, 65_536)
    whole.read(content, is_flushing=True)
    small = Reader(HIDING, chunk_bytes)
    small.read(content, is_flushing=True)

    places = [(o, e.original_size_bytes) for o, e in events_of(plain.chunks).items()]
    for other in (whole, small):
        found = events_of(other.chunks)
        assert [(o, e.original_size_bytes) for o, e in found.items()] == places
        assert other.position == plain.position
    cut = {o for o, e in events_of(small.chunks).items() if e.flags & FLAG_CUT}
    texts = {o: e.stored for o, e in events_of(whole.chunks).items() if o not in cut}
    again = {o: e.stored for o, e in events_of(small.chunks).items() if o not in cut}
    assert again == texts
    for chunk in small.chunks:
        later = Reader(HIDING, 65_536, chunk.after)
        later.read(content, is_flushing=True)
        rest = {o: e.stored for o, e in events_of(later.chunks).items()}
        assert rest.items() <= events_as_text(whole.chunks).items()


def events_as_text(chunks: list[Chunk]) -> dict[int, bytes]:
    return {offset: event.stored for offset, event in events_of(chunks).items()}


def test_x11_a_chunk_without_secrets_is_sent_as_it_stands() -> None:
    content = b"one\ntwo\n"
    reader = Reader(HIDING, 65_536)
    reader.read(content)

    (chunk,) = reader.chunks

    assert (chunk.framing, chunk.value, chunk.redacted) == ("newline", content, ())


def test_x11_a_chunk_tells_how_often_each_rule_was_needed() -> None:
    reader = Reader(HIDING, 65_536)
    reader.read(
        b"password=abcdef\n4111111111111111 to a@example.com and b@example.com\n"
    )

    (chunk,) = reader.chunks

    assert chunk.redacted == (("cards", 1), ("email", 2), ("secrets", 1))
    assert chunk.framing == "mapped"


@pytest.mark.parametrize("name", ["utf-16le", "utf-16be"])
def test_x11_utf_16_is_redacted_as_the_text_that_it_is(name: str) -> None:
    lines = ["ä password=abcdef", "", *(line.decode() for line in KEY), "plain"]
    content = "".join(f"{line}\n" for line in lines).encode(name)
    form = form_of(b"", encoding=name, is_archive=False)  # type: ignore[arg-type]
    assert form.redactor is None

    for chunk_bytes in (256, 65_536):
        found = stored(content, form=with_redactor(form, ALL), chunk_bytes=chunk_bytes)

        assert [one[:8] for one in found[3:6]] == [b"[secret:"] * 3
        assert found[0].startswith("ä password=[secret:".encode())
        assert found[-1] == b"plain"


def test_x11_events_of_several_lines_and_of_archives_are_redacted() -> None:
    trace = b"java.lang.Error: token=abcdef\n\tat a.B.c(D.java:1)\nplain\n"
    for form in (
        with_rule(PLAIN, rule("java")),
        with_rule(INFLATED, rule("java")),
    ):
        first, second = stored(trace, form=with_redactor(form, ALL))
        assert first.startswith(b"java.lang.Error: token=[secret:")
        assert first.endswith(b"]\n\tat a.B.c(D.java:1)")
        assert second == b"plain"


@pytest.mark.parametrize("make", [cri, docker])
def test_x11_a_secret_between_two_pieces_of_a_line_is_taken_out(make: object) -> None:
    if make is cri:
        content = cri("x 4111 1111", tag="P") + cri(" 1111 1111 y") + cri("and")
        form = with_rule(PLAIN, rule("cri"))
    else:
        content = docker("x 4111 1111") + docker(" 1111 1111 y\n") + docker("and\n")
        form = with_rule(PLAIN, rule("docker"))

    first, second = stored(content, form=with_redactor(form, ALL))

    assert b"1111" not in first.replace(cri("")[:30], b"")
    assert first.count(b"[card:") == 1
    assert len(first.split(b"\n")) == 2
    if make is docker:
        texts = [json.loads(line)["log"] for line in first.split(b"\n")]
        assert "".join(texts).startswith("x [card:")
        assert texts[-1] == " y\n"
    assert second + b"\n" == content.split(b"\n")[2] + b"\n"
    assert documents(content)  # As the stream reads it without rules.


def test_x11_an_event_that_is_cut_shows_no_half_of_a_secret() -> None:
    long = b"start " + b"y" * 4_000 + b" 4111 1111 1111 1111" + b"z" * 9_000
    cut = 4_021  # Amid the number.
    hidden, _ = _cut(long[:cut])
    assert hidden.startswith(b"start yyy")
    assert b"4111" not in hidden
    assert len(hidden) < cut - 1_000

    key = b"k -----BEGIN PRIVATE KEY-----\\n" + b"A" * 4_000
    hidden, counts = _cut(key)
    assert (hidden.count(b"A"), counts) == (1, (("secrets", 1),))

    reader = Reader(HIDING, 128)
    reader.read(b"password=" + b"q" * 2 * EVENT_BYTES_MAX + b"\nnext\n")
    first = decode_mapped(reader.chunks[0].value)[0]
    assert first.flags & FLAG_CUT
    assert first.original_size_bytes == 9 + 2 * EVENT_BYTES_MAX
    assert b"q" not in first.stored


def _cut(content: bytes) -> tuple[bytes, object]:
    return hidden_of_long(content, before=b"", form=HIDING, is_cut=True, is_ended=True)


def test_x11_the_rest_of_a_line_that_time_ended_is_known_by_its_beginning() -> None:
    reader = Reader(HIDING, 65_536)
    reader.read(b"pay 4111 1111 11", is_flushing=True)
    content = b"pay 4111 1111 1111 1111 ok\npassword=ab"
    reader.read(content, is_flushing=True)
    reader.read(content + b"cdef x\n")

    found = events_of(reader.chunks)

    first, rest, begun, end = found.values()
    assert first.flags & FLAG_UNTERMINATED
    assert first.stored.startswith(b"pay [card:")
    assert rest.stored.startswith(b"[card:")
    assert rest.stored.endswith(b"] ok")
    assert begun.stored.startswith(b"password=[secret:")
    assert end.stored.endswith(b"] x")
    assert b"cdef" not in end.stored


def test_x11_a_file_that_was_rewritten_meanwhile_is_not_read_for_what_stood_there() -> (
    None
):
    position = Position(6, 1, tail_of(b"other\n"))
    reader = Reader(HIDING, 65_536, position)

    assert reader.read(b"hello\nsecret=abcdef\n") is Reading.REWRITTEN
    # Also where that happens between the reading of events and of what is before them.
    file = BytesFile(b"hello\nsecret=abcdef\n")
    assert text_before(file, 6, position=position, form=HIDING) is None
    assert text_before(file, 60, position=position, form=HIDING) is None


def test_x11_an_event_that_is_held_keeps_what_tells_of_it() -> None:
    """The file may be gone when it is sent: then nothing is left to look back in."""
    form = with_redactor(with_rule(PLAIN, rule("time")), ALL)
    head = b"2026-11-26 09:00:00 a\n2026-11-26 09:00:01 " + KEY[0] + b"\n"
    held_lines = b"2026-11-26 09:00:02 " + b"A" * 64 + b"\n"
    reader = Reader(form, 65_536)
    held = reader.read(head + held_lines)
    assert isinstance(held, OpenEvent)
    assert held.before.endswith(KEY[0] + b"\n")
    assert reader.chunks[-1].follower == held

    chunker = Chunker(Limits(65_536, 65_536))
    chunk = chunker.held_chunk(held, position=reader.position, form=form)

    (event,) = decode_mapped(chunk.value)
    assert event.stored.startswith(b"2026-11-26 09:00:02 [secret:")


def test_x11_what_a_chunk_has_no_room_for_is_redacted_in_the_next_one() -> None:
    content = b"\n" * (MAPPED_EVENTS_MAX + 5) + b"password=abcdef\n"
    reader = Reader(HIDING, 1_024 * 1_024)
    reader.read(b"-" + content)

    first, second = reader.chunks

    assert (first.event_count, first.redacted) == (MAPPED_EVENTS_MAX, ())
    assert second.redacted == (("secrets", 1),)
    assert b"abcdef" not in second.value


def test_x11_what_is_replaced_is_what_is_found() -> None:
    text = b"password=abcdef and a@example.com"

    assert stored(text + b"\n", form=HIDING) == [
        replaced(text, ALL.find(text), offset=0)
    ]
