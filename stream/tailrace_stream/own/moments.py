"""How times are read that a user describes: `%d/%b/%Y:%H:%M:%S %z`, `iso8601`, `unix_ms`.

A format becomes a linear regex whose groups are put in the order of ISO 8601, so that all
times come out of the same two functions (`tailrace_stream.times`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tailrace_stream.own.dissect import re_text
from tailrace_stream.own.pattern import PatternProblem
from tailrace_stream.times import (
    ISO,
    LAST_NS,
    believable,
    fraction_ns,
    iso_columns_ns,
    iso_ns,
    yearless_ns,
)

EPOCH_DIGITS = {"unix": 9, "unix_ms": 6, "unix_us": 3, "unix_ns": 0}
"""Counts since 1970, each with how many digits of nanoseconds one of it has."""
NAMED = ("iso8601", *EPOCH_DIGITS)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun",
           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # fmt: skip
# Which of them it is, if any, is asked of the few letters, and not of every line.
_MONTH_TEXT = r"([A-Za-z]{3})[a-z]{0,6}\.?"
_PARTS = {
    "Y": ("year", "([0-9]{4})"),
    "y": ("short_year", "([0-9]{2})"),
    "m": ("month", " ?([0-9]{1,2})"),
    "b": ("month_name", _MONTH_TEXT),
    "d": ("day", " ?([0-9]{1,2})"),
    "H": ("hour", " ?([0-9]{1,2})"),
    "I": ("half_hour", " ?([0-9]{1,2})"),
    "p": ("half", "([AaPp])\\.?[Mm]\\.?"),
    "M": ("minute", "([0-9]{1,2})"),
    "S": ("second", "([0-9]{1,2})"),
    "f": ("fraction", "([0-9]{1,9})[0-9]*"),
    "z": ("zone", "(Z|[+-][0-9]{2}(?::?[0-9]{2})?)"),
    "a": ("", "[A-Za-z]{3}[a-z]{0,6}"),
}
_SAME = {"B": "b", "h": "b", "e": "d", "k": "H", "l": "I", "A": "a"}
_LONG = {"T": "%H:%M:%S", "F": "%Y-%m-%d", "R": "%H:%M", "D": "%m/%d/%y"}
_ROW = "_row"


@dataclass(frozen=True, slots=True)
class Format:
    """One format of a time, ready to be asked."""

    source: str
    regex: str
    parts: tuple[str, ...]
    """What its groups are, in order."""


def time_format(source: str) -> Format:
    """Return a format, by its name or as `strptime` has it.

    Raises:
        PatternProblem: it is none, or leaves out what a time cannot be without.
    """
    if source == "iso8601":
        return Format(source, rf"^ *{ISO} *$", ("moment", "fraction", "zone"))
    if source in EPOCH_DIGITS:
        regex = r"^ *([0-9]{1,19})(?:[.,]([0-9]{1,9})[0-9]*)? *$"
        return Format(source, regex, ("count", "fraction"))
    regex, parts = _translated(source)
    _check(parts)
    return Format(source, rf"^ *{regex} *$", tuple(parts))


def _translated(source: str) -> tuple[str, list[str]]:
    for letter, meaning in _LONG.items():
        source = re.sub(rf"(?<!%)((?:%%)*)%{letter}", rf"\g<1>{meaning}", source)
    regex: list[str] = []
    parts: list[str] = []
    for part in re.findall(r"%[\s\S]?|\s+|[^%\s]", source):
        if part.isspace():
            regex.append("[ \\t]+")
            continue
        if part[0] != "%" or part == "%%":
            regex.append(re_text(part[-1]))
            continue
        letter = _SAME.get(part[1:], part[1:])
        if letter not in _PARTS:
            known = ", ".join(f"%{one}" for one in sorted({*_PARTS, *_SAME, *_LONG}))
            hint = (
                ": write the zone's letters as they stand, and say `zone`"
                if letter == "Z"
                else f": there are {known}, and the formats {', '.join(NAMED)}"
            )
            raise PatternProblem(f"has {part}, which is not known here{hint}")
        name, group = _PARTS[letter]
        if name in parts:
            raise PatternProblem(f"has {part} twice: write it once")
        if name:
            parts.append(name)
        regex.append(group)
    return "".join(regex), parts


def _check(parts: Sequence[str]) -> None:
    has = set(parts)
    if not parts:
        raise PatternProblem(
            f"has no part of a time: write one such as %Y-%m-%d %H:%M:%S, or one of"
            f" {', '.join(NAMED)}"
        )
    if "day" not in has or not has & {"month", "month_name"}:
        raise PatternProblem("has no day of a month: a time needs %d with %m or %b")
    if {"half_hour", "half"} & has and not {"half_hour", "half"} <= has:
        raise PatternProblem("has one of %I and %p, which need each other")
    if {"hour", "half_hour"} <= has or {"year", "short_year"} <= has:
        raise PatternProblem("says the hour or the year twice")
    if not has & {"year", "short_year"} and "zone" in has:
        raise PatternProblem("has a zone and no year: leave %z out, and say `zone`")
    if {"month", "month_name"} <= has:
        raise PatternProblem("says the month twice")


def times_of(
    texts: pl.Series,
    formats: Sequence[Format],
    *,
    time_zone: str,
    is_zone_told: bool,
    anchor_ms: int,
) -> tuple[pl.Series, pl.Series]:
    """Return the time of each text in nanoseconds, and whether a part was guessed.

    Each format is asked for what those before it left; null is what none reads.
    """
    rows = pl.int_range(len(texts), eager=True).alias(_ROW)
    times = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(texts))
    guessed = pl.repeat(False, len(texts), eager=True)  # noqa: FBT003
    left = rows.filter(texts.is_not_null())
    for one in formats:
        if not len(left):
            break
        groups = texts.gather(left).str.extract_groups(one.regex)
        frame = groups.struct.rename_fields(list(one.parts)).struct.unnest()
        read = _read(one, frame, time_zone=time_zone, anchor_ms=anchor_ms)
        is_read = read.is_not_null()
        if len(left) == len(texts) and is_read.all():
            return read, _is_guessed(one, frame, is_zone_told=is_zone_told)
        done = left.filter(is_read)
        times = times.scatter(done, read.filter(is_read))
        is_guessed = _is_guessed(one, frame, is_zone_told=is_zone_told)
        guessed = guessed.scatter(done, is_guessed.filter(is_read))
        left = left.filter(~is_read)
    return times, guessed


def _read(
    one: Format, frame: pl.DataFrame, *, time_zone: str, anchor_ms: int
) -> pl.Series:
    if one.source in EPOCH_DIGITS:
        return frame.select(_counted(EPOCH_DIGITS[one.source])).to_series()
    if one.source == "iso8601":
        return frame.select(iso_columns_ns(time_zone)).to_series()
    clock = pl.concat_str(
        [_hour(one.parts), *(_two(one.parts, name) for name in ("minute", "second"))],
        separator=":",
    )
    fraction = _part(one.parts, "fraction")
    if "year" in one.parts or "short_year" in one.parts:
        date = [_year(one.parts), _month(one.parts), _two(one.parts, "day")]
        moment = pl.concat_str(
            [pl.concat_str(date, separator="-"), clock], separator=" "
        )
        zone = _part(one.parts, "zone").str.replace(":", "", literal=True)
        is_short = zone.str.len_bytes() == 3
        hour_alone = pl.concat_str(zone, pl.lit("00"))
        whole = pl.when(is_short).then(hour_alone).otherwise(zone)
        time = iso_ns(moment, fraction=fraction, zone=whole, time_zone=time_zone)
    else:
        names = {f"{number:02d}": name for number, name in enumerate(_MONTHS, 1)}
        time = yearless_ns(
            _month(one.parts).replace_strict(
                names, default=None, return_dtype=pl.String
            ),
            day=_two(one.parts, "day"),
            clock=clock,
            fraction=fraction,
            anchor_ms=anchor_ms,
            time_zone=time_zone,
        )
    return frame.select(time).to_series()


def _is_guessed(one: Format, frame: pl.DataFrame, *, is_zone_told: bool) -> pl.Series:
    if one.source in EPOCH_DIGITS:
        return pl.repeat(False, frame.height, eager=True)  # noqa: FBT003
    has_year = one.source == "iso8601" or bool({"year", "short_year"} & {*one.parts})
    if not has_year:
        return pl.repeat(True, frame.height, eager=True)  # noqa: FBT003
    if is_zone_told or "zone" not in one.parts:
        return pl.repeat(not is_zone_told, frame.height, eager=True)
    return frame.get_column("zone").is_null()


def _counted(digits: int) -> pl.Expr:
    unit = 10**digits
    whole = pl.col("count").cast(pl.Int64, strict=False)
    whole = pl.when(whole <= LAST_NS // unit).then(whole)
    fraction = fraction_ns(pl.col("fraction")) // 10 ** (9 - digits)
    return believable(whole * unit + fraction)


def _part(parts: Sequence[str], name: str) -> pl.Expr:
    return pl.col(name) if name in parts else pl.lit(None, pl.String).alias(name)


def _two(parts: Sequence[str], name: str) -> pl.Expr:
    return pl.col(name).str.zfill(2) if name in parts else pl.lit("00")


def _year(parts: Sequence[str]) -> pl.Expr:
    if "year" in parts:
        return pl.col("year")
    short = pl.col("short_year")
    # As POSIX has it: 69 to 99 are of the last century.
    century = pl.when(short >= "69").then(pl.lit("19")).otherwise(pl.lit("20"))
    return pl.concat_str(century, short)


def _month(parts: Sequence[str]) -> pl.Expr:
    if "month" in parts:
        return _two(parts, "month")
    numbers = {name.lower(): f"{number:02d}" for number, name in enumerate(_MONTHS, 1)}
    name = pl.col("month_name").str.to_lowercase()
    return name.replace_strict(numbers, default=None, return_dtype=pl.String)


def _hour(parts: Sequence[str]) -> pl.Expr:
    if "hour" in parts:
        return _two(parts, "hour")
    if "half_hour" not in parts:
        return pl.lit("00")
    given = pl.col("half_hour").cast(pl.Int64, strict=False)
    # Twelve comes first; what is past it is no hour of a half, and no time.
    hour = pl.when(given.is_between(1, 12)).then(given % 12)
    is_after = pl.col("half").str.to_lowercase() == "p"
    after = pl.when(is_after).then(hour + 12).otherwise(hour)
    return after.cast(pl.String).str.zfill(2)
