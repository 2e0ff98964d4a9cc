"""Whether all is well with what `tailrace up` started, and if not, why: a judgement.

What is judged is gathered in `status_facts`; here nothing is read.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tailrace.misfits import Misfits, misfit_notes
from tailrace.supervise import MemberRecord, MemberState
from tailrace.up_record import Phase, UpRecord


class RoleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the roles say of themselves."""

    lost_bytes: int = 0
    unread_bytes: int = 0
    """What stands in files and is not acknowledged by Kafka."""
    held_indices: dict[str, str] = {}
    """By index, why its documents are held back."""
    dead_letters: int = 0
    misfits: Misfits = Misfits()
    problems: list[str] = []
    warnings: list[str] = []


class StatusFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one data folder."""

    data_dir: str
    now_ms: int
    up: UpRecord | None
    """None when no supervisor lives."""
    lag_records: dict[str, int] = {}
    """By role, the records of Kafka that it has still to read."""
    missed_records: dict[str, int] = {}
    """By role, the records that Kafka's retention took before it read them."""
    standing_ms: dict[str, int] = {}
    """By role that has records to read and did not move, how long it was watched."""
    waiting_lines: int = 0
    """Sent and not stored, as the ledger has it."""
    documents: int | None = None
    roles: RoleFacts = RoleFacts()
    unreachable: list[str] = []
    last_lines: dict[str, list[str]] = {}
    """By member that is not running, or was started again, the end of its log."""


class MemberStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One server or role."""

    name: str
    kind: str
    state: MemberState
    pid: int | None
    restarts: int
    last_exit: int | None
    since_s: int
    log_path: str
    last_lines: list[str]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement, with everything it rests on."""

    ok: bool
    reasons: list[str]
    """Why not all is well; empty exactly when it is."""
    warnings: list[str]
    data_dir: str
    phase: str
    pid: int | None
    uptime_s: int
    dashboard_url: str
    searchable_after_ms: int | None
    watched: list[str]
    members: list[MemberStatus]
    lag_records: dict[str, int]
    waiting_lines: int
    unread_bytes: int
    documents: int | None
    lost_bytes: int
    dead_letters: int
    misfits: Misfits
    """Values that did not fit their fields, of the last day."""
    held_indices: dict[str, str]


def judge(facts: StatusFacts) -> Status:
    """Say whether all is well, and each reason why not."""
    up = facts.up
    reasons = list(_reasons(facts))
    return Status(
        ok=not reasons,
        reasons=reasons,
        warnings=list(_warnings(facts)),
        data_dir=facts.data_dir,
        phase=up.phase if up else "stopped",
        pid=up.pid if up else None,
        uptime_s=(facts.now_ms - up.started_at_ms) // 1_000 if up else 0,
        dashboard_url=up.dashboard_url if up else "",
        searchable_after_ms=up.searchable_after_ms if up else None,
        watched=up.watched if up else [],
        members=[_member(one, facts=facts) for one in up.members] if up else [],
        lag_records=facts.lag_records,
        waiting_lines=facts.waiting_lines,
        unread_bytes=facts.roles.unread_bytes,
        documents=facts.documents,
        lost_bytes=facts.roles.lost_bytes,
        dead_letters=facts.roles.dead_letters,
        misfits=facts.roles.misfits,
        held_indices=facts.roles.held_indices,
    )


def _reasons(facts: StatusFacts) -> Iterator[str]:
    up = facts.up
    if up is None:
        yield f"nothing runs on the data folder {facts.data_dir}"
        return
    if up.phase is not Phase.RUNNING:
        yield f"it is still {up.phase}"
    for member in up.members:
        if member.state is not MemberState.RUNNING:
            yield f"{member.name} is {_state_text(member)}"
    if up.phase is Phase.RUNNING and up.has_roles and up.searchable_after_ms is None:
        yield "no line has become searchable since the start"
    elif up.phase is Phase.RUNNING and up.has_roles and not up.dashboard_url:
        yield "the dashboard has not said where it answers; see its log"
    yield from facts.unreachable
    for index, why in facts.roles.held_indices.items():
        if not any(index in problem for problem in facts.roles.problems):
            yield f"documents for {index} are held back: {why}"
    yield from facts.roles.problems
    for role, watched_ms in facts.standing_ms.items():
        yield (
            f"the {role} has {facts.lag_records.get(role, 0):,} records to read, and"
            f" committed none in the {watched_ms // 1_000} s that it was watched; see its"
            " log"
        )


def _warnings(facts: StatusFacts) -> Iterator[str]:
    if facts.up is not None:
        for member in facts.up.members:
            if member.restarts:
                times = "once" if member.restarts == 1 else f"{member.restarts} times"
                yield f"{member.name} was started again {times}{_exit_text(member)}"
    yield from facts.roles.warnings
    for role, count in facts.missed_records.items():
        if count:
            yield (
                f"Kafka's retention took {count} records before the {role} read them;"
                " `tailrace audit --repair` has sent again what their files still hold"
            )
    if facts.roles.lost_bytes:
        yield f"{facts.roles.lost_bytes} bytes were gone before they could be read"
    if facts.roles.dead_letters:
        yield f"{facts.roles.dead_letters} events are among the dead letters"
    yield from misfit_notes(facts.roles.misfits)


def _state_text(member: MemberRecord) -> str:
    shown = member.state.replace("_", " ")
    why = f": {member.last_error}" if member.last_error else ""
    return f"{shown}{_exit_text(member)}{why}"


def _exit_text(member: MemberRecord) -> str:
    if member.last_exit is None:
        return ""
    if member.last_exit < 0:
        return f", ended by signal {-member.last_exit}"
    return f", ended with exit code {member.last_exit}"


def _member(member: MemberRecord, *, facts: StatusFacts) -> MemberStatus:
    return MemberStatus(
        name=member.name,
        kind=member.kind,
        state=member.state,
        pid=member.pid,
        restarts=member.restarts,
        last_exit=member.last_exit,
        since_s=max(facts.now_ms - member.since_ms, 0) // 1_000,
        log_path=member.log_path,
        last_lines=facts.last_lines.get(member.name, []),
    )
