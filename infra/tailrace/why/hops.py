"""What each hop says of one place in one generation, as values; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tailrace.audit.facts import GenerationFacts
from tailrace.framing import MappedEvent
from tailrace.ledger import OVERLOAD, REDIRECTED, SAMPLED, UNSENT, WINDOW_EVENTS
from tailrace.number_sets import NumberSet
from tailrace.revised_indices import base_of

_DROPPED: Final = {
    OVERLOAD: "dropped by its agent: beyond the rate of its source (`overload`)",
    REDIRECTED: (
        "redirected by its agent, as it was beyond the rate of its source: it is on the"
        " topic `overflow`, as long as Kafka keeps it there"
    ),
}

_SENT_OF: Final = {
    OVERLOAD: "its number alone was sent",
    REDIRECTED: "sent to the topic `overflow`, and its number to the stream",
}


class State(StrEnum):
    """How far a line is at one hop."""

    DONE = "done"
    WAITING = "waiting"
    REFUSED = "refused"
    MISSING = "missing"
    DOUBLED = "doubled"
    ALTERED = "altered"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class HopVerdict:
    """One hop's part of the answer."""

    hop: str
    state: State
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the stream's own code makes of the line today, under its placement."""

    document_id: str = ""
    """Empty where the bytes of the file are not at hand, of which it is made."""
    index: str = ""
    dataset: str = ""
    parser: str = ""
    is_recognised: bool = True
    dead_reason: str = ""
    """Why no document can be made of it; empty where one can."""
    left_out_by: str = ""
    """The reason by which the ledger would count it, as rules leave it out today."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What Elasticsearch holds of the line."""

    documents: Sequence[str] = ()
    """`<index>/<_id>` of each document of this place."""
    dead: Sequence[str] = ()
    """Each dead letter of this place that is not delivered: stage, reason and detail."""
    perhaps_dead: Sequence[str] = ()
    """Each of many events that begins before this place, and may end before it, too."""
    delivered: Sequence[str] = ()
    """Each one whose document a retry has stored since: reason and fix."""
    altered: Sequence[str] = ()
    """What is wrong with each document that is not what was stored."""
    is_where_computed: bool = False
    """One of them lies under the very id, in the very index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePlace:
    """The line that is asked about."""

    generation: str
    offset: int
    line: bytes
    """The event's bytes as they were sent, without the newline that ended it."""
    event_number: int | None = None
    event: MappedEvent | None = None
    """As its file holds it; None where only a text told of it, and not in which bytes."""
    copy_path: str = ""
    """The file that was asked about, where it is a copy of the generation's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Everything that was learned of one line."""

    place: LinePlace
    facts: GenerationFacts
    glob: str = ""
    made: Made | None = None
    found: Found = field(default_factory=Found)
    raw_committed: int | None = None
    """What the stream reads next of the partition of raw; None where it is not known."""
    docs_committed: int | None = None
    raw_missed: int = 0
    """Records of the partition that retention took from the stream, which has nothing more
    to read; 0 where there is something left."""
    docs_missed: int = 0
    """Likewise, from the indexer."""
    around: range = range(0)
    """Which event numbers the line may have, between those of the documents around it;
    empty where its own is known, or nobody asked."""
    placed_index: str = ""
    """Where its document goes by its file's placement alone; empty where its time decides."""
    held_indices: Mapping[str, str] = field(default_factory=dict[str, str])
    """By index, why the indexers on this machine hold what goes to it."""


def index_of(witness: Witness) -> str:
    """Return the index in which the line's document belongs, empty where nobody can tell."""
    made = witness.made
    return (made.index if made is not None else "") or witness.placed_index


def is_stored_once(witness: Witness) -> bool:
    """Return whether a line is where it should be, and as it was stored."""
    return len(witness.found.documents) == 1 and not witness.found.altered


def dropped_reason(witness: Witness) -> str:
    """Return why a line was dropped; empty where it was not, or that is not known.

    Of what a rule left out, the rules of today tell which.
    """
    stream, number = witness.facts.stream, witness.place.event_number
    if stream is None or witness.found.documents or witness.found.dead:
        return ""
    may_be = witness.around if number is None else range(number, number + 1)
    for reason in sorted(UNSENT & stream.dropped_spans.keys()):
        dropped = NumberSet.of(stream.dropped_spans[reason])
        if may_be and dropped.within(may_be).count == len(may_be):
            return reason
    reason = witness.made.left_out_by if witness.made is not None else ""
    is_so = reason in stream.dropped and left_out_around(witness) > 0
    return reason if is_so else ""


