"""What stands in a report of PostgreSQL's beside its words: how long it took, and if it is bad."""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers.shared import ms_as_ns

# Of any language: a word, the milliseconds and their unit, then the step and its query.
_DURATION = (
    r"^[^0-9:]{1,24}:? ([0-9.]{1,20}) [^\s,0-9]{1,8}"
    r"(?:(?:  |, )([^\s:]{1,24}(?: [^\s:]{1,63})?) ?: ((?s:.*)))?$"
)
_STEP = r"^(\S+)(?: (\S+))?$"
# Classes of SQLSTATE that are no error: success, warning, no data.
_HARMLESS = r"^0[012]"
_FAULTS = ("error", "fatal", "panic")


def with_duration(frame: pl.DataFrame) -> pl.DataFrame:
    """Read what `log_duration` and its like say of `text`, where `severity` is `log`.

    Columns `duration_ns`, `step`, `step_name` and `took_query` come of it.
    """
    is_log = (frame.get_column("severity") == "log").fill_null(value=False)
    text = frame.get_column("text")
    asked = frame.select(pl.when(is_log).then(text)).to_series()
    took = asked.str.extract_groups(_DURATION)
    took = took.struct.rename_fields(["ms", "steps", "took_query"]).struct.unnest()
    steps = took.get_column("steps").str.extract_groups(_STEP)
    named = steps.struct.rename_fields(["step", "step_name"]).struct.unnest()
    made = frame.with_columns(*took.get_columns(), *named.get_columns())
    return made.with_columns(
        ms_as_ns("ms").alias("duration_ns"),
        pl.when(pl.col("step_name") != "<unnamed>").then(pl.col("step_name")),
    ).drop("ms", "steps")


def report_columns() -> list[pl.Expr]:
    """Return the fields that `with_duration` and the state give."""
    state, severity = pl.col("state"), pl.col("severity")
    by_level = severity.is_in(_FAULTS)
    is_fault = (
        pl.when(state.is_null())
        .then(by_level)
        .otherwise(by_level & ~state.str.contains(_HARMLESS))
    )
    return [
        severity.alias("log.level"),
        state.alias("postgresql.log.sql_state_code"),
        pl.col("duration_ns").alias("event.duration"),
        pl.col("step").alias("postgresql.log.query_step"),
        pl.col("step_name").alias("postgresql.log.query_name"),
        pl.when(is_fault)
        .then(pl.lit(pl.Series([["error"]])))
        .when(severity.is_not_null())
        .then(pl.lit(pl.Series([["info"]])))
        .alias("event.type"),
    ]
