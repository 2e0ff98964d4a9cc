"""How holes are filled: lost letters are delivered again, and agents asked for the rest."""

from __future__ import annotations

from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, replace
from typing import Protocol

from tailrace.audit.holes import neighbours_of, requests_for
from tailrace.audit.index import ElasticIndex
from tailrace.audit.sources import StoredPlace
from tailrace.audit.verdict import AuditReport, GenerationVerdict, ProblemKind
from tailrace.clock import Clock
from tailrace.dead.lost import Redelivered, Redelivering
from tailrace.fleet.nodes import live_agents
from tailrace.holes import HoleRequest, ask, waiting_requests
from tailrace.ledger import HoleAnswer, LedgerRecord
from tailrace.zookeeper import ZooKeeper
from tailrace.zookeeper_rights import Login

ANSWERS_WAIT_MS_MAX = 120_000
"""An agent looks every few seconds, and reads a span twice for one answer."""
BYTES_PER_MS_MIN = 1_024
"""As fast, at least, a long span is read, sent and stored: so much longer is waited."""
ROUNDS_MAX = 100
"""The audit names so many missing events of a file at once; the next round asks for others."""
POLL_MS = 500
CONNECT_MS_MAX = 10_000
STORED_WAIT_MS_MAX = 60_000
"""How long what was sent again may take to the index, before the audit says what is left."""
LOOK_AGAIN_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One span, and what became of the question."""

    request: HoleRequest
    agent_id: str
    answer: HoleAnswer | None = None
    why_not: str = ""
    """Why there is no answer, in words."""
    missing_count: int = 0
    """Of a span that was sent again, how many events are missing all the same."""

    @property
    def is_filled(self) -> bool:
        """Whether the agent has sent the span again."""
        return self.answer is not None and not self.answer.refusal

    def sentence(self) -> str:
        """Return what became of it, for a person; the path is still as it is."""
        span = (
            f"{self.request.path}, {self.request.event_count} events from offset"
            f" {self.request.first_offset}"
        )
        if self.is_filled and self.missing_count:
            return (
                f"sent again, and {self.missing_count} of them are missing all the same:"
                f" {span}; `tailrace why` tells how far one of them came"
            )
        if self.is_filled:
            return f"sent again: {span}"
        why = self.answer.refusal if self.answer is not None else self.why_not
        return f"not sent again: {span}: {why}"


class Ledger(Protocol):
    """Where answers stand."""

    def __call__(self) -> Iterable[LedgerRecord]:
        """Return every record there is now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairing:
    """Where spans are found, whom they are asked of, and where answers stand."""

    index: ElasticIndex
    ledger: Ledger
    redelivering: Redelivering
    zookeeper_hosts: str
    zookeeper_login: Login | None
    namespace: str
    clock: Clock

    def until_sound(
        self,
        report: AuditReport,
        *,
        look: Callable[[], AuditReport],
        tell: Callable[[str], None],
    ) -> AuditReport:
        """Ask for what a report misses, and look again until that is stored.

        The last report is returned, with what became of each question.

        Raises:
            ServiceUnavailable: a server does not answer.
        """
        done: list[Asked | Redelivered] = []
        for _round in range(ROUNDS_MAX):
            before = _missing_of(report)
            this_round, report = self._round(report, look=look, tell=tell)
            done += this_round
            filled = [e for e in this_round if isinstance(e, Asked) and e.is_filled]
            is_over = any(each.missing_count for each in filled) or not filled
            left = _missing_of(report)
            if is_over or not left or left == before:
                break
        # What one round could not do the next says once more.
        said = dict.fromkeys(each.sentence() for each in done)
        return replace(report, repairs=tuple(said))

    def _round(
        self,
        report: AuditReport,
        *,
        look: Callable[[], AuditReport],
        tell: Callable[[str], None],
    ) -> tuple[list[Asked | Redelivered], AuditReport]:
        """Ask for what the audit names as missing now, and look until that is stored."""
        redelivered = self.redelivering.redeliver(named_missing(report))
        if redelivered:
            tell(f"{len(redelivered)} dead letters were delivered before, sent again")
        answered = {(each.letter.generation, each.number) for each in redelivered}
        zookeeper = ZooKeeper.connect(self.zookeeper_hosts, login=self.zookeeper_login)
        try:
            zookeeper.wait_connected(wait_ms_max=CONNECT_MS_MAX)
            asked = repair(
                without(report, answered),
                index=self.index,
                zookeeper=zookeeper,
                namespace=self.namespace,
                ledger=self.ledger,
                clock=self.clock,
                tell=tell,
            )
        finally:
            zookeeper.close()
        filled = [each for each in asked if each.is_filled]
        wait_ms = STORED_WAIT_MS_MAX + _longer_ms(each.request for each in filled)
        deadline_ms = self.clock.monotonic_ms() + wait_ms
        again = look()
        while (
            any(with_missing(each, again).missing_count for each in filled)
            and self.clock.monotonic_ms() < deadline_ms
        ):
            tell("what was sent again is on its way, looking again")
            self.clock.sleep_ms(LOOK_AGAIN_MS)
            again = look()
        sent = [with_missing(each, again) for each in asked]
        return [*redelivered, *sent], again


def _missing_of(report: AuditReport) -> dict[str, tuple[int, ...]]:
    return {e.facts.generation: e.missing for e in report.verdicts if e.missing}


