"""A line that is asked about is a part of its event: which one, and what is made of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from crc32c import crc32c
from msgspec.structs import replace

from tailrace.audit.facts import GenerationFacts
from tailrace.commands.why_events import Places
from tailrace.commands.why_place import places_of
from tailrace.commands.why_roles import made_of
from tailrace.identity import document_id
from tailrace.why.hops import LinePlace
from tailrace.why.lookup import Lookup, Match
from tailrace.wire import AgentLedger, Mark, MultilineRule
from tests.infra.audit.builders import GENERATION, agent_word
from tests.infra.why_words import identity_here

FIRST = b"2026-11-25 10:00:00,123 ERROR [main] a.b.C: it broke"
TRACE = FIRST + b"\njava.lang.Error: no\n\tat a.b.C.d(C.java:1)"
CONTENT = b"%b\n%b\n%b\n" % (FIRST, TRACE, FIRST)
SECOND = len(FIRST) + 1


class KnowingLookup(Lookup):
    """Knows where documents begin, and finds the documents that it is given."""

    def __init__(
        self, offsets: Sequence[int] = (), matches: Sequence[Match] = ()
    ) -> None:
        self._offsets = offsets
        self._matches = list(matches)

    def lines(self, line: str) -> list[Match]:
        return self._matches if line in TRACE.decode() else []

    def event_offsets(self, generation: str, *, first: int, last: int) -> list[int]:
        assert generation == GENERATION
        return [offset for offset in self._offsets if first <= offset <= last]

    def stored_offsets(
        self, generation: str, *, offsets: Collection[int]
    ) -> frozenset[int]:
        assert generation == GENERATION
        return frozenset(self._offsets) & frozenset(offsets)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "a.log"
    file.write_bytes(CONTENT)
    return file


def word(path: Path, **changes: object) -> AgentLedger:
    agent = agent_word(number=3)
    rule = MultilineRule(rule="java", max_lines=500, max_bytes=1 << 18)
    return agent_word(
        number=3,
        path=str(path),
        identity=identity_here(path),
        placement=replace(agent.placement, multiline=rule, parser="log4j"),
        **changes,
    )


def placed(line: str, path: Path, lookup: Lookup, **changes: object) -> LinePlace:
    facts = GenerationFacts(generation=GENERATION, agent=word(path, **changes))
    (place,) = places_of(
        line, places=Places(told={GENERATION: facts}, lookup=lookup, encodings={})
    ).places
    return place


@pytest.mark.parametrize("number", [2, 3, 4])
def test_each_line_of_an_event_is_asked_about_as_the_event(
    path: Path, number: int
) -> None:
    place = placed(f"{path}:{number}", path, KnowingLookup())
    assert (place.offset, place.line) == (SECOND, TRACE)


def test_a_line_beside_it_is_an_event_of_its_own(path: Path) -> None:
    lookup = KnowingLookup()
    assert placed(f"{path}:1", path, lookup).line == FIRST
    assert placed(f"{path}:5", path, lookup).offset == len(CONTENT) - len(FIRST) - 1


def test_a_line_is_found_by_its_words_within_its_event(path: Path) -> None:
    place = placed("\tat a.b.C.d(C.java:1)", path, KnowingLookup())
    assert (place.offset, place.line) == (SECOND, TRACE)


def test_f28_an_event_that_time_ended_is_told_by_its_documents(path: Path) -> None:
    third = SECOND + TRACE.index(b"\tat")
    lookup = KnowingLookup(offsets=[third])
    assert placed(f"{path}:2", path, lookup).line == TRACE[: third - SECOND - 1]
    assert placed(f"{path}:4", path, lookup).offset == third
    assert placed(f"{path}:4", path, lookup).line == b"\tat a.b.C.d(C.java:1)"


def test_a_mark_of_the_ledger_spares_what_stands_before_it(path: Path) -> None:
    """Were the whole file read, the first line would begin an event with the second."""
    damaged = bytearray(CONTENT)
    damaged[SECOND - 1 : SECOND] = b" "
    path.write_bytes(damaged)
    mark = Mark(offset=SECOND, tail_size_bytes=0, tail_hash="")
    place = placed(f"{path}:3", path, KnowingLookup(), marks=(mark,))
    assert (place.offset, place.line) == (SECOND, TRACE)


def test_the_document_of_an_event_has_the_id_of_all_its_bytes(path: Path) -> None:
    place = placed(f"{path}:3", path, KnowingLookup())
    facts = GenerationFacts(generation=GENERATION, agent=word(path))
    made = made_of(place, facts=facts, namespace="t")
    assert made is not None
    assert made.is_recognised
    assert made.document_id == document_id(
        generation=GENERATION,
        born_at_ms=identity_here(path).born_at_ns // 10**6,
        offset=SECOND,
        checksum=crc32c(TRACE),
    )


def test_an_event_known_by_its_document_alone_has_that_id_too(path: Path) -> None:
    match = Match(
        index="t-generic-1",
        document_id="x",
        document={
            "message": TRACE.decode(),
            "log.offset": SECOND,
            "tailrace.generation": GENERATION,
        },
    )
    place = placed("java.lang.Error: no", path, KnowingLookup(matches=[match]))
    facts = GenerationFacts(generation=GENERATION, agent=word(path))
    made = made_of(place, facts=facts, namespace="t")
    of_file = made_of(
        placed(f"{path}:3", path, KnowingLookup()), facts=facts, namespace="t"
    )
    assert made == of_file


STAMP = "2026-11-25T10:00:00.123456789Z"
ACCESS, BROKE, AT, AT_AGAIN = (
    f"{STAMP} stdout F GET /".encode(),
    f"{STAMP} stderr F java.lang.Error: no".encode(),
    f"{STAMP} stderr F \tat a.b(c)".encode(),
    f"{STAMP} stderr F \tat d.e(f)".encode(),
)
STREAMS = [BROKE, ACCESS, AT, ACCESS, AT_AGAIN, BROKE]


@pytest.fixture
def container(tmp_path: Path) -> Path:
    file = tmp_path / "0.log"
    file.write_bytes(b"".join(line + b"\n" for line in STREAMS))
    return file


def in_container(line: str, path: Path, lookup: Lookup) -> LinePlace:
    rule = MultilineRule(rule="java", max_lines=500, max_bytes=1 << 18, container="cri")
    agent = agent_word(number=4, path=str(path), identity=identity_here(path))
    placement = replace(agent.placement, multiline=rule, parser="cri")
    facts = GenerationFacts(
        generation=GENERATION, agent=replace(agent, placement=placement)
    )
    (place,) = places_of(
        line, places=Places(told={GENERATION: facts}, lookup=lookup, encodings={})
    ).places
    return place


def offset_of(number: int) -> int:
    return sum(len(line) + 1 for line in STREAMS[: number - 1])


def test_f27_each_line_of_a_containers_streams_is_told_as_its_own_event(
    container: Path,
) -> None:
    starts = [offset_of(number) for number in (1, 2, 4, 6)]
    trace = b"\n".join([BROKE, AT, AT_AGAIN])
    for number, (offset, line) in enumerate(
        [
            (0, trace),
            (starts[1], ACCESS),
            (0, trace),
            (starts[2], ACCESS),
            (0, trace),
            (starts[3], BROKE),
        ],
        start=1,
    ):
        place = in_container(
            f"{container}:{number}", container, KnowingLookup(offsets=starts)
        )
        assert (place.offset, place.line) == (offset, line)
        assert place.event is not None
        assert place.event.checksum == crc32c(line)


def test_f28_an_event_of_a_stream_that_time_ended_is_told_by_its_documents(
    container: Path,
) -> None:
    """A document of the other stream begins amid it and says nothing of it."""
    starts = [offset_of(number) for number in (1, 2, 4, 5, 6)]
    lookup = KnowingLookup(offsets=starts)
    head = b"\n".join([BROKE, AT])
    assert in_container(f"{container}:1", container, lookup).line == head
    assert in_container(f"{container}:3", container, lookup).line == head
    last = in_container(f"{container}:5", container, lookup)
    assert (last.offset, last.line) == (starts[3], AT_AGAIN)
    assert in_container(f"{container}:4", container, lookup).line == ACCESS
