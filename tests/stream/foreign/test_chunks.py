"""Where an event of another collector lies: told by its record alone, however it is sent."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import pairwise

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.line import alteration, read_id
from tailrace.audit.placed import born_at_ms_of, is_elsewhere
from tailrace.audit.sources import StoredDocument
from tailrace.capped_records import REFUSED_HEADER, UNPACKED_TOO_LARGE
from tailrace.digest import DIGEST_FIELD
from tailrace.errors import ConfigError
from tailrace.topics import CHUNK_BYTES_MAX, EVENT_BYTES_MAX, RAW
from tailrace_stream.chunk import process_chunk
from tailrace_stream.foreign.chunks import RECORD_BYTES_MAX
from tailrace_stream.foreign.config import (
    SHAPES,
    ForeignSettings,
    check_topics_are_foreign,
)
from tailrace_stream.foreign.places import PLACE_BITS
from tailrace_stream.records import RawRecord
from tailrace_stream.redact.build import redaction_of
from tailrace_stream.redact.config import RedactionSettings
from tests.infra.audit.builders import stream_word
from tests.stream.builders import NAMESPACE
from tests.stream.foreign.builders import (
    AT_MS,
    DAY_MS,
    TODAY_MS,
    TOPIC,
    batch,
    foreign_record,
    made_of,
)


def otlp_of(*messages: str) -> bytes:
    records = [{"body": {"stringValue": message}} for message in messages]
    scope_logs = [{"logRecords": records[:1]}, {"logRecords": records[1:]}]
    return orjson.dumps({"resourceLogs": [{"scopeLogs": scope_logs}]})


def some_records(seed: int) -> list[RawRecord]:
    """Return records of two days and of all shapes, with offsets that are missing."""
    chance = random.Random(seed)
    records: list[RawRecord] = []
    offset = chance.randrange(2**40)
    for number in range(40):
        offset += chance.choice([1, 1, 1, 1, 2, 50])
        value = chance.choice(
            [
                f"plain {number}".encode(),
                b"the same",
                b"",
                b'{"log":"x","date":1}',
                otlp_of(*(f"m{n}" for n in range(chance.randrange(1, 5)))),
            ]
        )
        at_ms = AT_MS + chance.choice([0, 0, 0, -DAY_MS])
        records.append(foreign_record(value, offset=offset, at_ms=at_ms))
    return records


@pytest.mark.parametrize("seed", range(30))
def test_s2_k15_it_does_not_matter_where_a_batch_begins_and_ends(seed: int) -> None:
    """Sent again with other boundaries: the same ids, indices and numbers."""
    records, chance = some_records(seed), random.Random(seed)
    whole = made_of(batch(records))
    cuts = sorted(
        {0, len(records), *(chance.randrange(len(records)) for _ in range(6))}
    )
    parts = [
        one
        for start, end in pairwise(cuts)
        for one in made_of(batch(records[max(0, start - 3) : end])).stored
    ]
    assert {one.document_id: one.index for one in parts} == whole.places
    numbers = {one.document_id: one.document["event.sequence"] for one in whole.stored}
    assert {o.document_id: o.document["event.sequence"] for o in parts} == numbers
    assert len(set(whole.places)) == len(whole.stored)


@pytest.mark.parametrize("seed", range(10))
def test_numbers_of_a_generation_are_its_offsets_and_none_comes_twice(
    seed: int,
) -> None:
    stored = made_of(batch(some_records(seed))).stored
    numbers = [
        (one.document["tailrace.generation"], one.document["event.sequence"])
        for one in stored
    ]
    assert len(set(numbers)) == len(numbers)
    assert all(o.document["log.offset"] == o.document["event.sequence"] for o in stored)


def test_k12_records_of_a_topic_that_was_made_anew_are_others() -> None:
    record = foreign_record(b"x")
    ids = {
        one.document_id
        for topic_id in ("first", "second")
        for one in made_of(batch([record], topic_id=topic_id)).stored
    }
    assert len(ids) == 2


def test_equal_log_records_of_one_request_are_two_documents() -> None:
    made = made_of(batch([foreign_record(otlp_of("same", "same"), offset=7)]))
    assert [one.document["message"] for one in made.stored] == ["same", "same"]
    assert len(made.places) == 2
    first, second = (one.document["log.offset"] for one in made.stored)
    assert (first, second) == (7 << PLACE_BITS, (7 << PLACE_BITS) + 1)


def test_the_intervals_of_requests_leave_no_gap_between_records_that_follow() -> None:
    """Else a state would have one interval a record, and soon too many."""
    records = [foreign_record(otlp_of("a", "b"), offset=n) for n in range(3)]
    origins = [chunk.origin for chunk in batch(records).chunks]
    assert [o.next_offset for o in origins[:-1]] == [
        o.first_offset for o in origins[1:]
    ]


def test_offsets_beyond_what_an_id_holds_go_to_another_generation() -> None:
    """An id has room for 2^47 offsets; a topic may have more records than fit."""
    near, far = 2**37 - 1, 2**37 + 5
    records = [foreign_record(otlp_of("x"), offset=n) for n in (near, far, 2**46)]
    origins = [chunk.origin for chunk in batch(records).chunks]
    assert len({origin.generation for origin in origins}) == 3
    assert all(origin.first_offset < 2**47 for origin in origins)


def test_log_records_beyond_a_requests_offsets_go_to_a_further_generation() -> None:
    messages = [f"m{n}" for n in range(2_100)]
    records = [foreign_record(otlp_of(*messages), offset=n) for n in (5, 6)]
    found = batch(records)
    made = made_of(found)
    assert len(made.places) == len(made.stored) == 2 * len(messages)
    assert len({chunk.origin.generation for chunk in found.chunks}) == 3
    ends: dict[str, int] = {}
    for origin in (chunk.origin for chunk in found.chunks):
        assert origin.first_offset == ends.get(origin.generation, origin.first_offset)
        ends[origin.generation] = origin.next_offset
    assert set(ends.values()) == {7 << PLACE_BITS}


@pytest.mark.parametrize("seed", range(5))
def test_a_deep_audit_finds_each_document_as_it_was_made_and_where_it_belongs(
    seed: int,
) -> None:
    """Also those of log records, whose text is another than their bytes."""
    for chunk in batch(some_records(seed)).chunks:
        made = process_chunk(chunk.value, origin=chunk.origin, namespace=NAMESPACE)
        word = stream_word(
            number=1, agent_id="foreign", observed_at_ms=chunk.origin.observed_at_ms
        )
        facts = GenerationFacts(generation=chunk.origin.generation, stream=word)
        facts = replace(facts, stream=msgspec.structs.replace(word, dataset="generic"))
        born_at_ms = born_at_ms_of(facts)
        for piece in made.pieces:
            lines = piece.body.split(b"\n")
            for action, source in zip(lines[0:-1:2], lines[1::2], strict=True):
                create, document = orjson.loads(action)["create"], orjson.loads(source)
                wrong = alteration(
                    source, document, document_id=create["_id"], born_at_ms=born_at_ms
                )
                assert wrong is None
                stored = StoredDocument(
                    index=create["_index"],
                    document_id=create["_id"],
                    generation=facts.generation,
                    number=0,
                    source=msgspec.Raw(source),
                )
                parts = read_id(create["_id"])
                assert parts is not None
                assert not is_elsewhere(stored, document, facts=facts, parts=parts)


@pytest.mark.parametrize(
    "at_ms", [-1, 0, 946_684_799_999, TODAY_MS + 2 * DAY_MS, 2**62]
)
def test_s7_a_time_that_cannot_be_believed_decides_no_index(at_ms: int) -> None:
    found = batch([foreign_record(b"x", at_ms=at_ms)])
    assert found.has_undated
    assert [one.index for one in made_of(found).stored] == [
        "tailrace-generic-2026.11.24"
    ]


@pytest.mark.parametrize("at_ms", [946_684_800_000, TODAY_MS + 2 * DAY_MS - 1])
def test_any_other_time_decides_it_whatever_day_it_is_read(at_ms: int) -> None:
    record = foreign_record(b"x", at_ms=at_ms)
    today, later = batch([record]), batch([record], today_ms=TODAY_MS + 9 * DAY_MS)
    assert not today.has_undated
    assert made_of(today).places == made_of(later).places


def test_a_chunk_is_no_larger_than_an_agents() -> None:
    records = [foreign_record(b"x" * 60_000, offset=n) for n in range(40)]
    chunks = batch(records).chunks
    assert sum(chunk.origin.event_count for chunk in chunks) == 40
    assert all(len(chunk.value) <= CHUNK_BYTES_MAX + 4 for chunk in chunks)
    many = batch(foreign_record(b"", offset=n) for n in range(40_000)).chunks
    assert all(len(chunk.value) <= CHUNK_BYTES_MAX + 4 for chunk in many)


def test_k5_a_record_that_is_too_large_is_cut_and_its_true_length_told() -> None:
    value = b'{"message":"' + b"x" * RECORD_BYTES_MAX + b'"}'
    source = ForeignSettings(topic=TOPIC, shape="filebeat")
    found = batch([foreign_record(value)], source=source)
    assert all(len(chunk.value) < RAW.message_bytes_max for chunk in found.chunks)
    made = made_of(found)
    (one,) = made.stored
    assert not made.dead
    assert one.document["tailrace.original_size_bytes"] == len(value)
    assert one.document["tags"] == ["cut"]
    assert len(one.document["message"]) == EVENT_BYTES_MAX


@pytest.mark.parametrize("shape", ["filebeat", "fluent_bit", "vector", "otlp"])
@pytest.mark.parametrize(
    "value", [b"no JSON", b"[1]", b'{"a":', b"\xff\n\x01", b"\n\x05ab"]
)
def test_k11_a_record_of_another_shape_is_a_dead_letter_with_its_bytes(
    shape: str, value: bytes
) -> None:
    source = ForeignSettings.model_validate({"topic": TOPIC, "shape": shape})
    records = [
        foreign_record(b'{"message":"good"}', offset=0),
        foreign_record(value, offset=1),
        foreign_record(b'{"message":"as good"}', offset=2),
    ]
    made = made_of(batch(records, source=source))
    (dead,) = made.dead
    assert (dead.reason, dead.original, dead.offset) == ("record_unreadable", value, 1)
    assert [one.document["log.offset"] for one in made.stored] == [0, 2]


@pytest.mark.parametrize("shape", ["auto", "rsyslog"])
def test_what_may_be_a_line_is_one(shape: str) -> None:
    source = ForeignSettings.model_validate({"topic": TOPIC, "shape": shape})
    made = made_of(batch([foreign_record(b"no JSON")], source=source))
    assert [one.document["message"] for one in made.stored] == ["no JSON"]


def test_x9_what_was_not_unpacked_is_a_dead_letter_with_its_packed_bytes() -> None:
    record = replace(
        foreign_record(b"packed", offset=9), headers=((REFUSED_HEADER, b"too much"),)
    )
    (letter,) = batch([record]).dead
    assert (letter.reason, letter.original) == (UNPACKED_TOO_LARGE, b"packed")
    assert (letter.topic, letter.offset) == (TOPIC, 9)


def test_a_record_without_a_value_is_no_event_and_is_counted() -> None:
    found = batch([foreign_record(None), foreign_record(b"x", offset=1)])
    assert found.counts["foreign.empty_records"] == 1
    assert found.counts["foreign.events"] == 1


def test_x11_what_is_to_be_hidden_is_in_no_dead_letter_of_an_unreadable_record() -> (
    None
):
    redaction = redaction_of(
        RedactionSettings.model_validate({"fields": ["user.name"], "key": "k" * 32})
    )
    source = ForeignSettings(topic=TOPIC, shape="filebeat")
    records = [
        foreign_record(b"secret of frank"),
        foreign_record(b'{"message":"hi","user":{"name":"frank"}}', offset=1),
    ]
    made = made_of(batch(records, source=source), redaction=redaction)
    (dead,) = made.dead
    assert dead.original == b"[withheld: 15 bytes]"
    (one,) = made.stored
    assert "frank" not in str(one.document)


json_values: st.SearchStrategy[object] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=9), inner, max_size=3),
    ),
    max_leaves=6,
)
WORDS = [
    "@timestamp", "@metadata", "agent", "beat", "log", "message", "host", "kubernetes",
    "source_type", "timestamp", "syslogtag", "msg", "severity", "stream", "time",
    "date", "resourceLogs", "log.level", "level", "PRIORITY", "pri", "file", "pid",
    "procid", "tags", "fields",
]  # fmt: skip
objects = st.dictionaries(
    st.one_of(st.sampled_from(WORDS), st.text(max_size=9)), json_values, max_size=8
).map(lambda record: json.dumps(record).encode())


@given(
    values=st.lists(st.one_of(objects, st.binary(max_size=40)), min_size=1, max_size=6),
    shape=st.sampled_from(SHAPES),
)
def test_k11_whatever_comes_each_record_is_one_document_or_one_dead_letter(
    values: list[bytes], shape: str
) -> None:
    source = ForeignSettings.model_validate({"topic": TOPIC, "shape": shape})
    records = [foreign_record(value, offset=n) for n, value in enumerate(values)]
    found = batch(records, source=source)
    made = made_of(found)
    assert found.counts["foreign.records"] == len(values)
    if shape != "otlp":
        assert len(made.stored) + len(made.dead) == len(values)
    assert len(made.stored) + len(made.dead) == found.counts["foreign.events"]
    assert all(dead.reason == "record_unreadable" for dead in made.dead)
    for one in made.stored:
        names = [name for name in one.document if name != DIGEST_FIELD]
        assert {"host.name", "agent.id", "log.file.path", "log.offset"} <= set(names)


def test_topics_of_ours_are_no_others() -> None:
    """Each document would come back as a line, for ever."""
    sources = [ForeignSettings(topic="tailrace.docs"), ForeignSettings(topic="logs")]
    with pytest.raises(ConfigError, match=r"'tailrace\.docs' is a topic of Tail"):
        check_topics_are_foreign(sources, namespace="tailrace")
    check_topics_are_foreign(sources[1:], namespace="tailrace")
