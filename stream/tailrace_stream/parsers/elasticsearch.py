"""What Elasticsearch says of itself: server, deprecations, slow searches, audit; JSON or text.

The names of the fields are those of Elastic's integration `elasticsearch`. Its lines of JSON
name them in part already: as ECS since 8, by words of their own in 7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from tailrace_stream.parsers import elasticsearch_text, log4j
from tailrace_stream.parsers.addresses import with_address
from tailrace_stream.parsers.columns import (
    MATCHED,
    MESSAGE,
    has,
    in_order,
    with_rows,
)
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.fields import TIME
from tailrace_stream.parsers.keyed import parse_keyed
from tailrace_stream.parsers.shared import NS_PER_MS, always, whole

_OF_ALL = {
    "@timestamp": TIME,
    "timestamp": TIME,
    "log.level": "log.level",
    "level": "log.level",
    "message": MESSAGE,
    "event.code": "event.code",
    "key": "event.code",
    "process.thread.name": "process.thread.name",
    "log.logger": "log.logger",
    "component": "log.logger",
    "trace.id": "trace.id",
    "elasticsearch.cluster.name": "elasticsearch.cluster.name",
    "cluster.name": "elasticsearch.cluster.name",
    "elasticsearch.cluster.uuid": "elasticsearch.cluster.uuid",
    "cluster.uuid": "elasticsearch.cluster.uuid",
    "elasticsearch.node.id": "elasticsearch.node.id",
    "node.id": "elasticsearch.node.id",
    "elasticsearch.node.name": "elasticsearch.node.name",
    "node.name": "elasticsearch.node.name",
    "error.type": "error.type",
    "error.message": "error.message",
    "error.stack_trace": "error.stack_trace",
}
_SLOW = "elasticsearch.slowlog."
_SLOW_WORDS = ("search_type", "source", "stats", "took", "total_hits", "types", "id")
_OF_SLOWLOG = {
    **_OF_ALL,
    "elasticsearch.slowlog.message": MESSAGE,
    **{_SLOW + word: _SLOW + word for word in _SLOW_WORDS},
    **{word: _SLOW + word for word in _SLOW_WORDS},
    _SLOW + "total_shards": _SLOW + "total_shards",
    "total_shards": _SLOW + "total_shards",
    _SLOW + "took_millis": _SLOW + "duration",
    "took_millis": _SLOW + "duration",
}
_SLOW_NUMBERS = frozenset({_SLOW + "total_shards", _SLOW + "duration"})
_SLOW_WRITTEN = frozenset(_SLOW + word for word in ("source", "stats", "types"))
"""Lists and objects in lines of 7, where those of 8 have texts."""
_AUDIT = "elasticsearch.audit."
_OF_AUDIT = {
    **_OF_ALL,
    "event.action": "event.action",
    "event.type": _AUDIT + "layer",
    "authentication.type": _AUDIT + "authentication.type",
    "origin.type": _AUDIT + "origin.type",
    "origin.address": "origin",
    "user.name": "user.name",
    "user.realm": _AUDIT + "user.realm",
    "user.run_as.name": "user.effective.name",
    "realm": _AUDIT + "realm",
    "request.id": "http.request.id",
    "request.name": _AUDIT + "request.name",
    "request.method": "http.request.method",
    "url.path": "url.path",
    "url.query": "url.query",
    "action": _AUDIT + "action",
    "opaque_id": _AUDIT + "opaque_id",
}
_Read = Callable[[pl.Series, Dating], pl.DataFrame]
_ORIGIN = r"^\[?(.*?)\]?:([0-9]{1,5})$"
_DENIED = r"denied|failed|tampered"
_SHARD = r"^\[([a-zA-Z0-9_.-]+)\]\[([0-9]{1,9})\]"


def parse_server(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line of the server's own log."""
    return _of_both(lines, dating)


