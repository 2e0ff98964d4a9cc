"""How an audit comes to its word: what does not add up at a first look is looked at again.

A generation may appear, or an index expire, between the ledger's reading and the index's.
Such a contradiction is gone at the next look; one that is real stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tailrace.audit.left import with_left
from tailrace.audit.look import Looked, Looker
from tailrace.audit.patience import Patience
from tailrace.audit.silent import Hearing
from tailrace.audit.sources import Passed, SnapshotLost
from tailrace.audit.stranded import is_owed, with_stranded
from tailrace.audit.unopened import unopened_by
from tailrace.audit.verdict import (
    AuditReport,
    GenerationVerdict,
    ProblemKind,
)
from tailrace.clock import Clock
from tailrace.errors import CommandFailed

LOOKS_MAX = 4
"""Looks at one generation before what still contradicts is believed."""
LOOKS_IN_ALL_MAX = 12
"""One may begin to contradict when others have been looked at again for long."""
SNAPSHOTS_LOST_MAX = 5
WAIT_POLL_MS = 1_000
STUCK_MS = 15_000
"""An agent that takes a dead one's files up reads some of them, and says so, in this time."""
GENERATIONS_AGAIN_MAX = 1_000
"""More generations than these are not named one by one: everything is looked at again."""


@dataclass(frozen=True, slots=True)
class _Look:
    """Looks, again where an index went away meanwhile, and listens for heartbeats."""

    looker: Looker
    clock: Clock
    hearing: Hearing = field(default_factory=Hearing)

    def __call__(
        self,
        *,
        only: Collection[str] | None,
        is_deep: bool,
        beyond: Mapping[str, int],
    ) -> Looked:
        for _lost in range(SNAPSHOTS_LOST_MAX):
            # Not the end, which may be minutes after the ledger was read: every agent
            # would seem silent then.
            begun_at_ms = self.clock.now_ms()
            try:
                looked = self.looker.look(
                    only=only, is_deep=is_deep, beyond=beyond, clock=self.clock
                )
            except SnapshotLost:
                continue
            silent, dead = self.hearing.silent(
                looked.heartbeats, now_ms=begun_at_ms, read_at_ms=looked.read_at_ms
            )
            return replace(looked, silent=silent, dead=dead)
        raise CommandFailed(
            f"An index was deleted while it was read, {SNAPSHOTS_LOST_MAX} times.",
            remedy="audit again once retention has done its work",
        )


@dataclass(slots=True)
class _Stuck:
    """Since when nothing but what dead agents left is waited for, and is the same."""

    _left: Mapping[str, int] = field(default_factory=dict[str, int])
    _since_ms: int = 0

    def for_ms(self, report: AuditReport, *, now_ms: int) -> int:
        """Return for how long that has been so, at this look."""
        left = {each.facts.generation: each.left_bytes for each in report.left}
        if not report.is_stuck or left != self._left:
            self._left, self._since_ms = left if report.is_stuck else {}, now_ms
        return now_ms - self._since_ms if report.is_stuck else 0


def audit(
    looker: Looker,
    *,
    clock: Clock,
    is_deep: bool,
    wait_ms_max: int,
    tell: Callable[[str], None],
    begun_at_ms: int | None = None,
) -> AuditReport:
    """Return whether all adds up; wait at most `wait_ms_max` for what is in flight.

    And for agents that are silent: what lies in their files since, nobody has seen; and
    for servers that are away. That time begins now, or at `begun_at_ms` of the monotonic
    clock, where something was waited for already. `tell` is given a line for a person
    whenever another look begins.

    Raises:
        CommandFailed: indices went away as often as they were looked at.
        TailraceError: a server cannot be asked.
    """
    patience = Patience(
        clock=clock,
        wait_ms_max=wait_ms_max,
        begun_at_ms=clock.monotonic_ms() if begun_at_ms is None else begun_at_ms,
        tell=tell,
    )
    deadline_ms = patience.deadline_ms
    look = _Look(looker, clock)

    def audited(*, is_deep: bool) -> AuditReport:
        return patience(lambda: _audit_once(look, is_deep=is_deep, tell=tell))

    report = audited(is_deep=is_deep and not wait_ms_max)
    stuck = _Stuck()
    while not report.is_settled and clock.monotonic_ms() < deadline_ms:
        if stuck.for_ms(report, now_ms=clock.monotonic_ms()) >= STUCK_MS:
            break  # Nobody reads what is left.
        left_ms = deadline_ms - clock.monotonic_ms()
        awaited = sum(not each.is_gone for each in report.silent)
        tell(
            f"{len(report.in_flight)} generations are in flight, {awaited} agents are"
            " silent, looking again"
        )
        clock.sleep_ms(min(WAIT_POLL_MS, max(left_ms, 0)))
        report = audited(is_deep=False)
    if is_deep and wait_ms_max:
        report = audited(is_deep=True)
    return replace(report, waited_ms=wait_ms_max)


