"""Pieces of a container's line are one event, whatever the chunks are; from file to document."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tailrace.detect import DATASET_OF_CONTAINER
from tailrace.framing import FLAG_SPLIT, decode_mapped
from tailrace.multiline.container import docker_joins, format_of
from tailrace.wire import Placement
from tailrace_agent.config import SourceSettings
from tailrace_agent.forms import PLAIN, with_rule
from tailrace_agent.placement import placement_of
from tailrace_agent.positions import Reading
from tailrace_stream.chunk import process_chunk
from tests.agent.test_chunking import events_in
from tests.agent.test_multiline_chunking import Reader
from tests.infra.multiline.oracle import rule
from tests.stream.builders import NAMESPACE, origin, stored

AT = "2026-11-24T01:02:03.123456789Z"
PODS = "/var/log/pods/shop_cart-0_a1b2-c3/app/0.log"


def cri(text: str, *, stream: str = "stdout", tag: str = "F") -> bytes:
    return f"{AT} {stream} {tag} {text}\n".encode()


def docker(text: str, *, stream: str = "stdout") -> bytes:
    line = {"log": text, "stream": stream, "time": AT}
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def placed(content: bytes, **settings: str) -> Placement:
    source = SourceSettings.model_validate(
        {"name": "pods", "paths": ["/var/log/pods/*/*/*.log"], **settings}
    )
    return placement_of(
        content,
        path=PODS,
        source=source,
        host_time_zone="UTC",
        first_seen_at_ms=1_795_500_000_123,
    )


def documents(content: bytes, *, chunk_bytes: int = 65_536) -> list[dict[str, object]]:
    placement = placed(content)
    reader = Reader(with_rule(PLAIN, placement.multiline), chunk_bytes)
    assert reader.read(content) is Reading.EMPTY, "no whole event waits"
    found: list[dict[str, object]] = []
    for chunk in reader.chunks:
        here = origin(
            chunk.value,
            first_offset=chunk.first_offset,
            placed=placement,
            framing=chunk.framing,
        )
        made = process_chunk(chunk.value, origin=here, namespace=NAMESPACE)
        assert not made.dead
        found += [one.document for one in stored(made)]
    return found


BROKEN = {
    "cri": cri("one ", tag="P") + cri("two ", tag="P") + cri("three"),
    "docker": docker("one ") + docker("two ") + docker("three\n"),
}
WHOLE = {"cri": cri("and"), "docker": docker("and\n")}
OTHER = {"cri": cri("E", stream="stderr"), "docker": docker("E\n", stream="stderr")}


@pytest.mark.parametrize("name", ["cri", "docker"])
def test_f27_pieces_of_a_line_are_one_document(name: str) -> None:
    content = WHOLE[name] + BROKEN[name] + OTHER[name]
    first, joined, other = documents(content)
    assert (first["message"], first["stream"]) == ("and", "stdout")
    assert joined["message"] == "one two three"
    assert joined["log.offset"] == len(WHOLE[name])
    assert joined["event.original"] == BROKEN[name].decode().removesuffix("\n")
    assert str(joined["@timestamp"]).startswith("2026-11-24T01:02:03.123")
    assert (other["message"], other["stream"]) == ("E", "stderr")
    assert joined["event.dataset"] == DATASET_OF_CONTAINER[name]


@pytest.mark.parametrize("character", ["é", "€", "😀"])
def test_f30_a_character_that_the_runtime_parted_is_whole_in_the_message(
    character: str,
) -> None:
    for at in range(1, len(character.encode())):
        parts = character.encode()[:at], character.encode()[at:]
        begin, end = f"{AT} stdout P ".encode(), f"{AT} stdout F ".encode()
        content = begin + b"caf" + parts[0] + b"\n" + end + parts[1] + b" x\n"

        (made,) = documents(content)

        assert made["message"] == f"caf{character} x"
        kept = b64decode(str(made["tailrace.original_base64"]))
        assert kept == content.removesuffix(b"\n")


@pytest.mark.parametrize(
    ("tag", "rest"), [("P", b"\xc3\xa9"), ("P", b"x"), ("F", b"\xa9")]
)
def test_f31_bytes_that_are_no_parts_of_one_character_stay_as_they_are(
    tag: str, rest: bytes
) -> None:
    content = f"{AT} stdout {tag} caf".encode() + b"\xc3\n"
    content += f"{AT} stdout F ".encode() + rest + b" x\n"

    made = documents(content)

    text = "".join(str(one["message"]) for one in made)
    assert text == "caf\\xc3" + rest.decode("utf-8", "backslashreplace") + " x"


@pytest.mark.parametrize("name", ["cri", "docker"])
def test_f27_stdout_and_stderr_are_never_one_event(name: str) -> None:
    piece = cri("half", tag="P") if name == "cri" else docker("half")
    made = documents(piece + OTHER[name] + WHOLE[name])
    assert [one["message"] for one in made] == ["halfand", "E"]
    assert [one["stream"] for one in made] == ["stdout", "stderr"]


def test_f27_a_text_that_only_looks_like_a_head_joins_nothing() -> None:
    made = documents(cri(f"a {AT} stdout P b") + cri("c"))
    assert [one["message"] for one in made] == [f"a {AT} stdout P b", "c"]
    # Ends in a backslash and an `n` of its own, which is no newline.
    made = documents(docker("C:\\n") + docker("ew\\\n") + docker('q","stream":"x\n'))
    assert [one["message"] for one in made] == ["C:\\new\\", 'q","stream":"x']


@pytest.mark.parametrize("name", ["cri", "docker"])
def test_f27_pieces_of_both_streams_are_joined_wherever_they_stand(name: str) -> None:
    def line(text: str, stream: str, *, is_piece: bool) -> bytes:
        if name == "cri":
            return cri(text, stream=stream, tag="P" if is_piece else "F")
        return docker(text if is_piece else f"{text}\n", stream=stream)

    pairs = [("stderr", "a", "b"), ("stdout", "c", "d"), ("stderr", "e", "f")]
    content = b"".join(
        line(begin, stream, is_piece=True) + line(end, stream, is_piece=False)
        for stream, begin, end in pairs
    )
    made = documents(content)
    assert [one["message"] for one in made] == ["ab", "cd", "ef"]
    assert [one["stream"] for one in made] == ["stderr", "stdout", "stderr"]


@pytest.mark.parametrize("name", ["cri", "docker"])
@pytest.mark.parametrize("torn", [b'he end\\n","stream":"stdout"}', b"me end", b""])
def test_f29_a_file_that_begins_amid_a_line_is_of_a_container_all_the_same(
    name: str, torn: bytes
) -> None:
    content = torn + b"\n" + WHOLE[name] + BROKEN[name]

    made = documents(content)

    assert [one["message"] for one in made][-2:] == ["and", "one two three"]
    assert {one["event.dataset"] for one in made} == {DATASET_OF_CONTAINER[name]}


def test_f29_lines_of_other_kinds_behind_the_first_one_say_nothing() -> None:
    assert format_of(b"torn\n") is None
    assert format_of(b"torn\n" + WHOLE["cri"].removesuffix(b"\n")) is None
    assert format_of(b"torn\n" + WHOLE["cri"] + WHOLE["docker"]) is None
    assert format_of(b"torn\n" + WHOLE["docker"] + b"other\n") is None


def test_f27_json_that_only_looks_like_a_container_is_none() -> None:
    """An application may well write `log` and `stream` of its own."""
    without_time = b'{"log":"half","stream":"stdout"}\n'
    assert format_of(without_time) is None
    other_stream = docker("half", stream="access")
    assert format_of(other_stream) is None
    assert docker_joins(bytearray(other_stream * 3), 3 * len(other_stream)) == []
    assert [one["message"] for one in documents(other_stream * 2)] == ["half", "half"]


def test_a_block_without_pieces_is_shipped_as_it_stands() -> None:
    for name in ("cri", "docker"):
        form = with_rule(PLAIN, placed(WHOLE[name]).multiline)
        reader = Reader(form, 65_536)
        reader.read(WHOLE[name] * 50)
        assert [chunk.framing for chunk in reader.chunks] == ["newline"]


@pytest.mark.parametrize("name", ["cri", "docker"])
def test_f27_a_line_of_which_only_pieces_come_is_bounded_and_said(name: str) -> None:
    piece = cri("x" * 9, tag="P") if name == "cri" else docker("x" * 9)
    form = with_rule(PLAIN, rule(name, max_lines=3, max_bytes=1_000))
    reader = Reader(form, 65_536)
    reader.read(piece * 7)
    (chunk,) = reader.chunks
    events = decode_mapped(chunk.value)
    assert [event.flags for event in events] == [FLAG_SPLIT, FLAG_SPLIT]
    assert chunk.split_count == 2
    reader.read(piece * 7, is_settled=True)
    assert reader.chunks[-1].cut is not None, "made by time, so noted before it is sent"
    assert reader.position.offset == 7 * len(piece)


LINES = st.lists(
    st.sampled_from(
        [
            *(line + b"\n" for value in BROKEN.values() for line in value.splitlines()),
            *WHOLE.values(),
            *OTHER.values(),
            cri("half of E ", stream="stderr", tag="P"),
            docker("half of E ", stream="stderr"),
            b"\n",
            b"junk\n",
        ]
    ),
    max_size=12,
)


@given(LINES, st.sampled_from(["cri", "docker"]), st.integers(200, 390), st.data())
def test_f30_pieces_are_joined_alike_in_any_steps_and_after_a_restart(
    lines: list[bytes], name: str, chunk_bytes: int, data: st.DataObject
) -> None:
    content = b"".join(lines)
    form = with_rule(PLAIN, rule(name, max_lines=4, max_bytes=390))
    whole = Reader(form, 390)
    whole.read(content)
    whole.read(content, is_settled=True)
    steps = Reader(form, chunk_bytes)
    for end in sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=4))):
        steps.read(content[:end])
        steps.held = None  # A restart knows position and cuts, and nothing else.
    steps.read(content)
    steps.read(content, is_settled=True)
    assert events_in(steps.chunks) == events_in(whole.chunks)


def test_f30_pieces_that_do_not_fit_a_chunk_wait_no_longer_than_others() -> None:
    """Nothing comes after them, and no piece was the last: what there is is the event."""
    content = docker("one ") * 3
    reader = Reader(with_rule(PLAIN, rule("docker", max_lines=4, max_bytes=390)), 200)
    assert len(content) > reader.chunk_bytes
    reader.read(content)
    assert not reader.chunks
    reader.read(content, is_settled=True)
    assert [len(chunk.value) > 0 for chunk in reader.chunks] == [True]
    assert reader.position.offset == len(content)


def test_the_parser_of_what_a_container_wrote_is_in_its_placement() -> None:
    assert placed(cri("x")).inner == ""
    assert placed(cri("x"), inner="nginx.access").inner == "access"
    assert placed(cri("x"), inner="auto").inner == "auto"
    assert placed(b"plain\n", inner="json").inner == "", "a file of another kind"


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"inner": "cobol"}, "must be `none`"),
        ({"inner": "docker"}, "must be `none`"),
        ({"inner": "json", "format": "lines"}, "containers' logs"),
    ],
)
def test_an_inner_parser_must_be_one_and_have_a_container_around_it(
    settings: dict[str, str], word: str
) -> None:
    with pytest.raises(ValidationError, match=word):
        placed(cri("x"), **settings)
