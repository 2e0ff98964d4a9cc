"""What Elasticsearch before 8 says in lines of text: its slow logs, and who asked for what.

Named as its lines of JSON are, so that the two differ in nothing that a search would see.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    extract,
)
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.log4j import LEVEL, WHEN
from tailrace_stream.parsers.shared import whole
from tailrace_stream.times import ISO, iso_columns_ns

_SLOW = "elasticsearch.slowlog."
_SLOW_LINE = (
    rf"^\[{ISO}\]\[{LEVEL} *\]\[(i[a-z.]{{1,64}}) *\] (?:\[([^\]\n]*)\] )?"
    r"(\[([^\]/\n]+)(?:/[^\]\n]*)?\](?:\[([0-9]{1,9})\])? took\[([^\]\n]*)\],"
    r" took_millis\[([0-9]{1,18})\],(?s:.*))$"
)
_SLOW_NAMES = (
    *(*WHEN, "log.level", "log.logger", "elasticsearch.node.name", MESSAGE),
    *("elasticsearch.index.name", "elasticsearch.shard.id", f"{_SLOW}took"),
    f"{_SLOW}duration",
)
_SLOW_WORDS = {
    "search_type": r", search_type\[([A-Z_]{1,64})\]",
    "source": r", source\[((?s:.+?))\](?:, id\[[^\]\n]*\])?,? *$",
    "stats": r", stats\[([^\]\n]+)\]",
    "total_hits": r", total_hits\[([^\]\n]+)\]",
    "types": r", types?\[([^\]\n]+)\]",
}
_SLOW_HEAD = r"^((?s:.*?))(?:, source\[|$)"
"""What no client wrote, but for its names: of who asked, and of what."""
_AUDIT = "elasticsearch.audit."
_AUDIT_LINE = (
    rf"^\[{ISO}\] (?:\[([^\]\n]{{1,256}})\] )?(?:\[[^\]\n]{{1,256}}\] ){{0,2}}"
    r"\[(rest|transport|ip_filter)\] \[([a-z_]{1,64})\][ \t]+((?s:.*))$"
)
_AUDIT_BODY = r"(?:^|, )request_body=\[(?s:.*)$"
_AUDIT_PAIR = r"[A-Za-z_.-]{1,64}=\[(?:\[[^\]\n]*\])?[^\]\n]*\]+, ?"
_AUDIT_NAMES = (
    *(*WHEN, "elasticsearch.node.name", f"{_AUDIT}layer", "event.action", "said"),
)
_AUDIT_WORDS = {
    f"{_AUDIT}action": "action",
    f"{_AUDIT}origin.type": "origin_type",
    f"{_AUDIT}realm": "realm",
    f"{_AUDIT}request.name": "request",
    "peer": "origin_address",
    "uri": "uri",
    "user.effective.name": "run_as_principal",
    "user.name": "principal",
}


def parse_slow(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line of a slow log; `id` is a document's, or who asked."""
    frame = extract(lines, _SLOW_LINE, _SLOW_NAMES)
    said = pl.col(MESSAGE)
    return frame.with_columns(
        pl.col("log.level").str.to_lowercase(),
        whole(f"{_SLOW}duration").alias(f"{_SLOW}duration"),
        *(
            said.str.extract(pattern).alias(_SLOW + word)
            for word, pattern in _SLOW_WORDS.items()
        ),
        # Behind the source, of who asked; in front of it, a document's.
        pl.coalesce(
            said.str.extract(r"\], id\[([^\]\n]+)\],? *$"),
            said.str.extract(_SLOW_HEAD).str.extract(r"^(?s:.*), id\[([^\]\n]+)\]"),
        ).alias(f"{_SLOW}id"),
        said.str.extract(r", total_shards\[([0-9]{1,9})\]")
        .cast(pl.Int64, strict=False)
        .alias(f"{_SLOW}total_shards"),
        *_when(dating),
    ).drop(WHEN)


def parse_audit(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line of the audit, `peer` and `peer_port` being its origin's."""
    frame = extract(lines, _AUDIT_LINE, _AUDIT_NAMES)
    # What a client sends could name anybody.
    said = pl.col("said").str.replace(_AUDIT_BODY, "")
    frame = frame.with_columns(
        # Each is in brackets behind its word, and no value has one that closes; what
        # looks like a pair within a value is none.
        said.str.extract(rf"^(?:{_AUDIT_PAIR})*?{word}=\[([^\]\n]*)\]").alias(name)
        for name, word in _AUDIT_WORDS.items()
    )
    parts = frame.get_column("uri").str.splitn("?", 2).struct
    return frame.with_columns(
        parts.field("field_0").alias("url.path"),
        parts.field("field_1").alias("url.query"),
        pl.lit(None, pl.String).alias("peer_port"),
        *_when(dating),
    ).drop(*WHEN, "said", "uri")


def _when(dating: Dating) -> tuple[pl.Expr, pl.Expr]:
    return (
        iso_columns_ns(dating.time_zone).alias(TIME_NS),
        (pl.col(MATCHED) & pl.col("zone").is_null()).alias(GUESSED),
    )
