"""How many numbers below the cut met which fate, and which of them met none, or two."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tailrace.audit.expected import Expected
from tailrace.audit.facts import GenerationFacts
from tailrace.audit.tally import Numbers
from tailrace.audit.verdict import NAMED_MAX
from tailrace.audit.windows import Sums, span_of, windows_of
from tailrace.number_sets import NO_NUMBERS, NumberSet, sum_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found of one generation."""

    sums: Sums
    numbers: Numbers
    looked_at: frozenset[int] = frozenset()
    """The windows of which `numbers` holds every number; the others passed by sums."""
    dead_above_cut_count: int = 0
    """Numbers at the cut and beyond that are dead already: no document will come."""
    lagging: NumberSet = NO_NUMBERS
    """Numbers that stand in dead letters which are not indexed yet, or just were."""


@dataclass(slots=True)
class Named:
    """Numbers that do not add up: how many, and the first of them by name."""

    count: int = 0
    numbers: list[int] = field(default_factory=list[int])

    def add(self, number: int) -> None:
        """Count one, and name it as long as there is room."""
        self.count += 1
        if len(self.numbers) < NAMED_MAX:
            self.numbers.append(number)


@dataclass(slots=True)
class Count:
    """Fates of the numbers below the cut; each is counted in one of the first seven."""

    stored: int = 0
    dead: int = 0
    dropped: int = 0
    expired: int = 0
    pending: int = 0
    """Neither stored nor dead in the index, and named by a letter on its way there."""
    missing: int = 0
    doubled: Named = field(default_factory=Named)
    """Of those stored: more than once."""
    kept: Named = field(default_factory=Named)
    """Of those stored or dead: the stream says that it dropped them."""
    unsent: Named = field(default_factory=Named)
    """Of those stored or dead: the stream knows of no such number."""
    missing_named: list[int] = field(default_factory=list[int])
    missing_where_untold: int = 0
    """Those missing that may be dropped ones of which only the count is known."""
    missing_where_unacked: int = 0
    """Those missing that may be some that never came, as their agent knows."""
    expired_twice: int = 0
    is_vague: bool = False
    """Retention took some of a window, so which of its numbers are missing is unknown."""

    @property
    def read(self) -> int:
        """Return how many numbers there are in all."""
        found = self.stored + self.dead + self.dropped + self.expired
        return found + self.pending + self.missing


def count_below_cut(
    facts: GenerationFacts,
    *,
    expected: Expected,
    evidence: Evidence,
    window_events: int,
) -> Count:
    """Return what became of the numbers below the cut."""
    count = Count()
    taken = facts.expired()
    # Where numbers are not known they are held to their count, as a whole.
    left_out = {} if expected.sent is None else facts.left_out()
    windows = windows_of(
        facts, expected=expected, sums=evidence.sums, window_events=window_events
    )
    for window in sorted({*windows, *evidence.looked_at}):
        span = span_of(
            window, facts=facts, expected=expected, window_events=window_events
        )
        if window in evidence.looked_at:
            found = _Window(
                span=span,
                taken=taken.get(window, (0, 0)),
                left_out=left_out.get(window, (0, 0)),
                is_whole=span.stop == facts.sent_number or len(span) == window_events,
            )
            _count_numbers(found, expected=expected, evidence=evidence, to=count)
            continue
        stored = evidence.sums.stored.get(window)
        dead = evidence.sums.dead.get(window)
        count.stored += stored.count if stored else 0
        count.dead += dead.count if dead else 0
        count.dropped += expected.dropped.within(span).count
        count.dropped += left_out.get(window, (0, 0))[0]
        count.expired += expected.expired.within(span).count
        count.expired += taken.get(window, (0, 0))[0]
    if expected.sent is None:
        _expect_count(facts, expected=expected, to=count)
    return count


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    span: range
    taken: tuple[int, int]
    """How many of it retention took, and the sum of their numbers."""
    left_out: tuple[int, int]
    """Likewise, what rules left out: below the cut is all of that, or nothing."""
    is_whole: bool
    """All that was ever sent of it lies below the cut, so that its counts must fit."""


def _count_numbers(
    window: _Window, *, expected: Expected, evidence: Evidence, to: Count
) -> None:
    missing = list(
        _missing_of(window.span, expected=expected, evidence=evidence, to=to)
    )
    taken_count, taken_total = window.taken
    if expected.sent is None:
        to.expired += taken_count
        return  # Most numbers are nobody's; they are held to their count.
    left_count, left_total = window.left_out
    gone = min(taken_count + left_count, len(missing))
    dropped = min(left_count, gone)
    to.dropped += dropped
    to.expired += gone - dropped
    surplus = taken_count + left_count - len(missing)
    rest = taken_total + left_total - sum(missing)
    is_whole = window.is_whole or not taken_count
    if surplus > 0 and is_whole:
        told_twice = _told_twice(window.span, expected=expected, evidence=evidence)
        if not taken_count or not _may_be_among(told_twice, count=surplus, total=rest):
            _count_surplus(window, surplus=surplus, rest=rest, to=to)
    if surplus == 0 and is_whole and rest:
        # As many are gone as were told, but they are others.
        to.missing += 1
        to.dropped -= 1 if dropped else 0
        to.expired -= 0 if dropped else 1
        to.is_vague = True
        return
    left = len(missing) - gone
    to.missing += left
    if not left:
        return
    if left == 1 and left_count and not taken_count and -rest in missing:
        # What the sums of the others leave.
        to.missing_named += [-rest][: NAMED_MAX - len(to.missing_named)]
    else:
        to.is_vague = to.is_vague or gone > 0
        to.missing_named += missing[: NAMED_MAX - len(to.missing_named)]
    untold = [n for n in missing if n in expected.untold_within]
    to.missing_where_untold += min(left, len(untold)) if expected.untold_count else 0
    unacked = sum(1 for n in missing if n in expected.unacked_within)
    to.missing_where_unacked += min(left, unacked)


