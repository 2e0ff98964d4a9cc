"""What MySQL, MariaDB and Percona Server write of slow statements, from 5.5 on.

The names of the fields are those of Elastic's integration `mysql`, data stream `slowlog`. An
entry has several lines, which the agent joins (rule `slowlog`): when, who, what it cost, each
behind `#`, and the statement.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers.addresses import with_address
from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    extract,
)
from tailrace_stream.parsers.dating import NONE, Dating, zoneless_ns
from tailrace_stream.parsers.shared import always
from tailrace_stream.times import ISO, believable, fraction_ns, iso_columns_ns

_ENTRY = r"^((?:# (?:Time|User@Host|Thread_id|Schema|Query_time): [^\n]*)(?:\n#[^\n]*)*)(?:\n((?s:.*)))?$"
_BANNER = (
    r"^(?:[^\s,]{1,256}, Version: [^\n]{1,256} started with:|Tcp port: |TCP Port: "
    r"|Time +Id +Command +Argument)"
)
_TIME = rf"^# Time: (?:{ISO}|([0-9]{{6}})  ?([0-9]{{1,2}}:[0-9][0-9]:[0-9][0-9]))"
_WHO = (
    r"(?:^|\n)# User@Host: ([^\[\n]{0,256}?)(?:\[([^\]\n]{0,256})\])? @ +"
    r"([^\s\[]{0,256}) *\[([^\]\n]{0,256})\]"
)
_STATEMENT = (
    r"^(?:use ([^;\n]{1,256});\r?\n)?"
    r"(?:SET [^;\n]{0,256}?timestamp=([0-9]{1,10})(?:\.([0-9]{1,9}))?[^;\n]{0,256};\r?\n?)?"
    r"((?s:.*))$"
)
_SLOW = "mysql.slowlog."
_COUNTS = {
    "rows_sent": "Rows_sent",
    "rows_examined": "Rows_examined",
    "rows_affected": "Rows_affected",
    "bytes_sent": "Bytes_sent",
    "bytes_received": "Bytes_received",
    "read_first": "Read_first",
    "read_last": "Read_last",
    "read_key": "Read_key",
    "read_next": "Read_next",
    "read_prev": "Read_prev",
    "read_rnd": "Read_rnd",
    "read_rnd_next": "Read_rnd_next",
    "sort_merge_passes": "Sort_merge_passes",
    "sort_range_count": "Sort_range_count",
    "sort_rows": "Sort_rows",
    "sort_scan_count": "Sort_scan_count",
    "merge_passes": "Merge_passes",
    "tmp_tables": "(?:Created_tmp_tables|Tmp_tables)",
    "tmp_disk_tables": "(?:Created_tmp_disk_tables|Tmp_disk_tables)",
    "tmp_table_sizes": "Tmp_table_sizes",
    "log_slow_rate_limit": "Log_slow_rate_limit",
    "innodb.io_r_ops": "InnoDB_IO_r_ops",
    "innodb.io_r_bytes": "InnoDB_IO_r_bytes",
    "innodb.pages_distinct": "InnoDB_pages_distinct",
}
_SECONDS = {
    "lock_time.sec": "Lock_time",
    "innodb.io_r_wait.sec": "InnoDB_IO_r_wait",
    "innodb.rec_lock_wait.sec": "InnoDB_rec_lock_wait",
    "innodb.queue_wait.sec": "InnoDB_queue_wait",
}
_WORDS = {
    "last_errno": "(?:Last_errno|Errno)",
    "killed": "Killed",
    "log_slow_rate_type": "Log_slow_rate_type",
    "innodb.trx_id": "InnoDB_trx_id",
}
_TRUTHS = {
    "query_cache_hit": "QC_[Hh]it",
    "tmp_table": "Tmp_table",
    "tmp_table_on_disk": "Tmp_table_on_disk",
    "filesort": "Filesort",
    "filesort_on_disk": "Filesort_on_disk",
    "priority_queue": "Priority_queue",
    "full_scan": "Full_scan",
    "full_join": "Full_join",
}
_NS_PER_SECOND = 1_000_000_000
_SECONDS_MAX = 9e9


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each entry; what the server says at its start has none."""
    frame = extract(lines, _ENTRY, ("head", "said"))
    head = frame.get_column("head")
    frame = frame.with_columns(
        lines.str.contains(_BANNER).alias("_banner"),
        *_groups(head, _TIME, ("moment", "fraction", "zone", "short", "clock")),
        *_groups(head, _WHO, ("user", "current", "peer_name", "peer")),
        *_groups(
            frame.get_column("said"), _STATEMENT, ("use", "second", "part", "query")
        ),
        # What it cost, without the names of who asked, which are the client's to choose.
        head.str.replace(_WHO, "").alias("cost"),
    )
    frame = with_address(frame, "peer", side="source")
    times = frame.select(_time_ns(dating)).to_series()
    query = pl.col("query").str.strip_chars_end("\r\n")
    query = pl.when(query != "").then(query)
    seconds = _number("Query_time")
    is_told = pl.col("second").is_not_null() | pl.col("zone").is_not_null()
    schema = pl.coalesce(
        pl.col("use").str.strip_chars("`"), _value("Schema", r"[^\s:]+")
    )
    return frame.select(
        (pl.col(MATCHED) | pl.col("_banner")).alias(MATCHED),
        times.alias(TIME_NS),
        ~is_told.fill_null(value=True).alias(GUESSED),
        _filled("user").alias("user.name"),
        pl.coalesce(_filled("peer_name"), "source.address").alias("source.domain"),
        "source.ip",
        _whole("(?:Id|Thread_id)").alias("mysql.thread_id"),
        _filled("current").alias(_SLOW + "current_user"),
        schema.alias(_SLOW + "schema"),
        *(_whole(key).alias(_SLOW + name) for name, key in _COUNTS.items()),
        *(_number(key).alias(_SLOW + name) for name, key in _SECONDS.items()),
        *(_value(key, r"\w+").alias(_SLOW + name) for name, key in _WORDS.items()),
        *(_truth(key).alias(_SLOW + name) for name, key in _TRUTHS.items()),
        pl.when(seconds.is_between(0, _SECONDS_MAX))
        .then((seconds * _NS_PER_SECOND).round(0).cast(pl.Int64, strict=False))
        .alias("event.duration"),
        _moment("Start").alias("event.start"),
        _moment("End").alias("event.end"),
        always(["database"]).alias("event.category"),
        always(["info"]).alias("event.type"),
        query.alias(_SLOW + "query"),
        query.alias(MESSAGE),
    )


