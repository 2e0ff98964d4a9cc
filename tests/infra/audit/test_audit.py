"""An audit is sound if, and only if, every event below the cut is accounted for once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.audit.expected import expected_of
from tailrace.audit.facts import GenerationFacts
from tailrace.audit.lagging import Lagging, LaggingLetters
from tailrace.audit.look import Looker
from tailrace.audit.shown import report_lines
from tailrace.audit.sources import Drained, Told
from tailrace.audit.verdict import (
    NAMED_MAX,
    Problem,
    ProblemKind,
    report_json,
    totals_of,
)
from tailrace.audit.windows import Sums, suspects
from tailrace.errors import CommandFailed
from tailrace.ledger_topic import UnreadableEntry
from tailrace.number_sets import NumberSet
from tests.infra.audit.builders import (
    BORN_AT_MS,
    GENERATION,
    LINE_BYTES,
    WINDOW,
    FixedProgress,
    HeldDocument,
    HeldIndex,
    agent_word,
    dead_letter,
    facts_at_rest,
    held,
    indexer_word,
    report_of,
    retention_word,
    stream_word,
    window_sum,
)

EVENTS_MAX = 35
KINDS = st.sampled_from(["stored", "dead", "both", "missing", "doubled"])


def kinds_of(problems: Iterable[Problem]) -> set[ProblemKind]:
    return {each.kind for each in problems}


def index_of(fates: list[str]) -> HeldIndex:
    index = HeldIndex()
    for number, fate in enumerate(fates):
        if fate in {"stored", "both", "doubled"}:
            index.documents.append(HeldDocument(number))
        if fate == "doubled":
            index.documents.append(HeldDocument(number, copy=1))
        if fate in {"dead", "both"}:
            index.dead.append((number, 1))
    return index


@given(st.lists(KINDS, max_size=EVENTS_MAX))
def test_a_deep_audit_is_sound_only_where_every_number_is_there_once(
    fates: list[str],
) -> None:
    """A dead letter that was retried and stored is there once."""
    report = report_of(index_of(fates), facts_at_rest(len(fates)), is_deep=True)

    assert report.is_sound == (not {"missing", "doubled"} & set(fates))
    (verdict,) = report.verdicts
    assert verdict.missing == tuple(n for n, f in enumerate(fates) if f == "missing")
    assert verdict.doubled == tuple(n for n, f in enumerate(fates) if f == "doubled")
    assert verdict.expected_count == len(fates)


@given(
    st.lists(KINDS, max_size=EVENTS_MAX),
    st.integers(0, 20),
    st.lists(st.integers(0, 60), max_size=5),
)
def test_an_audit_by_sums_is_never_wrong_and_passes_over_what_is_above_the_cut(
    fates: list[str], in_flight: int, above: list[int]
) -> None:
    """Sound where all is there once; unsound for what count or sum of a window tell."""
    index = index_of(fates)
    cut = len(fates)
    # Documents in flight are stored or not, and a re-send may be half done.
    index.documents += [HeldDocument(cut + n) for n in set(above) if n < in_flight]
    facts = GenerationFacts(
        generation=GENERATION,
        agent=agent_word(number=cut + in_flight),
        stream=stream_word(number=cut + in_flight),
        indexer=indexer_word(number=cut),
    )

    report = report_of(index, facts)

    wrong = [fate for fate in fates if fate in {"missing", "doubled"}]
    if not wrong:
        assert report.is_sound
    is_told_by_sums = any(
        {fates[n] for n in window} & {"missing", "doubled"}
        and (
            sum(count_of(fates[n]) for n in window) != len(window)
            or sum(n * count_of(fates[n]) for n in window) != sum(window)
        )
        for window in (range(at, min(at + 10, cut)) for at in range(0, max(cut, 1), 10))
    )
    if is_told_by_sums:
        assert not report.is_sound
    assert report.is_settled == (in_flight == 0)
    assert totals_of(report.verdicts).in_flight == in_flight


def count_of(fate: str) -> int:
    return {"stored": 1, "dead": 1, "both": 2, "missing": 0, "doubled": 2}[fate]


@given(st.data())
def test_any_one_deleted_and_any_other_doubled_are_both_named(
    data: st.DataObject,
) -> None:
    count = data.draw(st.integers(2, EVENTS_MAX))
    gone = data.draw(st.integers(0, count - 1))
    twice = data.draw(st.integers(0, count - 1).filter(lambda n: n != gone))
    index = held(*(n for n in range(count) if n != gone), twice)

    report = report_of(index, facts_at_rest(count))

    (verdict,) = report.unsound
    assert verdict.missing == (gone,)
    assert verdict.doubled == (twice,)


def test_what_is_missing_is_named_by_its_offset_between_its_neighbours() -> None:
    report = report_of(held(*(n for n in range(25) if n != 12)), facts_at_rest(25))

    (problem,) = report.unsound[0].problems
    assert problem.kind is ProblemKind.MISSING
    assert problem.event_number == 12
    assert problem.offset == 12 * LINE_BYTES
    assert problem.next_offset == 13 * LINE_BYTES


def test_a_double_is_named_with_both_of_its_documents() -> None:
    report = report_of(held(*range(25), 7), facts_at_rest(25))

    (problem,) = report.unsound[0].problems
    assert problem.kind is ProblemKind.DOUBLED
    assert problem.offset == 7 * LINE_BYTES
    assert len(set(problem.documents)) == 2


def test_a_double_in_another_index_is_a_double() -> None:
    index = held(*range(25))
    index.documents.append(HeldDocument(3, index="t-generic-2023.11.15"))

    assert not report_of(index, facts_at_rest(25)).is_sound


def test_only_a_deep_audit_sees_an_altered_document() -> None:
    index = held(*range(25))
    index.documents[4] = HeldDocument(4, text="line 4 and more")

    assert report_of(index, facts_at_rest(25)).is_sound
    report = report_of(index, facts_at_rest(25), is_deep=True)

    (problem,) = report.unsound[0].problems
    assert problem.kind is ProblemKind.ALTERED
    assert problem.offset == 4 * LINE_BYTES
    assert report.compared_count == 25


def test_an_index_whose_documents_are_of_several_generations_is_red() -> None:
    index = held(*range(25))
    index.surplus["t-generic-2023.11.14"] = 2

    report = report_of(index, facts_at_rest(25))

    (problem,) = report.problems
    assert (problem.kind, problem.count) == (ProblemKind.AMBIGUOUS, 2)
    assert "t-generic-2023.11.14" in problem.text
    assert not report.is_sound


def test_more_doubles_and_holes_with_equal_sums_are_told_apart_by_their_squares() -> (
    None
):
    """1 and 4 gone, 2 and 3 twice: count and sum of the window are right."""
    index = held(*(n for n in range(20) if n not in {1, 4}), 2, 3)

    assert not report_of(index, facts_at_rest(20)).is_sound


def test_what_was_dropped_is_held_to_its_count() -> None:
    facts = facts_at_rest(25)
    assert facts.stream is not None
    stream = msgspec.structs.replace(
        facts.stream, document_count=22, dropped={"rule": 2, "expired": 1}
    )
    facts = replace(facts, stream=stream)

    sound = report_of(held(*(n for n in range(25) if n not in {3, 4, 19})), facts)
    short = report_of(held(*(n for n in range(25) if n not in {3, 4, 9, 19})), facts)
    over = report_of(held(*(n for n in range(25) if n != 3)), facts)

    assert sound.is_sound
    assert totals_of(sound.verdicts).dropped == 2
    assert totals_of(sound.verdicts).expired == 1
    assert kinds_of(short.unsound[0].problems) == {ProblemKind.MISSING}
    assert kinds_of(over.unsound[0].problems) == {ProblemKind.MISCOUNTED}


def test_what_expired_on_a_second_reading_may_be_stored_and_was_expired_by_retention() -> (
    None
):
    """A worker died between documents and state, and a floor was raised meanwhile.

    Whoever reads the record again counts its old events as expired; they are stored until
    their index goes, and then retention counts them, too.
    """
    before = dropping(25, {"expired": ((3, 4), (8, 9), (10, 11))})
    word = retention_word((3, 8, 10), index="t-generic-old")
    after = replace(before, retention=(word,))
    left = [n for n in range(25) if n not in {3, 8, 10}]

    assert report_of(held(*range(25)), before).is_sound
    assert report_of(held(*left), after).is_sound
    assert not report_of(held(*left[4:]), after).is_sound


def test_what_the_indexer_tells_before_the_stream_told_its_drops_is_in_flight() -> None:
    """The stream's word follows its documents, of which some had no event to hold."""
    stream = stream_word(number=20)
    facts = replace(facts_at_rest(25), stream=stream)

    report = report_of(held(*(n for n in range(25) if n not in {21, 23})), facts)

    assert report.is_sound
    assert not report.is_settled
    assert totals_of(report.verdicts).in_flight == 5


