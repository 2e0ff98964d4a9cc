"""What is taken out of entries of a journal, and that they are read as before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from tailrace.framing import FLAG_CUT, FLAG_REDACTED, MappedEvent, decode_mapped
from tailrace.multiline.journald import (
    BINARY_BYTES_MAX,
    SIZE_BYTES,
    binary_values,
    size_bytes,
    size_of_value,
)
from tailrace.redaction.redactor import CUT_MARGIN_BYTES, Redactor
from tailrace_agent.forms import PLAIN, Form, with_redactor, with_rule
from tailrace_agent.hiding import hidden_of_long
from tailrace_agent.placement import ENTRIES
from tailrace_stream.chunk import process_chunk
from tests.agent.test_multiline_chunking import EVENT_BYTES_MAX, Reader
from tests.agent.test_redaction_rules import ALL, redactor
from tests.infra.multiline.journals import SHIPPED, Field, entry, field, with_message
from tests.stream.builders import NAMESPACE, origin, placement, stored

SECRET = b"hunter2hunter"
(_FOUND,) = ALL.find(b"password=" + SECRET)
TOKEN = _FOUND.token
JOURNAL = placement("journald", dataset="journald.log")
VALUES = st.sampled_from(
    [
        b"plain",
        b"two\nlines",
        b"password=" + SECRET,
        b"one\npassword=" + SECRET + b"\n\nthree",
        b"password=" + SECRET + b"\npassword=" + SECRET,
        b"",
        b"\n",
        b"\n\n__CURSOR=x\n",
        # Its size is a newline, and then one of a longer text.
        b"0\n23456789",
        b"A\n" + bytes(SIZE_BYTES) + b"password=" + SECRET,
        b"z" * 600 + b"\npassword=" + SECRET,
    ]
)
NAMES = st.sampled_from(["MESSAGE", "_PID", "X", "A" * 64])
CURSOR: Field = ("__CURSOR", b"s=1;i=2")


def form_of(rules: Redactor = ALL) -> Form:
    return with_redactor(with_rule(PLAIN, ENTRIES), rules)


def events(
    content: bytes,
    *,
    rules: Redactor = ALL,
    chunk_bytes: int = 65_536,
    is_flushing: bool = False,
) -> list[MappedEvent]:
    reader = Reader(form_of(rules), chunk_bytes)
    reader.read(content, is_flushing=is_flushing)
    return [one for chunk in reader.chunks for one in decode_mapped(chunk.value)]


def documents(content: bytes, *, rules: Redactor = ALL) -> list[dict[str, Any]]:
    reader = Reader(form_of(rules), 65_536)
    reader.read(content, is_flushing=True)
    found: list[dict[str, Any]] = []
    for chunk in reader.chunks:
        here = origin(
            chunk.value,
            first_offset=chunk.first_offset,
            placed=JOURNAL,
            framing=chunk.framing,
        )
        made = process_chunk(chunk.value, origin=here, namespace=NAMESPACE)
        assert not made.dead
        found += [one.document for one in stored(made)]
    return found


def test_x11_an_entry_of_which_a_secret_is_taken_out_is_read_as_before() -> None:
    """A token has another length than its secret, and the size before it must tell."""
    message = b"login\nwith password=" + SECRET
    original = entry(
        [*SHIPPED[:-1], ("MESSAGE", message), ("CODE_FILE", b"/src/login.c")]
    )
    content = original + b"\n" + with_message(b"next") + b"\n"

    (event, _) = events(content)
    first, second = documents(content)

    assert first["message"] == (b"login\nwith password=" + TOKEN).decode()
    assert first["log.origin.file.name"] == "/src/login.c", "what follows is read, too"
    assert first["systemd.unit"] == "ssh.service"
    assert second["message"] == "next"
    assert (event.original_size_bytes, event.checksum) == (
        len(original),
        crc32c(original),
    )
    assert event.flags == FLAG_REDACTED


@given(
    st.lists(st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=5), max_size=4),
    st.sampled_from([80, 150, 65_536]),
    st.data(),
)
def test_x11_entries_lose_their_secrets_and_nothing_else_whatever_is_read_at_once(
    written: list[list[tuple[str, bytes, bool]]],
    chunk_bytes: int,
    data: st.DataObject,
) -> None:
    """Each stored entry is the one that a writer makes who writes tokens."""

    def made(*, hidden: bool) -> list[bytes]:
        return [
            entry([CURSOR])
            + b"".join(
                field(
                    name,
                    value.replace(SECRET, TOKEN) if hidden else value,
                    is_binary=is_binary or b"\n" in value,
                )
                for name, value, is_binary in fields
            )
            for fields in written
        ]

    originals = made(hidden=False)
    content = b"".join(one + b"\n" for one in originals)
    reader = Reader(form_of(), chunk_bytes)
    for _ in range(2):
        reader.read(content[: data.draw(st.integers(0, len(content)))])
    crashed = reader.crash(kept_count=data.draw(st.integers(0, len(reader.chunks))))
    crashed.read(content)
    found = [e for chunk in crashed.chunks for e in decode_mapped(chunk.value)]

    offset = 0
    for event, original, hidden in zip(
        found, originals, made(hidden=True), strict=True
    ):
        assert (event.offset, event.original_size_bytes, event.checksum) == (
            offset,
            len(original),
            crc32c(original),
        )
        if not event.flags & FLAG_CUT:
            assert event.stored == hidden
        assert SECRET not in event.stored
        offset += len(original) + 1


def test_x11_the_name_of_a_binary_field_tells_what_it_holds() -> None:
    """As it does where the same field is text."""
    binary = field("PASSWORD", SECRET + b"\nrest")
    text = field("PASSWORD", SECRET)
    content = entry([CURSOR]) + binary + text + b"\n"

    (event,) = events(content)

    hidden = field("PASSWORD", TOKEN + b"\nrest") + field("PASSWORD", TOKEN)
    assert event.stored == entry([CURSOR]) + hidden


@pytest.mark.parametrize("pattern", ["MESSAGE", "MESSAGE=?", "ESS", "^[^_].*", "="])
def test_x11_no_pattern_of_a_user_takes_a_binary_fields_name_or_size(
    pattern: str,
) -> None:
    rules = redactor(own=pattern)
    content = with_message(b"one=1\ntwo") + field("_PID", b"7") + b"\n"

    (event,) = events(content, rules=rules)
    (found,) = documents(content, rules=rules)

    ((start, end),) = binary_values(event.stored)
    assert event.stored[:start].endswith(b"\nMESSAGE\n" + size_bytes(end - start))
    assert event.stored[end:] == b"\n_PID=7\n" or b"[own:" in event.stored[end:]
    if pattern.startswith("^"):
        lines = event.stored[start:end].split(b"\n")
        assert [line[:5] for line in lines] == [b"[own:"] * 2
    elif pattern == "=":
        assert found["message"].startswith("one[own:")
    else:
        assert found["message"] == "one=1\ntwo"


def test_x11_a_value_that_no_newline_follows_is_no_longer_than_it_was() -> None:
    """The rest of such a line is nobody's: no part of it gets into the value."""
    value = b"a\npassword=hun"
    head = b"DATA\n" + size_bytes(len(value))
    content = entry([CURSOR]) + head + value + b"ter2hunter tail\nX=1\n\n"

    (event,) = events(content)

    hidden = b"a\npassword=" + TOKEN
    assert event.stored == (
        entry([CURSOR]) + b"DATA\n" + size_bytes(len(hidden)) + hidden + b" tail\nX=1\n"
    )