def _count_surplus(window: _Window, *, surplus: int, rest: int, to: Count) -> None:
    """Count what is there of a window, though it was told to be gone."""
    if not window.left_out[0]:
        to.expired_twice += surplus
        return
    if surplus == 1 and rest in window.span:
        to.kept.add(rest)
    else:
        to.kept.count += surplus


def _told_twice(span: range, *, expected: Expected, evidence: Evidence) -> NumberSet:
    """Return the numbers that expired once, and of which more than retention may tell.

    A document that was stored before a crash comes again after its index was taken: its
    chunk, read below the raised floor, is dropped by the stream, or the document finds no
    index, and a dead letter says so, which may still be on its way.
    """
    late = evidence.numbers.late
    return NumberSet.of(
        [
            *expected.expired.within(span).spans,
            *evidence.lagging.within(span).spans,
            *((number, number + 1) for number in span if late.count(number)),
        ]
    )


def _missing_of(
    span: range, *, expected: Expected, evidence: Evidence, to: Count
) -> Iterator[int]:
    """Count what met a fate, and yield what is wanted and met none."""
    stored = evidence.numbers.stored.counts(span)
    unwanted = _unwanted(span, expected=expected)
    if stored == b"\x01" * len(span) and not unwanted and expected.sent is not None:
        to.stored += len(span)
        return
    dead = evidence.numbers.dead.counts(span)

    def is_there(number: int) -> bool:
        return bool(stored[number - span.start] or dead[number - span.start])

    _count_unwanted(unwanted, is_there=is_there, expected=expected, to=to)
    for place, number in enumerate(span):
        if stored[place]:
            to.stored += 1
            if stored[place] > 1:
                to.doubled.add(number)
        elif dead[place]:
            to.dead += 1
        elif number in unwanted:
            continue
        elif number in evidence.lagging:
            to.pending += 1
        elif expected.sent is not None:
            yield number


def _unwanted(span: range, *, expected: Expected) -> NumberSet:
    """Return the numbers that must not be there: dropped, or as far as is known unsent."""
    gone = expected.gone.within(span)
    if expected.sent is None:
        return gone
    unsent = NumberSet.of([span]).without(expected.sent)
    return NumberSet.of([*gone.spans, *unsent.spans])


def _count_unwanted(
    unwanted: NumberSet,
    *,
    is_there: Callable[[int], bool],
    expected: Expected,
    to: Count,
) -> None:
    """Count what the stream dropped, and note what may not be there and is."""
    gone = expected.gone
    for number in (n for span in unwanted.spans for n in span):
        is_gone = number in gone
        is_expired = is_gone and number in expected.expired
        if is_there(number):
            # Sent before its floor was known, and read again after it by another worker:
            # what expired may be there until its index goes.
            if not is_expired:
                (to.kept if is_gone else to.unsent).add(number)
        elif is_expired:
            to.expired += 1
        elif is_gone:
            to.dropped += 1


def _may_be_among(numbers: NumberSet, *, count: int, total: int) -> bool:
    """Tell whether `count` of the numbers may have the sum `total`, by its bounds."""
    if numbers.count < count:
        return False
    lowest, highest = _first(numbers.spans, count), _last(numbers.spans, count)
    return sum_of(lowest) <= total <= sum_of(highest)


def _first(spans: Sequence[range], count: int) -> list[range]:
    """Return the `count` lowest numbers of ascending spans."""
    found: list[range] = []
    for span in spans:
        found.append(span[:count])
        count -= len(found[-1])
    return [each for each in found if each]


def _last(spans: Sequence[range], count: int) -> list[range]:
    """Return the `count` highest numbers of ascending spans."""
    found: list[range] = []
    for span in reversed(spans):
        found.append(span[len(span) - min(count, len(span)) :])
        count -= len(found[-1])
    return [each for each in found if each]


def _expect_count(facts: GenerationFacts, *, expected: Expected, to: Count) -> None:
    """Hold a generation to its count, which is comparable only when it rests."""
    if facts.stream is None or facts.sent_number > facts.cut:
        return
    to.dropped += sum(count for count, _ in facts.left_out().values())
    found = to.stored + to.dead + to.dropped + to.expired + to.pending
    to.missing = facts.stream.event_count - found
    if to.missing < 0:
        to.doubled.count += max(-to.missing - to.doubled.count, 0)
        to.missing = 0
    to.missing_where_untold = to.missing if expected.untold_count else 0
