"""A line that is asked about by its words: stored here, missing there, and told of both."""

from __future__ import annotations

import errno
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn

import orjson
import pytest
from msgspec.structs import replace

from tailrace.commands.why import of_host
from tailrace.commands.why_place import places_of
from tailrace.commands.why_words import PLACES_SHOWN_MAX
from tailrace.elasticsearch import Answer, Elastic
from tailrace.errors import CommandFailed
from tailrace.why.hops import Found, State, Witness, hops, is_stored_once
from tailrace.why.lookup import MATCHES_MAX, Lookup, Match, holds
from tailrace.wire import AgentLedger, MultilineRule
from tests.infra.audit.builders import facts_at_rest
from tests.infra.test_why import place_of
from tests.infra.why_words import HoldingLookup, Told, keys_of, word_of

LINE = "GET /health"


class AnsweringElastic(Elastic):
    """Answers every search with the same hits, and keeps what was asked, as sent."""

    def __init__(self, *documents: Mapping[str, object]) -> None:
        self.asked: list[bytes] = []
        hits = [{"_index": "t", "_id": "x", "_source": each} for each in documents]
        self._body = orjson.dumps({"hits": {"hits": hits}})

    def look_up(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None
    ) -> Answer:
        assert (method, path.startswith("/")) == ("POST", True)
        self.asked.append(orjson.dumps(body))
        return Answer(200, self._body)


class OffsetElastic(Elastic):
    """Has documents at some offsets of every generation."""

    def __init__(self, stored: Collection[int]) -> None:
        self._stored = stored

    def look_up(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None
    ) -> Answer:
        assert (method, path.startswith("/"), body is not None) == ("POST", True, True)
        clauses = (body or {})["query"]["bool"]["filter"]
        asked = next(each["terms"]["log.offset"] for each in clauses if "terms" in each)
        found = [offset for offset in asked if offset in self._stored]
        hits = [{"fields": {"log.offset": [offset]}} for offset in found]
        return Answer(200, orjson.dumps({"hits": {"hits": hits}}))


