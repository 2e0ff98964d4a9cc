"""What PostgreSQL says as CSV (`csvlog`) or JSON (`jsonlog`): the same report in columns.

A line becomes one Python object here, as a JSON line does: its columns are quoted.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping

import polars as pl

from tailrace_stream.parsers.columns import MATCHED, MESSAGE, extract
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.json_objects import object_of
from tailrace_stream.parsers.postgresql_labels import SEVERITIES
from tailrace_stream.parsers.postgresql_report import report_columns, with_duration
from tailrace_stream.parsers.postgresql_times import (
    MOMENT,
    moment_columns,
    moment_texts,
)
from tailrace_stream.parsers.shared import always, whole

_LOG = "postgresql.log."
# In their order, as the documentation of csvlog has them; 13, 14 and later ones add theirs.
_COLUMNS = (
    *("timestamp", "user", "dbname", "pid", "connection_from", "session_id"),
    *("line_num", "ps", "session_start", "vxid", "txid", "error_severity"),
    *("state_code", "message", "detail", "hint", "internal_query"),
    *("internal_position", "context", "statement", "cursor_position", "location"),
    *("application_name", "backend_type", "leader_pid", "query_id"),
)
_COLUMNS_MIN = 23
_TEXTS = {
    "user": "user.name",
    "dbname": _LOG + "database",
    "session_id": _LOG + "session_id",
    "ps": _LOG + "command_tag",
    "vxid": _LOG + "virtual_transaction_id",
    "detail": _LOG + "detail",
    "hint": _LOG + "hint",
    "internal_query": _LOG + "internal_query",
    "context": _LOG + "context",
    "location": _LOG + "location",
    "application_name": _LOG + "application_name",
    "backend_type": _LOG + "backend_type",
    "remote_host": _LOG + "client_addr",
}
_NUMBERS = {
    "pid": "process.pid",
    "line_num": _LOG + "session_line_number",
    "txid": _LOG + "transaction_id",
    "internal_position": _LOG + "internal_query_pos",
    "cursor_position": _LOG + "query_pos",
    "remote_port": _LOG + "client_port",
}
_KEYS = (
    *("timestamp", "error_severity", "state_code", "message", "statement"),
    "session_start",
    *_TEXTS,
    *_NUMBERS,
)
_Record = Mapping[str, str | None]


def parse_csv(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line of `csvlog`."""
    return _frame([_csv_record(line) for line in lines], dating)


def parse_json(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line of `jsonlog`, of PostgreSQL 15 and later."""
    return _frame([_json_record(line) for line in lines], dating)


def _csv_record(line: str) -> _Record | None:
    try:
        (values,) = csv.reader([line], strict=True)
    # More than one row, or none; or a quote that does not end.
    except (csv.Error, ValueError):
        return None
    if len(values) < _COLUMNS_MIN:
        return None
    record = dict(zip(_COLUMNS, (value or None for value in values), strict=False))
    host, _, port = (record["connection_from"] or "").rpartition(":")
    is_local = record["connection_from"] == "[local]"
    return {
        **record,
        "remote_host": record["connection_from"] if is_local else host or None,
        "remote_port": None if is_local else port or None,
    }


def _json_record(line: str) -> _Record | None:
    found = object_of(line)
    if found is None or not {"timestamp", "pid", "error_severity"} <= found.keys():
        return None
    if "file_name" in found:
        function = found.get("func_name")
        place = f"{found['file_name']}:{found.get('file_line_num')}"
        found["location"] = f"{function}, {place}" if function else place
    return {
        key: value if isinstance(value, str) else str(value)
        for key in _KEYS
        if isinstance(value := found.get(key), str | int)
    }


def _frame(records: list[_Record | None], dating: Dating) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            key: pl.Series([one and one.get(key) for one in records], dtype=pl.String)
            for key in _KEYS
        }
    )
    frame = frame.rename({"state_code": "state", "message": "text"})
    when = extract(frame["timestamp"], rf"^{MOMENT}$", ("moment", "fraction", "zone"))
    frame = frame.with_columns(
        *when.drop(MATCHED).get_columns(),
        moment_texts(frame["session_start"], dating).alias(_LOG + "session_start_time"),
        pl.Series(MATCHED, [one is not None for one in records], pl.Boolean),
        pl.col("error_severity")
        .replace_strict(SEVERITIES, default=None, return_dtype=pl.String)
        .alias("severity"),
    )
    frame = with_duration(frame)
    return frame.select(
        MATCHED,
        *moment_columns(dating),
        *report_columns(),
        pl.coalesce("statement", "took_query").alias(_LOG + "query"),
        _LOG + "session_start_time",
        *[pl.col(key).alias(field) for key, field in _TEXTS.items()],
        *[whole(key).alias(field) for key, field in _NUMBERS.items()],
        always(["database"]).alias("event.category"),
        pl.when(MATCHED).then(pl.col("text").fill_null("")).alias(MESSAGE),
    )