DropSpans = dict[str, tuple[tuple[int, int], ...]]


def dropping(
    count: int, spans: DropSpans, *, counts: dict[str, int] | None = None
) -> GenerationFacts:
    """Return what is said at rest where the stream dropped numbers, and maybe more."""
    told = {r: sum(b - a for a, b in pairs) for r, pairs in spans.items()}
    dropped = told if counts is None else counts
    stream = stream_word(
        number=count,
        document_count=count - sum(dropped.values()),
        dropped=dropped,
        dropped_spans=spans,
    )
    return replace(facts_at_rest(count), stream=stream)


@given(
    st.lists(
        st.sampled_from(["stored", "dropped", "expired", "missing", "kept", "buried"]),
        max_size=EVENTS_MAX,
    ),
    st.booleans(),
)
def test_what_was_dropped_is_excused_by_its_number_and_must_not_be_there(
    fates: list[str], is_deep: bool
) -> None:
    """One that was dropped and is stored or dead is as wrong as one that is missing."""
    named = {"dropped": "rule", "kept": "rule", "buried": "sampled"}
    named["expired"] = "expired"
    spans: dict[str, tuple[tuple[int, int], ...]] = {}
    index = HeldIndex()
    for number, fate in enumerate(fates):
        if fate in named:
            reason = named[fate]
            spans[reason] = (*spans.get(reason, ()), (number, number + 1))
        if fate in {"stored", "kept"}:
            index.documents.append(HeldDocument(number))
        if fate == "buried":
            index.dead.append((number, 1))

    report = report_of(index, dropping(len(fates), spans), is_deep=is_deep)

    wrong = {"missing", "kept", "buried"} & set(fates)
    # By sums alone, some wrong ones in one window may look like the right ones.
    if is_deep or not wrong:
        assert report.is_sound == (not wrong)
        (verdict,) = report.verdicts
        assert verdict.missing == numbers_of(fates, "missing")
        kept = [
            problem.event_number
            for problem in verdict.problems
            if problem.kind is ProblemKind.DROPPED_AND_KEPT
        ]
        assert kept == [n for n, f in enumerate(fates) if f in {"kept", "buried"}]
        assert verdict.dropped_count == fates.count("dropped")
        assert verdict.expired_count == fates.count("expired")
        assert verdict.expected_count == len(fates)


def numbers_of(fates: list[str], wanted: str) -> tuple[int, ...]:
    return tuple(n for n, fate in enumerate(fates) if fate == wanted)


def test_what_was_dropped_excuses_no_other_number() -> None:
    """Number 7 was dropped and 8 is gone: counts alone would take it for the other."""
    facts = dropping(25, {"rule": ((7, 8),)})

    report = report_of(held(*(n for n in range(25) if n != 8)), facts)

    assert {(p.kind, p.event_number) for p in report.unsound[0].problems} == {
        (ProblemKind.MISSING, 8),
        (ProblemKind.DROPPED_AND_KEPT, 7),
    }
    assert report.unsound[0].problems[-1].documents


def test_what_was_dropped_beyond_the_spans_is_held_to_its_count_and_place() -> None:
    facts = dropping(25, {"rule": ((3, 4),)}, counts={"rule": 3})
    assert facts.stream is not None
    bounded = msgspec.structs.replace(facts.stream, dropped_untold=(10, 20))
    facts = replace(facts, stream=bounded)

    sound = report_of(held(*(n for n in range(25) if n not in {3, 12, 17})), facts)
    outside = report_of(held(*(n for n in range(25) if n not in {3, 12, 22})), facts)
    short = report_of(held(*(n for n in range(25) if n not in {3, 12, 15, 17})), facts)

    assert sound.is_sound
    assert [v.facts.generation for v in sound.counted_only] == [GENERATION]
    assert totals_of(sound.verdicts).dropped == 3
    assert kinds_of(outside.unsound[0].problems) >= {ProblemKind.MISSING}
    assert kinds_of(short.unsound[0].problems) == {ProblemKind.MISSING}