def file_of(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def match_of(word: AgentLedger, line: str, *, offset: int) -> Match:
    document = {
        "message": line,
        "log.offset": offset,
        "event.sequence": 0,
        "tailrace.generation": word.generation,
    }
    return Match(index="t-generic-1", document_id="x", document=document)


def test_a_line_that_is_stored_for_one_file_and_missing_for_another_is_told_of_both(
    tmp_path: Path,
) -> None:
    there = word_of(file_of(tmp_path, "a.log", LINE))
    missing = word_of(file_of(tmp_path, "b.log", "first", LINE))
    lookup = HoldingLookup(
        stored=[(there.generation, 0)], matches=[match_of(there, LINE, offset=0)]
    )

    asked = places_of(LINE, places=Told((there, missing)).places(lookup))

    assert keys_of(asked.places) == [(missing.generation, 6), (there.generation, 0)]
    assert asked.more_count == 0


def test_of_a_line_that_stands_often_the_one_that_is_missing_comes_first(
    tmp_path: Path,
) -> None:
    word = word_of(file_of(tmp_path, "a.log", *[LINE] * 1_000))
    size = len(LINE) + 1
    stored = {(word.generation, number * size) for number in range(1_000)}
    stored.remove((word.generation, 700 * size))

    asked = places_of(LINE, places=Told((word,)).places(HoldingLookup(stored)))

    assert keys_of(asked.places)[0] == (word.generation, 700 * size)
    assert len(asked.places) == PLACES_SHOWN_MAX
    assert asked.more_count


def journal_word(path: Path, *, entries: int) -> AgentLedger:
    """Return the word of a journal, whose entries have an empty line behind each."""
    path.write_bytes(b"MESSAGE=one\n\n" * entries)
    word = word_of(path, updated_at_ms=2)
    rule = MultilineRule(rule="journald", max_lines=500, max_bytes=1 << 18)
    return replace(word, placement=replace(word.placement, multiline=rule))


def test_the_empty_line_that_is_asked_about_is_none_that_is_a_part_of_an_event(
    tmp_path: Path,
) -> None:
    journal = journal_word(tmp_path / "j.journal", entries=3 * PLACES_SHOWN_MAX)
    plain = word_of(file_of(tmp_path, "p.log", "one", "", "two"))
    stored = [(plain.generation, 4)]

    asked = places_of("", places=Told((journal, plain)).places(HoldingLookup(stored)))

    assert keys_of(asked.places) == stored


def test_without_one_of_its_own_an_empty_line_is_the_event_that_it_is_in(
    tmp_path: Path,
) -> None:
    word = journal_word(tmp_path / "j.journal", entries=2)

    asked = places_of("", places=Told((word,)).places())

    assert keys_of(asked.places) == [(word.generation, 0), (word.generation, 13)]


def test_f31_a_line_of_bytes_that_are_no_text_is_looked_for_and_told_by_them() -> None:
    line = b"bad utf \xff\xfe x".decode("utf-8", "surrogateescape")
    text = "bad utf \ufffd\ufffd x"
    ours = {"message": text, "tailrace.original_base64": _base64(b"bad utf \xff\xfe x")}
    other = {
        "message": text,
        "tailrace.original_base64": _base64(b"bad utf \xfe\xff x"),
    }
    elastic = AnsweringElastic(ours, other, {"message": text})

    found = Lookup(elastic, namespace="t").lines(line)

    assert [each.document for each in found] == [ours]
    assert text in elastic.asked[0].decode()
    assert holds({"message": text}, text)


def test_f31_such_a_line_that_is_nowhere_is_said_in_words() -> None:
    line = b"bad utf \xff x".decode("utf-8", "surrogateescape")
    lookup = Lookup(AnsweringElastic(), namespace="t")

    with pytest.raises(CommandFailed, match=r"No line 'bad utf \\\\xff x' is stored"):
        places_of(line, places=Told().places(lookup))


def test_of_many_places_all_are_asked_about() -> None:
    offsets = range(0, 3 * MATCHES_MAX * 10, 10)
    stored = frozenset(offsets) - {2 * MATCHES_MAX * 10 + 70}

    lookup = Lookup(OffsetElastic(stored), namespace="t")

    assert lookup.stored_offsets("g", offsets=offsets) == stored


def test_of_hosts_that_are_named_alone_documents_are_asked_for() -> None:
    elastic = AnsweringElastic()
    Lookup(elastic, namespace="t", host_names={"web-3"}).lines(LINE)
    Lookup(elastic, namespace="t").lines(LINE)

    named, any_host = elastic.asked
    assert b'{"terms":{"host.name":["web-3"]}}' in named
    assert b"host.name" not in any_host


def test_a_line_that_is_stored_twice_is_not_done() -> None:
    found = Found(documents=("t-generic-1/id", "t-generic-0/id"))
    witness = Witness(place=place_of(3), facts=facts_at_rest(5), found=found)

    indexer = hops(witness)[-1]

    assert (indexer.state, "more than once" in indexer.text) == (State.DOUBLED, True)
    assert not is_stored_once(witness)


@pytest.mark.parametrize("number", [1, 3])
def test_a_file_that_is_not_there_is_said_and_where_one_of_its_name_is(
    tmp_path: Path, number: int
) -> None:
    path = tmp_path / "a.log"
    path.touch()
    word = word_of(path, host="web-7")
    path.unlink()

    with pytest.raises(CommandFailed, match="There is no file") as failed:
        places_of(f"{path}:{number}", places=Told((word,)).places())
    assert "on web-7" in failed.value.remedy
    with pytest.raises(CommandFailed, match="There is no file") as failed:
        places_of("/no/such/file:3", places=Told((word,)).places())
    assert "web-7" not in failed.value.remedy


@pytest.mark.parametrize("line", ["it started at 10:03", "x" * 5_000 + " :12"])
def test_a_line_that_ends_in_a_number_is_no_file(tmp_path: Path, line: str) -> None:
    word = word_of(file_of(tmp_path, "a.log", line))

    found = places_of(line, places=Told((word,)).places()).places
    assert keys_of(found) == [(word.generation, 0)]
    with pytest.raises(CommandFailed, match="No line"):
        places_of(line, places=Told().places())


def untold_file(folder: Path) -> Path:
    """Return a file that nobody watches."""
    return file_of(folder, "hosts", "127.0.0.1 localhost")


def known_file(folder: Path) -> Path:
    """Return a watched file with fewer lines than any that is asked for."""
    return file_of(folder, "b.log", "one")


@pytest.mark.parametrize("other", [untold_file, known_file])
@pytest.mark.parametrize("is_stored", [True, False])
def test_a_line_that_reads_as_a_place_in_another_file_is_told_of(
    tmp_path: Path, other: Callable[[Path], Path], is_stored: bool
) -> None:
    named = other(tmp_path)
    line = f"{named}:12"
    word = word_of(file_of(tmp_path, "a.log", line))
    words = (word, word_of(named)) if other is known_file else (word,)
    matches = [match_of(word, line, offset=0)] if is_stored else []

    found = places_of(line, places=Told(words).places(HoldingLookup(matches=matches)))

    assert keys_of(found.places) == [(word.generation, 0)]


@pytest.mark.parametrize(
    ("other", "said"),
    [(untold_file, "is not watched"), (known_file, "has 1 complete line")],
)
def test_what_is_a_place_in_a_file_and_no_line_anywhere_is_answered_by_the_file(
    tmp_path: Path, other: Callable[[Path], Path], said: str
) -> None:
    named = other(tmp_path)
    words = (word_of(named),) if other is known_file else ()

    with pytest.raises(CommandFailed, match=said):
        places_of(f"{named}:12", places=Told(words).places())


def test_a_place_in_a_known_file_comes_before_a_line_that_reads_like_it(
    tmp_path: Path,
) -> None:
    named = file_of(tmp_path, "b.log", "one", "two")
    line = f"{named}:2"
    words = (word_of(named), word_of(file_of(tmp_path, "a.log", line)))

    found = places_of(line, places=Told(words).places())

    assert keys_of(found.places) == [(words[0].generation, len("one\n"))]


def test_a_line_that_names_a_file_nobody_may_look_for_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hidden(path: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    line = "/etc/shadow:12"
    word = word_of(file_of(tmp_path, "a.log", line))
    monkeypatch.setattr(Path, "is_file", hidden)

    found = places_of(line, places=Told((word,)).places())

    assert keys_of(found.places) == [(word.generation, 0)]
    with pytest.raises(CommandFailed, match="cannot be read: Permission denied"):
        places_of(line, places=Told().places())


def test_a_host_may_be_chosen_by_its_name_or_id(tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.log", LINE)
    one, other = word_of(path, host="vm"), word_of(path, host="web-3")
    one = replace(one, host_id="0123")
    told = Told((one, other)).facts()

    assert of_host(told, host=None) == told
    assert list(of_host(told, host="web-3")) == [other.generation]
    assert list(of_host(told, host="0123")) == [one.generation]
    with pytest.raises(CommandFailed, match="knows no host 'web-9'") as failed:
        of_host(told, host="web-9")
    assert failed.value.remedy == "it knows: vm, web-3"


def test_of_a_host_that_was_chosen_no_others_documents_are_told(tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.log", LINE)
    one, other = word_of(path, host="vm"), word_of(path, host="web-3")
    matches = [match_of(each, LINE, offset=0) for each in (one, other)]
    places = Told((one,)).places(HoldingLookup(matches=matches), is_of_one_host=True)

    assert keys_of(places_of(LINE, places=places).places) == [(one.generation, 0)]


def _base64(line: bytes) -> str:
    return b64encode(line).decode()