def test_x11_of_an_entry_that_is_cut_the_size_is_that_of_the_whole_value() -> None:
    value = b"password=" + SECRET + b"\n" + b"y" * 9_000
    begun = with_message(value)[:5_000]

    cut, counts = hidden_of_long(
        begun, before=b"", form=form_of(), is_cut=True, is_ended=True
    )

    assert counts == (("secrets", 1),)
    assert len(cut) == 5_000 - CUT_MARGIN_BYTES + len(TOKEN) - len(SECRET)
    ((start, end),) = binary_values(cut)
    assert end - start == len(value) + len(TOKEN) - len(SECRET)
    assert cut[start:].startswith(b"password=" + TOKEN + b"\nyyy")


def test_x11_an_entry_that_ends_where_the_limit_was_is_stored_whole() -> None:
    """Half of one that a dead writer left: its size is the limit's or less."""
    half = entry([*SHIPPED[:4], ("X", b"password=" + SECRET)])
    half += b"Y=" + b"x" * (EVENT_BYTES_MAX - len(half) - 4) + b"\n"
    content = half + entry(SHIPPED[:1]) + b"\n"

    first, second = events(content, chunk_bytes=256)

    assert first.flags == 0
    hidden = half.replace(SECRET, TOKEN).removesuffix(b"\n")
    assert first.stored == hidden
    assert second.stored == entry(SHIPPED[:1])


def test_x11_the_rest_of_an_entry_that_time_ended_is_known_by_what_stands_before() -> (
    None
):
    whole = with_message(b"one\npassword=" + SECRET)
    half_bytes = len(whole) - len(SECRET) + 3
    reader = Reader(form_of(), 65_536)
    reader.read(whole[:half_bytes], is_flushing=True)
    content = whole + b"\n" + with_message(b"next") + b"\n"
    reader.read(content)
    again = replace(reader.crash(kept_count=1), chunk_bytes=200)
    again.read(content)

    for one in (reader, again):
        found = [e for chunk in one.chunks for e in decode_mapped(chunk.value)]
        assert len(found) == 3
        assert found[0].stored.count(b"[secret:") == 1
        assert found[1].stored.startswith(b"[secret:")
        assert found[2].stored == with_message(b"next")


def test_x11_what_an_entry_before_it_says_hides_nothing_of_the_next_one() -> None:
    """A key that is never closed would take the last word of each line for a while."""
    key = b"-----BEGIN RSA PRIVATE KEY-----\n" + b"A" * 64
    content = with_message(key) + b"\n" + with_message(b"last\nword of it") + b"\n"

    for chunk_bytes in (250, 65_536):
        first, second = events(content, chunk_bytes=chunk_bytes)

        assert b"A" * 64 not in first.stored
        assert second.stored == with_message(b"last\nword of it")


@pytest.mark.parametrize("size", [0, 10, 255, 70_000, BINARY_BYTES_MAX])
def test_a_size_is_written_as_it_is_read(size: int) -> None:
    assert size_of_value(size_bytes(size), 0) == size


def test_a_size_stays_one_that_a_value_can_have() -> None:
    assert size_of_value(size_bytes(BINARY_BYTES_MAX + 1), 0) == BINARY_BYTES_MAX