def test_what_was_dropped_and_not_yet_passed_by_the_indexer_is_not_in_flight() -> None:
    facts = dropping(25, {"rule": ((3, 4), (21, 25))})
    facts = replace(facts, indexer=indexer_word(number=21))

    report = report_of(held(*(n for n in range(21) if n != 3)), facts)

    assert report.is_sound
    assert report.is_settled


def test_what_the_stream_has_not_spoken_of_yet_is_not_judged() -> None:
    """It tells once a second which numbers it dropped; the indexer may be ahead of it."""
    facts = replace(
        facts_at_rest(25), stream=stream_word(number=20), agent=agent_word(number=25)
    )

    report = report_of(held(*range(20), 24), facts)

    assert report.is_sound
    assert not report.is_settled


def test_what_was_dropped_for_its_age_and_stored_before_a_crash_expires_once() -> None:
    """Its chunk came again below a raised floor; retention counted the document, too."""
    facts = replace(
        dropping(25, {"expired": ((1, 3),)}),
        retention=(retention_word((0, 2), index="t-generic-old"),),
    )

    sound = report_of(held(*range(3, 25)), facts)
    wrong = replace(facts, retention=(retention_word((0, 9), index="t-generic-old"),))

    assert sound.is_sound
    assert kinds_of(report_of(held(*range(3, 25)), wrong).unsound[0].problems) == {
        ProblemKind.EXPIRED_TWICE
    }


def test_what_came_again_when_its_index_was_gone_expires_once() -> None:
    """Retention counted the document, and a dead letter tells of its second coming."""
    facts = replace(
        facts_at_rest(25), retention=(retention_word((0, 2, 7), index="t-generic-old"),)
    )
    index = held(*(n for n in range(25) if n not in (0, 2, 7)))
    index.dead, index.late = [(2, 1)], (2,)

    sound = report_of(index, facts)
    index.late = ()
    for_another_reason = report_of(index, facts)
    index.dead, index.late = [(2, 1), (9, 1)], (9,)
    of_another_number = report_of(index, facts)

    assert sound.is_sound
    assert totals_of(sound.verdicts).expired == 2
    for wrong in (for_another_reason, of_another_number):
        assert ProblemKind.EXPIRED_TWICE in kinds_of(wrong.unsound[0].problems)


def test_one_of_those_that_came_again_may_be_a_dead_letter_on_its_way() -> None:
    facts = replace(
        facts_at_rest(25), retention=(retention_word((0, 2), index="t-generic-old"),)
    )
    index = held(*(n for n in range(25) if n not in (0, 2)))
    index.dead, index.late = [(2, 1)], (2,)

    report = report_of(index, facts, drained=lagging((0, 1)))

    assert report.is_sound
    assert not report.is_settled


def test_a_dead_letter_of_many_events_stands_for_each_of_them() -> None:
    index = held(*range(5), *range(18, 25))
    index.dead.append((5, 13))

    report = report_of(index, facts_at_rest(25))

    assert report.is_sound
    assert totals_of(report.verdicts).dead == 13


def test_an_end_that_is_dead_to_its_last_event_is_not_in_flight() -> None:
    """No document comes for it, so the indexer never speaks of it."""
    facts = replace(
        facts_at_rest(20),
        agent=agent_word(number=24),
        stream=stream_word(number=24, document_count=20, dead={"parser_raised": 4}),
    )
    index = held(*range(20))
    index.dead += [(n, 1) for n in range(20, 24)]

    report = report_of(index, facts)

    assert report.is_sound
    assert report.is_settled


def lagging(*letters: tuple[int, int], unplaced: int = 0) -> Drained:
    """Return that letters of some first numbers and counts are not indexed yet."""
    gathered = LaggingLetters()
    for first, count in letters:
        gathered.take(dead_letter(first, count=count))
    for _ in range(unplaced):
        gathered.take(b"no letter")
    return Drained(
        dead_lag={3: len(letters) + unplaced}, lagging=gathered.all(unread_count=0)
    )


def test_what_a_dead_letter_names_that_is_not_indexed_yet_is_in_flight() -> None:
    facts = facts_at_rest(20)

    report = report_of(held(*range(2, 20)), facts, drained=lagging((0, 2)))

    assert report.is_sound
    assert not report.is_settled
    assert totals_of(report.verdicts).in_flight == 2
    assert totals_of(report.verdicts).read == 20


def test_a_dead_letter_that_is_not_indexed_excuses_no_other_number() -> None:
    facts = facts_at_rest(20)
    stored = (n for n in range(20) if n not in {4, 11})

    report = report_of(held(*stored), facts, drained=lagging((4, 1), unplaced=3))

    assert report.unsound[0].missing == (11,)
    assert totals_of(report.verdicts).in_flight == 1
    assert report.lagging_unplaced_count == 3


def test_a_dead_letter_of_another_generation_excuses_nothing() -> None:
    drained = Drained(
        dead_lag={3: 1},
        lagging=Lagging(numbers={"another": NumberSet.of([range(20)])}),
    )

    report = report_of(held(*range(1, 20)), facts_at_rest(20), drained=drained)

    assert report.unsound[0].missing == (0,)


def test_a_dead_letter_that_was_indexed_since_it_was_read_counts_once() -> None:
    index = held(*range(2, 20))
    index.dead.append((0, 2))

    report = report_of(index, facts_at_rest(20), drained=lagging((0, 2)))

    assert report.is_sound
    assert report.is_settled
    assert totals_of(report.verdicts).dead == 2
    assert totals_of(report.verdicts).read == 20


def test_an_end_that_waits_among_the_dead_letters_is_not_stranded() -> None:
    """No document comes for it, and the letter is on its way."""
    facts = replace(
        facts_at_rest(20),
        agent=agent_word(number=24),
        stream=stream_word(number=24, document_count=20, dead={"parser_raised": 4}),
    )
    moving = lagging((20, 4))
    at_end = {"docs_lag": {3: 0}, "raw_lag": {3: 0}}

    report = report_of(held(*range(20)), facts, drained=replace(moving, **at_end))
    short = report_of(
        held(*range(20)), facts, drained=replace(lagging((20, 3)), **at_end)
    )

    assert report.is_sound
    assert totals_of(report.verdicts).in_flight == 4
    assert kinds_of(short.unsound[0].problems) == {ProblemKind.STRANDED}


