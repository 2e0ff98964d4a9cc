"""Which settings a source of a file should have: each with a confidence and its evidence.

Asks what the agent asks at first sight (`detect`, `rule_for`, `format_of`), so what is proposed
is what would be chosen, written down and explained; and what it does not ask: the zone. Of
times it speaks last, when the rest was applied: it tells those that were read, and no others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tailrace.detect import (
    AUTO,
    CSV,
    GENERIC,
    Detection,
    detect,
    inner_parser,
    sample_lines,
    shape_of,
)
from tailrace.guess.encoding import Writing
from tailrace.guess.times import (
    ReadTime,
    TimeFormat,
    format_of_times,
    format_seen,
    zone_of,
)
from tailrace.multiline.auto import RULE_OF_PARSER, rule_for
from tailrace.multiline.container import format_of as container_of
from tailrace.multiline.container import text_place
from tailrace.multiline.joining import joiner_of
from tailrace.multiline.journald import JOURNALD, begins_entry
from tailrace.tables import table_of
from tailrace.wire import MultilineRule

Value = str | tuple[str, ...]
CONFIDENCE_MIN = 0.5
"""Below it a setting is told, and left as it is unless its user says otherwise."""
JOINED_LINES_MAX = 500
JOINED_BYTES_MAX = 256 * 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """One thing that was told from the file."""

    setting: str
    """A key of a source; or `time_format`, which is no setting and read by the parser."""
    value: Value | None
    """None where the setting is best left out."""
    confidence: float
    evidence: str

    @property
    def is_taken(self) -> bool:
        """Tell whether the proposed configuration has it."""
        is_setting = self.setting != "time_format" and self.value is not None
        return is_setting and self.confidence >= CONFIDENCE_MIN


def propose(text: bytes, *, path: str, writing: Writing) -> tuple[Guess, ...]:
    """Return what to say of a source that has this file, but for its times.

    `text` are its first bytes, in UTF-8.
    """
    lines = sample_lines(text)
    container = container_of(text)
    is_journal = begins_entry(text)
    found = detect(text, path=path)
    guesses = [
        Guess(
            setting="encoding",
            value=writing.setting,
            confidence=writing.confidence,
            evidence=writing.evidence,
        )
    ]
    if is_journal or container is not None:
        guesses += _written_by(container or JOURNALD, text)
        return tuple(guesses)
    guesses += _dataset(found, text, lines, path=path)
    return (*guesses, _multiline(text, parser=found.parser))


def with_times(
    guesses: Sequence[Guess],
    events: Sequence[ReadTime],
    *,
    tail: bytes,
    host_time_zone: str,
    written_at_ms: int | None,
) -> tuple[Guess, ...]:
    """Return what `propose` said, and what to say of times.

    `events` are the first ones as the proposal reads them, `tail` the last bytes;
    `written_at_ms` is when the file was written last, None where nobody knows.
    """
    if any(one.setting == "format" for one in guesses):
        return tuple(
            guesses
        )  # Who wrote it around each line dates that, with its zone.
    told = format_of_times(events)
    times = [_time_format(told, events)]
    if any(event.at is not None for event in events):
        zone = _zone(
            told,
            events,
            tail=tail,
            host_time_zone=host_time_zone,
            written_at_ms=written_at_ms,
        )
        times.append(zone)
    *before, multiline = guesses
    return (*before, *times, multiline)


def _written_by(name: str, text: bytes) -> list[Guess]:
    shape = "an entry of a journal's export" if name == JOURNALD else f"{name}'s shape"
    guesses = [
        Guess(
            setting="format",
            value=name,
            confidence=1.0,
            evidence=f"the first lines have {shape}; their times name their zone",
        )
    ]
    if name == JOURNALD:
        return guesses
    inner = _inner_text(text)
    within = detect(inner, path="")
    is_known = within.dataset != GENERIC and inner_parser(within.dataset) is not None
    # Where some lines have a shape and others none, or another, each is looked at.
    left_out = AUTO if within.confidence else None
    guesses.append(
        Guess(
            setting="inner",
            value=within.dataset if is_known else left_out,
            confidence=within.confidence if is_known else 1 - within.confidence,
            evidence="in the container's text, "
            + _evidence_of(within, sample_lines(inner)),
        )
    )
    return guesses


def _inner_text(text: bytes) -> bytes:
    lines: list[bytes] = []
    at = 0
    while (end := text.find(b"\n", at)) >= 0:
        start, stop = text_place(text, at, end)
        lines.append(text[start:stop].removesuffix(b"\\n"))
        at = end + 1
    # The text of Docker stands within a string of JSON.
    return b"\n".join(lines).replace(b'\\"', b'"') + b"\n"


def _dataset(
    found: Detection, text: bytes, lines: Sequence[bytes], *, path: str
) -> list[Guess]:
    is_known = found.dataset != GENERIC
    guesses = [
        Guess(
            setting="dataset",
            value=found.dataset if is_known else AUTO,
            confidence=found.confidence if is_known else 1 - found.confidence,
            evidence=_evidence_of(found, lines),
        )
    ]
    table = found.table or (table_of(text, path=path) if found.parser == CSV else None)
    if table is not None and not table.has_header:
        guesses.append(
            Guess(
                setting="columns",
                value=table.columns,
                confidence=CONFIDENCE_MIN,
                evidence="the first line holds values and names no columns: name them",
            )
        )
    return guesses


def _evidence_of(found: Detection, lines: Sequence[bytes]) -> str:
    count = len(lines)
    if not count:
        return "there is no line to look at"
    if found.table is not None:
        columns = found.table.columns
        kind = "names" if found.table.has_header else "has"
        return f"the first line {kind} {len(columns)} columns, and the others have them"
    if found.dataset != GENERIC:
        agreed = round(found.confidence * count)
        return f"lines looked at that have its shape: {agreed} of {count}"
    shapes = Counter(shape_of(line) or "of no known shape" for line in lines)
    named = ", ".join(f"{number} {name}" for name, number in shapes.most_common(5))
    if len(shapes) == 1 and not found.confidence:
        return f"lines looked at that have a known shape: none of {count}"
    return f"no shape has most of the lines looked at: {named}; each is read by its own"


def _time_format(told: TimeFormat | None, events: Sequence[ReadTime]) -> Guess:
    count = len(events)
    read_count = sum(event.at is not None for event in events)
    if not read_count:
        seen = format_seen(events)
        looks = f": what looks like one, as `{seen}`, no parser reads" if seen else ""
        evidence = f"no line has a time{looks}; it will be the time at which it is read"
        return _left_out("time_format", 1.0 if events else 0.0, evidence)
    if told is None:
        evidence = (
            f"events looked at whose time is read: {read_count} of {count}, in a form"
            " that no name is for"
        )
        return _left_out("time_format", read_count / count, evidence)
    return Guess(
        setting="time_format",
        value=told.shown,
        confidence=told.line_count / count,
        evidence=f"events looked at whose time is read so: {told.line_count} of {count}",
    )


def _zone(
    told: TimeFormat | None,
    events: Sequence[ReadTime],
    *,
    tail: bytes,
    host_time_zone: str,
    written_at_ms: int | None,
) -> Guess:
    if not any(event.is_guessed for event in events):
        evidence = "each time that is read names its zone, or needs none"
        return _left_out("time_zone", 1.0, evidence)
    zone = zone_of(
        told, tail=tail, host_time_zone=host_time_zone, written_at_ms=written_at_ms
    )
    return Guess(
        setting="time_zone",
        value=zone.name,
        confidence=zone.confidence,
        evidence=f"{zone.evidence}; times are marked `guessed`",
    )


def _multiline(text: bytes, *, parser: str) -> Guess:
    whole = text[: text.rfind(b"\n") + 1] or text
    name = rule_for(text, parser=parser)
    if name is None:
        evidence = f"each line of {parser} is an event"
        return _left_out("multiline", 1.0, evidence)
    rule = MultilineRule(
        rule=name, max_lines=JOINED_LINES_MAX, max_bytes=JOINED_BYTES_MAX
    )
    joined = joiner_of(rule).group(whole, len(whole), seen_bytes=len(whole)).joined
    if not joined:
        evidence = (
            f"no line looked at goes on with the one before, by the rule `{name}`"
        )
        return _left_out("multiline", CONFIDENCE_MIN, evidence)
    longest = max(whole.count(b"\n", one.start, one.end) + 1 for one in joined)
    events = "1 event has" if len(joined) == 1 else f"{len(joined)} events have"
    evidence = f"{events} several lines, up to {longest}"
    if parser in RULE_OF_PARSER:
        return _left_out("multiline", 1.0, f"{evidence}: {parser} joins them")
    return Guess(
        setting="multiline",
        value=name,
        confidence=0.7 if name == "trace" else 0.9,
        evidence=f"{evidence}, by this rule",
    )


def _left_out(setting: str, confidence: float, evidence: str) -> Guess:
    return Guess(setting=setting, value=None, confidence=confidence, evidence=evidence)
