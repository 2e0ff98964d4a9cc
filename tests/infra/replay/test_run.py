"""What a span comes to: each event compared once, counted by dataset, shown in bounds."""

from __future__ import annotations

import json
from dataclasses import replace as dataclass_replace

from msgspec.structs import replace

from tailrace.dead.letters import Letter
from tailrace.digest import is_unaltered
from tailrace.replay.compare import Fate
from tailrace.replay.made import MadeDead
from tailrace.replay.run import BATCH_DOCUMENTS_MAX, Done
from tailrace.replay.shown import done_lines, replay_json, tally_lines
from tailrace.topics import DOCS
from tailrace.wire import DocumentsOrigin, decode
from tests.infra.dead.builders import bulk_lines, dead, indexed
from tests.infra.replay.builders import (
    GENERATION,
    NAMESPACE,
    ListedLetters,
    MemoryRevisions,
    made,
    publish,
    remade,
    shadow,
)


def memory_with(*numbers: int, user: str = "old") -> MemoryRevisions:
    memory = MemoryRevisions()
    memory.store(*(made(n, user=user) for n in numbers))
    return memory


def letter(number: int, *, event_count: int = 1) -> Letter:
    found = indexed(dead(bulk_lines(f"line {number}", offset=10 * number)))
    return replace(
        found, generation=GENERATION, event_number=number, event_count=event_count
    )


def test_every_fate_is_counted_by_dataset() -> None:
    memory = memory_with(*range(6))
    memory.letter_list = [letter(8), letter(9)]
    other = "fedcba9876543210fedcba9876543210"
    memory.store(made(0, generation=other))

    tally, _ = shadow(
        memory,
        remade(
            *(made(n, user="old") for n in (0, 1)),
            *(made(n, user="new") for n in (2, 3, 7, 8)),
            dead=[
                MadeDead(numbers=range(4, 5), reason="parser_raised", detail="x"),
                MadeDead(numbers=range(9, 10), reason="parser_raised", detail="x"),
            ],
            expired_count=3,
        ),
        remade(made(0, generation=other), generation=other, dataset="nginx.access"),
        remade(is_unreadable=True),
    )

    assert dict(tally.of("app").fates) == {
        Fate.SAME: 2,
        Fate.CHANGED: 2,
        Fate.NEWLY_DEAD: 1,
        Fate.NO_LONGER_DEAD: 1,
        Fate.STILL_DEAD: 1,
        Fate.NOT_STORED: 1,
        Fate.EXPIRED: 3,
    }
    assert dict(tally.of("nginx.access").fates) == {Fate.SAME: 1}
    assert tally.record_count == 3
    assert tally.unreadable_count == 1
    assert tally.total(Fate.SAME) == 3


def test_e9_an_event_that_stands_in_two_records_counts_once() -> None:
    memory = memory_with(*range(4))
    first = remade(*(made(n, user="new") for n in (0, 1, 2)))
    again = remade(
        *(made(n, user="new") for n in (1, 2, 3)),
        dead=[MadeDead(numbers=range(1), reason="r", detail="d")],
    )

    tally, done = publish(memory, first, again)

    assert dict(tally.of("app").fates) == {Fate.CHANGED: 4}
    assert tally.again_count == 3
    assert done.published_count == 4
    assert set(memory.seen().values()) == {1}


def test_what_its_agent_dropped_is_told_so_and_is_nowhere_also_where_it_comes_again() -> (
    None
):
    memory = memory_with(0, 3)
    word = remade(dropped=(range(1, 3),))
    again = remade(*(made(n, user="old") for n in range(4)))

    tally, done = publish(memory, word, again, word)

    assert dict(tally.of("app").fates) == {Fate.DROPPED: 2, Fate.SAME: 2}
    assert tally.again_count == 2
    assert done.published_count == 0


def test_a_weight_stays_what_it_was_and_what_a_rule_leaves_out_is_told_so() -> None:
    """How many events a document stands for was decided when it was first read."""
    memory = memory_with(0)
    weight = {"tailrace.sample_weight": 10}
    memory.store(*(made(n, user="old", more=weight) for n in (1, 2)))

    tally, done = publish(
        memory,
        remade(
            *(made(n, user="old") for n in (0, 1)),
            made(2, user="new"),
            dataclass_replace(made(3), left_out_by="sampled:some"),
            made(4),
        ),
    )

    assert dict(tally.of("app").fates) == {
        Fate.SAME: 2,
        Fate.CHANGED: 1,
        Fate.DROPPED: 1,
        Fate.NOT_STORED: 1,
    }
    assert done.published_count == 1
    sources = {found_id: source for _, found_id, source in memory.visible()}
    revised = sources[made(2).document_id]
    assert is_unaltered(revised)
    assert json.loads(revised)["tailrace.sample_weight"] == 10
    assert json.loads(revised)["user"] == "new"


def test_records_of_other_collectors_are_each_their_own() -> None:
    """Their numbers are offsets in Kafka, of which none comes twice."""
    memory = memory_with(0, 2)

    tally, _ = shadow(
        memory,
        *(remade(made(n, user="old"), is_foreign=True) for n in (2, 0)),
    )

    assert dict(tally.of("app").fates) == {Fate.SAME: 2}


def test_more_than_a_batch_is_compared_whole() -> None:
    count = 2 * BATCH_DOCUMENTS_MAX + 3
    memory = memory_with(*range(count))

    tally, done = publish(memory, remade(*(made(n, user="new") for n in range(count))))

    assert dict(tally.of("app").fates) == {Fate.CHANGED: count}
    assert done.published_count == count
    assert set(memory.messages().values()) == {"new"}
    assert memory.swap_count == 1