def parse_deprecation(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line that tells what will be gone."""
    return _of_both(lines, dating)


def parse_slowlog(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line of the slow logs, of searching and of indexing."""
    frame = _by_form(lines, dating, json=_slow_json, text=elasticsearch_text.parse_slow)
    took = pl.col(_SLOW + "duration")
    is_sane = took.is_between(0, 9_000_000_000)
    return _categorised(
        frame.with_columns(
            pl.when(is_sane).then(took * NS_PER_MS).alias("event.duration")
        )
    )


def _slow_json(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    frame = _json(
        lines,
        dating,
        names=_OF_SLOWLOG,
        numbers=_SLOW_NUMBERS,
        written=_SLOW_WRITTEN,
    )
    for number in sorted(_SLOW_NUMBERS - set(frame.columns)):
        frame = frame.with_columns(pl.lit(None, pl.Int64).alias(number))
    shard = frame.get_column(MESSAGE).str.extract_groups(_SHARD)
    names = ["elasticsearch.index.name", "elasticsearch.shard.id"]
    return frame.with_columns(
        *shard.struct.rename_fields(names).struct.unnest().get_columns()
    )


def parse_audit(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line that tells who asked for what, and if they may."""
    frame = _by_form(
        lines, dating, json=_audit_json, text=elasticsearch_text.parse_audit
    )
    frame = with_address(frame, "peer", side="source")
    path, query = pl.col("url.path"), pl.col("url.query")
    action = pl.col("event.action")
    return frame.with_columns(
        whole("peer_port").alias("source.port"),
        pl.when(query.is_null())
        .then(path)
        .otherwise(pl.concat_str(path, pl.lit("?"), query))
        .alias("url.original"),
        pl.when(action.str.contains(_DENIED))
        .then(pl.lit("failure"))
        .when(action.str.contains("granted|success"))
        .then(pl.lit("success"))
        .alias("event.outcome"),
        always(["database", "authentication"]).alias("event.category"),
        always(["info"]).alias("event.type"),
    ).drop("peer_port")


def _audit_json(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    frame = _json(lines, dating, names=_OF_AUDIT)
    frame = has(frame, "origin", "event.action", "url.path", "url.query")
    origin = frame.get_column("origin").str.extract_groups(_ORIGIN)
    parts = origin.struct.rename_fields(["peer", "peer_port"]).struct.unnest()
    return frame.with_columns(*parts.get_columns()).drop("origin")


def _of_both(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    return _categorised(_by_form(lines, dating, json=_all_json, text=_all_text))


def _all_json(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    return _json(lines, dating, names=_OF_ALL)


def _all_text(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    text = log4j.parse(lines, time_zone=dating.time_zone)
    return text.rename({"service.node.name": "elasticsearch.node.name"})


def _by_form(
    lines: pl.Series, dating: Dating, *, json: _Read, text: _Read
) -> pl.DataFrame:
    """Return what each line says, of JSON and of text; a file may have both."""
    rows = pl.int_range(len(lines), eager=True)
    is_json = lines.str.starts_with("{")
    return in_order(
        [
            with_rows(text(lines.filter(~is_json), dating), rows.filter(~is_json)),
            with_rows(json(lines.filter(is_json), dating), rows.filter(is_json)),
        ]
    )


def _json(
    lines: pl.Series,
    dating: Dating,
    *,
    names: Mapping[str, str],
    numbers: frozenset[str] = frozenset(),
    written: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    frame = parse_keyed(
        lines,
        names=names,
        numbers=numbers,
        is_one=_is_one,
        time_zone=dating.time_zone,
        written=written,
    )
    frame = has(frame, "log.level", MESSAGE)
    return frame.with_columns(
        pl.col("log.level").str.strip_chars(" ").str.to_lowercase()
    )


def _is_one(record: Mapping[str, object]) -> bool:
    has_time = "@timestamp" in record or "timestamp" in record
    return has_time and bool(
        record.keys()
        & {"elasticsearch.node.id", "node.id", "node.name", "cluster.name"}
        or record.get("service.name") == "ES_ECS"
    )


def _categorised(frame: pl.DataFrame) -> pl.DataFrame:
    """Add ECS' categories; a line of a stack trace alone has none."""
    is_fault = pl.col("log.level").is_in(["error", "fatal"])
    has_level = pl.col(MATCHED) & pl.col("log.level").is_not_null()
    return frame.with_columns(
        pl.when(has_level)
        .then(pl.lit(pl.Series([["database"]])))
        .alias("event.category"),
        pl.when(has_level & is_fault)
        .then(pl.lit(pl.Series([["error"]])))
        .when(has_level)
        .then(pl.lit(pl.Series([["info"]])))
        .alias("event.type"),
    )
