"""What PostgreSQL says in its log, in any language, with the usual prefixes; or as CSV, JSON.

The names of the fields are those of Elastic's integration `postgresql`, data stream `log`.
A line that tells more of the report before it, such as `DETAIL` or `STATEMENT`, has that in
the field of its name and no level, so that one error counts once.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers.columns import (
    MATCHED,
    MESSAGE,
    by_shape,
    has,
    in_order,
    with_rows,
)
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.postgresql_labels import PARTS, SEVERITIES
from tailrace_stream.parsers.postgresql_records import parse_csv, parse_json
from tailrace_stream.parsers.postgresql_report import report_columns, with_duration
from tailrace_stream.parsers.postgresql_times import MOMENT, moment_columns
from tailrace_stream.parsers.shared import always, whole

_LABEL = "|".join(sorted({*SEVERITIES, *PARTS}, key=len, reverse=True))
_WHEN = ("moment", "fraction", "zone")
_SAID = rf"({_LABEL}) ?: {{1,3}}((?s:.*))$"
_NAMES = ("pid", "line", "line2", "sequence", "prefix", "label", "text")
_SHAPES = (
    # %m or %t, the process and its line, and whatever else, such as `%q%u@%d `
    (
        (
            rf"^{MOMENT} (?:\[([0-9]{{1,10}})(?:-([0-9]{{1,10}}))?\]:? ?)?"
            rf"(?:\[([0-9]{{1,10}})-([0-9]{{1,10}})\] ?)?([^\n]*?){_SAID}"
        ),
        (*_WHEN, *_NAMES),
    ),
    # As a hosted service writes it: %t:%r:%u@%d:[%p]:
    (
        (
            rf"^{MOMENT}:([^\s()]*?)(?:\(([0-9]{{1,5}})\))?:([^@\n]*?)@"
            rf"([^\n]*?):\[([0-9]{{1,10}})\]:{_SAID}"
        ),
        (*_WHEN, "client", "port", "user", "database", "pid", "label", "text"),
    ),
)
_USED = (*_WHEN, *_NAMES, "client", "port", "user", "database")
_LOGIN = r"^\[?([^@=,\s\[\]]+)\]?@\[?([^@=,\s\[\]]+)\]? ?$"
# A class of two characters and one more; none is without a digit in the fourth place.
_STATE = r"^([0-9A-Z]{3}[0-9][0-9A-Z]): ((?s:.*))$"


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line; `log_destination` tells which of three kinds."""
    rows = pl.int_range(len(lines), eager=True)
    is_json = lines.str.starts_with("{")
    is_csv = lines.str.contains(rf"^{MOMENT},") & ~is_json
    kinds = ((is_json, parse_json), (is_csv, parse_csv), (~is_json & ~is_csv, _text))
    return in_order(
        [
            with_rows(read(lines.filter(is_one), dating), rows.filter(is_one))
            for is_one, read in kinds
        ]
    )


def _text(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    frame = has(by_shape(lines, _SHAPES), *_USED)
    frame = _with_prefix(_with_report(frame))
    part = pl.col("part")
    return frame.select(
        MATCHED,
        *moment_columns(dating),
        *report_columns(),
        whole("pid").alias("process.pid"),
        pl.coalesce("line2", "line")
        .cast(pl.Int64, strict=False)
        .alias("postgresql.log.session_line_number"),
        whole("sequence").alias("postgresql.log.sequence_number"),
        pl.col("user").alias("user.name"),
        pl.col("database").alias("postgresql.log.database"),
        pl.col("application").alias("postgresql.log.application_name"),
        pl.col("client").alias("postgresql.log.client_addr"),
        whole("port").alias("postgresql.log.client_port"),
        pl.coalesce("took_query", pl.when(part == "query").then(pl.col("text"))).alias(
            "postgresql.log.query"
        ),
        *[
            pl.when(part == name).then(pl.col("text")).alias(f"postgresql.log.{name}")
            for name in ("detail", "hint", "internal_query", "context", "location")
        ],
        pl.when(part == "backtrace").then(pl.col("text")).alias("error.stack_trace"),
        always(["database"]).alias("event.category"),
        pl.col("text").alias(MESSAGE),
    )


def _with_report(frame: pl.DataFrame) -> pl.DataFrame:
    """Tell severities from parts of a report, and what a severity's text begins with."""
    label = pl.col("label")
    frame = frame.with_columns(
        label.replace_strict(SEVERITIES, default=None, return_dtype=pl.String).alias(
            "severity"
        ),
        label.replace_strict(PARTS, default=None, return_dtype=pl.String).alias("part"),
    )
    states = frame.get_column("text").str.extract_groups(_STATE)
    told = states.struct.rename_fields(["state", "rest"]).struct.unnest()
    frame = frame.with_columns(told).with_columns(
        pl.coalesce("rest", "text").alias("text")
    )
    return with_duration(frame)


def _with_prefix(frame: pl.DataFrame) -> pl.DataFrame:
    """Read who asked, from `user@database` or from pairs such as `app=psql`."""
    prefix = frame.get_column("prefix")
    login = prefix.str.extract_groups(_LOGIN)
    named = login.struct.rename_fields(["login", "login_database"]).struct.unnest()
    pairs = {
        name: prefix.str.extract(rf"(?:^|[,\s]){key}=([^,\s]+)(?:[,\s]|$)")
        for name, key in (
            ("pair_user", "user"),
            ("pair_database", "db"),
            ("application", "app"),
            ("pair_client", "client"),
        )
    }
    made = frame.with_columns(
        *named.get_columns(), *[one.alias(name) for name, one in pairs.items()]
    )

    def told(*names: str) -> pl.Expr:
        value = pl.coalesce(*names)
        return pl.when(~value.is_in(["", "[unknown]"])).then(value)

    return made.with_columns(
        told("user", "login", "pair_user").alias("user"),
        told("database", "login_database", "pair_database").alias("database"),
        told("client", "pair_client").alias("client"),
        told("application").alias("application"),
    )
