"""`tailrace why` reads a file as its agent does: marks, encodings, holes, and cut lines."""

from __future__ import annotations

import gzip
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from crc32c import crc32c
from msgspec.structs import replace

from tailrace.audit.facts import GenerationFacts
from tailrace.commands.why_events import Places
from tailrace.commands.why_place import places_of
from tailrace.commands.why_roles import (
    encodings_of,
    exclusion_of,
    glob_of,
    made_of,
)
from tailrace.errors import CommandFailed
from tailrace.identity import document_id
from tailrace.why.hops import LinePlace
from tailrace.why.lookup import Lookup, Match
from tailrace.wire import MultilineRule
from tailrace_agent.forms import Encoding
from tests.infra.audit.builders import GENERATION, agent_word
from tests.infra.why_words import identity_here

TEXTS = [f"line {number} of the file, with an \u0160" for number in range(5)]
SOURCE = agent_word(number=3).source


class KnowingLookup(Lookup):
    """Knows where documents begin, and finds the documents that it is given."""

    def __init__(
        self, offsets: Sequence[int] = (), matches: Sequence[Match] = ()
    ) -> None:
        self._offsets = offsets
        self._matches = list(matches)

    def lines(self, line: str) -> list[Match]:
        return self._matches if line in TEXTS else []

    def event_offsets(self, generation: str, *, first: int, last: int) -> list[int]:
        assert generation == GENERATION
        return [offset for offset in self._offsets if first <= offset <= last]

    def stored_offsets(
        self, generation: str, *, offsets: Collection[int]
    ) -> frozenset[int]:
        assert generation == GENERATION
        return frozenset(self._offsets) & frozenset(offsets)


def facts_of(
    path: Path, *, multiline: str | None = None, sent_to: int = 0
) -> GenerationFacts:
    agent = agent_word(number=3, next_offset=sent_to)
    rule = multiline and MultilineRule(rule=multiline, max_lines=500, max_bytes=1 << 18)
    placement = replace(agent.placement, multiline=rule or None)
    identity = identity_here(path)
    word = replace(agent, path=str(path), identity=identity, placement=placement)
    return GenerationFacts(generation=GENERATION, agent=word)


def placed(
    line: str,
    path: Path,
    lookup: Lookup | None = None,
    *,
    encoding: Encoding = "auto",
    multiline: str | None = None,
    sent_to: int = 0,
) -> LinePlace:
    told = {GENERATION: facts_of(path, multiline=multiline, sent_to=sent_to)}
    places = Places(
        told=told, lookup=lookup or KnowingLookup(), encodings={SOURCE: encoding}
    )
    return place_of(line, places=places)


def place_of(line: str, *, places: Places) -> LinePlace:
    (place,) = places_of(line, places=places).places
    return place


def id_of(place: LinePlace, path: Path) -> str:
    made = made_of(place, facts=facts_of(path), namespace="t")
    assert made is not None
    return made.document_id