def _groups(texts: pl.Series, pattern: str, names: tuple[str, ...]) -> list[pl.Series]:
    groups = texts.str.extract_groups(pattern).struct.rename_fields(list(names))
    return groups.struct.unnest().get_columns()


def _time_ns(dating: Dating) -> pl.Expr:
    """Return when the statement was, as its `SET timestamp` has it for whom repeats it."""
    second = pl.col("second").cast(pl.Int64, strict=False)
    set_ns = believable(second * _NS_PER_SECOND + fraction_ns(pl.col("part")))
    short = pl.col("short")
    moment = pl.concat_str(
        pl.lit("20"),
        short.str.slice(0, 2),
        pl.lit("-"),
        short.str.slice(2, 2),
        pl.lit("-"),
        short.str.slice(4, 2),
        pl.lit(" "),
        pl.col("clock").str.zfill(8),
    )
    return pl.coalesce(
        set_ns,
        iso_columns_ns(dating.time_zone),
        zoneless_ns(moment, fraction=NONE, dating=dating),
    )


def _value(key: str, value: str) -> pl.Expr:
    return pl.col("cost").str.extract(rf"(?:^|[ \n]){key}: *({value})(?:[ \r\n]|$)", 1)


def _whole(key: str) -> pl.Expr:
    return _value(key, "[0-9]{1,19}").cast(pl.Int64, strict=False)


def _number(key: str) -> pl.Expr:
    return _value(key, r"[0-9]{1,18}(?:\.[0-9]{1,18})?").cast(pl.Float64, strict=False)


def _truth(key: str) -> pl.Expr:
    return _value(key, "Yes|No") == "Yes"


def _moment(key: str) -> pl.Expr:
    return _value(
        key,
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]"
        r"(?:\.[0-9]{1,9})?Z",
    )


def _filled(column: str) -> pl.Expr:
    text = pl.col(column)
    return pl.when(text != "").then(text)
