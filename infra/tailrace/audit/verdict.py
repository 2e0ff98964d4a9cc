"""What an audit says: of each generation, and of all of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.repeats import Senders, is_repeatable, repeatable_bytes
from tailrace.audit.silent import DeadAgent, SilentAgent
from tailrace.audit.unopened import Unopened, is_awaited

NAMED_MAX = 100
"""Numbers of one kind that are named of one generation; the rest are counted."""
GENERATIONS_SHOWN_MAX = 1_000


class ProblemKind(StrEnum):
    """In which way a generation does not add up."""

    MISSING = "missing"
    DOUBLED = "doubled"
    DROPPED_AND_KEPT = "dropped_and_kept"
    EXPIRED_TWICE = "expired_and_stored"
    MISCOUNTED = "miscounted"
    GAPS = "gaps"
    STRANDED = "stranded"
    UNSENT = "unsent"
    UNKNOWN_GENERATION = "unknown_generation"
    UNNUMBERED = "unnumbered"
    AMBIGUOUS = "ambiguous"
    UNREADABLE_RECORD = "unreadable_record"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that does not add up, and where it is."""

    kind: ProblemKind
    text: str
    count: int = 1
    event_number: int | None = None
    offset: int | None = None
    """Where the event begins in its file, if that is known exactly."""
    next_offset: int | None = None
    """For what is missing: before which offset it must end."""
    after_offset: int | None = None
    """For what is missing: before which offset it cannot begin."""
    documents: tuple[str, ...] = ()
    """`<index>/<_id>` of each document concerned."""
    host_name: str = ""
    """Of what belongs to no generation: the host that it says it is of."""
    path: str = ""
    """Likewise, the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationVerdict:
    """What became of the events of one generation; the counts are of those below the cut."""

    facts: GenerationFacts
    expected_count: int = 0
    stored_count: int = 0
    dead_count: int = 0
    dropped_count: int = 0
    expired_count: int = 0
    in_flight_count: int = 0
    """Sent, and not below the cut; dead letters that wait for their index among them."""
    unfound_count: int = 0
    """Those of them of which every hop has told, and which may yet wait for the indexer:
    in its partition there is more than it could take in while the audit waited."""
    lagging_count: int = 0
    """Those of them that stand in dead letters which are not indexed yet."""
    missing: tuple[int, ...] = ()
    """The first `NAMED_MAX` of the numbers that are neither stored nor dead, as far as is
    known, and those that are stranded, which may be."""
    doubled: tuple[int, ...] = ()
    problems: tuple[Problem, ...] = ()
    beyond: int | None = None
    """The highest number stored, where no hop has spoken of it: newer than their words, or
    nobody's."""
    is_counted_only: bool = False
    """Some of it is held to a count, as its numbers are not known one by one."""
    is_settled: bool = False
    """Nothing of it is under way, and every hop says the same."""
    left_by: DeadAgent | None = None
    """The agent that saw more of the file than it sent, where nobody reads that any more."""
    left_bytes: int = 0
    """How much that is."""

    @property
    def is_sound(self) -> bool:
        """Whether everything below the cut adds up."""
        return not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """One audit: sound where every generation is."""

    verdicts: tuple[GenerationVerdict, ...]
    problems: tuple[Problem, ...] = ()
    """What belongs to no generation that is known."""
    is_deep: bool = False
    compared_count: int = 0
    """Documents whose bytes were compared with their digest and their id."""
    dead_lag_records: int = 0
    """Dead letters that were not yet indexed when the index was read."""
    lagging_unplaced_count: int = 0
    """Those of them that name no event, or cannot be decoded: they excuse nothing."""
    lagging_unread_count: int = 0
    """Those of them that were not read, as they were too many or are gone from Kafka:
    they excuse nothing, either."""
    unnamed_letter_count: int = 0
    """Dead letters in the index that name no event: one that is gone, or there twice, is
    in no sum."""
    waited_ms: int = 0
    """How long was waited, at most, for what is in flight; 0 where nobody wished to."""
    senders: Senders = field(default_factory=dict[str, Mapping[str, int]])
    """Who first sent documents of hosts, where an earlier life may have sent some."""
    silent: tuple[SilentAgent, ...] = ()
    """Agents whose heartbeats have ceased: what was written since, nobody has seen."""
    unopened: tuple[Unopened, ...] = ()
    """What agents that live have not looked at, or have read nothing of."""
    is_unspoken: bool = False
    """No agent and no hop has ever said a word: nothing is there to be judged."""
    repairs: tuple[str, ...] = ()
    """What became of each span that an agent was asked to send again, in words."""

    @property
    def is_sound(self) -> bool:
        """Whether all adds up; what is in flight is no contradiction."""
        return not self.problems and all(each.is_sound for each in self.verdicts)

    @property
    def unsound(self) -> tuple[GenerationVerdict, ...]:
        """The generations that do not add up."""
        return tuple(each for each in self.verdicts if not each.is_sound)

    @property
    def in_flight(self) -> tuple[GenerationVerdict, ...]:
        """The generations of which something is still under way."""
        return tuple(
            each
            for each in self.verdicts
            if not each.is_settled and each.left_by is None
        )

    @property
    def left(self) -> tuple[GenerationVerdict, ...]:
        """The generations of which an agent for which nobody waits left bytes unread."""
        return tuple(each for each in self.verdicts if each.left_by is not None)

    @property
    def unfound(self) -> tuple[GenerationVerdict, ...]:
        """The generations of which something told of was not found yet."""
        return tuple(each for each in self.verdicts if each.unfound_count)

    @property
    def counted_only(self) -> tuple[GenerationVerdict, ...]:
        """The generations of which something is held to a count alone."""
        return tuple(each for each in self.verdicts if each.is_counted_only)

    @property
    def unsent_by_reason(self) -> Mapping[str, int]:
        """What agents did not send, as it was beyond a rate, as the stream counted it."""
        found: Counter[str] = Counter()
        for each in self.verdicts:
            found.update(each.facts.unsent_by_reason)
        return found

    @property
    def left_out_by_reason(self) -> Mapping[str, int]:
        """What rules of the stream left out."""
        found: Counter[str] = Counter()
        for each in self.verdicts:
            found.update(each.facts.left_out_by_reason)
        return found

    @property
    def loss_unknown(self) -> tuple[GenerationVerdict, ...]:
        """The generations that were truncated while no agent looked."""
        return tuple(each for each in self.verdicts if each.facts.is_loss_unknown)

    @property
    def repeatable(self) -> tuple[GenerationVerdict, ...]:
        """The generations of which an earlier life may have sent something."""
        return tuple(
            each
            for each in self.verdicts
            if is_repeatable(each.facts, senders=self.senders)
        )

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way, and nothing may lie in files unseen.

        An agent that is gone for good is not waited for.
        """
        return (
            all(each.is_settled for each in self.verdicts)
            and all(each.is_gone for each in self.silent)
            and not is_awaited(self.unopened)
        )

    @property
    def is_stuck(self) -> bool:
        """Whether it is not settled, and waiting will not change that."""
        is_waiting = (
            self.in_flight
            or not all(each.is_gone for each in self.silent)
            or is_awaited(self.unopened)
        )
        return not self.is_settled and not is_waiting

    @property
    def is_overdue(self) -> bool:
        """Whether something is under way, or unseen, that was waited for."""
        return bool(self.waited_ms) and not self.is_settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over generations; what was read is below the cut."""

    generations: int
    read: int
    stored: int
    dead: int
    dropped: int
    expired: int
    in_flight: int
    unread_bytes: int
    lost_bytes: int