def test_foreign_numbers_that_wait_among_the_dead_letters_are_in_flight() -> None:
    facts = foreign(next_number=120, count=4)

    report = report_of(held(100, 103), facts, drained=lagging((118, 2)))
    short = report_of(held(100, 103), facts, drained=lagging((118, 1)))

    assert report.is_sound
    assert not report.is_settled
    assert kinds_of(short.unsound[0].problems) == {ProblemKind.MISSING}


def test_what_retention_took_is_accounted_for_by_window_and_sum() -> None:
    gone = (0, 1, 2, 3, 17)
    facts = replace(
        facts_at_rest(25), retention=(retention_word(gone, index="t-generic-old"),)
    )

    sound = report_of(held(*(n for n in range(25) if n not in gone)), facts)
    others = (0, 1, 2, 4, 17)
    wrong = report_of(held(*(n for n in range(25) if n not in others)), facts)

    assert sound.is_sound
    assert totals_of(sound.verdicts).expired == 5
    assert not wrong.is_sound


def test_e9_what_retention_takes_is_stored_until_its_index_is_gone() -> None:
    """Also where the ledger speaks of it for some of its generations only, as yet."""
    facts = replace(
        facts_at_rest(20), retention=(retention_word((0, 1), index="t-generic-old"),)
    )
    index = held(*range(2, 20))
    index.documents += [HeldDocument(n, index="t-generic-old") for n in (0, 1)]

    untold = replace(facts, retention=())
    other = replace(
        facts_at_rest(0),
        generation="other",
        retention=(retention_word((0,), index="t-generic-old"),),
    )

    assert report_of(index, facts).is_sound
    assert report_of(
        index, {each.generation: each for each in (untold, other)}
    ).is_sound
    index.documents = [
        each for each in index.documents if each.index != "t-generic-old"
    ]
    assert report_of(index, facts).is_sound
    assert not report_of(index, untold).is_sound


def test_what_expired_and_is_stored_all_the_same_is_a_contradiction() -> None:
    facts = replace(
        facts_at_rest(20), retention=(retention_word((0, 1), index="t-generic-old"),)
    )

    report = report_of(held(*range(20)), facts)

    assert kinds_of(report.unsound[0].problems) == {ProblemKind.EXPIRED_TWICE}


@pytest.mark.parametrize("lost", [(), (7,)])
def test_what_expired_is_held_to_its_count_in_a_last_window_too(
    lost: tuple[int, ...],
) -> None:
    """Number 5 was to go and is there still; one that is lost beside it hides nothing."""
    gone = (0, 1, 2, 3, 4, 5)
    facts = replace(
        facts_at_rest(9), retention=(retention_word(gone, index="t-generic-old"),)
    )
    stored = (n for n in range(9) if n not in gone[:-1] and n not in lost)

    report = report_of(held(*stored), facts)

    assert not report.is_sound


def test_lost_bytes_are_reported_and_no_failure() -> None:
    facts = facts_at_rest(5)
    facts = replace(facts, agent=agent_word(number=5, lost_bytes={"truncated": 90}))

    report = report_of(held(*range(5)), facts)

    assert report.is_sound
    assert report_json(report)["lost"][0]["bytes"] == {"truncated": 90}


def test_a_life_that_ended_with_a_loss_comes_to_rest() -> None:
    """What was lost is never read, so nobody is waited for."""
    facts = facts_at_rest(5)
    ended = agent_word(
        number=5,
        seen_size_bytes=5 * LINE_BYTES + 90,
        lost_bytes={"truncated": 90},
        is_closed=True,
    )
    still_sent = msgspec.structs.replace(ended, lost_bytes={"truncated": 50})

    assert report_of(held(*range(5)), replace(facts, agent=ended)).is_settled
    unsettled = report_of(held(*range(5)), replace(facts, agent=still_sent))
    assert not unsettled.is_settled


def test_f3_what_a_copy_lacks_of_a_life_that_ended_is_not_waited_for() -> None:
    """The copy holds what was read; what came after it was made is lost, and declared."""
    facts = facts_at_rest(5)
    copied = agent_word(
        number=5,
        seen_size_bytes=5 * LINE_BYTES + 90,
        lost_bytes={"truncated": 90},
        held_by=msgspec.structs.replace(agent_word(number=5).identity, inode=7),
    )
    longer = msgspec.structs.replace(copied, lost_bytes={"truncated": 50})

    assert report_of(held(*range(5)), replace(facts, agent=copied)).is_settled
    unsettled = report_of(held(*range(5)), replace(facts, agent=longer))
    assert not unsettled.is_settled


def test_f8_what_may_have_stood_in_another_life_is_no_part_of_what_was_seen() -> None:
    """So much is still to be read of the copy, whatever is declared of another life."""
    facts = facts_at_rest(5)
    copied = agent_word(
        number=5,
        seen_size_bytes=5 * LINE_BYTES + 90,
        lost_bytes={"doubtful": 90},
        held_by=msgspec.structs.replace(agent_word(number=5).identity, inode=7),
    )
    report = report_of(held(*range(5)), replace(facts, agent=copied))

    assert not report.is_settled
    assert totals_of(report.verdicts).lost_bytes == 90


def test_a_life_that_ended_before_its_agent_knew_all_that_it_had_sent_is_settled() -> (
    None
):
    """It was killed after sending; then the file was truncated, and nothing is resent."""
    facts = facts_at_rest(9)
    known = agent_word(
        number=5,
        seen_size_bytes=9 * LINE_BYTES,
        lost_bytes={"truncated": 4 * LINE_BYTES},
        is_closed=True,
    )
    alive = agent_word(number=5)

    assert report_of(held(*range(9)), replace(facts, agent=known)).is_settled
    assert not report_of(held(*range(9)), replace(facts, agent=alive)).is_settled


def test_a_rebuilt_identity_lists_the_duplicates_that_are_possible() -> None:
    facts = facts_at_rest(5)
    facts = replace(facts, agent=agent_word(number=5, identity_rebuilt=True))

    report = report_of(held(*range(5)), facts)

    assert report.is_sound
    listed = report_json(report)["duplicates_possible"]
    assert [each["path"] for each in listed] == ["/srv/app.log"]


