"""How an audit is shown to a person: totals first, then each thing that does not add up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tailrace.audit.letter_remarks import letter_remarks
from tailrace.audit.repeats import repeatable_bytes
from tailrace.audit.silent import SilentAgent
from tailrace.audit.unopened import awaited_text, unopened_remarks
from tailrace.audit.unopened import overdue as unopened_overdue
from tailrace.audit.verdict import (
    AuditReport,
    GenerationVerdict,
    Problem,
    ProblemKind,
    Totals,
    totals_by_place,
    totals_of,
)
from tailrace.errors import CommandFailed
from tailrace.moments import moment_text
from tailrace.silence import GONE_MS
from tailrace.text import printable

LINES_MAX = 50
"""Generations of one kind that are listed; `--json` has more."""
WAIT_S_WISHED = 60
"""All that lies between file and index has mostly come by then."""
LEFT_REMEDY = (
    "start that agent again, or, where its data folder is lost, one with its sources on"
    " the same host, which takes its files over; then audit again. After"
    f" {GONE_MS // 3_600_000} hours of its silence nobody waits for them any more"
)
_COLUMNS = ("read", "stored", "dead", "dropped", "expired", "in_flight", "lost_bytes")


def show(report: AuditReport) -> None:
    """Write the report to standard output, every text made harmless."""
    console = Console(soft_wrap=True)
    console.print(_totals(report))
    for line in report_lines(report):
        console.print(Text(printable(line)))


def report_lines(report: AuditReport) -> Iterator[str]:
    """Yield what follows the totals; log text and paths are still as they are."""
    for sentence in report.repairs:
        yield f"REPAIR {sentence}"
    for problem in report.problems:
        yield f"WRONG  {problem_text(problem)}"
    unsound = report.unsound
    for verdict in unsound[:LINES_MAX]:
        yield f"WRONG  {_place(verdict)}"
        for problem in verdict.problems:
            yield f"         {problem_text(problem)}"
    yield from _more(len(unsound), "that do not add up")
    moving = report.in_flight
    for verdict in moving[:LINES_MAX]:
        yield f"MOVING {_place(verdict)}: {_moving(verdict)}"
    yield from _more(len(moving), "in flight")
    yield from _left_behind(report)
    yield from _remarks(report)
    yield _verdict(report)


def overdue(report: AuditReport) -> CommandFailed:
    """Return the failure of an audit that waited for something which did not come."""
    if report.is_stuck:
        return CommandFailed(
            f"{_left_text(report)}: nobody reads that, so to wait for it is in vain.",
            remedy=LEFT_REMEDY,
        )
    waited = f"after {report.waited_ms / 1_000:g} s"
    if not report.in_flight and not _awaited(report):
        return unopened_overdue(report.unopened, waited=waited)
    if not report.in_flight:
        return CommandFailed(
            f"{_unheard_text(report, still=' still')} {waited}: what was written since is"
            " in no hop's word.",
            remedy="start the agent, or find out why it stands still (`tailrace status`,"
            f" `tailrace fleet list`), and audit again; after {GONE_MS // 3_600_000}"
            " hours of silence it is not waited for any more",
        )
    what = _in_flight_text(report)
    longer_s = max(2 * report.waited_ms / 1_000, WAIT_S_WISHED)
    silent = f", and {_unheard_text(report)}" if _awaited(report) else ""
    return CommandFailed(
        f"{what[:1].upper()}{what[1:]} still in flight {waited}{silent}.",
        remedy=f"wait longer (`tailrace audit --wait {longer_s:g}`); where that does"
        " not help, `tailrace status` says which role stands still, and"
        " `tailrace why PATH:LINE` how far a line of it has come",
    )


def problem_text(problem: Problem) -> str:
    """Return one problem in words, with its place."""
    where = ""
    if problem.event_number is not None:
        where = f"event {problem.event_number}"
    if problem.offset is not None:
        where = f"{where} at offset {problem.offset}".strip()
    elif problem.after_offset is not None and problem.next_offset is not None:
        span = f"between offsets {problem.after_offset} and {problem.next_offset}"
        where = f"{where} {span}".strip()
    elif problem.next_offset is not None:
        where = f"{where} before offset {problem.next_offset}".strip()
    if problem.path:
        file = f"{problem.host_name or '?'}:{problem.path}"
        where = f"{where} of {file}" if where else file
    documents = f" ({', '.join(problem.documents)})" if problem.documents else ""
    label = problem.kind.value.replace("_", " ")
    return f"{label}: {where + ': ' if where else ''}{problem.text}{documents}"


def _totals(report: AuditReport) -> Table:
    table = Table(title=None, pad_edge=False, box=SIMPLE_HEAD, padding=(0, 0))
    # No figure is cut, and a name that finds no room goes on in the next line.
    table.add_column("dataset", overflow="fold")
    table.add_column("host", overflow="fold")
    for name in _COLUMNS:
        table.add_column(name.replace("_", "\n"), justify="right", no_wrap=True)
    for (dataset, host), totals in totals_by_place(report).items():
        table.add_row(Text(printable(dataset)), Text(printable(host)), *_cells(totals))
    table.add_section()
    table.add_row("all", "", *_cells(totals_of(report.verdicts)))
    return table


def _cells(totals: Totals) -> list[str]:
    return [f"{getattr(totals, name):,}" for name in _COLUMNS]


def _place(verdict: GenerationVerdict) -> str:
    facts = verdict.facts
    return (
        f"{facts.host_name or '?'}:{facts.path or '?'} (generation {facts.generation})"
    )


def _moving(verdict: GenerationVerdict) -> str:
    parts: list[str] = []
    if verdict.in_flight_count:
        count = verdict.in_flight_count
        events = "1 event" if count == 1 else f"{count:,} events"
        parts.append(f"{events} sent and not yet stored")
    if verdict.facts.unread_bytes:
        parts.append(f"{verdict.facts.unread_bytes:,} bytes not yet read")
    return ", ".join(parts) or "a hop has not yet said what it did"


def _left_behind(report: AuditReport) -> Iterator[str]:
    left = report.left
    for verdict in left[:LINES_MAX]:
        agent = verdict.left_by
        if agent is None:
            continue
        waited = "; it is not waited for any more" if agent.is_gone else ""
        yield (
            f"LEFT   {_place(verdict)}: {verdict.left_bytes:,} bytes that agent"
            f" {agent.agent_id} had seen, and not sent before it fell silent at"
            f" {_moment(agent.silent_since_ms)}: no agent has taken them up{waited}"
        )
    yield from _more(len(left), "with bytes left unread")
    if report.is_stuck:
        yield f"       {LEFT_REMEDY}"


def _left_text(report: AuditReport) -> str:
    awaited = [each for each in report.left if not each.is_settled]
    count = sum(each.left_bytes for each in awaited)
    files = "1 file" if len(awaited) == 1 else f"{len(awaited):,} files"
    agents = {each.left_by.agent_id for each in awaited if each.left_by is not None}
    by = "an agent that is" if len(agents) == 1 else f"{len(agents):,} agents that are"
    return f"{count:,} bytes of {files} are left unread by {by} silent"


def _remarks(report: AuditReport) -> Iterator[str]:
    lost = [each for each in report.verdicts if each.facts.lost_bytes]
    for verdict in lost[:LINES_MAX]:
        agent = verdict.facts.agent
        reasons = ", ".join(
            f"{count:,} bytes {reason}"
            for reason, count in sorted((agent.lost_bytes if agent else {}).items())
        )
        yield f"LOST   {_place(verdict)}: declared by its agent: {reasons}"
    yield from _more(len(lost), "with lost bytes")
    yield from _unsent_remarks(report)
    yield from _way_back(report)
    unknown = report.loss_unknown
    for verdict in unknown[:LINES_MAX]:
        # Chunks that came tell of those before them that did not.
        seen = max(verdict.facts.lost_bytes, verdict.facts.unacked_gap_bytes)
        beside = f"beside {seen:,} bytes that were seen, " if seen else ""
        yield (
            f"NOTE   {_place(verdict)}: truncated or deleted while no agent looked, and no"
            f" copy of it was found: {beside}what was written last may be lost, and nobody"
            " can count it"
        )
    yield from _more(len(unknown), "with a loss that nobody can count")
    repeatable = report.repeatable
    for verdict in repeatable[:LINES_MAX]:
        size_bytes = repeatable_bytes(verdict.facts)
        amount = f"up to {size_bytes:,} bytes" if size_bytes else "earlier lines"
        yield (
            f"NOTE   {_place(verdict)}: checkpoint and ledger were both gone, so"
            f" {amount} of this file may be stored a second time"
        )
    yield from _more(len(repeatable), "with duplicates possible")
    unfound = report.unfound
    for verdict in unfound[:LINES_MAX]:
        yield (
            f"NOTE   {_place(verdict)}: {verdict.unfound_count:,} events were told of and"
            " are not there; they may stand in what the indexers have not taken in yet"
            f" (partition {verdict.facts.partition}): audit again with --wait"
        )
    yield from _more(len(unfound), "with events that were not found yet")
    counted = report.counted_only
    for verdict in counted[:LINES_MAX]:
        yield (
            f"NOTE   {_place(verdict)}: held to counts in part, as not every number is"
            " told of what was dropped, or sent by another collector"
        )
    yield from _more(len(counted), "held to counts in part")
    yield from _silent_remarks(report.silent)
    yield from unopened_remarks(report.unopened)
    yield from letter_remarks(report)


def _verdict(report: AuditReport) -> str:
    totals = totals_of(report.verdicts)
    compared = (
        f", {report.compared_count:,} documents compared byte for byte"
        if report.is_deep
        else ""
    )
    if not report.is_sound:
        problems = [*report.problems, *(p for v in report.unsound for p in v.problems)]
        count = sum(problem.count for problem in problems)
        noun = "contradiction" if count == 1 else "contradictions"
        return f"It does NOT add up: {count:,} {noun}, as shown above{compared}."
    moving = f"; {totals.in_flight:,} in flight" if report.in_flight else ""
    if unfound := sum(each.unfound_count for each in report.unfound):
        return (
            f"Nothing contradicts, and {unfound:,} of {totals.read:,} events are still to"
            f" be found{moving}{compared}."
        )
    if report.is_overdue and report.in_flight:
        return (
            f"NOT all has come: {_in_flight_text(report)} still in flight;"
            f" {totals.read:,} events before add up, each exactly once{compared}."
        )
    awaited = _awaited(report)
    if awaited:
        since_ms = min(each.complete_to_ms for each in awaited)
        return (
            f"What was sent adds up: {totals.read:,} events, each exactly once{moving}"
            f"{compared}. Whether that is all nobody can say: {_unheard_text(report)},"
            f" and what was written since {_moment(since_ms)} is unseen."
        )
    if unread := awaited_text(report.unopened):
        return (
            f"What was sent adds up: {totals.read:,} events, each exactly once{moving}"
            f"{compared}. But {unread}."
        )
    if any(not each.is_settled for each in report.left):
        return (
            f"What was sent adds up: {totals.read:,} events, each exactly once{moving}"
            f"{compared}. But {_left_text(report)}."
        )
    if report.is_unspoken:
        return (
            "There is nothing to add up: no agent has ever said a word here. See that"
            " one runs, and that it is of this namespace."
        )
    gone = f"; {_gone_text(report)}" if report.silent else ""
    return (
        f"Everything adds up: {totals.read:,} events, each exactly once{moving}"
        f"{gone}{compared}."
    )


def _awaited(report: AuditReport) -> list[SilentAgent]:
    return [each for each in report.silent if not each.is_gone]


def _unheard_text(report: AuditReport, *, still: str = "") -> str:
    ahead = sum(1 for each in _awaited(report) if each.ahead_ms)
    silent = len(_awaited(report)) - ahead
    parts: list[str] = []
    if silent:
        agents = "1 agent is" if silent == 1 else f"{silent:,} agents are"
        parts.append(f"{agents}{still} silent")
    if ahead == 1:
        parts.append("1 agent whose clock is ahead was not heard")
    elif ahead:
        parts.append(f"{ahead:,} agents whose clocks are ahead were not heard")
    return " and ".join(parts)


def _gone_text(report: AuditReport) -> str:
    count = len(report.silent)
    agents = "1 agent is" if count == 1 else f"{count:,} agents are"
    files = "its files" if count == 1 else "their files"
    return f"{agents} gone, and nobody looks at {files}"


def _moment(at_ms: int) -> str:
    return f"{moment_text(at_ms)[: -len('.000')]} UTC"


def _unsent_remarks(report: AuditReport) -> Iterator[str]:
    unsent = [each for each in report.verdicts if each.facts.unsent_by_reason]
    for verdict in unsent[:LINES_MAX]:
        yield (
            f"DROP   {_place(verdict)}: not sent by its agent, as they were beyond the rate"
            f" of their source: {_by_reason(verdict.facts.unsent_by_reason)}"
        )
    yield from _more(len(unsent), "beyond the rate of their source")
    left_out = [each for each in report.verdicts if each.facts.left_out_by_reason]
    for verdict in left_out[:LINES_MAX]:
        yield (
            f"DROP   {_place(verdict)}: left out by rules of the stream:"
            f" {_by_reason(verdict.facts.left_out_by_reason)}"
        )
    yield from _more(len(left_out), "of which rules left events out")


def _by_reason(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} events {reason}" for reason, n in sorted(counts.items()))


def _way_back(report: AuditReport) -> Iterator[str]:
    kinds = {each.kind for one in report.verdicts for each in one.problems}
    if ProblemKind.ALTERED in kinds:
        yield (
            "NOTE   a document that is not what was stored comes back as its file has it:"
            " delete it in Elasticsearch, and run `tailrace audit --repair`"
        )


def _silent_remarks(silent: Sequence[SilentAgent]) -> Iterator[str]:
    for agent in silent[:LINES_MAX]:
        waited = (
            f"; it is not waited for after {GONE_MS // 3_600_000} hours"
            if agent.is_gone
            else ""
        )
        if agent.ahead_ms:
            yield (
                f"NOTE   {agent.host_name}: agent {agent.agent_id} has its clock ahead by"
                f" {agent.ahead_ms // 1_000:,} s: whether it lives cannot be told from one"
                " look, --wait listens for its next heartbeat"
            )
            continue
        yield (
            f"NOTE   {agent.host_name}: agent {agent.agent_id} is silent since"
            f" {_moment(agent.silent_since_ms)}, stopped or frozen: this is complete only"
            f" up to {_moment(agent.complete_to_ms)}, when it last looked at its"
            f" files{waited}"
        )
    if len(silent) > LINES_MAX:
        yield f"       and {len(silent) - LINES_MAX:,} more agents silent; see --json"


def _in_flight_text(report: AuditReport) -> str:
    count = totals_of(report.verdicts).in_flight
    if count:
        return "1 event is" if count == 1 else f"{count:,} events are"
    # Bytes that were not read yet, or a hop that has not said what it did.
    files = len(report.in_flight)
    return f"something of {'1 file' if files == 1 else f'{files:,} files'} is"


def _more(count: int, what: str) -> Iterator[str]:
    if count > LINES_MAX:
        yield f"       and {count - LINES_MAX:,} more generations {what}; see --json"
