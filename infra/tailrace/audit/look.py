"""One look at everything, in the order of reads that makes it right while lines flow.

1. The ledger, to its end: it fixes the cut. What lies below it was stored, or its dead
   letter acknowledged, before the ledger said so.
2. The dead letters written until now: waited for until they are indexed, within a bound;
   what is left is read from Kafka itself. So a letter is in what was read, or in the index
   that is read next; one that is in both counts as indexed.
3. The index: refreshed, then seen in a point in time. It holds all that lies below the cut,
   and maybe more, which is passed over.

Read the other way round, documents that came in between would pass for missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tailrace.audit.counted import Evidence
from tailrace.audit.expected import Expected, expected_of
from tailrace.audit.facts import GenerationFacts, condemned_indices
from tailrace.audit.findings import (
    altered,
    ambiguous,
    more_altered,
    unknown,
    unplaced,
    unreached,
    unreadable,
)
from tailrace.audit.judge import judge
from tailrace.audit.letters import misnamed_letters, wrong_letters
from tailrace.audit.locate import located
from tailrace.audit.repeats import Senders, hosts_in_doubt
from tailrace.audit.silent import DeadAgent, SilentAgent
from tailrace.audit.sources import (
    Drained,
    Index,
    Ledger,
    Passed,
    Progress,
    Snapshot,
)
from tailrace.audit.tally import Numbers
from tailrace.audit.unsent import beyond_of, unsent_of
from tailrace.audit.verdict import (
    NAMED_MAX,
    GenerationVerdict,
    Problem,
)
from tailrace.audit.windows import (
    Sums,
    span_of,
    suspects,
    windows_of,
    windows_with,
)
from tailrace.clock import Clock
from tailrace.ledger import AgentHeartbeat
from tailrace.number_sets import NumberSet

PASSED_WAIT_MS_MAX = 5_000
"""How long the indexers are waited for, where documents are newer than the ledger."""
DEAD_WAIT_MS_MAX = 10_000
"""How long the dead letters are waited for; what the rest name counts as in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one look saw."""

    verdicts: Mapping[str, GenerationVerdict]
    drained: Drained
    problems: tuple[Problem, ...] = ()
    unreadable: tuple[Problem, ...] = ()
    """Records of the ledger that cannot be read: what they say, nobody can tell."""
    senders: Senders = field(default_factory=dict[str, Mapping[str, int]])
    """Who first sent documents of hosts, where an earlier life may have sent some."""
    unnamed_letter_count: int = 0
    """Dead letters that name no event, where all generations were looked at."""
    compared_count: int = 0
    heartbeats: tuple[AgentHeartbeat, ...] = ()
    read_at_ms: int = 0
    """When the ledger had been read, if a clock was given."""
    silent: tuple[SilentAgent, ...] = ()
    """Whose heartbeats had ceased by then, as far as whoever looked listens to them."""
    dead: tuple[DeadAgent, ...] = ()
    """Those for whom nobody waits: another lives in their place, or they are gone."""


@dataclass(slots=True)
class _Deep:
    """What reading every document brings together."""

    numbers: dict[str, Numbers] = field(default_factory=dict[str, Numbers])
    altered: dict[str, list[Problem]] = field(default_factory=dict[str, list[Problem]])
    altered_counts: dict[str, int] = field(default_factory=dict[str, int])
    compared_count: int = 0

    def altered_of(self, generation: str) -> tuple[Problem, ...]:
        """Return the altered documents of one generation, the first by name."""
        named = self.altered.get(generation, [])
        left = self.altered_counts.get(generation, 0) - len(named)
        return (*named, *more_altered(left))


class Looker:
    """Looks at all generations, or again at some."""

    def __init__(
        self, *, ledger: Ledger, progress: Progress, index: Index, window_events: int
    ) -> None:
        self._ledger = ledger
        self._progress = progress
        self._index = index
        self._window_events = window_events

    def passed(self) -> Passed:
        """Return the partitions of which all was taken in that stands in Kafka now.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        return self._progress.passed(wait_ms_max=PASSED_WAIT_MS_MAX)

    def look(
        self,
        *,
        only: Collection[str] | None,
        is_deep: bool,
        beyond: Mapping[str, int],
        clock: Clock | None = None,
    ) -> Looked:
        """Look once; `only` names the generations, None means all.

        `beyond` are numbers of generations that were stored before `passed` was asked of
        their partitions: whatever of them the ledger does not know now came by no hop.

        Raises:
            SnapshotLost: an index was taken away while it was read.
            TailraceError: a server cannot be asked.
        """
        read = self._ledger.read()
        read_at_ms = clock.now_ms() if clock else 0
        told = read.facts
        drained = self._progress.drained(wait_ms_max=DEAD_WAIT_MS_MAX)
        with self._index.snapshot() as snapshot:
            there = snapshot.holding(condemned_indices(told.values()))
            told = {name: facts.with_indices(there) for name, facts in told.items()}
            sums = snapshot.sums(only)
            deep = self._read_all(snapshot, told, only=only) if is_deep else None
            verdicts: dict[str, GenerationVerdict] = {}
            for generation, facts in told.items():
                if facts.is_known and (only is None or generation in only):
                    verdicts[generation] = self._judged(
                        facts,
                        sums=sums.get(generation, Sums()),
                        snapshot=snapshot,
                        drained=drained,
                        deep=deep,
                        beyond=beyond.get(generation),
                    )
            for generation, found in sums.items():
                if generation not in told or not told[generation].is_known:
                    verdicts[generation] = unknown(
                        generation, sums=found, snapshot=snapshot
                    )
            problems: tuple[Problem, ...] = ()
            senders: Senders = {}
            unnamed_letter_count = 0
            if only is None:
                hosts = hosts_in_doubt(told.values())
                senders = snapshot.senders(hosts) if hosts else {}
                unnamed_letter_count = snapshot.unnamed_letters()
                problems = (
                    *unplaced(snapshot),
                    *ambiguous(snapshot),
                    *unreached(snapshot),
                )
            if is_deep and only is None:
                problems += wrong_letters(snapshot.letters())
        return Looked(
            verdicts=verdicts,
            drained=drained,
            problems=problems,
            unreadable=unreadable(read.unreadable),
            senders=senders,
            unnamed_letter_count=unnamed_letter_count,
            compared_count=deep.compared_count if deep else 0,
            heartbeats=read.heartbeats,
            read_at_ms=read_at_ms,
        )

    def _judged(
        self,
        facts: GenerationFacts,
        *,
        sums: Sums,
        snapshot: Snapshot,
        drained: Drained,
        deep: _Deep | None,
        beyond: int | None,
    ) -> GenerationVerdict:
        lagging = drained.lagging.of(facts.generation)
        expected = expected_of(facts)
        chosen = self._chosen(
            facts,
            expected=expected,
            sums=sums,
            lagging=lagging,
            is_deep=deep is not None,
        )
        above = range(facts.cut, facts.sent_number)
        has_dead_above = bool(above) and any(
            each.highest >= facts.cut or not each.is_single
            for each in sums.dead.values()
        )
        spans = [
            span_of(
                window,
                facts=facts,
                expected=expected,
                window_events=self._window_events,
            )
            for window in chosen
        ]
        if has_dead_above:
            spans.append(above)
        numbers = self._numbers(
            facts.generation, spans, sums=sums, snapshot=snapshot, deep=deep
        )
        verdict = judge(
            facts,
            expected=expected,
            evidence=Evidence(
                sums=sums,
                numbers=numbers,
                looked_at=frozenset(chosen),
                dead_above_cut_count=sum(
                    1
                    for span in _wanted(above, expected=expected)
                    for number in span
                    if numbers.dead.count(number)
                )
                if has_dead_above
                else 0,
                lagging=lagging,
            ),
            window_events=self._window_events,
        )
        verdict = located(
            self._with_beyond(
                verdict, sums=sums, snapshot=snapshot, stored_before=beyond
            ),
            snapshot=snapshot,
        )
        # A deep look reads each letter anyhow, and names what is wrong with it there.
        wrong = (
            misnamed_letters(numbers.misnamed)
            if deep is None
            else deep.altered_of(facts.generation)
        )
        return replace(verdict, problems=(*verdict.problems, *wrong))

    def _numbers(
        self,
        generation: str,
        spans: Sequence[range],
        *,
        sums: Sums,
        snapshot: Snapshot,
        deep: _Deep | None,
    ) -> Numbers:
        """Return which numbers the spans hold, stored and dead."""
        numbers = Numbers.of_windows(self._window_events)
        if deep is not None:
            numbers = deep.numbers.get(generation, numbers)
            if sums.dead and spans:
                seen = snapshot.numbers(generation, spans=spans)
                numbers = replace(numbers, dead=seen.dead, late=seen.late)
        elif spans:
            numbers = snapshot.numbers(generation, spans=spans)
        return numbers

    def _with_beyond(
        self,
        verdict: GenerationVerdict,
        *,
        sums: Sums,
        snapshot: Snapshot,
        stored_before: int | None,
    ) -> GenerationVerdict:
        """Add what is stored beyond all that was sent, as far as that is sure."""
        facts = verdict.facts
        beyond = beyond_of(facts, sums=sums)
        if beyond is None:
            return verdict
        unsent: list[Problem] = []
        if stored_before is not None and stored_before >= facts.sent_number:
            unsent = unsent_of(
                facts,
                highest=stored_before,
                sums=sums,
                snapshot=snapshot,
                window_events=self._window_events,
            )
        return replace(
            verdict,
            problems=(*verdict.problems, *unsent),
            beyond=beyond,
            # Newer than the words of the hops, so something is under way; or nobody's.
            is_settled=verdict.is_settled and bool(unsent),
        )

    def _chosen(
        self,
        facts: GenerationFacts,
        *,
        expected: Expected,
        sums: Sums,
        lagging: NumberSet,
        is_deep: bool,
    ) -> tuple[int, ...]:
        """Return the windows that are looked at number by number, in order."""
        size = self._window_events
        is_any_pending = expected.sent is None and bool(lagging)
        if not is_deep and not is_any_pending:
            return suspects(facts, expected=expected, sums=sums, window_events=size)
        windows = windows_of(facts, expected=expected, sums=sums, window_events=size)
        if expected.sent is not None or not lagging:
            return tuple(windows)
        # Of what waits for the index there may be nothing in it yet.
        below = range(facts.first // size, -(-facts.cut // size))
        named = windows_with(lagging, within=below, window_events=size)
        return tuple(sorted({*windows, *named}))

    def _read_all(
        self,
        snapshot: Snapshot,
        told: Mapping[str, GenerationFacts],
        *,
        only: Collection[str] | None,
    ) -> _Deep:
        """Compare every document below its cut, and note every number."""
        deep = _Deep()
        for stored in snapshot.documents(only):
            facts = told.get(stored.generation)
            if facts is None or stored.number >= facts.cut:
                continue
            deep.compared_count += 1
            numbers = deep.numbers.get(stored.generation)
            if numbers is None:
                numbers = Numbers.of_windows(self._window_events)
                deep.numbers[stored.generation] = numbers
            numbers.stored.add(stored.number)
            problem = altered(stored, facts=facts)
            if problem is not None:
                named = deep.altered.setdefault(stored.generation, [])
                known = deep.altered_counts.get(stored.generation, 0)
                deep.altered_counts[stored.generation] = known + 1
                if len(named) < NAMED_MAX:
                    named.append(problem)
        return deep


def _wanted(above: range, *, expected: Expected) -> Sequence[range]:
    """Return the numbers of `above` of which a document or a dead letter may come."""
    wanted = expected.wanted
    return (above,) if wanted is None else wanted.within(above).spans