def _longer_ms(requests: Iterable[HoleRequest]) -> int:
    """Return how much longer than for a short span it may take, for all of them."""
    size_bytes = sum(each.next_offset - each.first_offset for each in requests)
    return size_bytes // BYTES_PER_MS_MIN


def named_missing(report: AuditReport) -> dict[str, list[int]]:
    """Return what is missing for sure, by generation.

    Where retention took some of a window, none is: which of them expired is not known.
    """
    named: dict[str, list[int]] = {}
    for verdict in report.verdicts:
        for problem in verdict.problems:
            if problem.kind is ProblemKind.MISSING and problem.event_number is not None:
                numbers = named.setdefault(verdict.facts.generation, [])
                numbers.append(problem.event_number)
    return named


def with_missing(asked: Asked, report: AuditReport) -> Asked:
    """Return the question with how many of its events a later report misses."""
    first = asked.request.first_event_number
    span = range(first, first + asked.request.event_count)
    missing = [
        number
        for verdict in report.verdicts
        if verdict.facts.generation == asked.request.generation
        for number in verdict.missing
        if number in span
    ]
    return replace(asked, missing_count=len(missing))


def without(report: AuditReport, answered: Collection[tuple[str, int]]) -> AuditReport:
    """Return the report without events, by generation and number, that no file brings back.

    From its file a dead letter's line would come as it was refused the first time.
    """
    return replace(
        report,
        verdicts=tuple(
            replace(
                verdict,
                missing=tuple(
                    number
                    for number in verdict.missing
                    if (verdict.facts.generation, number) not in answered
                ),
            )
            for verdict in report.verdicts
        ),
    )


def repair(
    report: AuditReport,
    *,
    index: ElasticIndex,
    zookeeper: ZooKeeper,
    namespace: str,
    ledger: Ledger,
    clock: Clock,
    tell: Callable[[str], None],
) -> list[Asked]:
    """Ask for every span that misses an event, and wait for the answers.

    Raises:
        ServiceUnavailable: a server does not answer.
    """
    before = _answers(ledger())
    live = {
        agent_id: node.host_id
        for agent_id, node in live_agents(zookeeper, namespace=namespace).items()
    }
    asked: list[Asked] = []
    for verdict, request in _requests(report, index=index):
        agent_id = _agent_for(verdict, live=live)
        if agent_id is None:
            why = "no agent of its host is registered now"
            asked.append(Asked(request=request, agent_id="", why_not=why))
        elif ask(zookeeper, request, namespace=namespace, agent_id=agent_id):
            asked.append(Asked(request=request, agent_id=agent_id))
        else:
            why = f"agent {agent_id} has as many spans to read as it may; repair again"
            asked.append(Asked(request=request, agent_id=agent_id, why_not=why))
    tell(f"asked agents for {sum(not each.why_not for each in asked)} spans")
    _await_nodes(asked, zookeeper, namespace=namespace, clock=clock)
    # An answer to an earlier question is none to this one.
    answers = {
        key: answer
        for key, answer in _answers(ledger()).items()
        if before.get(key) != answer
    }
    return [_with_answer(each, answers) for each in asked]


def _answers(
    records: Iterable[LedgerRecord],
) -> dict[tuple[str, int], HoleAnswer]:
    return {
        (record.generation, record.first_offset): record
        for record in records
        if isinstance(record, HoleAnswer)
    }


def _requests(
    report: AuditReport, *, index: ElasticIndex
) -> Iterator[tuple[GenerationVerdict, HoleRequest]]:
    incomplete = [verdict for verdict in report.verdicts if verdict.missing]
    if not incomplete:
        return
    with index.snapshot() as snapshot:
        for verdict in incomplete:
            facts = verdict.facts
            found: Sequence[StoredPlace] = snapshot.places(
                facts.generation,
                numbers=neighbours_of(verdict.missing, unsent=facts.unsent),
            )
            places = {place.number: place for place in found}
            for request in requests_for(verdict, places=places):
                yield verdict, request


def _agent_for(verdict: GenerationVerdict, *, live: Mapping[str, str]) -> str | None:
    """Return the agent that sent the generation, or another one of its host."""
    agent = verdict.facts.agent
    if agent is None:
        return None
    if agent.agent_id in live:
        return agent.agent_id
    return next((name for name, host in live.items() if host == agent.host_id), None)


def _await_nodes(
    asked: Sequence[Asked], zookeeper: ZooKeeper, *, namespace: str, clock: Clock
) -> None:
    """Return when every request is gone from ZooKeeper, or the wait is over."""
    names: dict[str, set[str]] = {}
    for each in asked:
        if not each.why_not:
            names.setdefault(each.agent_id, set()).add(each.request.name)
    waited_for = (each.request for each in asked if not each.why_not)
    deadline_ms = clock.monotonic_ms() + ANSWERS_WAIT_MS_MAX + _longer_ms(waited_for)
    while names and clock.monotonic_ms() < deadline_ms:
        clock.sleep_ms(POLL_MS)
        for agent_id in list(names):
            names[agent_id] &= waiting_requests(
                zookeeper, namespace=namespace, agent_id=agent_id
            ).keys()
            if not names[agent_id]:
                del names[agent_id]


def _with_answer(asked: Asked, answers: Mapping[tuple[str, int], HoleAnswer]) -> Asked:
    if asked.why_not:
        return asked
    request = asked.request
    answer = answers.get((request.generation, request.first_offset))
    if answer is None:
        why = f"agent {asked.agent_id} has not answered in time; it may yet"
        return replace(asked, why_not=why)
    return replace(asked, answer=answer)