def _audit_once(
    look: _Look, *, is_deep: bool, tell: Callable[[str], None]
) -> AuditReport:
    first = look(only=None, is_deep=is_deep, beyond={})
    verdicts = dict(first.verdicts)
    last = first
    asked: set[str] = set()
    passed = Passed()
    looks = Counter[str]()
    for _again in range(LOOKS_IN_ALL_MAX - 1):
        beyond = _beyond(verdicts, but=asked)
        doubtful = {
            generation: verdict
            for generation, verdict in verdicts.items()
            if looks[generation] < LOOKS_MAX - 1
            and (
                not verdict.is_sound
                or is_owed(verdict, drained=last.drained)
                or generation in beyond
            )
        }
        if not doubtful:
            break
        looks.update(doubtful.keys())
        # Once of each: where lines flow, there is always something newer.
        asked |= beyond.keys()
        if beyond or any(map(_is_missing, doubtful.values())):
            passed = look.looker.passed()
            beyond = {
                generation: number
                for generation, number in beyond.items()
                if verdicts[generation].facts.partition in passed.all
            }
        tell(f"{len(doubtful)} generations do not add up, looking again")
        is_named = len(doubtful) <= GENERATIONS_AGAIN_MAX
        again = look(
            only=doubtful.keys() if is_named else None,
            is_deep=is_deep,
            beyond=beyond,
        )
        for generation in doubtful:
            # Whatever is gone at the next look had expired, its ledger with it.
            verdicts.pop(generation)
        for generation, verdict in again.verdicts.items():
            before = doubtful.get(generation)
            verdicts[generation] = (
                verdict
                if before is None
                else with_stranded(verdict, before=before, drained=last.drained)
            )
        last = again
        if all(
            generation in verdicts and _is_as_before(verdicts[generation], before)
            for generation, before in doubtful.items()
        ):
            break  # Nobody said anything new, so another look sees the same.
    return _report(
        first,
        last,
        verdicts=[_believed(v, passed=passed.documents) for v in verdicts.values()],
        is_deep=is_deep,
    )


def _report(
    first: Looked,
    last: Looked,
    *,
    verdicts: Sequence[GenerationVerdict],
    is_deep: bool,
) -> AuditReport:
    """Return what the first look and the last one say of everything together."""
    return AuditReport(
        verdicts=tuple(
            sorted(
                (with_left(each, dead=last.dead) for each in verdicts),
                key=lambda each: (
                    each.facts.host_name,
                    each.facts.path,
                    each.facts.generation,
                ),
            )
        ),
        problems=(*first.problems, *last.unreadable),
        senders=first.senders,
        unnamed_letter_count=first.unnamed_letter_count,
        is_deep=is_deep,
        compared_count=first.compared_count,
        dead_lag_records=sum(last.drained.dead_lag.values()),
        lagging_unplaced_count=last.drained.lagging.unplaced_count,
        lagging_unread_count=last.drained.lagging.unread_count,
        silent=last.silent,
        unopened=unopened_by(
            last.heartbeats,
            unheard={each.agent_id for each in (*last.dead, *last.silent)},
        ),
        is_unspoken=not verdicts and not last.heartbeats,
    )


def _beyond(
    verdicts: Mapping[str, GenerationVerdict], *, but: Collection[str]
) -> dict[str, int]:
    """Return numbers that are stored, and of which no hop has spoken."""
    return {
        generation: verdict.beyond
        for generation, verdict in verdicts.items()
        if verdict.beyond is not None and generation not in but
    }


def _is_as_before(verdict: GenerationVerdict, before: GenerationVerdict) -> bool:
    """Return whether a generation was judged by the same words as at the look before.

    But its index may have gone just now: what is missing is to be so twice.
    """
    is_news = _is_missing(verdict) and not _is_missing(before)
    return verdict.facts == before.facts and not is_news


def _is_missing(verdict: GenerationVerdict) -> bool:
    return any(each.kind is ProblemKind.MISSING for each in verdict.problems)


def _believed(
    verdict: GenerationVerdict, *, passed: frozenset[int]
) -> GenerationVerdict:
    """Call nothing missing that may be on its way behind what was told.

    A worker that sends a chunk again may have its parts stand behind a later chunk's,
    which the indexer has told of. But what a stream told of stood among the documents by
    then: `passed` are the partitions of which all these were stored before the last look.
    """
    if verdict.facts.partition in passed or not _is_missing(verdict):
        return verdict
    missing = [each for each in verdict.problems if each.kind is ProblemKind.MISSING]
    return replace(
        verdict,
        problems=tuple(each for each in verdict.problems if each not in missing),
        in_flight_count=verdict.in_flight_count + sum(each.count for each in missing),
        unfound_count=sum(each.count for each in missing),
        missing=(),
        is_settled=False,
    )