@pytest.mark.parametrize(
    ("senders", "is_listed"),
    [
        ({}, False),
        ({"agent-1": BORN_AT_MS - 1}, False),
        ({"agent-1": BORN_AT_MS, "agent-0": BORN_AT_MS - 1}, True),
        ({"agent-1": BORN_AT_MS, "agent-2": BORN_AT_MS + 1}, False),
    ],
    ids=["nothing there", "its own", "of an earlier life", "of a later life"],
)
def test_p5_what_a_first_life_found_is_listed_where_it_was_not_the_first(
    senders: dict[str, int], *, is_listed: bool
) -> None:
    """The agent cannot tell, as its folder is new; the index holds what another sent."""
    word = agent_word(number=5, repeatable_bytes=1_234)
    placed = msgspec.structs.replace(word.placement, anchor_ms=BORN_AT_MS)
    facts = replace(
        facts_at_rest(5), agent=msgspec.structs.replace(word, placement=placed)
    )
    index = held(*range(5))
    index.first_sent = {"web-1": senders, "web-2": {"agent-0": 0}}

    report = report_of(index, facts)

    told = report_json(report)
    listed = [(each["path"], each["bytes"]) for each in told["duplicates_possible"]]
    assert listed == ([("/srv/app.log", 1_234)] if is_listed else [])
    assert told["duplicates_possible_bytes"] == (1_234 if is_listed else 0)
    is_shown = "up to 1,234 bytes" in "\n".join(report_lines(report))
    assert is_shown is is_listed


def test_f4_a_loss_that_nobody_can_count_is_told_and_no_contradiction() -> None:
    facts = facts_at_rest(5)
    facts = replace(
        facts, agent=agent_word(number=5, unwatched_since_ms=1_790_000_000_000)
    )

    report = report_of(held(*range(5)), facts)

    assert report.is_sound
    listed = report_json(report)["loss_unknown"]
    assert [each["path"] for each in listed] == ["/srv/app.log"]
    assert not report_json(report_of(held(*range(5)), facts_at_rest(5)))["loss_unknown"]


def test_bytes_that_were_seen_and_not_read_are_in_flight() -> None:
    facts = facts_at_rest(5)
    facts = replace(facts, agent=agent_word(number=5, seen_size_bytes=1_000))

    report = report_of(held(*range(5)), facts)

    assert report.is_sound
    assert not report.is_settled
    assert report_json(report)["in_flight"][0]["unread_bytes"] == 900


def test_at_rest_the_stream_must_have_counted_every_event_and_have_no_gaps() -> None:
    facts = facts_at_rest(5)
    short = replace(
        facts, stream=stream_word(number=5, event_count=4, document_count=4)
    )
    torn = replace(facts, stream=stream_word(number=5, gaps=((20, 40),)))
    confused = replace(facts, stream=stream_word(number=5, document_count=4))

    for told in (short, confused):
        report = report_of(held(*range(5)), told)
        assert ProblemKind.MISCOUNTED in kinds_of(report.unsound[0].problems)
    report = report_of(held(*range(5)), torn)
    assert kinds_of(report.unsound[0].problems) == {ProblemKind.GAPS}


def refused_chunk(
    *, lost_bytes: int = 0, reason: str = "deleted", **changes: object
) -> GenerationFacts:
    """Return what is said where Kafka refused events 2 to 4 of 9, and took the rest."""
    facts = facts_at_rest(9)
    torn = stream_word(
        number=9,
        event_count=6,
        document_count=6,
        gaps=((2 * LINE_BYTES, 5 * LINE_BYTES),),
    )
    agent = agent_word(
        number=2,
        seen_size_bytes=9 * LINE_BYTES,
        lost_bytes={reason: lost_bytes} if lost_bytes else {},
        **changes,
    )
    return replace(facts, agent=agent, stream=torn)


def test_k2_events_behind_a_refused_chunk_do_not_make_a_declared_loss_a_failure() -> (
    None
):
    """Their file went before they could be sent again, and its agent said so in bytes."""
    facts = refused_chunk(lost_bytes=7 * LINE_BYTES, is_closed=True)
    report = report_of(held(0, 1, *range(5, 9)), facts)

    assert report.is_sound
    assert report.is_settled
    verdict = report.verdicts[0]
    assert (verdict.expected_count, verdict.stored_count) == (6, 6)
    assert verdict.facts.lost_bytes == 7 * LINE_BYTES

    # One that the stream had, and that is not there, is no part of that loss.
    report = report_of(held(0, 1, *range(6, 9)), facts)
    assert kinds_of(report.unsound[0].problems) == {ProblemKind.MISSING}
    assert sum(each.count for each in report.unsound[0].problems) == 1


def test_k2_events_of_a_refused_chunk_are_a_part_of_the_loss_that_nobody_saw() -> None:
    """Its agent was killed, and its file emptied before the next one started."""
    facts = refused_chunk(
        is_closed=True, unwatched_since_ms=1_790_000_000_000, blank_bytes=700
    )
    report = report_of(held(0, 1, *range(5, 9)), facts)

    assert report.is_sound
    assert report.is_settled
    told = "\n".join(report_lines(report))
    assert f"beside {3 * LINE_BYTES:,} bytes that were seen" in told

    report = report_of(held(0, 1, *range(6, 9)), facts)
    assert kinds_of(report.unsound[0].problems) == {ProblemKind.MISSING}


def test_k2_events_that_an_agent_is_to_send_again_are_in_flight() -> None:
    report = report_of(held(0, 1, *range(5, 9)), refused_chunk())

    assert report.is_sound
    assert not report.is_settled
    assert report.verdicts[0].in_flight_count == 3


@pytest.mark.parametrize(
    "facts",
    [
        refused_chunk(lost_bytes=2 * LINE_BYTES, is_closed=True, blank_bytes=500),
        refused_chunk(is_closed=True, blank_bytes=500),
        refused_chunk(
            lost_bytes=7 * LINE_BYTES,
            reason="doubtful",
            is_closed=True,
            blank_bytes=7 * LINE_BYTES,
        ),
        replace(refused_chunk(), agent=agent_word(number=9)),
        replace(refused_chunk(), agent=agent_word(number=3)),
    ],
    ids=[
        "less is declared",
        "nothing is declared",
        "it is declared of another life",
        "all is safe",
        "some is safe",
    ],
)
def test_k2_events_that_never_came_and_that_nobody_answers_for_are_missing(
    facts: GenerationFacts,
) -> None:
    report = report_of(held(0, 1, *range(5, 9)), facts)

    assert ProblemKind.MISSING in kinds_of(report.unsound[0].problems)
    assert (
        sum(
            each.count
            for each in report.unsound[0].problems
            if each.kind is ProblemKind.MISSING
        )
        == 3
    )


