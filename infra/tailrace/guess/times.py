"""How lines write the times that are read of them, and which zone those are in that name none.

A time that nobody reads is no line's time, however much it looks like one. The zone is told by
when the file was written last: that is when its last line was.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LOOKED_AT_BYTES = 512
"""Of a line: a time stands near its head."""
MOMENTS_MAX = 8
"""Of one form in a line: the one that is read is rarely the last of many."""
WRITTEN_AFTER_MS_MAX = 120_000
"""How long after its line's time a line may be written, and be taken for it."""
UNIX_UNITS = {"unix": 1, "unix_ms": 1_000}
"""How many units of a count since 1970 make a second."""
STEP_MINUTES = 15
"""Zones differ from UTC by multiples of it."""
OFFSET_MINUTES_MAX = 14 * 60

_CLOCK = rb"\d\d:\d\d:\d\d"
_ZONE = rb"(?P<zone> ?(?:Z\b|[+-]\d\d:?\d\d\b))?"
_FRACTION = rb"(?P<fraction>[.,]\d{1,9})?"
_KEY = rb"(?:^|[\s:,;\"'=\[({])"


@dataclass(frozen=True, slots=True)
class _Form:
    shown: str
    pattern: re.Pattern[bytes]
    has_zone: bool = False
    """Whether it says its zone by itself, as a count since 1970 does."""
    has_year: bool = True