def test_as_many_changed_events_are_shown_as_were_asked_for() -> None:
    memory = memory_with(*range(9))

    tally, _ = shadow(
        memory, remade(*(made(n, user="new", size=n) for n in range(9))), samples_max=2
    )

    samples = tally.of("app").samples
    assert [each.number for each in samples] == [0, 1]
    assert [each.field for each in samples[0].changes] == ["user", "size"]
    assert dict(tally.of("app").fields) == {"user": 9, "size": 9}
    assert shadow(memory, remade(made(1)), samples_max=0)[0].of("app").samples == []


def test_e5_what_is_no_longer_dead_is_sent_as_a_retry_sends_it() -> None:
    memory = memory_with(0)
    memory.letter_list = [letter(5), replace(letter(5), dead_id="ab" * 16)]
    letters = ListedLetters(memory)

    _, done = publish(memory, remade(made(5, user="new")), letters=letters)

    (plan,) = letters.planned
    assert [each.dead_id for each in plan.resends] == [
        each.dead_id for each in memory.letter_list
    ]
    sent = plan.resends[0]
    action, source, end = sent.value.split(b"\n")
    assert json.loads(action) == {
        "create": {"_index": made(5).index, "_id": made(5).document_id}
    }
    assert (source, end) == (made(5, user="new").source, b"")
    told = decode(sent.header, as_type=DocumentsOrigin)
    assert told.is_repeat
    assert (told.first_event_number, told.event_count) == (5, 1)
    assert (sent.partition, sent.key) == (3, GENERATION.encode())
    assert DOCS.name(NAMESPACE) == "t.docs"
    assert len(done.delivered.stored) == 2
    assert done.is_whole


def test_e5_a_letter_of_many_events_is_not_marked_for_one_of_them() -> None:
    memory = memory_with(0)
    memory.letter_list = [letter(5, event_count=3)]
    letters = ListedLetters(memory)

    tally, done = publish(memory, remade(made(6, user="new")), letters=letters)

    assert dict(tally.of("app").fates) == {Fate.NO_LONGER_DEAD: 1}
    assert letters.planned == []
    assert done.letters_of_many_count == 1
    assert "1 events stay dead" in "\n".join(done_lines(done))


def test_x5_hostile_text_is_escaped_for_people_and_for_programs() -> None:
    memory = memory_with(1, user="\u202e\x1b[31mred")

    tally, done = shadow(
        memory,
        remade(
            made(1, user="\u202egreen", more={"odd\x07name": 1}),
            dead=[MadeDead(numbers=range(1), reason="r", detail="\x1b]0;x")],
            host_name="web\x1b1",
        ),
    )
    lines = list(tally_lines(tally))
    told = replay_json(tally, done)

    assert all(line.isprintable() for line in lines), lines
    assert told.isprintable()
    text = "\n".join(lines)
    assert '    -     user: "\\u202e' in text
    assert "\\u202egreen" in text
    sample = json.loads(told)["datasets"]["app"]["samples"][0]
    assert sample["host"] == "web\x1b1"
    assert sample["changes"][0]["after"] == '"\u202egreen"'


def test_what_is_said_names_fates_fields_and_places() -> None:
    memory = memory_with(*range(3))
    records = [remade(*(made(n, user="new") for n in (1, 2)), made(0, user="old"))]

    tally, _ = shadow(memory, *records, samples_max=1)
    lines = list(tally_lines(tally))

    assert lines == [
        "app: 1 the same, 2 changed, 0 newly dead, 0 no longer dead",
        "  fields that change: user in 2",
        "  changed: web1:/var/log/app.log, offset 10, event 1",
        "    was   t-app-2026.11.24/0123-1",
        "    line  line 1",
        '    -     user: "old"',
        '    +     user: "new"',
    ]
    assert list(tally_lines(shadow(memory)[0])) == ["no event in this span"]
    _, done = publish(memory, *records)
    assert list(done_lines(done)) == [
        "2 revised documents are published as -r1; each hides the former one"
    ]
    assert list(done_lines(Done())) == ["nothing to publish"]


def test_newly_dead_events_are_shown_with_why_and_stay_stored() -> None:
    memory = memory_with(0, 1)
    record = remade(
        dead=[MadeDead(numbers=range(2), reason="parser_raised", detail="Boom")]
    )

    tally, done = publish(memory, record)

    assert dict(tally.of("app").fates) == {Fate.NEWLY_DEAD: 2}
    assert "why   parser_raised: Boom" in "\n".join(tally_lines(tally))
    assert done.published_count == 0
    assert len(memory.seen()) == 2


def test_e9_a_revised_document_that_is_lost_is_published_anew() -> None:
    """What is sent again would meet the hidden one; what never came is left alone."""
    memory = memory_with(*range(4))
    news = [made(n, user="new") for n in range(3)]
    publish(memory, remade(*news, made(3, user="old")))
    del memory.indices[f"{news[1].index}-r1"][news[1].document_id]

    tally, done = publish(
        memory, remade(*news, made(3, user="old"), made(4, user="old"))
    )

    assert dict(tally.of("app").fates) == {
        Fate.SAME: 3,
        Fate.LOST: 1,
        Fate.NOT_STORED: 1,
    }
    assert (done.revision, done.published_count) == (2, 1)
    assert set(memory.seen().values()) == {1}
    assert list(memory.messages().values()).count("new") == 3
    assert "1 lost, their revised document is gone" in "".join(tally_lines(tally))
    _, again = publish(memory, remade(*news, made(3, user="old")))
    assert again.published_count == 0
