"""A deep audit holds each document to its place: its index, and what its `_id` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.findings import altered
from tailrace.audit.sources import StoredDocument
from tailrace.audit.verdict import ProblemKind
from tailrace.identity import index_name
from tailrace_stream.intake import Chunk, read_record
from tailrace_stream.records import RawRecord
from tests.infra.audit.builders import (
    BORN_AT_MS,
    LINE_BYTES,
    HeldDocument,
    HeldIndex,
    facts_at_rest,
    indexer_word,
    report_of,
    stream_word,
)

DAY_MS = 86_400_000
ARRIVAL_DAY_MS = BORN_AT_MS // DAY_MS * DAY_MS
HOME = "t-generic-2023.11.14"
"""Of the day on which all files here were born."""
ELSEWHERE = "it lies in an index of another day or dataset"


def found(
    document: HeldDocument, facts: GenerationFacts
) -> Sequence[tuple[str, int | None]]:
    """Return what a deep audit says is wrong with one document among others."""
    others = [
        HeldDocument(number, index=HOME, born_at_ms=_born(facts)) for number in (0, 1)
    ]
    report = report_of(HeldIndex([*others, document]), facts, is_deep=True)
    problems = [problem for each in report.unsound for problem in each.problems]
    assert all(problem.kind is ProblemKind.ALTERED for problem in problems)
    return [(problem.text, problem.offset) for problem in problems]


def _born(facts: GenerationFacts) -> int:
    return ARRIVAL_DAY_MS if facts.is_foreign else BORN_AT_MS


def of_agent() -> GenerationFacts:
    return facts_at_rest(3)


def of_another_collector() -> GenerationFacts:
    """Return what is said of events that came some hours after their day began."""
    return GenerationFacts(
        generation=of_agent().generation,
        stream=stream_word(number=3, agent_id="foreign", observed_at_ms=BORN_AT_MS),
        indexer=indexer_word(number=3, agent_id="foreign"),
    )


def of_silent_agent() -> GenerationFacts:
    """Return what is said where the agent's own word has not come yet."""
    return replace(of_agent(), agent=None)


@pytest.mark.parametrize("facts", [of_agent(), of_another_collector()])
@pytest.mark.parametrize(
    "index", ["t-generic-2023.11.15", "t-other-2023.11.14", "t-generic-2023.11"]
)
def test_a_document_in_an_index_of_another_day_or_dataset_is_altered(
    index: str, facts: GenerationFacts
) -> None:
    """Also where it says so itself: the ledger knows better than whoever moved it."""
    moved = HeldDocument(2, index=index, born_at_ms=_born(facts))
    told = replace(
        moved,
        says={"event.dataset": index.split("-")[1], "@timestamp": "2023-11-14T22:00Z"},
    )

    for document in (moved, told):
        assert found(document, facts) == [(ELSEWHERE, 2 * LINE_BYTES)]


@pytest.mark.parametrize("index", [HOME, f"{HOME}-r2"])
@pytest.mark.parametrize("facts", [of_agent(), of_another_collector()])
def test_a_document_at_home_or_in_a_replay_is_as_it_was(
    index: str, facts: GenerationFacts
) -> None:
    document = HeldDocument(2, index=index, born_at_ms=_born(facts))

    assert not found(document, facts)


WEB = "t-web-2023.11.14"


def routed(facts: GenerationFacts) -> GenerationFacts:
    """Return the facts where the file's lines go to the indices of `web`."""
    agent, stream = facts.agent, facts.stream
    if agent is not None:
        placement = msgspec.structs.replace(agent.placement, index="web")
        agent = msgspec.structs.replace(agent, placement=placement)
    if stream is not None:
        stream = msgspec.structs.replace(stream, index="web")
    return replace(facts, agent=agent, stream=stream)


def unspoken() -> GenerationFacts:
    return replace(of_silent_agent(), stream=None)


@pytest.mark.parametrize(
    ("facts", "index", "is_home"),
    [
        (routed(of_agent()), WEB, True),
        (routed(of_agent()), f"{WEB}-r2", True),
        (routed(of_agent()), HOME, False),
        (routed(of_agent()), "t-web-2023.11.15", False),
        (of_agent(), WEB, False),
        (routed(of_silent_agent()), WEB, True),
        (routed(of_silent_agent()), HOME, False),
        (of_silent_agent(), WEB, False),
        (unspoken(), WEB, True),
        (unspoken(), "t-web-2023.11.15", False),
    ],
)
def test_a_routed_document_is_at_home_where_its_file_was_routed_to(
    facts: GenerationFacts, index: str, is_home: bool
) -> None:
    """By the agent's word, by the stream's where that has not come, else by its day."""
    document = HeldDocument(2, index=index, says={"event.dataset": "generic"})

    assert (altered(stored(document), facts=facts) is None) == is_home