def test_documents_without_a_number_are_a_contradiction() -> None:
    index = held(*range(5))
    index.unnumbered_count = 2

    report = report_of(index, facts_at_rest(5))

    assert not report.is_sound
    assert kinds_of(report.problems) == {ProblemKind.UNNUMBERED}


def test_x5_a_ledger_record_that_cannot_be_read_is_named_and_leaves_no_audit_sound() -> (
    None
):
    """What it says, nobody can tell; its key and the reason cannot steer a terminal."""
    entry = UnreadableEntry(b"stream|\x1b]0;owned\x07\xff", 3, 12_345, "bad \x9b value")

    report = report_of(held(*range(5)), facts_at_rest(5), unreadable=(entry,))

    assert not report.is_sound
    assert not report.unsound
    (problem,) = report.problems
    assert problem.kind is ProblemKind.UNREADABLE_RECORD
    assert problem.text.isprintable()
    assert "at offset 12345 of partition 3" in problem.text
    assert "stream|" in problem.text
    assert "x1b]0;owned" in problem.text
    (told,) = report_json(report)["problems"]
    assert (told["kind"], told["text"]) == ("unreadable_record", problem.text)


def test_many_ledger_records_that_cannot_be_read_are_named_in_part() -> None:
    many = tuple(
        UnreadableEntry(b"stream|%d" % n, 3, n, "bad") for n in range(NAMED_MAX + 7)
    )

    report = report_of(held(*range(5)), facts_at_rest(5), unreadable=many)

    assert sum(problem.count for problem in report.problems) == NAMED_MAX + 7
    assert len(report.problems) == NAMED_MAX + 1


# Generations of other collectors.


def foreign(
    *, next_number: int, count: int, indexed: int | None = None
) -> GenerationFacts:
    return GenerationFacts(
        generation=GENERATION,
        stream=stream_word(
            number=next_number,
            agent_id="foreign",
            first_event_number=100,
            event_count=count,
            document_count=count,
        ),
        indexer=indexer_word(
            number=next_number if indexed is None else indexed, agent_id="foreign"
        ),
    )


def test_foreign_numbers_with_holes_are_held_to_their_count() -> None:
    numbers = (100, 103, 118, 119)

    assert report_of(held(*numbers), foreign(next_number=120, count=4)).is_sound
    short = report_of(held(*numbers[1:]), foreign(next_number=120, count=4))
    double = report_of(held(*numbers, 103), foreign(next_number=120, count=4))

    assert kinds_of(short.unsound[0].problems) == {ProblemKind.MISSING}
    assert double.unsound[0].doubled == (103,)


FOREIGN = (100, 103, 104, 118, 119)


def told_foreign(
    *, indexed: int = 120, streamed: int = 120, **changes: object
) -> GenerationFacts:
    """Return what is said where the stream tells the numbers that came."""
    numbers = [n for n in FOREIGN if n < streamed]
    facts = foreign(next_number=streamed, count=len(numbers), indexed=indexed)
    assert facts.stream is not None
    spans = NumberSet.of((n, n + 1) for n in numbers).pairs()
    changes = {"event_numbers": spans, **changes}
    return replace(facts, stream=msgspec.structs.replace(facts.stream, **changes))


@given(
    st.dictionaries(
        st.integers(95, 125), st.sampled_from(["stored", "dead", "doubled"])
    ),
    st.integers(100, 120),
    st.integers(100, 120),
)
def test_foreign_numbers_that_are_told_are_each_there_once_while_others_flow(
    fates: dict[int, str], indexed: int, streamed: int
) -> None:
    index = held(*(n for n, fate in fates.items() if fate != "dead"))
    for number, fate in fates.items():
        if fate == "dead":
            index.dead.append((number, 1))
        if fate == "doubled":
            index.documents.append(HeldDocument(number, copy=1))
    facts = told_foreign(indexed=indexed, streamed=streamed)
    cut = max(min(indexed, streamed), 100)
    wanted = {n for n in FOREIGN if n < cut}
    below = {n for n in fates if n < cut}

    report = report_of(index, facts, is_deep=True)

    verdicts = {each.facts.generation: each for each in report.verdicts}
    named = {
        kind: {p.event_number for p in verdicts[GENERATION].problems if p.kind is kind}
        for kind in (ProblemKind.MISSING, ProblemKind.UNSENT, ProblemKind.DOUBLED)
    }
    if cut == 100:
        return  # Nothing of it has come through yet.
    assert named[ProblemKind.MISSING] == wanted - below
    unsent = {n for n in named[ProblemKind.UNSENT] if n is not None and n < cut}
    assert unsent == below - wanted
    assert named[ProblemKind.DOUBLED] == {n for n in below if fates[n] == "doubled"}
    later = [n for n in FOREIGN if cut <= n < streamed]
    in_flight = [n for n in later if fates.get(n) != "dead"]
    assert verdicts[GENERATION].in_flight_count == len(in_flight)
    assert not report.counted_only


def test_one_foreign_deleted_and_another_doubled_are_both_named() -> None:
    index = held(100, 104, 118, 118, 119)

    report = report_of(index, told_foreign())

    assert {(p.kind, p.event_number) for p in report.unsound[0].problems} == {
        (ProblemKind.MISSING, 103),
        (ProblemKind.DOUBLED, 118),
    }


def test_foreign_numbers_that_are_told_add_up_by_their_sums() -> None:
    report = report_of(held(*FOREIGN), told_foreign())
    dropped = told_foreign(
        document_count=3, dropped={"rule": 2}, dropped_spans={"rule": ((103, 105),)}
    )

    assert report.is_sound
    assert report.is_settled
    assert report_of(held(100, 118, 119), dropped).is_sound
    assert totals_of(report.verdicts).read == len(FOREIGN)