def totals_of(verdicts: Sequence[GenerationVerdict]) -> Totals:
    """Return the sums over some generations."""
    return Totals(
        generations=len(verdicts),
        read=sum(each.expected_count for each in verdicts),
        stored=sum(each.stored_count for each in verdicts),
        dead=sum(each.dead_count for each in verdicts),
        dropped=sum(each.dropped_count for each in verdicts),
        expired=sum(each.expired_count for each in verdicts),
        in_flight=sum(each.in_flight_count for each in verdicts),
        unread_bytes=sum(each.facts.unread_bytes for each in verdicts),
        lost_bytes=sum(each.facts.lost_bytes for each in verdicts),
    )


def totals_by_place(
    report: AuditReport,
) -> Mapping[tuple[str, str], Totals]:
    """Return the sums by dataset and host, in their order."""
    places: dict[tuple[str, str], list[GenerationVerdict]] = {}
    for verdict in report.verdicts:
        place = (verdict.facts.dataset, verdict.facts.host_name)
        places.setdefault(place, []).append(verdict)
    return {place: totals_of(places[place]) for place in sorted(places)}


def report_json(report: AuditReport) -> dict[str, Any]:
    """Return the whole report as one object for programs."""
    shown = GENERATIONS_SHOWN_MAX
    lost = [each for each in report.verdicts if each.facts.lost_bytes]
    expired = [each for each in report.verdicts if each.expired_count]
    return {
        "verdict": "sound" if report.is_sound else "unsound",
        "deep": report.is_deep,
        "settled": report.is_settled,
        "unspoken": report.is_unspoken,
        "compared_documents": report.compared_count,
        "repairs": list(report.repairs),
        "silent_agents": [_silent_json(each) for each in report.silent[:shown]],
        "unopened": [each.for_programs() for each in report.unopened[:shown]],
        "dead_letters_not_indexed": report.dead_lag_records,
        "dead_letters_not_indexed_without_number": report.lagging_unplaced_count,
        "dead_letters_not_indexed_and_unread": report.lagging_unread_count,
        "dead_letters_without_number": report.unnamed_letter_count,
        "totals": _totals_json(totals_of(report.verdicts)),
        "dropped_by_reason": {**report.unsent_by_reason, **report.left_out_by_reason},
        "by_dataset_and_host": [
            {"dataset": dataset, "host": host, **_totals_json(totals)}
            for (dataset, host), totals in totals_by_place(report).items()
        ],
        "problems": [_problem_json(each) for each in report.problems],
        "generations": [
            {
                **_place_json(each),
                "read": each.expected_count,
                "stored": each.stored_count,
                "dead": each.dead_count,
                "dropped": each.dropped_count,
                "expired": each.expired_count,
                "problems": [_problem_json(one) for one in each.problems],
            }
            for each in report.unsound[:shown]
        ],
        "in_flight": [_in_flight_json(each) for each in report.in_flight[:shown]],
        "left": [
            _left_json(each, left_by=each.left_by)
            for each in report.left[:shown]
            if each.left_by is not None
        ],
        "lost": [
            {**_place_json(each), "bytes": dict(each.facts.agent.lost_bytes)}
            for each in lost[:shown]
            if each.facts.agent is not None
        ],
        "loss_unknown": [_place_json(each) for each in report.loss_unknown[:shown]],
        "counted_only": [_place_json(each) for each in report.counted_only[:shown]],
        "expired": [
            {**_place_json(each), "events": each.expired_count}
            for each in expired[:shown]
        ],
        "duplicates_possible": [
            {**_place_json(each), "bytes": repeatable_bytes(each.facts)}
            for each in report.repeatable[:shown]
        ],
        "duplicates_possible_bytes": sum(
            repeatable_bytes(each.facts) for each in report.repeatable
        ),
    }