def test_another_collectors_event_lies_by_its_arrival_whatever_time_it_bears() -> None:
    facts = of_another_collector()
    says = {"@timestamp": "2023-11-16T09:00:00.000Z"}
    document = HeldDocument(2, says=says, born_at_ms=ARRIVAL_DAY_MS)

    assert not found(document, facts)
    moved = replace(document, index="t-generic-2023.11.16")
    assert found(moved, facts) == [(ELSEWHERE, 2 * LINE_BYTES)]


@pytest.mark.parametrize(
    ("index", "is_home"),
    [
        (HOME, True),
        ("t-generic-2023.11.16", True),
        ("t-generic-2023.11.15", False),
        ("t-other-2023.11.16", False),
    ],
)
def test_before_its_agent_has_spoken_a_document_tells_its_own_time(
    index: str, is_home: bool
) -> None:
    says = {"@timestamp": "2023-11-16T09:00:00.000Z"}

    problems = found(HeldDocument(2, index=index, says=says), of_silent_agent())

    assert bool(problems) != is_home


def test_an_id_of_another_offset_is_named_at_the_offset_that_it_holds() -> None:
    """Somebody changed `log.offset` and made the digest anew; the `_id` has the true one."""
    says = {"log.offset": 7}

    assert found(HeldDocument(2, says=says), of_agent()) == [
        ("its _id is of another offset", 2 * LINE_BYTES)
    ]


def test_a_digest_that_does_not_fit_is_named_at_the_offset_of_the_id() -> None:
    document = HeldDocument(2, says={"log.offset": 7}, text="somebody else's")

    ((text, offset),) = found(document, of_agent())

    assert (text, offset) == ("it does not fit its digest", 2 * LINE_BYTES)


@pytest.mark.parametrize("facts", [of_agent(), of_another_collector()])
def test_an_id_of_another_birth_is_altered(facts: GenerationFacts) -> None:
    """An event that is sent again gets an id of its file's birth, and is there twice."""
    document = HeldDocument(2, born_at_ms=_born(facts) + 1_000)

    assert found(document, facts) == [("its _id is of another birth", 2 * LINE_BYTES)]


@pytest.mark.parametrize(
    "appended_at_ms", [-1, ARRIVAL_DAY_MS, BORN_AT_MS, ARRIVAL_DAY_MS + DAY_MS - 1]
)
def test_what_the_stream_makes_of_another_collectors_record_is_at_home(
    appended_at_ms: int,
) -> None:
    record = RawRecord(
        topic="t.raw",
        partition=3,
        offset=2,
        key=None,
        value=b'{"@timestamp":"2020-02-02T02:02:02Z"}',
        headers=(),
        appended_at_ms=appended_at_ms,
    )
    chunk = read_record(record, topic_id="topic", died_at_ms=0)
    assert isinstance(chunk, Chunk)
    origin = chunk.origin
    word = stream_word(
        number=3,
        generation=origin.generation,
        agent_id=origin.agent_id,
        dataset=origin.placement.dataset,
        observed_at_ms=origin.observed_at_ms,
    )
    index = index_name(
        1_580_608_922_000,
        namespace="t",
        placement=origin.placement,
        born_at_ms=origin.born_at_ms,
    )
    facts = GenerationFacts(generation=origin.generation, stream=word)
    document = HeldDocument(
        2,
        index=index,
        generation=origin.generation,
        born_at_ms=origin.born_at_ms,
        says={"@timestamp": "2020-02-02T02:02:02Z"},
    )

    assert facts.is_foreign
    assert altered(stored(document), facts=facts) is None
    moved = replace(document, index="t-generic-2020.02.02")
    assert altered(stored(moved), facts=facts) is not None


def stored(document: HeldDocument) -> StoredDocument:
    return StoredDocument(
        index=document.index,
        document_id=document.document_id,
        generation=document.generation,
        number=document.number,
        source=msgspec.Raw(document.source),
    )