def test_foreign_numbers_that_are_not_told_in_full_are_held_to_their_count() -> None:
    facts = told_foreign(event_numbers=((100, 105), (118, 120)))

    report = report_of(held(*FOREIGN), facts)

    assert report.is_sound
    assert [each.facts.generation for each in report.counted_only] == [GENERATION]


def test_one_foreign_deleted_and_another_doubled_is_seen_by_a_deep_audit() -> None:
    index = held(100, 118, 119, 119)
    index.documents = [replace(each, born_at_ms=0) for each in index.documents]

    report = report_of(index, foreign(next_number=120, count=4), is_deep=True)

    # The copy bears an id of another line, so it is altered beside.
    assert kinds_of(report.unsound[0].problems) >= {
        ProblemKind.MISSING,
        ProblemKind.DOUBLED,
    }


def test_foreign_counts_are_not_compared_while_something_is_in_flight() -> None:
    facts = foreign(next_number=120, count=4, indexed=119)

    report = report_of(held(100, 119), facts)

    assert report.is_sound
    assert not report.is_settled


@pytest.mark.parametrize(
    "index",
    ["t-generic-2023.11.15", "t-generic-2023.11", "t-other-2023.11.14", "t-generic-x"],
)
def test_a_document_in_an_index_of_another_day_or_dataset_is_named(index: str) -> None:
    """Sent again it would be stored a second time, where it belongs."""
    moved = HeldDocument(7, index=index)
    documents = held(*(n for n in range(25) if n != 7))
    documents.documents.append(moved)

    (verdict,) = report_of(documents, facts_at_rest(25), is_deep=True).unsound

    (problem,) = verdict.problems
    assert problem.kind is ProblemKind.ALTERED
    assert problem.documents == (f"{index}/{moved.document_id}",)
    documents.documents[-1] = replace(moved, index="t-generic-2023.11.14-r2")
    assert report_of(documents, facts_at_rest(25), is_deep=True).is_sound


@pytest.mark.parametrize("is_deep", [False, True])
def test_what_is_missing_is_believed_once_the_indexers_have_taken_in_what_there_was(
    is_deep: bool,
) -> None:
    """A stream that stands still holds up no word of what it told before."""
    index = held(*(n for n in range(25) if n != 7))

    behind = report_of(index, facts_at_rest(25), passed=frozenset(), is_deep=is_deep)
    report = report_of(
        index,
        facts_at_rest(25),
        passed=frozenset(),
        passed_documents=PARTITION,
        is_deep=is_deep,
    )

    assert behind.is_sound
    assert not behind.is_settled
    assert [verdict.unfound_count for verdict in behind.unfound] == [1]
    (verdict,) = report.unsound
    assert verdict.missing == (7,)
    assert not report.unfound


def test_foreign_documents_above_the_cut_are_passed_over() -> None:
    facts = foreign(next_number=119, count=2)

    index = held(100, 118, 119, 124)
    assert report_of(index, facts, passed=frozenset()).is_sound


# What may happen between the reading of the ledger and that of the index.


def test_e9_what_is_gone_for_the_first_time_is_looked_at_again() -> None:
    """Its index expired since the ledger was read, which tells of it the next time."""
    owing = replace(facts_at_rest(25), indexer=indexer_word(number=24))
    retention = (retention_word(tuple(range(20)), index="t-old"),)
    expired = replace(facts_at_rest(25), retention=retention)
    index = held(*range(25))

    def expire(look: int) -> None:
        if look == 1:
            del index.documents[:20]

    index.before_look = expire
    told = [{GENERATION: word} for word in (owing, owing, expired)]
    report = report_of(index, *told, drained=Drained(docs_lag={3: 0}))

    assert report.is_sound
    assert totals_of(report.verdicts).expired == 20


def test_a_generation_of_which_no_ledger_tells_is_a_contradiction() -> None:
    report = report_of(held(1), {})

    assert kinds_of(report.unsound[0].problems) == {ProblemKind.UNKNOWN_GENERATION}


def test_a_generation_that_appears_after_the_ledger_was_read_is_none() -> None:
    report = report_of(held(0), {}, facts_at_rest(1))

    assert report.is_sound


def test_a_generation_that_expires_with_its_ledger_meanwhile_is_none() -> None:
    index = held(0)

    def expire(look: int) -> None:
        if look == 1:
            index.documents.clear()

    index.before_look = expire
    assert report_of(index, {}, {}).is_sound


def test_an_index_that_expires_after_the_ledger_was_read_is_none() -> None:
    facts = facts_at_rest(20)
    taken = replace(facts, retention=(retention_word(range(5), index="old"),))

    report = report_of(held(*range(5, 20)), facts, taken)

    assert report.is_sound
    assert totals_of(report.verdicts).expired == 5


def test_an_index_that_goes_away_while_it_is_read_is_read_anew() -> None:
    index = held(*range(5))
    index.lost_snapshots = 2

    assert report_of(index, facts_at_rest(5)).is_sound


def test_an_index_that_goes_away_again_and_again_ends_the_audit_in_words() -> None:
    index = held(*range(5))
    index.lost_snapshots = 100

    with pytest.raises(CommandFailed, match="was deleted while it was read"):
        report_of(index, facts_at_rest(5))


def test_the_index_is_read_after_the_ledger() -> None:
    """An event comes before each reading: the other way round, one would be missing."""
    flow = Flow()
    looker = Looker(
        ledger=flow,
        progress=FixedProgress(Drained()),
        index=flow.index,
        window_events=WINDOW,
    )

    assert (
        looker.look(only=None, is_deep=False, beyond={}).verdicts[GENERATION].is_sound
    )


class Flow:
    """Events that come through one by one, whenever anybody looks."""

    def __init__(self) -> None:
        self.index = held(0)
        self.index.before_look = lambda _look: self.pass_one()

    def pass_one(self) -> None:
        self.index.documents.append(HeldDocument(len(self.index.documents)))

    def read(self) -> Told:
        self.pass_one()
        return Told(facts={GENERATION: facts_at_rest(len(self.index.documents))})


def test_above_what_squares_can_tell_the_cut_still_bounds_its_window() -> None:
    """Two are gone; one above the cut and a double have their sum."""
    window_events, cut = 10_000, 1_995_000
    numbers = [*range(1_990_000, cut), 1_995_009, 1_994_980]
    for gone in (1_994_990, 1_994_999):
        numbers.remove(gone)
    wrong = replace(window_sum(numbers), squares=None)
    right = replace(window_sum(range(1_990_000, cut)), squares=None)

    is_suspect = [
        199
        in suspects(
            facts_at_rest(cut),
            expected=expected_of(facts_at_rest(cut)),
            sums=Sums(stored={199: found}),
            window_events=window_events,
        )
        for found in (wrong, right)
    ]

    assert is_suspect == [True, False]