def left_out_around(witness: Witness) -> int:
    """Return how many events rules left out of the part of the file where a line stands."""
    number, facts = witness.place.event_number, witness.facts
    if number is None:
        return sum(facts.left_out_by_reason.values())
    return facts.left_out().get(number // WINDOW_EVENTS, (0, 0))[0]


def hops(witness: Witness) -> tuple[HopVerdict, ...]:
    """Return each hop's verdict, in the order of the flow."""
    return (
        _source(witness),
        _agent(witness),
        _kafka(witness),
        _stream(witness),
        _indexer(witness),
    )


def _source(witness: Witness) -> HopVerdict:
    agent = witness.facts.agent
    if agent is None:
        text = "no agent's word of this generation: it came from another collector"
        return HopVerdict(hop="source", state=State.UNKNOWN, text=text)
    by = f", by the glob {witness.glob}" if witness.glob else ""
    placement = agent.placement
    to = f", for the indices of {placement.index}" if placement.index else ""
    text = (
        f"{agent.path} on {agent.host_name} is read for the source {agent.source!r}{by},"
        f" as {placement.dataset}{to}"
    )
    return HopVerdict(hop="source", state=State.DONE, text=text)


def _agent(witness: Witness) -> HopVerdict:
    agent, place = witness.facts.agent, witness.place
    if agent is None:
        return HopVerdict(hop="agent", state=State.UNKNOWN, text="not shipped by ours")
    lost = _lost_text(agent.lost_bytes)
    if place.offset < agent.next_offset:
        number = "" if place.event_number is None else f", event {place.event_number}"
        done = _SENT_OF.get(dropped_reason(witness), "sent")
        text = (
            f"{done}: offset {place.offset}{number}, and Kafka has acknowledged"
            f" everything before {agent.next_offset}{lost}"
        )
        return HopVerdict(hop="agent", state=State.DONE, text=text)
    if _is_past_stream(witness):
        text = f"sent; the ledger's word follows within seconds{lost}"
        return HopVerdict(hop="agent", state=State.DONE, text=text)
    text = (
        f"not sent yet: Kafka has acknowledged up to {agent.next_offset} of"
        f" {agent.seen_size_bytes} bytes seen, and the line is at {place.offset}{lost}"
    )
    return HopVerdict(hop="agent", state=State.WAITING, text=text)


def _lost_text(lost_bytes: Mapping[str, int]) -> str:
    """Return what the agent declared lost of a file, with a reason for each part."""
    # A reason with no bytes says how a life of the file ended, and that it took nothing.
    parts = [
        f"{count} bytes {reason}"
        for reason, count in sorted(lost_bytes.items())
        if count
    ]
    return f"; of this file it declared lost: {', '.join(parts)}" if parts else ""


def _kafka(witness: Witness) -> HopVerdict:
    facts = witness.facts
    partition = facts.partition
    text = f"partition {partition} of raw and docs"
    if witness.raw_committed is not None:
        text += f"; the stream has committed up to {witness.raw_committed}"
    if witness.docs_committed is not None:
        text += f", the indexer up to {witness.docs_committed}"
    if _is_past_stream(witness):
        return HopVerdict(hop="kafka", state=State.DONE, text=text)
    agent = facts.agent
    is_sent = agent is None or witness.place.offset < agent.next_offset
    if witness.raw_missed and is_sent:
        text = f"MISSING: {_missed_text(witness.raw_missed, reader='stream')}; {text}"
        return HopVerdict(hop="kafka", state=State.MISSING, text=text)
    return HopVerdict(hop="kafka", state=State.WAITING, text=text)


def _missed_text(count: int, *, reader: str) -> str:
    return (
        f"Kafka's retention took {count} records that the {reader} had not read, and"
        " nothing is left to be read; `tailrace audit --repair` has its file sent again"
    )


def _stream(witness: Witness) -> HopVerdict:
    stream, made, place = witness.facts.stream, witness.made, witness.place
    text = ""
    if made is not None and made.dead_reason:
        text = f"no document can be made of it: {made.dead_reason}"
    elif made is not None:
        known = (
            f"parsed by {made.parser}"
            if made.is_recognised
            else f"not recognised by {made.parser}, kept as it is"
        )
        text = f"{known}, for {made.dataset}"
    if stream is not None and any(a <= place.offset < b for a, b in stream.gaps):
        gap = f"it never reached the stream, which has read beyond it; {text}"
        return HopVerdict(hop="stream", state=State.MISSING, text=gap.strip("; "))
    if not _is_past_stream(witness):
        return HopVerdict(
            hop="stream", state=State.WAITING, text=f"not read yet; {text}".strip("; ")
        )
    reason = dropped_reason(witness)
    if reason:
        return HopVerdict(hop="stream", state=State.REFUSED, text=_dropped_text(reason))
    if stream is not None and stream.dropped and not witness.found.documents:
        counts = [
            f"{count} {reason}" for reason, count in sorted(stream.dropped.items())
        ]
        text += f"; of this file it dropped events: {', '.join(counts)}"
    is_dead = any(each.startswith("stream:") for each in witness.found.dead)
    state = State.REFUSED if is_dead else State.DONE
    return HopVerdict(hop="stream", state=state, text=text.strip("; ") or "read")


def _dropped_text(reason: str) -> str:
    rule = reason.partition(":")[2]
    if reason.startswith(SAMPLED):
        text = f"left out of the sample that the rule {rule!r} takes (`{reason}`)"
    else:
        text = _DROPPED.get(reason, f"left out by the rule {rule!r} (`{reason}`)")
    return text if not rule else f"{text}, as rules are today"


def _indexer(witness: Witness) -> HopVerdict:
    found, made = witness.found, witness.made
    if found.documents:
        text = f"stored as {', '.join(found.documents)}"
        if found.delivered:
            text += f"; it was a dead letter before: {', '.join(found.delivered)}"
        if len(found.documents) > 1:
            text += ": more than once, which `tailrace audit` counts as a failure"
            return HopVerdict(hop="indexer", state=State.DOUBLED, text=text)
        if found.altered:
            text += f", and altered since: {found.altered[0]}"
            if not witness.facts.is_foreign:
                text += (
                    "; delete it, and `tailrace audit --repair` has it sent again from its"
                    " file"
                )
            return HopVerdict(hop="indexer", state=State.ALTERED, text=text)
        text += _otherwise_today(found, made)
        return HopVerdict(hop="indexer", state=State.DONE, text=text)
    if found.dead:
        text = f"dead: {'; '.join(found.dead)}"
        return HopVerdict(hop="indexer", state=State.REFUSED, text=text)
    if dropped_reason(witness):
        text = "nothing to store: it was dropped"
        return HopVerdict(hop="indexer", state=State.REFUSED, text=text)
    index = index_of(witness)
    held = witness.held_indices.get(index)
    if held is not None:
        text = f"held: {index} takes nothing now: {held}"
        return HopVerdict(hop="indexer", state=State.WAITING, text=text)
    return _indexer_without(witness, index=index)


def _indexer_without(witness: Witness, *, index: str) -> HopVerdict:
    """Return what is to be said of a line of which there is nothing."""
    indexer = witness.facts.indexer
    if indexer is None or witness.place.offset >= indexer.next_offset:
        reached = 0 if indexer is None else indexer.next_offset
        if witness.docs_missed and _is_past_stream(witness):
            text = f"MISSING: {_missed_text(witness.docs_missed, reader='indexer')}"
            return HopVerdict(hop="indexer", state=State.MISSING, text=text)
        text = f"not stored yet: it has stored up to offset {reached}"
        return HopVerdict(hop="indexer", state=State.WAITING, text=text)
    if witness.found.perhaps_dead:
        text = (
            "not there; it is one of the events of a dead letter that begins before it, or"
            f" stands behind them: {'; '.join(witness.found.perhaps_dead)}; `tailrace"
            " audit` tells whether one is missing"
        )
        return HopVerdict(hop="indexer", state=State.UNKNOWN, text=text)
    taken = sum(
        record.document_count
        for record in witness.facts.retention
        if not index or base_of(record.index) == index
    )
    if taken:
        of = f"{index} with {taken}" if index else f"{taken}"
        text = (
            f"not there; retention took {of} documents of this file, and it may be one"
            " of them"
        )
        return HopVerdict(hop="indexer", state=State.UNKNOWN, text=text)
    if left_out := left_out_around(witness):
        text = (
            f"not there; rules left {left_out} events out of this part of its file, and it"
            " may be one of them, by rules that were others then; `tailrace audit` tells"
            " whether one is missing"
        )
        return HopVerdict(hop="indexer", state=State.UNKNOWN, text=text)
    where = f"its index, {index}," if index else "the index"
    text = (
        f"MISSING: everything before offset {indexer.next_offset} was stored, and it is"
        f" neither in {where} nor among the dead letters"
    )
    if not witness.facts.is_foreign:
        text += "; `tailrace audit --repair` has it sent again from its file"
    return HopVerdict(hop="indexer", state=State.MISSING, text=text)


def _otherwise_today(found: Found, made: Made | None) -> str:
    """Return where today's code would store the line, if that is another place."""
    if made is None or not made.index or found.is_where_computed:
        return ""
    places = [each.rpartition("/") for each in found.documents]
    if made.document_id:
        # A replay by today's code has put it there, one revision further.
        if any((base_of(i), d) == (made.index, made.document_id) for i, _, d in places):
            return ""
        return (
            f"; today's code would store it as {made.index}/{made.document_id}, so"
            " the line, its time or the parser was another then"
        )
    if any(base_of(index) == made.index for index, _, _ in places):
        return ""
    return (
        f"; today's code would store it in {made.index}, so its time or the parser was"
        " another then"
    )


def _is_past_stream(witness: Witness) -> bool:
    stream, indexer = witness.facts.stream, witness.facts.indexer
    offset = witness.place.offset
    return any(
        word is not None and offset < word.next_offset for word in (stream, indexer)
    )