def _place_json(verdict: GenerationVerdict) -> dict[str, Any]:
    facts = verdict.facts
    return {
        "generation": facts.generation,
        "host": facts.host_name,
        "path": facts.path,
        "dataset": facts.dataset,
        "next_event_number": facts.cut,
    }


def _in_flight_json(verdict: GenerationVerdict) -> dict[str, Any]:
    return {
        **_place_json(verdict),
        "events": verdict.in_flight_count,
        "unread_bytes": verdict.facts.unread_bytes,
        "told_and_not_found": verdict.unfound_count,
    }


def _left_json(verdict: GenerationVerdict, *, left_by: DeadAgent) -> dict[str, Any]:
    return {
        **_place_json(verdict),
        "bytes": verdict.left_bytes,
        "agent": left_by.agent_id,
        "silent_since_ms": left_by.silent_since_ms,
        "gone": left_by.is_gone,
    }


def _silent_json(silent: SilentAgent) -> dict[str, Any]:
    return {
        "agent": silent.agent_id,
        "host": silent.host_name,
        "silent_since_ms": silent.silent_since_ms,
        "complete_to_ms": silent.complete_to_ms,
        "gone": silent.is_gone,
        "clock_ahead_ms": silent.ahead_ms,
    }


def _problem_json(problem: Problem) -> dict[str, Any]:
    return {
        "kind": problem.kind.value,
        "text": problem.text,
        "count": problem.count,
        "event_number": problem.event_number,
        "offset": problem.offset,
        "after_offset": problem.after_offset,
        "next_offset": problem.next_offset,
        "documents": list(problem.documents),
        "host": problem.host_name,
        "path": problem.path,
    }


def _totals_json(totals: Totals) -> dict[str, int]:
    return {name: getattr(totals, name) for name in Totals.__slots__}