_FORMS = (
    _Form(
        "%Y-%m-%d{joint}%H:%M:%S",
        re.compile(
            rb"(?P<moment>\d{4}-\d\d-\d\d[T ]" + _CLOCK + rb")" + _FRACTION + _ZONE
        ),
    ),
    _Form(
        "%d/%b/%Y:%H:%M:%S",
        re.compile(
            rb"(?P<moment>\d\d/[A-Z][a-z]{2}/\d{4}:"
            + _CLOCK
            + rb")"
            + _FRACTION
            + _ZONE
        ),
    ),
    _Form(
        "%Y/%m/%d %H:%M:%S",
        re.compile(
            rb"(?P<moment>\d{4}/\d\d/\d\d " + _CLOCK + rb")" + _FRACTION + _ZONE
        ),
    ),
    _Form(
        "%a %b %d %H:%M:%S %Y",
        re.compile(
            rb"(?P<moment>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d "
            + _CLOCK
            + rb"(?:\.\d{1,9})? \d{4})"
        ),
    ),
    _Form(
        "%d %b %Y %H:%M:%S",
        re.compile(
            rb"(?P<moment>\d{1,2} [A-Z][a-z]{2} \d{4} "
            + _CLOCK
            + rb")"
            + _FRACTION
            + _ZONE
        ),
    ),
    _Form(
        "%b %d %H:%M:%S",
        re.compile(rb"(?P<moment>[A-Z][a-z]{2} [ \d]\d " + _CLOCK + rb")" + _FRACTION),
        has_year=False,
    ),
    _Form(
        "%Y%m%d %H:%M:%S",
        re.compile(
            rb"^[IWEF](?P<moment>20\d\d[01]\d[0-3]\d " + _CLOCK + rb")" + _FRACTION
        ),
    ),
    _Form(
        "%m%d %H:%M:%S",
        re.compile(rb"^[IWEF](?P<moment>[01]\d[0-3]\d " + _CLOCK + rb")" + _FRACTION),
        has_year=False,
    ),
    _Form(
        "unix_ms",
        re.compile(_KEY + rb"(?P<moment>1\d{12})\b"),
        has_zone=True,
    ),
    _Form(
        "unix",
        re.compile(_KEY + rb"(?P<moment>1\d{9})(?:\.\d{1,9})?\b"),
        has_zone=True,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTime:
    """An event, and the time that its parser reads of it."""

    text: bytes
    at: datetime | None
    """In the zone that times were taken to be in which name none; None where none is read."""
    is_guessed: bool = False
    """Whether it names no zone, or no year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeFormat:
    """How most events write the time that is read of them, as `strptime` has it, or `unix`,
    `unix_ms`.
    """

    shown: str
    form: int
    line_count: int


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone, with what speaks for it."""

    name: str
    confidence: float
    evidence: str


def format_of_times(events: Sequence[ReadTime]) -> TimeFormat | None:
    """Return how most events write the time that is read of them.

    None where none is read, or those that are have a form that no name is for.
    """
    shown: Counter[tuple[int, str]] = Counter()
    counts: Counter[int] = Counter()
    for event in events:
        found = None if event.at is None else _time_at(event.text, event.at)
        if found is None:
            continue
        number, match = found
        counts[number] += 1
        shown[number, _shown(number, match)] += 1
    if not counts:
        return None
    number = counts.most_common(1)[0][0]
    usual = next(text for (form, text), _ in shown.most_common() if form == number)
    return TimeFormat(shown=usual, form=number, line_count=counts[number])


def format_seen(events: Sequence[ReadTime]) -> str | None:
    """Return what looks like a time in most of some events, read or not."""
    seen = Counter(
        _shown(*found)
        for found in (_first_time(event.text) for event in events)
        if found is not None
    )
    return seen.most_common(1)[0][0] if seen else None


def zone_of(
    told: TimeFormat | None,
    *,
    tail: bytes,
    host_time_zone: str,
    written_at_ms: int | None,
) -> Zone:
    """Return the zone of times that name none, by the last of them and the file's own."""
    host = Zone(
        host_time_zone, 0.4, f"no time names its zone; this host's is {host_time_zone}"
    )
    if written_at_ms is None or told is None:
        return host
    written = datetime.fromtimestamp(written_at_ms / 1_000, tz=UTC)
    naive = _last_moment(tail, told, year=written.year)
    if naive is None:
        return host
    for name in dict.fromkeys((host_time_zone, "UTC")):
        zone = _known(name)
        if zone is not None and _fits(naive.replace(tzinfo=zone), written):
            return Zone(
                name, 0.9, "by it the last line is as old as the file's last write"
            )
    minutes = (naive.replace(tzinfo=UTC) - written).total_seconds() / 60
    offset = round(minutes / STEP_MINUTES) * STEP_MINUTES
    # A line is written after its time, and hardly before.
    is_near = -WRITTEN_AFTER_MS_MAX <= (minutes - offset) * 60_000 <= 5_000
    if not is_near or abs(offset) > OFFSET_MINUTES_MAX:
        return Zone(
            host_time_zone,
            0.3,
            f"{host.evidence}, by which the last line and the file's last write differ",
        )
    shown = (
        f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    )
    said = f"the last line is as old as the file's last write by {shown}"
    if offset % 60:
        return Zone(host_time_zone, 0.2, f"{said}: say the zone that has it")
    # The signs of these names are those of POSIX: west of Greenwich is positive. A copied
    # file may be as old by chance, so this is told, and not taken.
    name = f"Etc/GMT{-offset // 60:+d}"
    return Zone(name, 0.45, f"{said}: say the place that has it")


def moment_of(line: bytes, *, time_zone: str | None, year: int) -> datetime | None:
    """Return the first time in a line; None where there is none, or it cannot be read.

    Where it names no zone, `time_zone` is its zone (None is this host's), and where no
    year, `year` is its year.
    """
    found = _first_time(line)
    if found is None:
        return None
    return _moment(
        *found, zone=None if time_zone is None else _known(time_zone), year=year
    )


def _moment(
    number: int, match: re.Match[bytes], *, zone: tzinfo | None, year: int
) -> datetime | None:
    form = _FORMS[number]
    moment = match["moment"].decode("ascii", "replace")
    if form.shown.startswith("unix"):
        return datetime.fromtimestamp(int(moment) / UNIX_UNITS[form.shown], tz=UTC)
    naive = _read_moment(moment, number, year=year)
    said = (match.groupdict().get("zone") or b"").decode("ascii").strip()
    if naive is None:
        return None
    if not said:
        return naive.astimezone() if zone is None else naive.replace(tzinfo=zone)
    try:
        return naive.replace(tzinfo=datetime.strptime(said, "%z").tzinfo)
    except ValueError:
        return None


def _time_at(text: bytes, at: datetime) -> tuple[int, re.Match[bytes]] | None:
    """Return the first time in a text that is the one which was read."""
    best: tuple[int, re.Match[bytes]] | None = None
    second = int(at.timestamp())
    for number, form in enumerate(_FORMS):
        places = form.pattern.finditer(text, 0, LOOKED_AT_BYTES)
        for match in islice(places, MOMENTS_MAX):
            if best is not None and match.start("moment") >= best[1].start("moment"):
                break
            moment = _moment(number, match, zone=at.tzinfo, year=at.year)
            if moment is not None and int(moment.timestamp()) == second:
                best = number, match
                break
    return best


def _first_time(line: bytes) -> tuple[int, re.Match[bytes]] | None:
    best: tuple[int, re.Match[bytes]] | None = None
    for number, form in enumerate(_FORMS):
        match = form.pattern.search(line, 0, LOOKED_AT_BYTES)
        if match is None:
            continue
        if best is None or match.start("moment") < best[1].start("moment"):
            best = number, match
    return best


def _shown(number: int, match: re.Match[bytes]) -> str:
    groups = match.groupdict()
    moment = match["moment"]
    shown = _FORMS[number].shown.replace(
        "{joint}", chr(moment[10]) if not number else ""
    )
    fraction, zone = groups.get("fraction"), groups.get("zone")
    if fraction:
        shown += f"{chr(fraction[0])}%f"
    if zone:
        shown += f"{' ' if zone.startswith(b' ') else ''}%z"
    return shown


def _last_moment(tail: bytes, told: TimeFormat, *, year: int) -> datetime | None:
    form = _FORMS[told.form]
    for line in reversed(tail.split(b"\n")):
        match = form.pattern.search(line, 0, LOOKED_AT_BYTES)
        if match is None or match.groupdict().get("zone"):
            continue
        return _read_moment(
            match["moment"].decode("ascii", "replace"), told.form, year=year
        )
    return None


def _read_moment(moment: str, number: int, *, year: int) -> datetime | None:
    """Return what a form's text says, in whatever zone it is."""
    form = _FORMS[number]
    source = form.shown.replace("{joint}", " ")
    text = moment.replace("T", " ") if not number else moment
    text = re.sub(r"\.\d+", "", text)
    if not form.has_year:
        text, source = f"{year} {text}", f"%Y {source}"
    try:
        return datetime.strptime(text, source)  # noqa: DTZ007  Its zone is another question.
    except ValueError:
        return None


def _fits(at: datetime, written: datetime) -> bool:
    late = written - at
    # A clock may be some seconds behind, and a fraction was left out.
    return timedelta(seconds=-5) <= late <= timedelta(milliseconds=WRITTEN_AFTER_MS_MAX)


def _known(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