def id_at(path: Path, offset: int, line: bytes) -> str:
    return document_id(
        generation=GENERATION,
        born_at_ms=identity_here(path).born_at_ns // 10**6,
        offset=offset,
        checksum=crc32c(line),
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("codec", "mark", "encoding"),
    [
        ("utf-8", "", "auto"),
        ("utf-8", "\ufeff", "auto"),
        ("utf-16-le", "\ufeff", "auto"),
        ("utf-16-be", "\ufeff", "auto"),
        ("utf-16-le", "", "utf-16le"),
        ("utf-16-be", "", "utf-16be"),
        ("utf-16-le", "", "utf-16"),
    ],
)
def test_f32_a_line_is_at_the_place_and_has_the_id_that_its_agent_gave_it(
    tmp_path: Path, codec: str, mark: str, encoding: Encoding, end: str
) -> None:
    path = tmp_path / "a.log"
    lines = [f"{text}{end}".encode(codec) for text in TEXTS]
    path.write_bytes(mark.encode(codec) + b"".join(lines))
    newline = len("\n".encode(codec))
    offset = len(mark.encode(codec))
    for number, line in enumerate(lines, start=1):
        by_number = placed(f"{path}:{number}", path, encoding=encoding)
        by_words = placed(TEXTS[number - 1], path, encoding=encoding)
        assert by_number == by_words
        assert by_number.offset == offset
        assert by_number.line.decode().rstrip("\r") == TEXTS[number - 1]
        assert id_of(by_number, path) == id_at(path, offset, line[:-newline])
        offset += len(line)


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le"])
def test_f32_a_line_that_a_document_told_of_has_the_id_of_its_bytes_in_the_file(
    tmp_path: Path, codec: str
) -> None:
    path = tmp_path / "a.log"
    lines = [f"{text}\n".encode(codec) for text in TEXTS]
    mark = "\ufeff".encode(codec)
    path.write_bytes(mark + b"".join(lines))
    newline = len("\n".encode(codec))
    offset = len(mark) + sum(map(len, lines[:4]))
    document = {
        "message": TEXTS[4],
        "log.offset": offset,
        "event.sequence": 4,
        "tailrace.generation": GENERATION,
    }
    match = Match(index="t-generic-1", document_id="x", document=document)

    place = placed(TEXTS[4], path, KnowingLookup(matches=[match]))

    assert (place.offset, place.event_number) == (offset, 4)
    assert id_of(place, path) == id_at(path, offset, lines[4][:-newline])


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be"])
def test_f32_a_line_of_another_host_has_the_id_that_its_text_gives_in_some_encoding(
    tmp_path: Path, codec: str
) -> None:
    path = tmp_path / "a.log"
    path.touch()
    name = id_at(path, 2, TEXTS[0].encode(codec))
    document = {
        "message": TEXTS[0],
        "log.offset": 2,
        "tailrace.generation": GENERATION,
    }
    match = Match(index="t-generic-1", document_id=name, document=document)

    place = placed(TEXTS[0], path, KnowingLookup(matches=[match]))

    assert place.line.decode() == TEXTS[0]
    assert id_of(place, path) == name


