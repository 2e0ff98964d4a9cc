"""When PostgreSQL says something: a moment with the abbreviation of its `log_timezone`."""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers.columns import GUESSED, TIME_NS, extract
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.times import iso_ns, iso_texts

MOMENT = (
    r"([0-9]{4}-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9])(?:\.([0-9]{1,9}))?"
    r" ([A-Z]{1,6}|[+-][0-9][0-9](?::?[0-9][0-9])?)"
)
"""Three groups: the second, its fraction, the zone."""

# Those that mean one offset wherever they are used; IST, CST or BST do not.
_OFFSETS = {
    **dict.fromkeys(["UTC", "GMT", "Z", "WET"], "+0000"),
    **dict.fromkeys(["CET", "WEST"], "+0100"),
    **dict.fromkeys(["CEST", "EET"], "+0200"),
    **dict.fromkeys(["EEST", "MSK"], "+0300"),
    **dict.fromkeys(["JST", "KST"], "+0900"),
    **dict.fromkeys(["AEST"], "+1000"),
    **dict.fromkeys(["AEDT"], "+1100"),
    **dict.fromkeys(["NZST"], "+1200"),
    **dict.fromkeys(["NZDT"], "+1300"),
    **dict.fromkeys(["EDT"], "-0400"),
    **dict.fromkeys(["EST", "CDT"], "-0500"),
    **dict.fromkeys(["MDT"], "-0600"),
    **dict.fromkeys(["MST", "PDT"], "-0700"),
    **dict.fromkeys(["PST", "AKDT"], "-0800"),
    **dict.fromkeys(["AKST"], "-0900"),
    **dict.fromkeys(["HST"], "-1000"),
}


def moment_texts(texts: pl.Series, dating: Dating) -> pl.Series:
    """Return moments that are written so as documents have them; null where one is none."""
    names = ("moment", "fraction", "zone")
    frame = extract(texts, rf"^{MOMENT}$", names)
    return iso_texts(frame.select(*moment_columns(dating)).get_column(TIME_NS))


def moment_columns(dating: Dating) -> list[pl.Expr]:
    """Return the time of `moment`, `fraction` and `zone`, and whether it is guessed.

    An abbreviation that means several offsets is read in the zone of the file.
    """
    written = pl.col("zone")
    numeric = pl.when(written.str.contains(r"^[+-]")).then(
        written.str.replace(":", "", literal=True).str.pad_end(5, "0")
    )
    named = written.replace_strict(_OFFSETS, default=None, return_dtype=pl.String)
    zone = pl.coalesce(numeric, named)
    return [
        iso_ns(
            pl.col("moment"),
            fraction=pl.col("fraction"),
            zone=zone,
            time_zone=dating.time_zone,
        ).alias(TIME_NS),
        zone.is_null().alias(GUESSED),
    ]