def test_what_stays_missing_while_others_move_on_is_still_missing() -> None:
    report = report_of(
        held(*range(1, 40)), *(facts_at_rest(number) for number in range(20, 40))
    )

    assert report.unsound[0].missing == (0,)


def test_what_a_hop_has_read_and_not_said_is_stranded() -> None:
    """A publish that was swallowed: all is read, nothing is under way, events are gone."""
    facts = replace(facts_at_rest(20), indexer=indexer_word(number=15))
    lag = Drained(docs_lag={3: 0}, raw_lag={3: 0})

    stranded = report_of(held(*range(15)), facts, drained=lag)
    moving = report_of(
        held(*range(15)), facts, drained=Drained(docs_lag={3: 2}, raw_lag={3: 0})
    )
    said = report_of(held(*range(20)), facts, facts_at_rest(20), drained=lag)

    assert kinds_of(stranded.unsound[0].problems) == {ProblemKind.STRANDED}
    assert moving.is_sound
    assert said.is_sound


def test_k10_what_is_stranded_is_named_for_the_repair() -> None:
    """By a hundred numbers: it is one span, which ends where the hop before stands."""
    facts = replace(facts_at_rest(200), indexer=indexer_word(number=15))
    unread = replace(facts_at_rest(15), agent=agent_word(number=18))
    lag = Drained(docs_lag={3: 0}, raw_lag={3: 0})

    stranded = report_of(held(*range(15)), facts, drained=lag)
    both = report_of(held(*range(15)), unread, drained=lag)

    assert stranded.unsound[0].missing == tuple(range(15, 115))
    assert both.unsound[0].missing == (15, 16, 17)


def test_what_the_stream_swallowed_is_stranded_too() -> None:
    facts = replace(facts_at_rest(20), agent=agent_word(number=25))
    lag = Drained(docs_lag={3: 0}, raw_lag={3: 0})

    report = report_of(held(*range(20)), facts, drained=lag)

    assert kinds_of(report.unsound[0].problems) == {ProblemKind.STRANDED}


def test_waiting_ends_as_soon_as_nothing_is_in_flight() -> None:
    moving = replace(facts_at_rest(20), agent=agent_word(number=25))

    report = report_of(
        held(*range(25)), moving, moving, facts_at_rest(25), wait_ms_max=60_000
    )

    assert report.is_settled
    assert report.is_sound


def test_waiting_has_an_end() -> None:
    moving = replace(facts_at_rest(20), agent=agent_word(number=25))

    report = report_of(held(*range(20)), moving, wait_ms_max=5_000)

    assert not report.is_settled
    assert report.is_sound


PARTITION = frozenset({3})
"""That of the generation of `builders`."""


@pytest.mark.parametrize("is_deep", [False, True])
@pytest.mark.parametrize("number", [2**53, 2**53 + 1, 2**63 - 1])
def test_a_document_of_a_number_that_no_double_holds_is_nobodys(
    number: int, is_deep: bool
) -> None:
    """Elasticsearch tells of the highest number as of a double; it must not be asked so."""
    index = held(*range(5), number)

    report = report_of(index, facts_at_rest(5), is_deep=is_deep)

    assert not report.is_sound
    (problem,) = report.problems
    assert (problem.kind, problem.event_number) == (ProblemKind.UNSENT, number)
    document = index.documents[-1]
    assert problem.documents == (f"{document.index}/{document.document_id}",)


def test_of_many_documents_beyond_all_numbers_some_are_named() -> None:
    report = report_of(held(*range(5), *range(2**53, 2**53 + 9)), facts_at_rest(5))

    assert sum(each.count for each in report.problems) == 9
    assert len(report.problems) == 3


@pytest.mark.parametrize("is_deep", [False, True])
def test_what_is_stored_beyond_all_that_was_sent_is_nobodys(is_deep: bool) -> None:
    """Two in the last window, and one far away; the indexers have passed all there is."""
    index = held(*range(25), 25, 27, 1_234)

    report = report_of(index, facts_at_rest(25), passed=PARTITION, is_deep=is_deep)

    (verdict,) = report.unsound
    assert [(p.kind, p.event_number) for p in verdict.problems] == [
        (ProblemKind.UNSENT, number) for number in (25, 27, 1_234)
    ]
    assert all(problem.documents for problem in verdict.problems)
    assert verdict.stored_count == 25


def test_many_documents_that_are_nobodys_are_named_in_part() -> None:
    index = held(*range(25 + NAMED_MAX + 7))

    report = report_of(index, facts_at_rest(25), passed=PARTITION)

    problems = report.unsound[0].problems
    assert sum(problem.count for problem in problems) == NAMED_MAX + 7
    assert len(problems) == NAMED_MAX + 1


def test_a_document_that_is_newer_than_the_ledger_is_no_contradiction() -> None:
    """The ledger speaks of it at the next look; what has come since is newer again."""
    index = held(*range(26))

    def pass_one(look: int) -> None:
        if look:
            index.documents.append(HeldDocument(len(index.documents)))

    index.before_look = pass_one
    report = report_of(index, facts_at_rest(25), facts_at_rest(26), passed=PARTITION)

    assert report.is_sound
    assert not report.is_settled
    assert index.looks == 2


def test_what_the_indexers_have_not_passed_yet_is_not_called_nobodys() -> None:
    """Its word may be on its way; so the generation does not rest."""
    report = report_of(held(*range(26)), facts_at_rest(25), passed=frozenset())

    assert report.is_sound
    assert not report.is_settled


def test_of_two_that_are_newer_only_the_one_that_was_seen_before_is_nobodys() -> None:
    """Number 40 stands there before the indexers are asked; 41 comes while they are."""
    index = held(*range(25), 40)

    def store_another(look: int) -> None:
        if look == 1:
            index.documents.append(HeldDocument(41))

    index.before_look = store_another
    report = report_of(index, facts_at_rest(25), passed=PARTITION)

    (problem,) = report.unsound[0].problems
    assert (problem.kind, problem.event_number) == (ProblemKind.UNSENT, 40)