def test_of_a_document_whose_file_is_not_here_no_id_is_made_up(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\n")
    document = {
        "message": TEXTS[0],
        "log.offset": 0,
        "tailrace.generation": GENERATION,
    }
    match = Match(index="t-generic-1", document_id="x", document=document)
    facts = facts_of(path)
    path.unlink()
    places = Places(
        told={GENERATION: facts}, lookup=KnowingLookup(matches=[match]), encodings={}
    )

    made = made_of(place_of(TEXTS[0], places=places), facts=facts, namespace="t")

    assert made is not None
    assert (made.document_id, made.index != "") == ("", True)


def test_f17_a_line_behind_a_hole_begins_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\n" + bytes(8_192) + b"two\n")
    place = placed(f"{path}:2", path)
    assert (place.offset, place.line) == (4 + 8_192, b"two")


def test_a_line_that_time_parted_is_asked_about_by_its_first_part(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\nhalf and half\n")
    place = placed(f"{path}:2", path, KnowingLookup(offsets=[0, 4, 9]))
    assert (place.offset, place.line) == (4, b"half ")


@pytest.mark.parametrize(
    ("codec", "encoding"), [("utf-8", "auto"), ("utf-16-le", "utf-16le")]
)
@pytest.mark.parametrize("more", ["", " and what came since"])
def test_f28_a_last_line_that_was_sent_without_a_newline_is_asked_about_as_it_was_sent(
    tmp_path: Path, more: str, codec: str, encoding: Encoding
) -> None:
    path = tmp_path / "a.log"
    sent = "one\nhalf".encode(codec)
    path.write_bytes(sent + more.encode(codec))

    place = placed(f"{path}:2", path, sent_to=len(sent), encoding=encoding)

    offset = len("one\n".encode(codec))
    assert (place.offset, place.line) == (offset, b"half")
    assert id_of(place, path) == id_at(path, offset, "half".encode(codec))
    with pytest.raises(CommandFailed, match="is not complete"):
        placed(f"{path}:2", path, sent_to=offset, encoding=encoding)


def test_f28_an_event_of_several_lines_without_a_last_newline_is_told_too(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(b"MESSAGE=one\nPRIORITY=6\n\nMESSAGE=two\nPRIORITY=3")

    for number in (4, 5):
        place = placed(f"{path}:{number}", path, multiline="journald", sent_to=46)
        assert place.offset == 24
        assert place.line == b"MESSAGE=two\nPRIORITY=3"


@pytest.mark.parametrize("glob", ["", "/srv/*.log"])
def test_why_nobody_has_told_of_a_file_is_said_as_far_as_it_can_be_seen(
    tmp_path: Path, glob: str
) -> None:
    places = Places(
        told={}, lookup=KnowingLookup(), encodings={}, glob_of=lambda _path: glob
    )
    empty, new = tmp_path / "empty.log", tmp_path / "new.log"
    archive = tmp_path / "old.log.1.gz"
    empty.touch()
    new.write_bytes(b"one\n")
    archive.write_bytes(gzip.compress(b"one\n"))

    with pytest.raises(CommandFailed, match=r"is empty, and has no line 1\.$"):
        place_of(f"{empty}:1", places=places)
    said = r"is watched, by the glob /srv/\*\.log, and" if glob else "is not watched:"
    with pytest.raises(CommandFailed, match=said):
        place_of(f"{new}:1", places=places)
    with pytest.raises(CommandFailed, match="is an archive, and no agent's word"):
        place_of(f"{archive}:1", places=places)


def test_of_a_file_that_a_source_excludes_it_is_said_which_and_by_what(
    tmp_path: Path,
) -> None:
    """Unless another source takes it."""
    path, config = tmp_path / "debug.log", tmp_path / "tailrace.toml"
    path.write_bytes(b"one\n")
    excluding = (
        f"[[agent.sources]]\nname = 'app'\npaths = ['{tmp_path}/*.log']\n"
        "exclude = ['old*', 'debug*']\n"
    )
    config.write_text(excluding)

    def said() -> str:
        places = Places(
            told={},
            lookup=KnowingLookup(),
            encodings={},
            glob_of=lambda path: glob_of(path, config=config),
            exclusion_of=lambda path: exclusion_of(path, config=config),
        )
        with pytest.raises(CommandFailed) as failed:
            place_of(f"{path}:1", places=places)
        return str(failed.value)

    assert f"the glob {tmp_path}/*.log of the source 'app' takes it" in said()
    assert "`exclude` leaves it out, by debug*." in said()
    config.write_text(
        f"{excluding}[[agent.sources]]\nname = 'all'\npaths = ['{tmp_path}/d*']\n"
    )
    assert f"is watched, by the glob {tmp_path}/d*" in said()
    config.write_text(excluding.replace("debug*", "other*").replace("*.log", "x.log"))
    assert said().startswith(f"{path} is not watched: no agent's word")


@pytest.mark.parametrize(("number", "offset"), [(1, 0), (2, 0), (3, 13), (5, 13)])
def test_an_empty_line_between_entries_of_a_journal_is_a_part_of_one(
    tmp_path: Path, number: int, offset: int
) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(b"MESSAGE=one\n\n\n\nMESSAGE=two\n\n")
    assert placed(f"{path}:{number}", path, multiline="journald").offset == offset


def test_the_encoding_is_what_the_agents_settings_say_of_the_source(
    tmp_path: Path,
) -> None:
    config = tmp_path / "tailrace.toml"
    config.write_text(
        "[[agent.sources]]\nname = 'wide'\npaths = ['/w/*.log']\nencoding = 'utf-16le'\n"
        "[[agent.sources]]\nname = 'plain'\npaths = ['/p/*.log']\n"
    )
    assert encodings_of(config) == {"wide": "utf-16le", "plain": "auto"}
    assert encodings_of(tmp_path / "none.toml") == {}
