"""Which part of the raw topic is read again, and whether Kafka still holds all of it.

Pure. What retention took cannot be read again, and to pass over it in silence would make
"nothing changed" of what nobody looked at: such a span is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tailrace.errors import CommandFailed
from tailrace.moments import moment_text
from tailrace.topics import DAY_MS, PARTITIONS, RAW
from tailrace.wire import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a person asks for."""

    since_ms: int | None = None
    """When its records came to Kafka, by the brokers' clock: from this moment on."""
    until_ms: int | None = None
    partitions: frozenset[int] = frozenset()
    """Empty for all."""
    first_offset: int | None = None
    end_offset: int | None = None
    """The first offset that is not read any more."""
    hosts: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    """Patterns as a shell has them, any of which is enough; empty for all."""

    def takes(self, origin: Origin) -> bool:
        """Tell whether a chunk is meant, by what its origin says."""
        return (
            _is_any(origin.host_name, self.hosts)
            and _is_any(origin.path, self.files)
            and _is_any(origin.placement.dataset, self.datasets)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What Kafka holds of one partition."""

    begin: int
    """The oldest offset; above 0 retention, or somebody, has taken what was before."""
    end: int
    since: tuple[int, int] | None = None
    """Offset and time of the first record of the asked moment or later; None for none."""
    until_offset: int | None = None
    """Of the first record that is too late; None where there is none."""


def parse_offsets(text: str) -> tuple[int | None, int | None]:
    """Read `FROM:TO`, either of which may be left out; TO is not read any more.

    Raises:
        CommandFailed: it is no such pair.
    """
    first, colon, end = text.partition(":")
    try:
        start = int(first) if first else None
        stop = int(end) if end else None
    except ValueError:
        colon = ""
        start = stop = None
    is_empty = start is not None and stop is not None and stop <= start
    if not colon or is_empty or (start or 0) < 0 or (stop or 0) < 0:
        raise CommandFailed(
            f"--offsets must be FROM:TO with FROM below TO, got {text!r}.",
            remedy="write --offsets 1200:1300 for the records 1200 to 1299; either may"
            " be left out, and --offsets : is all that Kafka holds",
        )
    return start, stop


def spans_of(
    choice: Choice, held: Mapping[int, Held], *, now_ms: int
) -> dict[int, range]:
    """Return by partition which offsets are read.

    Raises:
        CommandFailed: there is no such partition, or retention took a part of the span.
    """
    unknown = sorted(choice.partitions - held.keys())
    if unknown:
        raise CommandFailed(
            f"The raw topic has no partition {unknown[0]}.",
            remedy=f"its partitions are 0 to {max(held, default=PARTITIONS - 1)}",
        )
    chosen = {
        number: each
        for number, each in sorted(held.items())
        if not choice.partitions or number in choice.partitions
    }
    taken = [
        why
        for number, each in chosen.items()
        if (why := _taken(choice, each, partition=number, now_ms=now_ms))
    ]
    if taken:
        more = f", and {len(taken) - 3} more" if len(taken) > 3 else ""
        raise CommandFailed(
            f"Kafka does not hold all of this span any more: {'; '.join(taken[:3])}{more}.",
            remedy="ask for a later --since, or for what is left with --offsets; what"
            f" retention took (after {RAW.retention_ms // DAY_MS} days, if nobody set"
            " another time) can only be shipped again from its files",
        )
    return {number: _span(choice, each) for number, each in chosen.items()}


def _taken(choice: Choice, held: Held, *, partition: int, now_ms: int) -> str:
    """Return what of the span is gone from a partition, "" where all of it is there."""
    if choice.first_offset is not None and choice.first_offset < held.begin:
        return (
            f"partition {partition} begins at offset {held.begin}, not at"
            f" {choice.first_offset}"
        )
    if choice.since_ms is None or held.begin == 0:
        return ""
    if held.since is None:
        # Whether what was taken had come after that moment, nobody can tell any more;
        # what is younger than the retention was not taken.
        is_young = choice.since_ms >= now_ms - RAW.retention_ms
        is_empty = held.begin == held.end
        return "" if is_young or not is_empty else f"partition {partition} is empty"
    offset, at_ms = held.since
    if offset > held.begin or at_ms <= choice.since_ms:
        return ""
    return f"partition {partition} begins with a record of {moment_text(at_ms)}"


def _span(choice: Choice, held: Held) -> range:
    start, stop = held.begin, held.end
    if choice.since_ms is not None:
        start = held.end if held.since is None else held.since[0]
    if choice.first_offset is not None:
        start = max(start, choice.first_offset)
    if held.until_offset is not None:
        stop = min(stop, held.until_offset)
    if choice.end_offset is not None:
        stop = min(stop, choice.end_offset)
    return range(start, max(start, stop))


def _is_any(value: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)
